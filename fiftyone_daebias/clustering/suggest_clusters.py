"""The verb ``suggest-clusters``: islands of the map or the embedding, and groups that probes or places point at."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np

from .. import schema, store
from ..embeddings.map import fit_map, principal_components
from ..errors import InputError
from ..parameters import Advanced, ByField, Label, MapKey, Resamples, Seed, SmallestCluster, VectorField
from ..probes.labels import MOST_MISSED
from ..progress import Progress, listening, start
from . import cluster as named
from .cluster import Cluster
from .clusters import ClusterList
from .density import stable_clusters

#: a resample is mapped anew on at most this many samples
MOST_REMAPPED = 3_000
STABLE = 0.5


def suggest_clusters(
    samples,
    *,
    space: Literal["map", "embedding"] = "map",
    map_key: MapKey = "dae_map",
    vectors: VectorField = "dae_embedding",
    by: ByField | None = None,
    min_size: SmallestCluster | None = None,
    resamples: Resamples = 8,
    opposite: Annotated[bool, Label("Also groups of samples on the other side"), Advanced] = True,
    alike: bool = True,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> ClusterList:
    """Proposes clusters: islands that come back when subjects and map are drawn anew.

    Islands are density clusters (HDBSCAN). Each is looked for again in several
    resamples of four fifths of the subjects, mapped from scratch with another
    seed; one that does not come back in half of them is an accident of its
    map, and is not proposed. Samples that a probe puts on the other side of
    their own label are proposed too, and samples of which "tag" found that they
    share something in one place of the picture. Proposals replace earlier ones;
    accept or delete them with "clusters".

    Args:
        samples: a dataset or view with embeddings
        space: look for islands on the "map" or in the "embedding" (its principal components)
        map_key: the map
        vectors: the vectors behind the map
        by: field whose values are looked at one by one: over all regions of a body, only the regions are found
        min_size: smallest cluster; default: a fiftieth of the samples, at least 10
        resamples: how often subjects and map are drawn anew; 0 skips the check
        opposite: whether to propose groups on the other side of a probed label, of at most a fifth of the samples
        alike: whether to propose groups that share a strange place
        seed: seed of resamples and maps

    Returns:
        all clusters of the dataset, the proposals last

    Raises:
        InputError: no map, no vectors, or too few samples
    """
    store.ensure_samples(samples)
    if resamples < 0 or min_size is not None and min_size < 2:
        raise InputError(f"min_size must be at least 2 and resamples at least 0; got {min_size} and {resamples}")
    told = listening(progress)
    ids, points, embedding = _points(samples, space, map_key, vectors)
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples), strict=True))
    subjects = np.array([owner[i] for i in ids])
    parts = _parts(samples, ids, by)
    proposals: list[Cluster] = []
    n_dropped = 0
    with start(progress, "clusters", len(parts) * max(1, resamples), "resamples") as task:
        for part, rows in parts:
            size = min_size or max(10, len(rows) // 50)
            if len(rows) < 2 * size:
                if by is None:
                    raise InputError(
                        f"clusters of at least {size} samples need {2 * size} samples; got {len(rows)}; pass a smaller "
                        "min_size"
                    )
                told.say(f"{by} {part}: {len(rows)} samples are too few for clusters of {size}")
                continue
            islands = stable_clusters(
                points[rows],
                subjects[rows],
                min_size=size,
                resamples=resamples,
                redraw=_redraw(embedding[rows], space),
                rng=np.random.default_rng(seed),
                advance=task.advance,
            )
            for island in islands:
                if resamples and island.found < STABLE:
                    n_dropped += 1
                    continue
                members = tuple(ids[rows[k]] for k in island.rows)
                note = "seen on this map only"
                if resamples:
                    again = round(island.found * resamples)
                    note = f"seen again in {again} of {resamples} maps, each drawn anew without a fifth of the people"
                proposals.append(
                    Cluster(
                        "",
                        members,
                        "suggested",
                        True,
                        note=(f"{by} {part}; " if by else "") + note,
                        map_key=map_key if space == "map" else "",
                        coloured_by=by or named.BLIND,
                        stability=island.stability,
                        created=named.now(),
                    )
                )
    if n_dropped:
        told.say(
            f"{n_dropped} islands of this map were not seen again in half of the maps drawn anew and are not proposed"
        )
    least = min_size or max(10, len(ids) // 100)
    if opposite:
        proposals += _opposite_groups(samples, set(ids), least)
    if alike:
        proposals += _alike_groups(samples, set(ids), least)
    old = [c.name for c in named.read_clusters(samples).values() if c.proposed]
    taken = set(named.read_clusters(samples)) - set(old)
    out = []
    for cluster in sorted(proposals, key=lambda c: (not c.origin.startswith("suggested"), -len(c.members))):
        stem = "suggested" if cluster.origin == "suggested" else cluster.origin.replace(" ", "-")
        k = 1
        while f"{stem}-{k}" in taken:
            k += 1
        taken.add(f"{stem}-{k}")
        out.append(replace(cluster, name=f"{stem}-{k}"))
    named.write(samples, out, old)
    text = f"{len(out)} clusters proposed"
    if n_dropped:
        text += f"; {n_dropped} unstable islands were not"
    return ClusterList.of(samples, text + "; accept or delete them with 'clusters'")


def _points(samples, space: str, map_key: str, vectors: str):
    """Ids, the points to cluster and the vectors behind them, of the samples at hand that have both."""
    v_ids, matrix = store.read_vectors(samples, vectors)
    row = {i: k for k, i in enumerate(v_ids)}
    if space == "embedding":
        return v_ids, principal_components(matrix), matrix
    if space != "map":
        raise InputError(f"space must be 'map' or 'embedding'; got {space!r}")
    m_ids, points = store.load_map(samples, map_key)
    both = [(i, k) for k, i in enumerate(m_ids) if i in row]
    if not both:
        raise InputError(f"map {map_key!r} has none of these samples; embed them or widen the view")
    ids = [i for i, _ in both]
    return ids, np.asarray(points)[[k for _, k in both]], matrix[[row[i] for i in ids]]


def _redraw(embedding: np.ndarray, space: str):
    def draw(rows: np.ndarray, seed: int) -> np.ndarray:
        if space == "embedding":
            return principal_components(embedding[rows])
        if len(rows) > MOST_REMAPPED:
            # only a part is mapped from scratch; the rest follows its nearest neighbour
            from sklearn.neighbors import NearestNeighbors

            z = principal_components(embedding[rows])
            kept = np.sort(np.random.default_rng(seed).choice(len(rows), MOST_REMAPPED, replace=False))
            near = NearestNeighbors(n_neighbors=1).fit(z[kept]).kneighbors(z, return_distance=False)[:, 0]
            points = fit_map(z[kept], seed=seed).points[near]
            jitter = np.random.default_rng(seed).normal(0, 1e-3 * points.std(), points.shape)
            return points + jitter
        return fit_map(embedding[rows], seed=seed).points

    return draw


def _parts(samples, ids: list[str], by: str | None) -> list[tuple[str, np.ndarray]]:
    if by is None:
        return [("", np.arange(len(ids)))]
    values = store.read_table(samples, [by])[by].reindex(ids)
    names = sorted({str(v) for v in values if v is not None and v == v})
    if not 1 <= len(names) <= 50:
        raise InputError(f"by: field {by!r} has {len(names)} values; 1 to 50 can be looked at one by one")
    texts = values.map(str).to_numpy()
    return [(n, np.flatnonzero(texts == n)) for n in names]


def _alike_groups(samples, here: set[str], least: int) -> list[Cluster]:
    out = []
    for tag in sorted(store.count_tags(store.dataset_of(samples))):
        if not tag.startswith(schema.TAG_ALIKE):
            continue
        members = [i for i in store.sample_ids(store.view_of_tag(samples, tag)) if i in here]
        if len(members) >= least:
            out.append(
                Cluster(
                    "",
                    tuple(members),
                    "alike",
                    True,
                    created=named.now(),
                    coloured_by=named.BLIND,
                    note=f"they share something in one place of the picture; {tag}",
                )
            )
    return out


def _opposite_groups(samples, here: set[str], least: int) -> list[Cluster]:
    out = []
    dataset = store.dataset_of(samples)
    runs = store.list_runs(dataset, schema.PROBE_RUN_PREFIX)
    # a field may have been probed several times: over all, and within regions
    for field in sorted({store.load_run(dataset, key)[1]["summary"]["field"] for key in runs}):
        tag = schema.TAG_OPPOSITE + field
        members = [i for i in store.sample_ids(store.view_of_tag(dataset, tag)) if i in here]
        if least <= len(members) <= MOST_MISSED * store.count(dataset):
            out.append(
                Cluster(
                    "",
                    tuple(members),
                    f"opposite {field}",
                    True,
                    created=named.now(),
                    coloured_by=field,
                    note=f"the probe puts them on the other side of their own {field}",
                )
            )
    return out
