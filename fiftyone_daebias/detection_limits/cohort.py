"""Which samples are tested, which may be affected, and how large their pixels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema, store
from ..cohort.load import MAX_SIDE
from ..cohort.slices import SliceSource, open_slices
from ..errors import InputError
from ..progress import Progress
from ..statistics.targets import MIN_SUBJECTS
from .perturbation import PIXELS, Spacing

#: shares that are asked for unless others are named, and those added for cohorts in which none of them is testable
SHARES, LARGER = (0.02, 0.05, 0.1), (0.2, 0.3, 0.5)
#: copies are made of so many times the subjects of the largest share: trials that drew from fewer would be alike
POOL, FEWEST_COPIED = 3, 40


@dataclass(frozen=True)
class Cohort:
    """What is tested.

    Attributes:
        source: the slices of all samples
        places: positions in the source of the samples tested, (n,)
        vectors: their vectors, (n, d)
        subjects: their subjects, (n,)
        pool: subjects who may be affected
        rows: rows (among the n) of the pool's samples
        config: how the vectors were made
        n_all: samples that could have been tested
        shares: shares of the subjects to affect
    """

    source: SliceSource
    places: np.ndarray
    vectors: np.ndarray
    subjects: np.ndarray
    pool: np.ndarray
    rows: np.ndarray
    config: dict
    n_all: int
    shares: tuple[float, ...]

    @property
    def n_subjects(self) -> int:
        return len(np.unique(self.subjects))


def read_cohort(
    samples,
    model: str,
    subject_field: str | None,
    n_subjects: int | None,
    shares: list[float] | None,
    max_samples: int,
    seed: int,
    progress: Progress | None,
) -> Cohort:
    """Reads the embedding and draws who is tested and who may be affected.

    Raises:
        InputError: no embedding, or too few subjects
    """
    key, field = schema.provenance_key(model), schema.embedding_field(model)
    if key not in store.list_runs(samples, key) or not store.has_field(samples, field):
        raise InputError(f"there is no {model!r} embedding whose checkpoint is known; run 'daebias embed' first")
    config, _ = store.load_run(samples, key)
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    ids, matrix = store.read_vectors(samples, field)
    place = {i: k for k, i in enumerate(source.sample_ids)}
    usable = [k for k, i in enumerate(ids) if i in place and source.n_slices(place[i]) >= config["n_slices"]]
    places = np.array([place[ids[k]] for k in usable], int)
    vectors, subjects = matrix[usable], np.array(source.subjects)[places]
    rng = np.random.default_rng([seed, 104_729])
    order = rng.permutation(np.unique(subjects))
    if len(subjects) > max_samples:
        # a trial is a probe of everything, so larger cohorts are tested on whole subjects drawn at random
        counts = {s: n for s, n in zip(*np.unique(subjects, return_counts=True), strict=True)}
        total = np.cumsum([counts[s] for s in order])
        order = order[: max(2, int((total <= max_samples).sum()))]
        rows = np.flatnonzero(np.isin(subjects, order))
        places, vectors, subjects = places[rows], vectors[rows], subjects[rows]
    total = len(order)
    shares = sorted(set(shares)) if shares else default_shares(total)
    least = int(np.ceil(MIN_SUBJECTS / max(shares)))
    if round(max(shares) * total) < MIN_SUBJECTS:
        raise InputError(
            f"too few subjects: a probe needs {MIN_SUBJECTS} that are affected, which is {max(shares):.0%} of {least}; "
            f"there are {total}; pass a larger prevalence or more subjects"
        )
    size = n_subjects if n_subjects is not None else max(FEWEST_COPIED, int(np.ceil(POOL * max(shares) * total)))
    if size < MIN_SUBJECTS:
        raise InputError(f"n_subjects must be at least {MIN_SUBJECTS}, the fewest a probe takes; got {size}")
    pool = order[: min(size, total)]
    return Cohort(
        source,
        places,
        vectors,
        subjects,
        pool,
        np.flatnonzero(np.isin(subjects, pool)),
        config,
        len(usable),
        tuple(shares),
    )


def default_shares(total: int) -> list[float]:
    """2, 5 and 10 %, and for small cohorts the smallest larger share that a probe can test."""
    out = list(SHARES)
    if round(out[-1] * total) < MIN_SUBJECTS:
        out.append(next((s for s in LARGER if round(s * total) >= MIN_SUBJECTS), LARGER[-1]))
    return out


def pixel_sizes(samples, cohort: Cohort) -> tuple[list[Spacing], bool, list[str]]:
    """Pixel size in mm of each cached volume, whether all are unknown, and what to bear in mind."""
    geometry = [None] * len(cohort.source)
    if store.has_field(samples, schema.GEOMETRY_FIELD):
        geometry = store.read_field(samples, schema.GEOMETRY_FIELD)
    out, unknown = [], 0
    mine = set(cohort.places[cohort.rows].tolist())
    for k in range(len(cohort.source)):
        mm = cohort.source.spacing[k]
        unknown += mm is None and k in mine
        grown = 1.0 if mm is None else _shrunk_by(cohort.source, k, geometry[k] or {})
        out.append(PIXELS if mm is None else (mm[0] * grown, mm[1] * grown))
    if unknown == len(mine):
        note = "the spacing of these images is not known: lengths are pixels of the cached slices, not mm"
        return out, True, [note]
    if unknown:
        note = f"{unknown:,} of {len(mine):,} copied samples have no spacing; for them 1 pixel stands for 1 mm"
        return out, False, [note]
    return out, False, []


def _shrunk_by(source: SliceSource, k: int, geometry: dict) -> float:
    """By how much the cached slices are smaller than the volume whose spacing is known."""
    shape = source.cache.shape(source.keys[k])[1:]
    sizes, mm, now = geometry.get("shape") or [], geometry.get("spacing_mm"), geometry.get("resampled_mm")
    if max(shape) < MAX_SIDE or not sizes:
        return 1.0
    sizes = list(sizes)
    if len(sizes) == 3 and geometry.get("slices") in sizes:
        sizes.remove(geometry["slices"])
    longest = max(sizes)
    if now and mm:
        longest *= mm[-1] / now[-1]
    return max(1.0, longest / max(shape))
