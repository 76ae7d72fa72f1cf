"""Pictures of interpolated embeddings, added to the dataset as what they are: synthetic."""

from __future__ import annotations

import numpy as np
import torch

from ... import paths, store
from ...cohort.previews import write_previews
from ...cohort.volume import Slices
from ...dae.checkpoint import load_model
from ...dae.samples import pick_device
from ...errors import InputError
from ...progress import Progress, start
from ...store.synthetic import Synthetic, write_synthetic
from ..counterfactual.decoded import OWN, pick_code
from ..embedded import open_embedding
from .interpolate import interpolate


def decode_between(
    samples,
    key: str,
    vectors: str,
    matrix: np.ndarray,
    ids: list[str],
    target,
    groups: np.ndarray,
    group_names: list[str],
    subjects: np.ndarray,
    count: int,
    neighbors: int,
    device: str | None,
    seed: int,
    progress: Progress | None,
) -> tuple[list[str], str]:
    """Decodes interpolated embeddings of the cells that are short of subjects, and stores them as synthetic samples.

    Args:
        samples: a dataset or view
        key: run that makes them
        vectors: the DAE's vector field
        matrix: its vectors, in the order of ``ids``
        ids: samples with a vector
        target: classes, with rows into ``ids``
        groups: group of each row of the target
        group_names: names of the groups
        subjects: subject of each row of the target
        count: how many
        neighbors: nearest subjects to interpolate with
        device: where to decode
        seed: seed of the interpolation and of shared codes
        progress: where to report

    Returns:
        ids of the synthetic samples, and what the decoder gives back, in words

    Raises:
        InputError: the embedding is not a DAE's
    """
    base = open_embedding(samples, vectors, progress=progress)
    if base.model != "dae":
        raise InputError(f"decode: only diffusion autoencoders decode; {vectors!r} are of the model {base.model!r}")
    rng = np.random.default_rng([seed, 29])
    cells = _shares(target.values, groups, subjects, count)
    model = load_model(base.checkpoint, pick_device(device))
    # open_embedding reads the samples in the same order, but the rows may be of a part of them
    place = {i: int(r) for i, r in zip(base.ids, base.rows, strict=True)}
    trials = [place[ids[target.rows[k]]] for k in rng.permutation(len(target.rows))[: max(2, 16 // base.n_slices)]]
    first, quality = pick_code(
        model,
        base,
        trials,
        code="auto",
        steps=None,
        mean_image=np.zeros((base.n_slices, model.config.image_size, model.config.image_size), np.float32),
        seed=seed,
    )
    folder = paths.previews_dir(store.dataset_of(samples).name) / "synthetic"
    made = []
    with start(progress, "decoding synthetic samples", count, "samples") as task:
        for (g, c), n in cells.items():
            rows = np.flatnonzero((groups == g) & (target.values == c))
            between = interpolate(matrix[target.rows], rows, subjects, n, neighbors=neighbors, rng=rng)
            for a, b, w, vector in zip(between.first, between.second, between.weight, between.vectors, strict=True):
                parents = [ids[target.rows[k]] for k in (a, b)]
                array = _decode(first, base, [place[p] for p in parents], float(w), vector)
                name = f"{key}_{len(made):04d}"
                for old in folder.glob(f"{name}*.png"):
                    old.unlink()
                preview, montage = write_previews(Slices(array, None, {}), folder, name)
                made.append(
                    Synthetic(
                        preview,
                        montage,
                        {
                            "parents": parents,
                            "subjects": [str(subjects[k]) for k in (a, b)],
                            "weight": round(float(w), 4),
                            "group": group_names[g],
                            "label": target.classes[c],
                            "field": target.name,
                            "code": first.code,
                        },
                        vector,
                    )
                )
                task.advance()
    note = (
        f"synthetic pictures carry the decoder's error: {quality.error:.1f} % of the grey range on real images "
        f"({first.code} stochastic code)"
    )
    return write_synthetic(samples, key, made), note


def _shares(classes, groups, subjects, count: int) -> dict[tuple[int, int], int]:
    """How many of the synthetic samples each cell that is short of subjects gets, by what it lacks."""
    have = {
        (int(g), int(c)): len(set(subjects[(groups == g) & (classes == c)]))
        for g in np.unique(groups)
        for c in np.unique(classes)
    }
    lacks = {cell: max(n for (_, c), n in have.items() if c == cell[1]) - n for cell, n in have.items()}
    total = sum(lacks.values())
    if not total:
        raise InputError("decode: all groups have as many subjects of every class, so none needs synthetic samples")
    order = sorted(lacks, key=lambda cell: -lacks[cell])
    out = {cell: int(count * lacks[cell] / total) for cell in order}
    for cell in order[: count - sum(out.values())]:
        out[cell] += 1
    return {cell: n for cell, n in out.items() if n}


def _decode(decoder, base, rows: list[int], weight: float, vector: np.ndarray) -> np.ndarray:
    """Slices of an interpolated embedding, uint8 (S, H, W); codes of the parents are joined on the sphere."""
    images = [decoder.images(base.source, i).to(decoder.model.device) for i in rows]
    codes = [decoder.codes(x, decoder.model.encode(x)) for x in images]
    code = _slerp(codes[0], codes[1], weight) if decoder.code == OWN else codes[0]
    if base.pool == "mean":
        # the mean of the slices says nothing of each: the first parent's slices are moved by what its mean moves
        z = decoder.model.encode(images[0])
        z = z + (torch.from_numpy(vector).to(z) - z.mean(dim=0))
    else:
        z = torch.from_numpy(decoder.split(vector)).to(codes[0])
    out = decoder.model.decode(z, code, decoder.steps)[:, 0].cpu().numpy()
    return np.clip((out + 1) * 127.5, 0, 255).round().astype(np.uint8)


def _slerp(a: torch.Tensor, b: torch.Tensor, weight: float) -> torch.Tensor:
    """Spherical interpolation of noise (Preechakul et al. 2022, section 4.2)."""
    flat = [x.flatten(1) for x in (a, b)]
    cosine = torch.nn.functional.cosine_similarity(*flat, dim=1).clamp(-0.9999, 0.9999)
    angle = torch.arccos(cosine).view(-1, *[1] * (a.ndim - 1))
    return (torch.sin((1 - weight) * angle) * a + torch.sin(weight * angle) * b) / torch.sin(angle)
