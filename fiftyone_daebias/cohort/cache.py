"""The verb ``cache``: what the slice cache holds, and dropping what no dataset uses."""

from __future__ import annotations

from dataclasses import dataclass

from .. import schema, store
from ..progress import Progress
from .slice_cache import SliceCache
from .stamps import Stamps


@dataclass(frozen=True)
class CacheReport:
    """What the slice cache holds.

    Attributes:
        folder: where it lies
        arrays: arrays in it before pruning
        gigabytes: its size before pruning
        unused: arrays that no dataset in this database names
        unused_gigabytes: their size
        pruned: whether they were dropped
    """

    folder: str
    arrays: int
    gigabytes: float
    unused: int
    unused_gigabytes: float
    pruned: bool

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def __str__(self) -> str:
        what = "dropped" if self.pruned else "drop them with --prune"
        return (
            f"{self.folder}: {self.arrays:,} images and volumes, {self.gigabytes:.2f} GB; no dataset uses "
            f"{self.unused:,} of them, {self.unused_gigabytes:.2f} GB" + (f" ({what})" if self.unused else "")
        )


def cache(*, prune: bool = False, progress: Progress | None = None) -> CacheReport:
    """Says what the slice cache holds, and drops what no registered dataset uses.

    Slices of datasets that this package did not register are not named in the
    database: they count as unused, and come back when they are next read.

    Args:
        prune: drop what no dataset in this database uses; do not, when several databases share the cache
        progress: not used; nothing here takes long
    """
    slices = SliceCache()
    used: set[str] = set()
    for dataset in store.datasets_with(schema.CACHE_FIELD):
        used |= set(store.read_field(dataset, schema.CACHE_FIELD))
    unused = [k for k in slices.keys() if k not in used]
    freed = sum(slices.size_of(k) for k in unused)
    report = CacheReport(
        str(slices.folder), len(slices.keys()), slices.n_bytes / 1e9, len(unused), freed / 1e9, bool(prune and unused)
    )
    if report.pruned:
        slices.prune(used)
        Stamps(slices.folder).prune(used)
    return report
