"""Which sample here is which sample of a bundle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .contents import Row


@dataclass(frozen=True)
class Match:
    """Samples here matched to rows of a bundle.

    Attributes:
        row_of: ``{sample id: row}``; a picture that is here more often than in the bundle has one row several times
        by_pixels: samples whose files differ but whose pixels are the same
        lost: rows that are not here
        new: samples here that are not in the bundle
        known_subjects: lost rows whose subject is here by its key (only where both sides use the same secret)
        other_subjects: samples whose picture is that of another subject by its key (the same)
        regrouped: subjects of the bundle that are several subjects here, or share one here
    """

    row_of: dict[str, int]
    by_pixels: int
    lost: tuple[int, ...]
    new: tuple[str, ...]
    known_subjects: int
    other_subjects: int
    regrouped: int


def match(
    rows: Sequence[Row],
    ids: Sequence[str],
    hashes: Sequence[tuple[str, str]],
    subjects: Sequence[str],
    keys: Sequence[str],
) -> Match:
    """Matches by content first, then by pixels; never by name or position.

    Args:
        rows: the bundle's samples
        ids: sample ids here
        hashes: content key and pixel hash of each
        subjects: subject of each
        keys: pseudonymous key of each one's subject
    """
    row_of: dict[str, int] = {}
    taken: set[int] = set()
    by_pixels = 0
    for which in (0, 1):
        places: dict[str, list[int]] = defaultdict(list)
        for r, row in enumerate(rows):
            name = (row.content, row.pixels)[which]
            if name:
                places[name].append(r)
        for k, i in enumerate(ids):
            if i in row_of or not hashes[k][which] or hashes[k][which] not in places:
                continue
            here = places[hashes[k][which]]
            free = [r for r in here if r not in taken]
            if which and not free:
                continue
            # the same picture under two subjects: the one whose subject fits, else the next that is free
            fitting = [r for r in free if rows[r].subject == keys[k]]
            row_of[i] = (fitting or free or here)[0]
            taken.add(row_of[i])
            by_pixels += which
    lost = tuple(r for r in range(len(rows)) if r not in taken)
    ours, theirs = set(keys), {row.subject for row in rows}
    shared = bool(ours & theirs)
    there, here_of = defaultdict(set), defaultdict(set)
    other = 0
    for k, i in enumerate(ids):
        if i in row_of:
            subject = rows[row_of[i]].subject
            there[subject].add(subjects[k])
            here_of[subjects[k]].add(subject)
            other += shared and subject != keys[k]
    regrouped = {s for s, mine in there.items() if len(mine) > 1}
    regrouped |= {s for owned in here_of.values() if len(owned) > 1 for s in owned}
    return Match(
        row_of,
        by_pixels,
        lost,
        tuple(i for i in ids if i not in row_of),
        sum(rows[r].subject in ours for r in lost),
        other,
        len(regrouped),
    )
