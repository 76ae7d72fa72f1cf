"""The verb ``clusters``: list, accept, rename, merge, subtract, delete, apply, export and import."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from .. import atomic, schema, store
from ..errors import InputError
from ..findings.review import author_here
from ..parameters import ClusterName, PickedFile
from ..progress import Progress
from . import cluster as named
from .cluster import Cluster

#: version of the exported file
EXPORT_VERSION = 1
NEIGHBOURS = 10


@dataclass(frozen=True)
class ClusterList:
    """The clusters of a dataset.

    Attributes:
        clusters: the clusters
        subjects: subjects of each
        done: what was done, in words
    """

    clusters: tuple[Cluster, ...]
    subjects: tuple[int, ...]
    done: str = ""

    @classmethod
    def of(cls, samples, done: str = "") -> ClusterList:
        """All clusters of the dataset."""
        dataset = store.dataset_of(samples)
        owner = dict(zip(store.sample_ids(dataset), store.read_subjects(dataset), strict=True))
        clusters = tuple(named.read_clusters(samples).values())
        counts = tuple(len({owner[i] for i in c.members if i in owner}) for c in clusters)
        return cls(clusters, counts, done)

    def to_dict(self) -> dict:
        rows = zip(self.clusters, self.subjects, strict=True)
        return {"clusters": [{**c.to_dict(), "subjects": n} for c, n in rows], "done": self.done}

    def __str__(self) -> str:
        lines = [self.done] if self.done else []
        for c, n in zip(self.clusters, self.subjects, strict=True):
            parts = [f"{len(c.members):,} samples of {n:,} subjects", c.origin]
            if c.map_key:
                parts.append(f"on {c.map_key}")
            if c.stability == c.stability:
                parts.append(f"stability {c.stability:.2f}")
            if c.origin == "lasso":
                drawn = {named.BLIND: "drawn without colours", named.UNKNOWN: "not known what the map was coloured by"}
                parts.append(drawn.get(c.coloured_by, f"drawn while coloured by {c.coloured_by}"))
            if c.author:
                parts.append(f"by {c.author}")
            lines.append(
                f"{c.name}{' (proposed)' if c.proposed else ''}: {', '.join(parts)}" + (f"; {c.note}" if c.note else "")
            )
        return "\n".join(lines or ["no clusters; draw one in the App or run 'daebias suggest-clusters'"])


def clusters(
    samples,
    action: Literal["list", "accept", "rename", "merge", "subtract", "delete", "apply", "export", "import"] = "list",
    *,
    cluster: ClusterName | None = None,
    other: ClusterName | None = None,
    new_name: str | None = None,
    file: PickedFile | None = None,
    progress: Progress | None = None,
) -> ClusterList:
    """Lists the clusters of a dataset, or changes them.

    Args:
        samples: a dataset or view
        action: "list"; "accept" a proposed one (under ``new_name``, if given) or "delete" it, which refuses it;
            "rename" to ``new_name``; "merge" with ``other`` or "subtract" ``other`` from it, stored as ``new_name``
            (default: in place of ``cluster``); "apply" drawn clusters to samples added since; "export" to and "import"
            from ``file``
        cluster: the cluster to act on
        other: a second cluster
        new_name: name of the outcome
        file: JSON file to write or read

    Returns:
        the clusters afterwards

    Raises:
        InputError: a cluster that does not exist, a name that is taken, or a file that holds no clusters
    """
    steps = {
        "list": lambda: "",
        "accept": lambda: _accept(samples, _need(cluster, "cluster"), new_name),
        "rename": lambda: _rename(samples, _need(cluster, "cluster"), _need(new_name, "new_name")),
        "merge": lambda: _combine(samples, _need(cluster, "cluster"), _need(other, "other"), new_name, "merged"),
        "subtract": lambda: _combine(samples, _need(cluster, "cluster"), _need(other, "other"), new_name, "subtracted"),
        "delete": lambda: _delete(samples, _need(cluster, "cluster")),
        "apply": lambda: _apply(samples, cluster),
        "export": lambda: _export(samples, Path(_need(file, "file")).expanduser()),
        "import": lambda: _import(samples, Path(_need(file, "file")).expanduser()),
    }
    if action not in steps:
        raise InputError(f"action must be one of {', '.join(steps)}; got {action!r}")
    return ClusterList.of(samples, steps[action]())


def _need(value, parameter: str):
    if value is None or value == "":
        raise InputError(f"{parameter} is missing; this action needs it")
    return value


def _free(samples, name: str, but: tuple[str, ...] = ()) -> str:
    name = named.check_name(name)
    if name in named.read_clusters(samples) and name not in but:
        raise InputError(f"there is a cluster {name!r} already; choose another new_name")
    return name


def _accept(samples, name: str, new_name: str | None) -> str:
    cluster = named.get(samples, name)
    if not cluster.proposed:
        raise InputError(f"cluster {name!r} is accepted already")
    new = _free(samples, new_name or name, (name,))
    named.write(samples, [replace(cluster, name=new, proposed=False, author=author_here())], [name])
    return f"accepted {name!r}" + (f" as {new!r}" if new != name else "")


def _rename(samples, name: str, new_name: str) -> str:
    cluster = named.get(samples, name)
    new = _free(samples, new_name)
    named.write(samples, [replace(cluster, name=new)], [name])
    return f"renamed {name!r} to {new!r}"


def _combine(samples, name: str, other: str, new_name: str | None, how: str) -> str:
    first, second = named.get(samples, name), named.get(samples, other)
    new = _free(samples, new_name or name, (name,))
    theirs = set(second.members)
    if how == "merged":
        members = list(dict.fromkeys([*first.members, *second.members]))
        gone = [name, other] if new_name is None else []
    else:
        members = [i for i in first.members if i not in theirs]
        gone = []
    if not members:
        raise InputError(f"nothing is left of {name!r} without {other!r}; nothing was changed")
    if len(members) == store.count(store.dataset_of(samples)):
        raise InputError(f"{name!r} and {other!r} together are the whole dataset; nothing was changed")
    seen = {first.coloured_by, second.coloured_by} - {named.BLIND}
    coloured = named.BLIND if not seen else seen.pop() if len(seen) == 1 else named.UNKNOWN
    cluster = replace(
        first,
        name=new,
        members=tuple(members),
        origin=how,
        polygon=(),
        coloured_by=coloured,
        proposed=False,
        stability=float("nan"),
        author=author_here(),
        created=named.now(),
        note=first.note if how == "subtracted" else "; ".join(filter(None, (first.note, second.note))),
    )
    named.write(samples, [cluster], gone)
    return f"{how}: {new!r} has {len(members):,} samples"


def _delete(samples, name: str) -> str:
    cluster = named.get(samples, name)
    named.write(samples, [], [name])
    return f"{'refused' if cluster.proposed else 'deleted'} {name!r}"


def _apply(samples, only: str | None) -> str:
    """Samples added since a cluster was made join it: inside its polygon, or by most of their nearest neighbours."""
    dataset = store.dataset_of(samples)
    if only is not None:
        named.get(samples, only)
    added, changed = 0, []
    for cluster in named.read_clusters(samples).values():
        if only is not None and cluster.name != only:
            continue
        new = set(store.samples_since(dataset, cluster.created)) - set(cluster.members)
        if not new:
            continue
        if cluster.polygon and cluster.map_key in store.map_runs(dataset):
            from matplotlib.path import Path as Polygon

            ids, points = store.load_map(dataset, cluster.map_key)
            inside = Polygon(np.array(cluster.polygon)).contains_points(points)
            joined = [i for i, m in zip(ids, inside, strict=True) if m and i in new]
        else:
            joined = _by_neighbours(dataset, cluster, new)
        if joined:
            added += len(joined)
            changed.append(replace(cluster, members=(*cluster.members, *joined)))
    named.write(samples, changed)
    return f"{added:,} samples added since joined {len(changed)} clusters"


def _by_neighbours(dataset, cluster: Cluster, new: set[str]) -> list[str]:
    from sklearn.neighbors import NearestNeighbors

    ids, vectors = store.read_vectors(dataset, schema.embedding_field())
    old = [k for k, i in enumerate(ids) if i not in new]
    fresh = [k for k, i in enumerate(ids) if i in new]
    if not fresh or not old:
        return []
    members = set(cluster.members)
    votes = np.array([ids[k] in members for k in old])
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(old))).fit(vectors[old])
    _, rows = near.kneighbors(vectors[fresh])
    return [ids[k] for k, r in zip(fresh, rows, strict=True) if votes[r].mean() > 0.5]


def _export(samples, file: Path) -> str:
    clusters = list(named.read_clusters(samples).values())
    dataset = store.dataset_of(samples)
    keys = dict(zip(store.sample_ids(dataset), store.content_keys(dataset), strict=True))
    rows = []
    for cluster in clusters:
        raw = cluster.to_dict()
        raw["members"] = [keys[i] for i in cluster.members if i in keys]
        rows.append(raw)
    text = json.dumps({"version": EXPORT_VERSION, "clusters": rows}, indent=1)
    atomic.write_text(file, text, error=InputError, prefix="file ", mode=None, folders=False)
    return f"{len(rows)} clusters written to {file}; samples are named by the hash of their content"


def _import(samples, file: Path) -> str:
    try:
        raw = json.loads(file.read_text())
        version, rows = raw["version"], raw["clusters"]
        incoming = [Cluster.from_dict(r) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"file {file} holds no clusters ({error}); give one that 'clusters export' wrote") from error
    if version != EXPORT_VERSION:
        raise InputError(f"file {file} has version {version}; this package reads version {EXPORT_VERSION}")
    dataset = store.dataset_of(samples)
    ids = dict(zip(store.content_keys(dataset), store.sample_ids(dataset), strict=True))
    taken, new, lost, empty = set(named.read_clusters(samples)), [], 0, []
    for cluster in incoming:
        members = [ids[m] for m in cluster.members if m in ids]
        lost += len(cluster.members) - len(members)
        if not members or len(members) == store.count(dataset):
            empty.append(cluster.name)
            continue
        name = cluster.name
        while name in taken:
            name += " (imported)"
        taken.add(name)
        map_key = cluster.map_key if cluster.map_key in store.map_runs(samples) else ""
        # a polygon means something on its own map only
        new.append(
            replace(
                cluster,
                name=named.check_name(name),
                members=tuple(members),
                origin="imported",
                map_key=map_key,
                polygon=(),
            )
        )
    if not new:
        raise InputError(f"none of the samples in {file} are in this dataset; nothing was imported")
    named.write(samples, new)
    text = f"{len(new)} clusters imported"
    if lost:
        text += f"; {lost:,} members are not in this dataset"
    return text + (f"; left out: {', '.join(empty)}" if empty else "")
