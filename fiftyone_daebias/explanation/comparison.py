"""What all parts of a comparison of two groups look at: the pictures on one grid, by subject, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource, open_slices
from ..errors import InputError
from ..progress import Progress
from .classifier import Recipe
from .grid import Grid, Pictures, load_pictures
from .groups import Groups
from .mean_images import by_subject

#: centre slices of a volume: Graf et al. 2024
N_SLICES = 12
#: longer side of pictures for means and maps, and for the measurement of shifts, pixels
SIDE, SHIFT_SIDE = 160, 112


@dataclass(frozen=True)
class Settings:
    """What was asked of a comparison; the verb ``explain`` describes each.

    Attributes:
        drawn_by: fields that drew the groups, which are not tested
    """

    recipe: Recipe
    cam: str
    layer: str | None
    edge: str
    n_slices: int | None
    image_size: int
    most: int
    n_maps: int
    n_permutations: int
    device: object
    seed: int
    train: bool = True
    drawn_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two groups and their pictures.

    Attributes:
        view: the samples of both groups, in the groups' order
        groups: the groups
        source: their slices
        geometries: geometry of each, as registered; ``None`` where there is none
        pictures: their pictures on one grid
        n_slices: centre slices that were read of each
        settings: what was asked
        notes: what was left out
        rng: draws permutations and bootstraps, part after part
        progress: where to report
    """

    view: object
    groups: Groups
    source: SliceSource
    geometries: list[dict | None]
    pictures: Pictures
    n_slices: int
    settings: Settings
    notes: tuple[str, ...]
    rng: np.random.Generator = field(repr=False)
    progress: Progress | None = None

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two groups."""
        return self.groups.inside, self.groups.outside

    @property
    def grid(self) -> Grid:
        """Grid of means and edges."""
        return self.pictures.grid

    @cached_property
    def valid(self) -> np.ndarray:
        """Pixels that nearly all samples show, bool (H, W)."""
        return self.pictures.valid()

    @cached_property
    def _by_subject(self) -> tuple[np.ndarray, np.ndarray, list]:
        p, g = self.pictures, self.groups
        return by_subject(p.filled(p.middle), g.labels, g.units)

    @property
    def middle(self) -> np.ndarray:
        """Middle slice of each unit, float32 (units, H, W)."""
        return self._by_subject[0]

    @property
    def sides(self) -> np.ndarray:
        """Whether each unit is in the first group, bool (units,)."""
        return self._by_subject[1]

    @property
    def units(self) -> list:
        """Names of the units: the subjects, or their parts in either group where they are compared with themselves."""
        return self._by_subject[2]

    @cached_property
    def pairs(self) -> np.ndarray | None:
        """Whose unit each is, ints from 0; ``None`` where no subject is compared with itself."""
        if not self.groups.paired:
            return None
        owner = dict(zip(self.groups.units, self.groups.subjects, strict=True))
        return np.unique([owner[u] for u in self.units], return_inverse=True)[1]

    @cached_property
    def small(self) -> Grid:
        """Grid on which shifts are measured."""
        return self.grid.coarser(SHIFT_SIDE)

    @cached_property
    def flat(self) -> np.ndarray:
        """Mean over the slices of each unit on the small grid, float32 (units, h, w)."""
        p, g = self.pictures, self.groups
        return _resized(by_subject(p.filled(p.projection), g.labels, g.units)[0], self.small.shape)

    @cached_property
    def small_valid(self) -> np.ndarray:
        """:attr:`valid` on the small grid."""
        return _resized(self.valid[None].astype(np.float32), self.small.shape)[0] > 0.99

    @cached_property
    def voxels(self) -> tuple[float, float] | None:
        """Voxel size (down, right), mm; ``None`` where no spacing is known."""
        if self.grid.unit != "mm":
            return None
        down, right = np.median([f.voxel for f in self.pictures.frames], axis=0)
        return float(down), float(right)


def open_comparison(samples, groups: Groups, settings: Settings, subject_field: str | None, progress) -> Comparison:
    """Reads the pictures of two groups.

    Args:
        samples: the dataset or view that holds the groups
        groups: the groups
        settings: what is asked
        subject_field: field that names the subject
        progress: where to report

    Raises:
        InputError: slices of different planes, spacing known of some samples only, or an edge or number of slices
            that there is not
    """
    whole = groups
    groups, drawn = at_most(whole, settings.most, settings.seed)
    view = store.view_of_ids(samples, groups.ids, ordered=True)
    source = open_slices(view, subject_field=subject_field, progress=progress)
    geometries = _geometries(view)
    n_slices = _slice_count(source, settings.n_slices)
    pictures = load_pictures(
        source,
        range(len(groups)),
        geometries,
        n_slices=n_slices,
        side=SIDE,
        stack_side=settings.image_size,
        progress=progress,
    )
    known = pictures.grid.sides()
    if settings.edge != "auto" and settings.edge not in known:
        raise InputError(f"edge must be 'auto' or one of {', '.join(known)}; got {settings.edge!r}")
    rng = np.random.default_rng([settings.seed, 3])
    notes = (*whole.notes, *drawn)
    return Comparison(view, groups, source, geometries, pictures, n_slices, settings, notes, rng, progress)


def at_most(groups: Groups, most: int, seed: int) -> tuple[Groups, list[str]]:
    """At most so many samples of a side, whole subjects drawn at random."""
    rng = np.random.default_rng([seed, 1])
    keep = np.ones(len(groups), bool)
    notes = []
    for side, name in ((True, groups.inside), (False, groups.outside)):
        mine = (groups.labels == side) & keep
        if mine.sum() <= most:
            continue
        owners, counts = np.unique(groups.subjects[mine], return_counts=True)
        order = rng.permutation(len(owners))
        chosen = owners[order[np.cumsum(counts[order]) <= most]]
        keep &= np.isin(groups.subjects, chosen) if groups.paired else ~mine | np.isin(groups.subjects, chosen)
        notes.append(f"{len(chosen):,} of {len(owners):,} subjects of {name} were drawn at random (most={most})")
    if keep.all():
        return groups, notes
    return replace(
        groups,
        ids=tuple(np.array(groups.ids)[keep]),
        rows=groups.rows[keep],
        labels=groups.labels[keep],
        subjects=groups.subjects[keep],
    ), notes


def _geometries(view) -> list[dict | None]:
    if not store.has_field(view, schema.GEOMETRY_FIELD):
        return [None] * store.count(view)
    return store.read_field(view, schema.GEOMETRY_FIELD)


def _slice_count(source: SliceSource, n_slices: int | None) -> int:
    deepest = max(source.n_slices(i) for i in range(len(source)))
    if n_slices is None:
        return min(N_SLICES, deepest)
    if not 1 <= n_slices <= deepest:
        raise InputError(f"n_slices must be between 1 and {deepest}, the slices of the deepest sample; got {n_slices}")
    return n_slices


def _resized(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import cv2

    if images.shape[1:] == shape:
        return images
    return np.stack([cv2.resize(i, shape[::-1], interpolation=cv2.INTER_AREA) for i in images])
