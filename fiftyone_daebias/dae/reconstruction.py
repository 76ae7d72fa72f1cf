"""The verb ``reconstruction``: how much of a held-out image z_sem and the stochastic code hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from .. import schema, store
from ..errors import InputError
from ..parameters import Advanced, CheckpointFolder, DdimSteps, Device, Seed
from ..progress import Progress, start
from ..rendering import Rendered, Table
from .batches import fixed_crop
from .checkpoint import load_model, read_facts
from .model import DiffusionAutoencoder
from .samples import open_together, pick_device, trained_checkpoint
from .ssim import mse, ssim

#: what an image is decoded from
FROM_BOTH, FROM_Z, FROM_OTHER = "z_sem and x_T", "z_sem, noise", "another image's z_sem, noise"
BATCH, RESAMPLED = 32, 1000


@dataclass(frozen=True)
class ReconstructionRow:
    """Held-out images decoded in one way.

    Attributes:
        source: what they were decoded from
        steps: DDIM steps
        mse: mean squared error of images in [-1, 1], mean over subjects
        mse_low: lower end of its 95 % subject-bootstrap interval
        mse_high: upper end
        ssim: structural similarity, mean over subjects
        ssim_low: lower end of its interval
        ssim_high: upper end
    """

    source: str
    steps: int
    mse: float
    mse_low: float
    mse_high: float
    ssim: float
    ssim_low: float
    ssim_high: float


@dataclass(frozen=True)
class Reconstruction(Rendered):
    """How well held-out images come back.

    Attributes:
        rows: one a way of decoding
        images: images decoded, the centre slice of each volume
        subjects: subjects they are of
        split: the split they are of
        invert_steps: DDIM steps to the stochastic code
        checkpoint: folder of the checkpoint
        checkpoint_hash: sha256 of its weights
        figures: what was drawn
    """

    rows: tuple[ReconstructionRow, ...]
    images: int
    subjects: int
    split: str
    invert_steps: int
    checkpoint: str
    checkpoint_hash: str
    figures: tuple[dict, ...] = ()

    def to_dict(self) -> dict:
        return {**self.__dict__, "rows": [asdict(r) for r in self.rows], "figures": list(self.figures)}

    def parts(self) -> list[str | Table]:
        cells = [("decoded from", "steps", "SSIM", "95 % interval", "MSE", "95 % interval")]
        for r in self.rows:
            cells.append(
                (
                    r.source,
                    str(r.steps),
                    f"{r.ssim:.3f}",
                    f"{r.ssim_low:.3f} to {r.ssim_high:.3f}",
                    f"{r.mse:.4f}",
                    f"{r.mse_low:.4f} to {r.mse_high:.4f}",
                )
            )
        head = (
            f"{self.images:,} held-out images of {self.subjects:,} subjects (split {self.split!r}); "
            f"x_T by {self.invert_steps} steps; checkpoint {self.checkpoint_hash[:12]}"
        )
        return [head, "", Table.of(cells)]


def reconstruction(
    samples,
    *,
    checkpoint: CheckpointFolder | None = None,
    images: Annotated[int, Ge(2)] = 32,
    steps: DdimSteps = (20, 50, 100),
    invert_steps: Annotated[int, Advanced] = 250,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Reconstruction:
    """Decodes held-out images from their codes and reports how alike they are: SSIM and MSE, with and without x_T.

    Decoding from another image's z_sem is reported beside it: where that is
    as good, the decoder does not use z_sem.

    Args:
        samples: a dataset or view; images of its test split are decoded, else of its validation split
        checkpoint: folder of another checkpoint of a diffusion autoencoder
        images: images to decode, of as many subjects as there are
        steps: numbers of DDIM steps to decode with
        invert_steps: DDIM steps from an image to its stochastic code x_T
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of the choice of images, of the noise and of the bootstrap

    Returns:
        a table with subject-bootstrap intervals, and a picture

    Raises:
        InputError: no held-out images, or steps out of range
        CheckpointError: there is no checkpoint, or it is not of a diffusion autoencoder
    """
    store.ensure_samples(samples)
    folder = Path(checkpoint) if checkpoint else trained_checkpoint(samples)
    if folder is None:
        raise InputError("there is no checkpoint for this dataset yet; train one with 'daebias train'")
    if images < 2:
        raise InputError(f"images must be at least 2; got {images}")
    facts = read_facts(folder)
    model = load_model(folder, pick_device(device))
    for n in (*steps, invert_steps):
        model.diffusion.times(n)
    source = open_together(samples, progress=progress)
    rows, split = _held_out(source, images, seed)
    crop = float(facts.get("crop", 1.0))
    pictures = torch.cat([fixed_crop(source.read(i, [source.n_slices(i) // 2]), model.image_size, crop) for i in rows])
    subjects = [source.subjects[i] for i in rows]
    total = len(rows) * (invert_steps + sum(3 * n for n in steps))
    with start(progress, "decoding", total, "steps") as task:
        found, drawn = decode_held_out(model, pictures, list(steps), invert_steps, seed, task)
    table = tuple(_row(source, n, values, pictures, subjects, seed) for (source, n), values in found.items())
    figure = _figure(samples, pictures, drawn, facts["sha256"])
    result = Reconstruction(
        table, len(rows), len(set(subjects)), split, invert_steps, str(folder), facts["sha256"], (figure,)
    )
    config = {
        "checkpoint": str(folder),
        "checkpoint_hash": facts["sha256"],
        "data_hash": source.data_hash,
        "seed": seed,
        "images": images,
        "steps": list(steps),
        "invert_steps": invert_steps,
    }
    ids = [source.sample_ids[i] for i in rows]
    store.save_run(samples, schema.RECONSTRUCTION_RUN, config, {**result.to_dict(), "sample_ids": ids})
    return result


def decode_held_out(
    model: DiffusionAutoencoder, images: Tensor, steps: list[int], invert_steps: int, seed: int, task=None
) -> tuple[dict[tuple[str, int], Tensor], dict[str, Tensor]]:
    """Decodes images from both codes, from z_sem and noise, and from the next image's z_sem and the same noise.

    Args:
        model: a diffusion autoencoder
        images: (n, C, H, W) in [-1, 1]; the next image of the last is the first
        steps: numbers of DDIM steps
        invert_steps: DDIM steps to invert
        seed: seed of the noise
        task: what counts the steps of every image, if anything

    Returns:
        decoded images by (source, steps), and those of most steps by source
    """
    z = torch.cat([model.encode(part.to(model.device)) for part in images.split(BATCH)])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    out: dict[tuple[str, int], list[Tensor]] = {}
    other = z.roll(1, 0)
    for first in range(0, len(images), BATCH):
        part = slice(first, first + BATCH)
        code = model.invert(images[part].to(model.device), z[part], invert_steps)
        count = len(code)
        if task:
            task.advance(count * invert_steps)
        for n in steps:
            ways = ((FROM_BOTH, z, code), (FROM_Z, z, noise[part]), (FROM_OTHER, other, noise[part]))
            for name, codes, x_T in ways:
                out.setdefault((name, n), []).append(model.decode(codes[part], x_T.to(model.device), n).cpu())
                if task:
                    task.advance(count * n)
    found = {key: torch.cat(parts) for key, parts in out.items()}
    return found, {name: found[name, max(steps)] for name in (FROM_BOTH, FROM_Z, FROM_OTHER)}


def _held_out(source, images: int, seed: int) -> tuple[list[int], str]:
    """Rows of held-out samples, a subject's second only after every subject's first; and their split."""
    for split in ("test", "val"):
        rows = [i for i, s in enumerate(source.splits) if s == split]
        if len(rows) >= 2:
            break
    else:
        raise InputError("there are no two held-out samples (split 'test' or 'val'); widen the view")
    rng = np.random.default_rng(seed)
    rank: dict[str, int] = {}
    turns: list[tuple[int, int, int]] = []
    for i in rng.permutation(rows):
        subject = source.subjects[i]
        rank[subject] = rank.get(subject, -1) + 1
        turns.append((rank[subject], len(turns), int(i)))
    return [i for _, _, i in sorted(turns)[:images]], split


def _row(source: str, steps: int, decoded: Tensor, images: Tensor, subjects: list[str], seed: int) -> ReconstructionRow:
    values = []
    names = sorted(set(subjects))
    place = np.array([names.index(s) for s in subjects])
    counts = np.bincount(place, minlength=len(names))
    draws = np.random.default_rng(seed).integers(len(names), size=(RESAMPLED, len(names)))
    for measure in (mse, ssim):
        per_image = measure(images, decoded).double().numpy()
        per_subject = np.bincount(place, per_image, minlength=len(names)) / counts
        low, high = np.quantile(per_subject[draws].mean(axis=1), [0.025, 0.975])
        values += [float(per_subject.mean()), float(low), float(high)]
    return ReconstructionRow(source, steps, *values)


def _figure(samples, images: Tensor, drawn: dict[str, Tensor], sha: str) -> dict:
    """Some held-out images above what they were decoded to."""
    from matplotlib.figure import Figure

    from ..figures import save_figure

    shown = min(8, len(images))
    rows = [("held-out image", images), *((f"from {name}", pictures) for name, pictures in drawn.items())]
    figure = Figure(figsize=(1.15 * shown + 1.6, 1.2 * len(rows)))
    axes = figure.subplots(len(rows), shown, squeeze=False)
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for axis, picture in zip(line, pictures, strict=False):
            axis.imshow(picture[0].numpy(), cmap="gray", vmin=-1, vmax=1)
            axis.set_xticks([]), axis.set_yticks([])
        label = name.replace(", noise", ",\nnoise").replace("another image's", "another\nimage's")
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(wspace=0.04, hspace=0.04)
    return save_figure(
        store.dataset_of(samples).name,
        "reconstruction",
        figure,
        "Held-out images and what they are decoded to",
        f"{shown} held-out images, one centre slice each, under the fixed crop; checkpoint {sha[:12]}.",
    )
