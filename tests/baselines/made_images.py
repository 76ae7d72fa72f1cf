"""Eight images, or more, that differ in where and how large a bright disc is; in memory, read as a ``SliceSource``."""

import hashlib

import numpy as np


class MadeSource:
    """Discs at places given by the class, of a radius given by the number; subjects with two images each."""

    def __init__(self, n=8, size=16, seed=0, splits=None):
        rng = np.random.default_rng(seed)
        y, x = (np.mgrid[:size, :size] + 0.5) / size
        self.classes = np.arange(n) // 2 % 2
        self.numbers = np.repeat(rng.uniform(0.12, 0.32, (n + 1) // 2), 2)[:n]
        self.sample_ids = [f"{k:024x}" for k in range(n)]
        self.subjects = [f"s{k // 2}" for k in range(n)]
        self.splits = list(splits) if splits else ["train"] * n
        self.images = []
        for c, r in zip(self.classes, self.numbers, strict=True):
            centre = np.array([0.35, 0.35] if c else [0.65, 0.65]) + rng.uniform(-0.06, 0.06, 2)
            disc = 1 / (1 + np.exp((np.hypot(y - centre[0], x - centre[1]) - r) * 40)) * 1.4 - 0.7
            self.images.append(np.clip(disc, -1, 1).astype(np.float32)[None])
        self.spacing = [None] * n
        self.data_hash = hashlib.sha256(np.concatenate(self.images).tobytes()).hexdigest()

    def __len__(self):
        return len(self.images)

    def n_slices(self, i):
        return len(self.images[i])

    def read(self, i, which=None):
        return self.images[i] if which is None else self.images[i][list(which)]
