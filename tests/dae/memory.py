"""A ``SliceSource`` in memory, for tests of training and encoding."""

import hashlib

import numpy as np


class MemorySource:
    """Volumes with a class that is written into their pixels: a bright disc at one of two places."""

    def __init__(self, n=48, size=16, n_slices=1, seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size] / size
        self.classes = np.arange(n) % 2
        self.sample_ids = [f"{k:024x}" for k in range(n)]
        self.subjects = [f"s{k}" for k in range(n)]
        self.splits = ["val" if k % 8 == 7 else "train" for k in range(n)]
        self.volumes = []
        for c in self.classes:
            centre = (0.3, 0.3) if c else (0.7, 0.7)
            disc = (np.hypot(y - centre[0], x - centre[1]) < 0.2) * 1.2 - 0.6
            noise = rng.normal(0, 0.1, (n_slices, size, size))
            self.volumes.append(np.clip(disc + noise, -1, 1).astype(np.float32))
        self.spacing = [None] * n
        self.data_hash = hashlib.sha256(np.concatenate(self.volumes).tobytes()).hexdigest()

    def __len__(self):
        return len(self.volumes)

    def n_slices(self, i):
        return len(self.volumes[i])

    def read(self, i, which=None):
        return self.volumes[i] if which is None else self.volumes[i][list(which)]


class Interrupt:
    """A progress that stops the training after some images, as Ctrl-C would."""

    def __init__(self, after):
        self.left = after

    def task(self, label, total, unit):
        return self

    def advance(self, n=1, note=""):
        self.left -= n
        if self.left <= 0:
            raise KeyboardInterrupt

    def close(self):
        pass

    def say(self, message):
        pass


def train_tiny(source, folder, model, config, *, seed=51, progress=None):
    """Trains the diffusion autoencoder without a dataset."""
    from fiftyone_daebias.dae import trainer
    from fiftyone_daebias.dae.learn_dae import DaeLearner

    return trainer.train(source, folder, DaeLearner(model, config, seed=seed), config, seed=seed, progress=progress)
