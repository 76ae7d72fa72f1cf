"""Into a dataset: everything planned before the first write, nothing overwritten, and undone if a write fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from .. import schema, store
from ..clustering import cluster as named
from ..errors import InputError
from ..findings.review import Review, add_reviews, read_reviews
from ..progress import Progress, start
from .contents import Contents, Group, Said
from .handover import map_words
from .matching import Match
from .suppress import suppress_small_counts


@dataclass
class Plan:
    """What an import is going to write.

    Attributes:
        clusters: clusters to write, ready with ids and free names
        views: ``{free name: (group, sample ids)}``
        workspaces: ``{free name: the workspace}``
        names: ``{"clusters" | "views" | "workspaces": {name in the bundle: name here, "" if it is not brought here}}``
        reviews: entries that are not here yet
        labels: sample-level reviews to write, ``{sample id: what was said}``
        kept_labels: sample-level reviews of samples that have another one here
        notes: what was left out, and why
    """

    clusters: list[named.Cluster] = field(default_factory=list)
    views: dict[str, tuple[Group, list[str]]] = field(default_factory=dict)
    workspaces: dict[str, object] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=lambda: {"clusters": {}, "views": {}, "workspaces": {}})
    reviews: list[Review] = field(default_factory=list)
    labels: dict[str, Said] = field(default_factory=dict)
    kept_labels: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def shared_name(name: str, bundle: str) -> str:
    """Name here of a map or vector field that came with a bundle."""
    return f"{name}{schema.SHARED_SUFFIX}{bundle[:8]}"


def plan(dataset, contents: Contents, match: Match, before: dict) -> Plan:
    """Decides on every name and every member; writes nothing.

    Args:
        dataset: the dataset
        contents: the bundle
        match: which sample is which
        before: the names that an earlier import of the same bundle used
    """
    here: dict[int, list[str]] = {}
    for i, r in match.row_of.items():
        here.setdefault(r, []).append(i)
    out = Plan()
    _plan_clusters(dataset, contents, here, before.get("clusters", {}), out)
    _plan_views(dataset, contents, here, before.get("views", {}), out)
    _plan_workspaces(dataset, contents, before.get("workspaces", {}), out)
    _plan_reviews(dataset, contents, here, out)
    return out


def _members(group, here) -> list[str]:
    return [i for r in group.rows for i in here.get(r, ())]


def _plan_clusters(dataset, contents, here, before, out: Plan) -> None:
    known, within = named.read_clusters(dataset), {i for ids in here.values() for i in ids}
    taken = set(known)
    for g in contents.clusters:
        ids = _members(g, here)
        old = before.get(g.name)
        if old is not None:
            # brought here earlier: what people did to it since stays, new samples join
            out.names["clusters"][g.name] = old
            joining = sorted(set(ids) - set(known[old].members)) if old in known else []
            if joining:
                out.clusters.append(replace(known[old], members=(*known[old].members, *joining)))
            continue
        if not ids:
            out.notes.append(f"cluster {g.name!r} has no sample here and was left out")
            continue
        if g.name in known and set(known[g.name].members) & within == set(ids):
            out.names["clusters"][g.name] = g.name
            continue
        name = _free_name(g.name, taken, 60)
        try:
            named.check_name(name)
        except InputError:
            name = _free_name("shared cluster", taken, 60)
        taken.add(name)
        out.names["clusters"][g.name] = name
        out.clusters.append(
            named.Cluster(
                name,
                tuple(ids),
                "imported",
                g.proposed,
                g.color,
                g.description,
                g.author,
                shared_name(g.map_key, contents.id) if g.map_key else "",
                g.polygon if g.map_key else (),
                g.coloured_by,
                float("nan") if g.stability is None else g.stability,
                g.created,
            )
        )


def _plan_views(dataset, contents, here, before, out: Plan) -> None:
    # a group is the same if it is so among the samples that the bundle speaks of
    known, within = store.saved_views(dataset), {i for ids in here.values() for i in ids}
    taken = {store.slug_of(n) for n in known} | {store.slug_of(f"cluster: {c.name}") for c in out.clusters}
    for g in contents.views:
        ids = _members(g, here)
        old = before.get(g.name)
        if old is not None:
            out.names["views"][g.name] = old
            if old in known and set(store.saved_view_ids(dataset, old)) < set(ids):
                out.views[old] = g, ids
            continue
        if not ids:
            out.notes.append(f"view {g.name!r} has no sample here and was left out")
            continue
        if g.name in known and set(store.saved_view_ids(dataset, g.name)) & within == set(ids):
            out.names["views"][g.name] = g.name
            continue
        name = _free_slug(g.name, taken, "shared view")
        out.names["views"][g.name] = name
        out.views[name] = g, ids


def _plan_workspaces(dataset, contents, before, out: Plan) -> None:
    known = store.saved_workspaces(dataset)
    taken = {store.slug_of(n) for n in known}
    for w in contents.workspaces:
        same = known.get(f"{dataset.name}: {w.name}")
        if same and (same.get("description") or "").startswith(w.description):
            out.names["workspaces"][w.name] = f"{dataset.name}: {w.name}"
            continue
        if w.name in before:
            out.names["workspaces"][w.name] = before[w.name]
            continue
        name = _free_slug(f"{dataset.name}: {w.name}", taken, "shared workspace")
        out.names["workspaces"][w.name] = name
        out.workspaces[name] = w


def _plan_reviews(dataset, contents, here, out: Plan) -> None:
    known = {_said_key(r.finding, r.status, r.note, r.author, r.date) for r in read_reviews(dataset)}
    labels = {}
    if store.has_field(dataset, schema.REVIEW_FIELD):
        labels = store.read_labels(dataset, schema.REVIEW_FIELD, ("label", "author", "date", "note"))
    for said in contents.reviews:
        ids = _members(said, here)
        if said.finding:
            finding = _renamed(said.finding, out.names["clusters"])
            key = _said_key(finding, said.status, said.note, said.author, said.date)
            if key not in known:
                known.add(key)
                out.reviews.append(
                    Review(finding, said.status, said.note, said.author, said.date, contents.id, tuple(ids))
                )
            continue
        for i in ids:
            if i not in labels:
                out.labels[i] = said
            elif _said_key("", labels[i][0], labels[i][3], labels[i][1], labels[i][2]) != _said_key(
                "", said.status, said.note, said.author, said.date
            ):
                out.kept_labels.append(
                    {"sample_id": i, "status": said.status, "note": said.note, "author": said.author, "date": said.date}
                )


def _said_key(finding, status, note, author, date) -> tuple:
    """What makes two entries the same: the moment, for a note that went out and came back may have lost words."""
    return (
        (finding, status, date)
        if date
        else (finding, status, suppress_small_counts(note or ""), suppress_small_counts(author or ""))
    )


def _renamed(finding: str, clusters: dict[str, str]) -> str:
    """The finding's key with the cluster's name here."""
    kind, _, rest = finding.partition(":")
    if kind == "cluster" and clusters.get(rest):
        return f"cluster:{clusters[rest]}"
    if kind == "association":
        name, _, about = rest.rpartition(":")
        if clusters.get(name):
            return f"association:{clusters[name]}:{about}"
    return finding


def _free_name(name: str, taken: set[str], longest: int) -> str:
    found, n = name, 1
    while found in taken:
        suffix = " (shared)" if n == 1 else f" (shared {n})"
        found, n = name[: longest - len(suffix)].rstrip() + suffix, n + 1
    return found


def _free_slug(name: str, taken: set[str], otherwise: str) -> str:
    """A name whose form in links is not taken; takes it."""
    stem = name if store.slug_of(name) else otherwise
    found, n = stem, 1
    while store.slug_of(found) in taken:
        found, n = f"{stem} (shared)" if n == 1 else f"{stem} (shared {n})", n + 1
    taken.add(store.slug_of(found))
    return found


@contextmanager
def all_or_nothing():
    """Collects how to undo each write; undoes all of them, last first, if one fails."""
    undo: list[Callable[[], None]] = []
    try:
        yield undo.append
    except BaseException:
        for step in reversed(undo):
            step()
        raise


def write(
    dataset, contents: Contents, match: Match, todo: Plan, config: dict, results: dict, progress: Progress | None = None
) -> int:
    """Writes what was planned; returns how many reviews were new."""
    ids_of: dict[int, list[str]] = {}
    for i, r in match.row_of.items():
        ids_of.setdefault(r, []).append(i)
    key = shared_key(contents.id)
    first = key not in store.list_runs(dataset, key)
    total = len(contents.maps) + len(contents.vectors) + len(todo.views) + len(todo.workspaces) + 3
    with start(progress, "importing", total, "parts") as task, all_or_nothing() as undo:
        for name, (rows, points) in contents.maps.items():
            ids, values = _here(rows, points, ids_of)
            mine = shared_name(name, contents.id)
            if ids:
                if first:
                    undo(lambda k=mine: store.delete_map(dataset, k, k + "_points"))
                store.save_map(dataset, mine, ids, values, mine + "_points")
            task.advance()
        for name, (rows, vectors) in contents.vectors.items():
            ids, values = _here(rows, vectors, ids_of)
            mine = shared_name(name, contents.id)
            if ids:
                if first:
                    undo(lambda f=mine: store.clear_field(dataset, f))
                store.write_vectors(dataset, mine, ids, values)
            task.advance()
        had = named.read_clusters(dataset)
        undo(
            lambda: named.write(
                dataset,
                [had[c.name] for c in todo.clusters if c.name in had],
                [c.name for c in todo.clusters if c.name not in had],
            )
        )
        if todo.clusters:
            named.write(dataset, todo.clusters)
        task.advance()
        for name, (group, ids) in todo.views.items():
            undo(lambda n=name: store.delete_view(dataset, n))
            store.save_view(dataset, name, store.lasting_view(dataset, ids), group.description, group.color or None)
            task.advance()
        for name, space in todo.workspaces.items():
            undo(lambda n=name: store.delete_workspace(dataset, n))
            root = space.color_by.split(".")[0]
            mapped = shared_name(space.map_key, contents.id) if space.map_key else ""
            color_by = space.color_by if root and store.has_field(dataset, root) else ""
            store.save_workspace(
                dataset,
                name,
                map_key=mapped,
                color_by=color_by,
                panel=schema.PANEL_NAME,
                description=" ".join((space.description, map_words(mapped, color_by))).strip(),
                color=space.color or None,
            )
            task.advance()
        for i, said in todo.labels.items():
            undo(lambda i=i: store.write_labels(dataset, schema.REVIEW_FIELD, {i: None}))
            store.write_reviews(dataset, schema.REVIEW_FIELD, [i], said.status, said.author, said.date, said.note)
        task.advance()
        if first:
            undo(lambda: store.delete_run(dataset, key))
        store.save_run(dataset, key, config, results)
        # append-only and the last write, so there is nothing after it that could fail
        new = add_reviews(dataset, todo.reviews)
        task.advance()
    return new


def shared_key(bundle: str) -> str:
    """Key of the run that an imported bundle leaves."""
    return schema.SHARED_RUN_PREFIX + bundle[:8]


def _here(rows, values, ids_of) -> tuple[list[str], np.ndarray]:
    pairs = [(i, n) for n, r in enumerate(rows) for i in ids_of.get(int(r), ())]
    return [i for i, _ in pairs], np.asarray(values)[[n for _, n in pairs]] if pairs else np.empty((0, 2))
