"""Another kind of picture: small dense groups of subjects far from all the rest.

A score that ranks single samples by how far they lie from others misses a
group: its members have one another. Here a group is cut off by single linkage:
along the minimum spanning tree of the subjects, a part of a few to a fifth of
them whose own links are nearly all much shorter than its only link to the rest.
Heavy tails leave single subjects behind, not groups, so they raise no alarm.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

#: a group has at least so many subjects, and at most this share of them
FEWEST, LARGEST = 5, 0.2
#: in fewer subjects gaps open by chance
FEWEST_SUBJECTS = 100
#: normal cohorts of the same size and spread, none of which may show such a gap
NULL_DRAWS = 19
#: its link to the rest is so much longer than this quantile of its own ones, so that a straggler does not hide it
OWN = 0.8
RATIO = 1.3
#: principal components in which distances are taken
COMPONENTS = 32
#: neighbours of a subject among which links are looked for
NEIGHBOURS = 30


def foreign_groups(vectors: np.ndarray, subjects: np.ndarray) -> list[np.ndarray]:
    """Small dense groups far from the rest.

    Args:
        vectors: (n, d), finite
        subjects: subject of each row; a subject with several rows is their mean

    Returns:
        rows of each group, the group farthest for its own spread first
    """
    people, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    if len(people) < FEWEST_SUBJECTS:
        return []
    means = np.zeros((len(people), vectors.shape[1]))
    np.add.at(means, index, vectors)
    means /= counts[:, None]
    kept = min(COMPONENTS, means.shape[1], len(means) - 1)
    points = PCA(kept, svd_solver="randomized" if kept < min(means.shape) else "full", random_state=0).fit_transform(
        means
    )
    out: list[tuple[float, np.ndarray]] = []
    parts = sorted(_parts(points), key=lambda pair: -pair[0])
    by_chance = _by_chance(points) if parts else 0.0
    for ratio, members in parts:
        if ratio > by_chance and not any(np.isin(members, seen).any() for _, seen in out):
            out.append((ratio, members))
    return [np.flatnonzero(np.isin(index, members)) for _, members in out]


def _by_chance(points: np.ndarray) -> float:
    """The largest ratio in normal cohorts of the same size and spread."""
    rng = np.random.default_rng(0)
    draws = [_parts(rng.standard_normal(points.shape) * points.std(axis=0)) for _ in range(NULL_DRAWS)]
    return max((ratio for parts in draws for ratio, _ in parts), default=0.0)


def _parts(points: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Parts of the tree whose link to the rest is much longer than their own, and by how much; from short to long."""
    n = len(points)
    tree, nearest = _tree(points)
    home = np.arange(n)
    members, own = {k: [k] for k in range(n)}, {k: [] for k in range(n)}
    out = []
    for a, b, height in tree[np.argsort(tree[:, 2], kind="stable")]:
        ends = home[int(a)], home[int(b)]
        for part in ends:
            if FEWEST <= len(members[part]) <= LARGEST * n:
                ratio = height / max(float(np.quantile(own[part], OWN)), 0.5 * nearest)
                if ratio >= RATIO:
                    out.append((ratio, np.array(members[part])))
        small, large = sorted(ends, key=lambda k: len(members[k]))
        moved = members.pop(small)
        home[moved] = large
        members[large] += moved
        own[large] += [*own.pop(small), height]
    return out


def _tree(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Links of the minimum spanning tree, (n − 1, 3): both ends and length; and the median distance to the nearest."""
    k = min(NEIGHBOURS + 1, len(points))
    while True:
        distances, neighbours = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(points)
        rows = np.repeat(np.arange(len(points)), k - 1)
        # a hair above 0, which a sparse matrix would take for "no link"
        lengths = np.maximum(distances[:, 1:].ravel(), 1e-9)
        graph = csr_matrix((lengths, (rows, neighbours[:, 1:].ravel())), shape=(len(points), len(points)))
        graph = graph.maximum(graph.T)
        if k == len(points) or connected_components(graph, directed=False)[0] == 1:
            break
        k = min(2 * k, len(points))
    tree = minimum_spanning_tree(graph).tocoo()
    return np.column_stack([tree.row, tree.col, tree.data]), float(np.median(distances[:, 1]))
