"""Kinds of claims on pictures: image quality, displacement, mean images."""

from __future__ import annotations

from functools import partial

import numpy as np
from claims import Kind
from scipy import ndimage

from fiftyone_daebias.explanation.appearance import compare_table
from fiftyone_daebias.explanation.classifier import score_against_chance
from fiftyone_daebias.explanation.displacement import measure_displacement
from fiftyone_daebias.explanation.grid import Grid
from fiftyone_daebias.explanation.headers import compare_positions
from fiftyone_daebias.explanation.mean_images import compare_means
from fiftyone_daebias.quality_control.measures import MEANINGS, MEASURES
from fiftyone_daebias.quality_control.quality import Columns, comparable, field_row

LEVEL = 0.05
SIDE = 48


def quality(rng, field: str, n: int = 100) -> bool:
    """Fifteen measures that go together and have heavy tails, and a field that has nothing to do with them."""
    subjects = np.repeat(np.arange(n), rng.integers(1, 4, n))
    m = len(MEASURES)
    mix = rng.normal(size=(m, m))
    person = rng.standard_t(3, size=(n, m)) @ mix
    raw = np.exp(0.1 * (person[subjects] + rng.standard_t(3, size=(len(subjects), m)) @ mix))
    values = {
        "sex": lambda: rng.choice(["F", "M"], n)[subjects],
        "site": lambda: rng.choice(list("ABCDE"), n)[subjects],
        "age": lambda: rng.normal(60, 12, n)[subjects],
        "side": lambda: np.where(np.arange(len(subjects)) % 2, "L", "R"),
    }[field]()
    columns = Columns(MEASURES, MEANINGS, comparable(raw, None), raw, subjects.astype(str))
    row = field_row(field, values.tolist(), columns, None, 199, rng)
    return row.p <= LEVEL and (row.interval[0] > 0 or row.interval[1] < 0)


def bodies(rng, n: int) -> np.ndarray:
    """Ellipses with texture, a little elsewhere in each picture, float32 (n, SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    out = np.empty((n, SIDE, SIDE), np.float32)
    for k in range(n):
        dy, dx, a, b = rng.normal(0, 1.2, 2).tolist() + (14 + rng.normal(0, 0.8, 2)).tolist()
        inside = ((y - dy) / a) ** 2 + ((x - dx) / (0.8 * b)) ** 2 < 1
        organ = ((y - dy + 4) / 5) ** 2 + ((x - dx - 2) / 3) ** 2 < 1
        out[k] = ndimage.gaussian_filter(inside * 0.6 + organ * 0.3, 1) + 0.05 * rng.standard_normal((SIDE, SIDE))
    return out


def displacement(rng, n: int = 30) -> bool:
    labels = rng.permutation(np.arange(n) % 2 == 1)
    found = measure_displacement(
        bodies(rng, n),
        labels,
        np.ones((SIDE, SIDE), bool),
        Grid((SIDE, SIDE), 2.0, "mm", ("I", "P")),
        n_permutations=39,
        n_bootstrap=30,
        rng=rng,
    )
    return any(found.moved) or found.turned or found.scaled


def mean_images(rng, n: int = 40, share: float = 0.5) -> bool:
    labels = rng.random(n) < share
    if min(labels.sum(), (~labels).sum()) < 3:
        return False
    return compare_means(bodies(rng, n), labels, np.ones((SIDE, SIDE), bool), n_permutations=199, rng=rng).p <= LEVEL


def paired(rng, part: str, n: int = 20) -> bool:
    """People with a picture in either group, who differ among themselves and not between the groups."""
    pairs, labels = np.tile(np.arange(n), 2), np.arange(2 * n) < n
    whose, values = pairs.astype(str), np.tile(3 * rng.normal(size=n), 2) + rng.normal(size=2 * n)
    if part in ("number", "classes"):
        classes = ("a", "b", "c") if part == "classes" else ()
        column = (values > 0).astype(int) + (values > 2) if classes else values
        rows = compare_table(
            {part: (part, "", column, classes)}, labels, whose, paired=True, n_permutations=199, seed=1
        )
        return any(r.p <= LEVEL for r in rows)
    if part == "classifier":
        return score_against_chance(values, labels, whose, pairs % 3, 199, 9, rng, paired=True)[2] <= LEVEL
    if part == "header":
        centres, nothing = np.stack([values, rng.normal(size=2 * n), values], axis=1), ((0.0, 0.0), (0.0, 0.0))
        still = (centres, labels, ("I", "P"), (0.0, 0.0), (False, False), nothing)
        return compare_positions(*still, pairs=pairs, n_permutations=199, n_bootstrap=9, rng=rng).p <= LEVEL
    pictures = np.tile(bodies(rng, n), (2, 1, 1)) + 0.05 * rng.standard_normal((2 * n, SIDE, SIDE)).astype(np.float32)
    whole = np.ones((SIDE, SIDE), bool)
    if part == "means":
        return compare_means(pictures, labels, whole, pairs=pairs, n_permutations=199, rng=rng).p <= LEVEL
    grid = Grid((SIDE, SIDE), 2.0, "mm", ("I", "P"))
    moved = np.stack([np.roll(p, int(rng.integers(-2, 3)), 0) for p in pictures])
    found = measure_displacement(moved, labels, whole, grid, pairs=pairs, n_permutations=39, n_bootstrap=3, rng=rng)
    return found.p <= LEVEL


KINDS = (
    *(
        Kind(f"paired, {part}", partial(paired, part=part), replicates=100 if part == "shift" else 300)
        for part in ("number", "classes", "classifier", "header", "means", "shift")
    ),
    *(Kind(f"quality, {field}", partial(quality, field=field)) for field in ("sex", "site", "age", "side")),
    Kind("mean images, halves", mean_images, replicates=300),
    Kind("mean images, a fifth", partial(mean_images, share=0.2), replicates=300),
    Kind("displacement, shift, turn or size", displacement, replicates=100),
)
