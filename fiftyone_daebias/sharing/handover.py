"""For teammates on the same database: a saved view and a saved workspace a finding, opened by name or link."""

from __future__ import annotations

from dataclasses import dataclass

from .. import schema, store
from ..errors import InputError
from ..figures import COLORS
from ..findings.collect import collect_findings
from ..findings.finding import BUILT_IN, Finding
from ..progress import Progress, start

#: findings that are handed over where none is named, the first in the report's order: nobody looks through a hundred
MOST = 5
#: key in the dataset's info: which view and workspace belong to which finding
KEPT = "finding_views"
#: key of those that are to go once the new ones are there
OLD = "finding_views_old"
_SHOWN = ("found", "inseparable", "explained", "unconfirmed", BUILT_IN, "shown")
_COLOR = dict(zip(_SHOWN, (COLORS[1], COLORS[2], COLORS[6], COLORS[4], COLORS[3], COLORS[0]), strict=True))


@dataclass(frozen=True)
class FindingView:
    """What opens a finding.

    Attributes:
        finding: its key
        view: name of the saved view; "" where the finding is about all samples
        workspace: name of the saved workspace
        link: link that opens both
    """

    finding: str
    view: str
    workspace: str
    link: str


def hand_over(
    samples, url: str, progress: Progress | None = None, keys: list[str] | None = None
) -> tuple[FindingView, ...]:
    """Saves a view and a workspace a finding; those of findings that are gone are deleted.

    Args:
        samples: a dataset or view
        url: where teammates open the App
        progress: where to report
        keys: the findings; default: the first :data:`MOST`

    Returns:
        the views and workspaces of these findings, in their order

    Raises:
        InputError: there is no such finding
    """
    dataset = store.dataset_of(samples)
    every = {f.key: f for f in collect_findings(dataset).rows}
    shown = [f for f in every.values() if f.verdict in _SHOWN]
    for key in keys or ():
        if key not in every:
            known = ", ".join(f.key for f in shown[:20]) or "none"
            raise InputError(f"findings: there is no finding {key!r}; findings: {known}")
    rows = shown[:MOST] if keys is None else [every[k] for k in dict.fromkeys(keys)]
    info = store.read_info(dataset)
    kept = dict(info.get(KEPT) or {})
    before = {(part, name) for entry in kept.values() for part, name in entry.items()} | set(
        map(tuple, info.get(OLD) or ())
    )
    taken = {store.slug_of(n) for n in store.saved_views(dataset) if ("view", n) not in before}
    taken_there = {store.slug_of(n) for n in store.saved_workspaces(dataset) if ("workspace", n) not in before}
    kept = {k: entry for k, entry in kept.items() if k in every}
    opened = {}
    for f in rows:
        kept[f.key] = {}
        if f.kind == "cluster" and f"cluster: {f.cluster}" in store.saved_views(dataset):
            opened[f.key] = f"cluster: {f.cluster}"
        elif f.selector.kind not in ("", "all"):
            opened[f.key] = kept[f.key]["view"] = _free(f"finding: {f.title}", taken)
        # the App looks workspaces up by their name alone, across all datasets, so the dataset is part of it
        kept[f.key]["workspace"] = _free(f"{dataset.name}: {f.title}", taken_there)
    old = before - {(part, name) for entry in kept.values() for part, name in entry.items()}
    # whose they are is written down first: what is interrupted now is taken up by the next call, not done twice
    store.write_info(dataset, **{KEPT: kept or None, OLD: sorted(map(list, old)) or None})
    maps = [m for m in store.map_runs(dataset) if schema.SHARED_SUFFIX not in m]
    map_key = schema.map_key() if schema.map_key() in maps else (maps or [""])[0]
    out: list[FindingView] = []
    with start(progress, "views and workspaces", len(rows), "findings") as task:
        for f in rows:
            color, about = _COLOR.get(f.verdict), f"{f.verdict}: {f.sentence}"
            view, workspace = opened.get(f.key, ""), kept[f.key]["workspace"]
            if "view" in kept[f.key]:
                store.save_view(dataset, view, f.selector.view(dataset), description=about, color=color)
            color_by = _color_by(dataset, f)
            store.save_workspace(
                dataset,
                workspace,
                map_key=map_key,
                color_by=color_by,
                panel=schema.PANEL_NAME,
                description=" ".join((about, map_words(map_key, color_by))).strip(),
                color=color,
            )
            out.append(FindingView(f.key, view, workspace, store.app_link(dataset, view, workspace, url)))
            task.advance(note=f.title)
    for part, name in old:
        (store.delete_view if part == "view" else store.delete_workspace)(dataset, name)
    if old:
        store.write_info(dataset, **{OLD: None})
    return tuple(out)


def map_words(map_key: str, color_by: str) -> str:
    """What to choose in the Embeddings panel: the App's own does not take it from a saved workspace."""
    if not map_key:
        return ""
    return f"Map: {map_key}" + (f", coloured by {color_by}." if color_by else ".")


def _free(name: str, taken: set[str]) -> str:
    """A name whose form in links is not taken; takes it."""
    stem = name if store.slug_of(name) else "finding"
    found, n = stem, 1
    while store.slug_of(found) in taken:
        n += 1
        found = f"{stem} ({n})"
    taken.add(store.slug_of(found))
    return found


def _color_by(dataset, finding: Finding) -> str:
    """The field that shows the finding on the map."""
    known = store.metadata_fields(dataset)
    if finding.field in known:
        return finding.field + (".label" if known[finding.field] == "classification" else "")
    if finding.cluster and store.has_field(dataset, schema.CLUSTER_FIELD):
        return schema.CLUSTER_FIELD
    if finding.kind == "outliers" and store.has_field(dataset, schema.OUTLIER_FIELD):
        return schema.OUTLIER_FIELD
    return ""
