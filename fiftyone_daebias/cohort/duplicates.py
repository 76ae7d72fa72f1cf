"""The verb ``duplicates``: the same image twice, the same person under two ids, and leakage between splits."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from .. import schema, store
from ..connected_components import MOST_IDS
from ..errors import InputError
from ..parameters import Correlation, SubjectField
from ..progress import Progress, start
from . import links
from .near_copies import SIDE, near_groups, picture
from .slices import open_slices

_SPLIT_COLUMN = re.compile(r"^(.*_)?(split|subset|partition|fold|set)$", re.IGNORECASE)


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        exact: groups of sample ids with equal pixels
        near: groups of sample ids whose pictures are nearly the same, without those above
        several_subjects: groups (of either kind) that lie under several subject ids: ``[(subjects, sample ids)]``
        leaks: ``{split column: subjects in more than one of its values}``
        across: pairs of duplicates on different sides of a split, ``{split column: number of groups}``
        n_samples: samples compared
        linked: subjects that count as one from now on, as copies lie under all of them: ``[(subject, …)]``
        not_linked: groups under so many subjects that they are blanks or test images rather than one person's
        both_sides: groups of copies that are stored as left and as right
    """

    exact: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]
    several_subjects: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    leaks: dict[str, tuple[str, ...]]
    across: dict[str, int]
    n_samples: int
    linked: tuple[tuple[str, ...], ...] = ()
    not_linked: int = 0
    both_sides: tuple[tuple[str, ...], ...] = ()

    def to_dict(self) -> dict:
        return {
            "exact": [list(g) for g in self.exact],
            "near": [list(g) for g in self.near],
            "several_subjects": [{"subjects": list(s), "samples": list(g)} for s, g in self.several_subjects],
            "leaks": {k: list(v) for k, v in self.leaks.items()},
            "across": dict(self.across),
            "n_samples": self.n_samples,
            "linked": [list(g) for g in self.linked],
            "not_linked": self.not_linked,
            "both_sides": [list(g) for g in self.both_sides],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.n_samples:,} samples compared: {len(self.exact)} groups with equal pixels, {len(self.near)} groups "
            "that are nearly the same"
        ]
        for subjects, ids in self.several_subjects[:10]:
            lines.append(f"  under several subjects: {', '.join(subjects[:6])} ({len(ids)} samples)")
        if len(self.several_subjects) > 10:
            lines.append(f"  and {len(self.several_subjects) - 10} more groups under several subjects")
        if self.linked:
            lines.append(
                f"{sum(map(len, self.linked))} subjects count as {len(self.linked)} in every later split, "
                "fold and permutation, as copies lie under several of them"
            )
        if self.not_linked:
            lines.append(
                f"{self.not_linked} groups lie under more than {MOST_IDS} subjects, as blanks and test images "
                "do; they link nobody"
            )
        if self.both_sides:
            lines.append(
                f"{len(self.both_sides)} groups of equal images are stored as left and as right: one of the "
                "sides is wrong"
            )
        for column, subjects in self.leaks.items():
            lines.append(
                f"split column {column!r}: {len(subjects)} subjects are on several sides "
                f"(first: {', '.join(subjects[:5])})"
            )
        for column, n in self.across.items():
            lines.append(f"split column {column!r}: {n} groups of duplicates lie on several sides")
        return "\n".join(lines)


def duplicates(
    samples,
    *,
    threshold: Correlation = 0.9,
    subject_field: SubjectField | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Finds duplicates and leakage, tags them and saves views.

    Equal pixels are found by their hash. Near duplicates (scaled, re-encoded,
    brightened copies) are pairs whose high-passed pictures of 64 x 64 pixels
    (the middle slice) correlate above the threshold, beyond what a frame or a
    mask that many images share explains; series of one subject, which may
    rightly look alike, are only compared for equal pixels. Split
    columns that came with the data are recognised by their name.

    Tags "daebias:duplicate" and "daebias:split-leak"; writes the group of each
    duplicate to "daebias_duplicate_group". Subjects that share copies count
    as one from then on (field "daebias_linked_subject"), in every split, fold
    and permutation; the two sides of a body and repeats of one subject are no
    copies unless their pixels are equal.

    Args:
        samples: a dataset or view of images
        threshold: correlation above which two samples of different subjects are nearly the same, in (0, 1)
        subject_field: field that names the subject; default: as registered, else guessed by name

    Returns:
        groups of duplicates, and subjects on several sides of a split

    Raises:
        InputError: no samples, or a threshold out of its range
    """
    if not 0 < threshold < 1:
        raise InputError(f"threshold is a correlation and must be between 0 and 1; got {threshold}")
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    n, subjects = len(source), np.array(links.stated(samples, subject_field))
    pictures, hashes = np.zeros((n, SIDE * SIDE), np.float32), []
    with start(progress, "comparing images", n, "samples") as task:
        for i in range(n):
            array, _ = source.cache.read(source.keys[i])
            whole = repr(array.shape).encode() + np.ascontiguousarray(array).tobytes()
            hashes.append(hashlib.sha256(whole).hexdigest())
            pictures[i] = picture(np.asarray(array[len(array) // 2], np.float32))
            task.advance()
    same = defaultdict(list)
    for i, h in enumerate(hashes):
        same[h].append(i)
    exact = [g for g in same.values() if len(g) > 1]
    first = {h: g[0] for h, g in same.items()}
    near = near_groups(pictures, subjects, threshold, {i for i in range(n) if first[hashes[i]] != i})
    ids = source.sample_ids
    every = [(g, "exact") for g in exact] + [(g, "near") for g in near]
    several = [
        (tuple(sorted(set(subjects[g]))), tuple(ids[i] for i in g)) for g, _ in every if len(set(subjects[g])) > 1
    ]
    blank = {i for i in range(n) if not pictures[i].any()}
    linked, not_linked = links.link(samples, subjects, [g for g, _ in every if not blank & set(g)])
    leaks, across, leaking = _leakage(samples, ids, subjects, [g for g, _ in every])
    dataset = store.dataset_of(samples)
    for tag in (schema.TAG_DUPLICATE, schema.TAG_LEAK):
        store.untag(dataset, tag)
    store.clear_field(samples, schema.DUPLICATE_FIELD)
    names = {ids[i]: f"{kind}-{k + 1}" for k, (g, kind) in enumerate(every) for i in g}
    if names:
        store.write_values(samples, schema.DUPLICATE_FIELD, names, kind="string")
        store.tag(samples, list(names), schema.TAG_DUPLICATE)
        store.save_view(
            samples,
            "duplicates",
            store.view_of_tag(samples, schema.TAG_DUPLICATE),
            description="images that are there more than once; grouped by daebias_duplicate_group",
        )
    if leaking:
        store.tag(samples, leaking, schema.TAG_LEAK)
        store.save_view(
            samples,
            "split leaks",
            store.view_of_tag(samples, schema.TAG_LEAK),
            description="subjects or duplicates on several sides of a split that came with the data",
        )
    return Duplicates(
        tuple(tuple(ids[i] for i in g) for g in exact),
        tuple(tuple(ids[i] for i in g) for g in near),
        tuple(several),
        leaks,
        across,
        n,
        linked,
        not_linked,
        tuple(tuple(ids[i] for i in g) for g in links.on_both_sides(samples, exact)),
    )


def _leakage(samples, ids, subjects, groups):
    table = store.read_table(samples).reindex(ids)
    leaks, across, leaking = {}, {}, set()
    for column in table.columns:
        values = table[column]
        if not _SPLIT_COLUMN.match(column) or not 2 <= values.nunique() <= 20:
            continue
        sides = defaultdict(set)
        for s, v in zip(subjects, values, strict=True):
            if v is not None and v == v:
                sides[s].add(str(v))
        torn = sorted(str(s) for s, v in sides.items() if len(v) > 1)
        if torn:
            leaks[column], known = tuple(torn), set(torn)
            leaking |= {i for i, s in zip(ids, subjects, strict=True) if str(s) in known}
        split = [g for g in groups if len({str(values.iloc[i]) for i in g if values.iloc[i] == values.iloc[i]}) > 1]
        if split:
            across[column] = len(split)
            leaking |= {ids[i] for g in split for i in g}
    return leaks, across, sorted(leaking)
