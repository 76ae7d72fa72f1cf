"""What the panel shows of a dataset, read once for a state of its runs: never per sample, never kept in the browser."""

from __future__ import annotations

from dataclasses import dataclass

from fiftyone_daebias import run_listing, schema, store
from fiftyone_daebias.dae.train import trained_checkpoint
from fiftyone_daebias.findings.collect import Finding, Findings, collect_findings, findings_stamp
from fiftyone_daebias.sharing.shared_stories import Received, read_received
from fiftyone_daebias.stories.facts import Stories
from fiftyone_daebias.stories.story import read_stories

_read: dict[str, AuditState] = {}


@dataclass(frozen=True)
class AuditState:
    """An audit, as the panel needs it.

    Attributes:
        stamp: changes when a run is added, changed or removed
        findings: everything that was found, and looked for and not found
        runs: the runs, newest first, without their results
        n_samples: samples of the dataset
        trained: whether there is a checkpoint
        embedded: whether there are vectors
        maps: maps of the dataset
        stories: what was found, by its causes; ``None`` where that was not told, or has changed since
        received: stories that others shared, a bundle each
    """

    stamp: str
    findings: Findings
    runs: tuple[run_listing.StoredRun, ...]
    n_samples: int
    trained: bool
    embedded: bool
    maps: tuple[str, ...]
    stories: Stories | None = None
    received: tuple[Received, ...] = ()

    @property
    def probed(self) -> bool:
        return any(r.kind == "probe" for r in self.runs)

    @property
    def audited(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.findings.rows or self.received)

    def of(self, *kinds: str) -> list[Finding]:
        """Findings of these kinds, in their rank."""
        return [f for f in self.findings.rows if f.kind in kinds]

    def finding(self, key: str) -> Finding | None:
        return next((f for f in self.findings.rows if f.key == key), None)


def read_state(dataset) -> AuditState:
    """The audit of a dataset; read again only when its runs, tags or maps changed."""
    stamp = _stamp(dataset)
    if stamp not in _read:
        while len(_read) > 4:
            _read.pop(next(iter(_read)))
        _read[stamp] = AuditState(
            stamp,
            collect_findings(dataset),
            tuple(run_listing.stored_runs(dataset)),
            store.count(dataset),
            trained_checkpoint(dataset) is not None,
            bool(store.vector_fields(dataset)),
            tuple(store.map_runs(dataset)),
            read_stories(dataset),
            read_received(dataset),
        )
    return _read[stamp]


def is_read(dataset) -> bool:
    """Whether the audit of a dataset is known as it is now."""
    return _stamp(dataset) in _read


def _stamp(dataset) -> str:
    maps, vectors = store.map_runs(dataset), store.vector_fields(dataset)
    told = store.run_times(dataset).get(schema.STORIES_RUN, "")
    trained, n = trained_checkpoint(dataset) is not None, store.count(dataset)
    return f"{dataset.name} {findings_stamp(dataset)} {told} {n} {','.join(maps)} {','.join(vectors)} {trained}"
