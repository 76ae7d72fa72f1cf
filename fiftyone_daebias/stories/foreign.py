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
#: normal cohorts of the same spread and size, none of which may show such a gap; of smaller ones, which have wider
#: gaps, where there are more subjects
NULL_DRAWS, NULL_SUBJECTS = 19, 5_000
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
    """The largest ratio in normal cohorts of the same spread."""
    rng = np.random.default_rng(0)
    shape = min(len(points), NULL_SUBJECTS), points.shape[1]
    draws = [_parts(rng.standard_normal(shape) * points.std(axis=0)) for _ in range(NULL_DRAWS)]
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
    n, k = len(points), min(NEIGHBOURS + 1, len(points))
    distances, neighbours = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(points)
    ends = np.column_stack([np.repeat(np.arange(n), k - 1), neighbours[:, 1:].ravel()])
    lengths = distances[:, 1:].ravel()
    while True:
        # a hair above 0, which a sparse matrix would take for "no link"
        graph = csr_matrix((np.maximum(lengths, 1e-9), (ends[:, 0], ends[:, 1])), shape=(n, n))
        graph = graph.maximum(graph.T)
        n_parts, part = connected_components(graph, directed=False)
        if n_parts == 1:
            break
        # the shortest link out of a part is in the tree (Boruvka 1926)
        largest = int(np.bincount(part).argmax())
        links = [_way_out(points, part == c) for c in range(n_parts) if c != largest]
        ends = np.vstack([ends, [(a, b) for a, b, _ in links]])
        lengths = np.append(lengths, [length for _, _, length in links])
    tree = minimum_spanning_tree(graph).tocoo()
    return np.column_stack([tree.row, tree.col, tree.data]), float(np.median(distances[:, 1]))


def _way_out(points: np.ndarray, inside: np.ndarray) -> tuple[int, int, float]:
    """The shortest link from some points to all others: both ends and its length."""
    mine, others = np.flatnonzero(inside), np.flatnonzero(~inside)
    far, near = NearestNeighbors(n_neighbors=1).fit(points[others]).kneighbors(points[mine])
    k = int(far[:, 0].argmin())
    return int(mine[k]), int(others[near[k, 0]]), float(far[k, 0])
