"""Groups of what is linked, directly or through others."""

from __future__ import annotations

from collections.abc import Iterable

#: ids of one person, at most: what is the same under more of them is a blank or a test image, not one person's copy
MOST_IDS = 10


def linked_groups(n: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components of ``n`` things, by their lowest member; each ascending, single things too.

    Pairs are taken one by one and not kept: of many near copies there are very many.
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs:
        parent[root(j)] = root(i)
    groups: dict[int, list[int]] = {}
    for i in range(n):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())
