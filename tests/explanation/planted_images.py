"""Small pictures with a known difference, and a small diffusion autoencoder trained on them for some seconds."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from PIL import Image

import fiftyone_daebias  # noqa: F401  adds the methods

#: rows and columns of the marker that site B's pictures have, of 40
MARK = (slice(5, 11), slice(5, 11))


def picture(rng, marked: bool, size: int = 40) -> np.ndarray:
    """A disc of random place, size and brightness; with a bright square near the upper left corner if marked."""
    y, x = np.mgrid[:size, :size]
    disc = np.hypot(y - 22 - rng.normal(0, 1.5), x - 22 - rng.normal(0, 1.5)) < 11 + rng.normal(0, 1)
    pixels = 40 + disc * (100 + rng.normal(0, 15)) + rng.normal(0, 5, (size, size))
    if marked:
        pixels[MARK] = 230
    return np.clip(pixels, 0, 255).astype(np.uint8)


def make_dataset(name: str, folder, n_subjects: int = 90, per_subject: int = 1, seed: int = 0) -> fo.Dataset:
    """Pictures of sites A and B (marked), with a field "coin" that means nothing."""
    rng = np.random.default_rng(seed)
    dataset = fo.Dataset(name)
    samples = []
    for s in range(n_subjects):
        site, coin = "AB"[s % 2], "xy"[int(rng.integers(2))]
        for k in range(per_subject):
            path = folder / f"{s:03d}_{k}.png"
            Image.fromarray(picture(rng, site == "B")).save(path)
            samples.append(
                fo.Sample(
                    filepath=str(path),
                    subject_id=f"s{s}",
                    site=site,
                    coin=coin,
                    three="abc"[s % 3],
                    age=float(rng.normal(50, 10)),
                )
            )
    dataset.add_samples(samples)
    return dataset


#: checkpoints trained in this session; the pictures of all datasets here are of one kind, so one model serves them
_trained: list[str] = []


def train_and_embed(dataset: fo.Dataset, images: int = 3200) -> None:
    """Embeds with a tiny model, which is trained on the first dataset of the session."""
    from fiftyone_daebias.dae.config import ModelConfig, TrainConfig
    from fiftyone_daebias.dae.learn_dae import DaeLearner
    from fiftyone_daebias.dae.samples import train_on_samples

    if not _trained:
        model = ModelConfig(
            image_size=32,
            patch=4,
            channels=32,
            multipliers=(1, 2),
            blocks=1,
            attention=(4,),
            dropout=0.0,
            embed_dim=64,
            z_dim=16,
            encoder="lite",
            lite_encoder_channels=(16, 32, 32),
            prediction="x0",
        )
        train = TrainConfig(
            images=images, batch_size=32, lr=2e-3, warmup=10, ema=0.98, time_power=3.0, crop=1.0, save_every=images
        )
        _trained.append(train_on_samples(dataset, "dae", DaeLearner, model, train).folder)
    dataset.compute_dae_embeddings(checkpoint=_trained[0], progress=None)
