"""How the pictures of two groups differ in grey values, contrast, noise, sharpness and spacing."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage

from ..statistics.association import effect_of, label_columns, permutation_p
from ..statistics.cells import Cells
from ..statistics.multiplicity import benjamini_hochberg
from ..statistics.paired import differences, sign_flip_p
from .grid import Frame

LEVEL = 0.05
_NAN = float("nan")
#: what is measured: {name: (label, unit)}
MEASURES = {
    "grey_high": ("brightest grey values (99.5th percentile), as in the file", ""),
    "grey_mean": ("mean grey value of the body, as in the file", ""),
    "grey_low": ("grey value of the background (1st percentile), as in the file", ""),
    "brightness": ("mean of the body, scaled", "of the brightest"),
    "contrast": ("spread within the body over its mean", ""),
    "noise": ("noise over the body's mean", ""),
    "sharpness": ("sharpness, as the share of fine detail in all detail", ""),
    "row_spacing": ("spacing of rows", "mm"),
    "column_spacing": ("spacing of columns", "mm"),
    "slice_spacing": ("spacing of slices", "mm"),
    "height": ("height of the field of view", "mm"),
    "width": ("width of the field of view", "mm"),
    "rows": ("rows", "px"),
    "columns": ("columns", "px"),
    "slices": ("slices", ""),
}


@dataclass(frozen=True)
class Contrast:
    """One number or class compared between two groups.

    Attributes:
        name: measure or field
        label: what it is
        unit: its unit
        inside: mean of the first group; NaN for classes
        outside: mean of the second group
        measure: "Cliff's delta" or "Cramér's V"
        effect: its value
        interval: 95 % subject-bootstrap interval
        words: the difference in words
        p: permutation p-value, subjects exchanged
        q: p after Benjamini-Hochberg within its table
        n_subjects: subjects with a value
        cells: subjects of each class in either group, all of them for numbers; ``None`` in runs that lack them
    """

    name: str
    label: str
    unit: str
    inside: float
    outside: float
    measure: str
    effect: float
    interval: tuple[float, float]
    words: str
    p: float
    q: float = _NAN
    n_subjects: int = 0
    cells: Cells | None = None

    @property
    def found(self) -> bool:
        return self.q <= LEVEL

    def to_dict(self) -> dict:
        return {k: None if isinstance(v, float) and v != v else v for k, v in asdict(self).items()}


def appearance_of(raw: np.ndarray, scaled: np.ndarray, frame: Frame, geometry: dict | None) -> dict[str, float]:
    """Numbers of one sample.

    Args:
        raw: centre slices as in the file, float32 (S, H, W)
        scaled: the same with 0 as black and 1 as the 99.5th percentile
        frame: where they lie
        geometry: as registered, or ``None``

    Returns:
        ``{name of MEASURES: value}``; what cannot be known is left out
    """
    step = max(1, int((raw.size / 400_000) ** 0.5))
    low, high = np.percentile(raw[:, ::step, ::step], [1, 99.5])
    body = scaled > max(0.1, 0.5 * float(np.median(scaled[scaled > 0.05]))) if (scaled > 0.05).any() else scaled > 0
    out = {"grey_high": float(high), "grey_low": float(low)}
    if body.sum() > 50:
        mean, sd = float(scaled[body].mean()), float(scaled[body].std())
        out |= {"grey_mean": float(raw[body].mean()), "brightness": mean, "contrast": sd / max(mean, 1e-6)}
        noise = float(np.median([noise_of(s) for s in scaled]))
        sharpness = float(np.median([sharpness_of(s, noise) for s in scaled]))
        out |= {"noise": noise / max(mean, 1e-6), "sharpness": sharpness}
    mm = (geometry or {}).get("spacing_mm")
    if mm:
        out |= {
            "row_spacing": frame.voxel[0],
            "column_spacing": frame.voxel[1],
            "height": frame.extent[0],
            "width": frame.extent[1],
        }
        if len(mm) == 3 and mm[0] == mm[0] and mm[0] is not None:
            out["slice_spacing"] = float(mm[0])
    out |= {"rows": float(frame.shape[0]), "columns": float(frame.shape[1])}
    if geometry and geometry.get("slices"):
        out["slices"] = float(geometry["slices"])
    return out


_LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def noise_of(image: np.ndarray) -> float:
    """Standard deviation of the noise, from the mask of Immerkær (1996) and the median absolute deviation.

    Pixels of exactly the lowest value (padding, masked air) do not count.
    """
    response = ndimage.convolve(image.astype(np.float32), _LAPLACE, mode="nearest") / 6.0
    real = image > image.min()
    if real.sum() < 50:
        return 0.0
    return float(np.median(np.abs(response[real])) / 0.6745)


def sharpness_of(image: np.ndarray, noise: float) -> float:
    """Energy of detail between one and two pixels over that between one and eight, after taking out the noise's."""
    fine = image - ndimage.gaussian_filter(image, 1.0, mode="nearest")
    wide = image - ndimage.gaussian_filter(image, 6.0, mode="nearest")
    # white noise leaves this share of its variance behind the two filters
    fine_noise, wide_noise = 0.76 * noise**2, 0.99 * noise**2
    above = max(float((fine**2).mean()) - fine_noise, 0.0)
    return above / max(float((wide**2).mean()) - wide_noise, 1e-9)


def compare_table(
    columns: dict[str, tuple[str, str, np.ndarray, tuple[str, ...]]],
    labels: np.ndarray,
    subjects: np.ndarray,
    *,
    paired: bool = False,
    n_permutations: int = 1999,
    seed: int,
) -> tuple[Contrast, ...]:
    """Compares many columns between two groups.

    Args:
        columns: ``{name: (label, unit, values, classes)}``; values are numbers (NaN where missing) with no classes, or
            class indices (−1 where missing)
        labels: whether each sample is in the first group, bool (n,)
        subjects: subject of each sample
        paired: whether subjects are compared with themselves, and what is the same in all of a subject's samples is
            left out
        n_permutations: permutations of the subjects, or of the two groups within each
        seed: their seed

    Returns:
        the most telling first
    """
    out = []
    for name, (label, unit, values, classes) in columns.items():
        known = values >= 0 if classes else np.isfinite(values)
        side = labels[known]
        owners = subjects[known]
        if min(len(set(owners[side])), len(set(owners[~side]))) < 3 or len(np.unique(values[known])) < 2:
            continue
        rng = np.random.default_rng([seed, sum(map(ord, name))])
        if paired:
            p = sign_flip_p(differences(label_columns(values[known], len(classes)), side, owners), n_permutations, rng)
            if p != p:
                continue
        else:
            groups, n = side[:, None], len(classes)
            p = float(permutation_p(groups, values[known], n, owners, n_permutations=n_permutations, rng=rng)[0])
        effect = effect_of(side, values[known], classes, owners)
        means = (
            (_NAN, _NAN)
            if classes
            else tuple(
                float(np.mean([values[known][(owners == o) & s].mean() for o in np.unique(owners[s])]))
                for s in (side, ~side)
            )
        )
        out.append(
            Contrast(
                name,
                label,
                unit,
                *means,
                effect.measure,
                effect.value,
                effect.interval,
                effect.words,
                p,
                n_subjects=len(set(owners)),
                cells=effect.cells,
            )
        )
    q = benjamini_hochberg(np.array([c.p for c in out])) if out else []
    out = [Contrast(**{**c.__dict__, "q": float(v)}) for c, v in zip(out, q, strict=True)]
    return tuple(sorted(out, key=lambda c: (c.q, -abs(c.effect))))
