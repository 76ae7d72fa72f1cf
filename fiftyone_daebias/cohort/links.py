"""Subjects that are one person, as copies of an image lie under several ids: stored, so that every later step knows.

:func:`store.read_subjects` reads what is stored here; a copy is then never on both sides of a split, fold or
permutation.
"""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from .. import schema, store
from ..connected_components import MOST_IDS, linked_groups
from .items import Item
from .names import repeats_told

_SIDE = re.compile(r"^(.*_)?(side|laterality|eye|hand|hemisphere)$", re.IGNORECASE)
_LEFT, _RIGHT = {"l", "left", "li", "links", "os", "gauche"}, {"r", "right", "re", "rechts", "od", "droite"}


def one_person(subjects: list[str], pixels: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Subjects under whom the same grey values lie are one person.

    Returns:
        for each item the first of its person's subjects, and ``{that subject: all of them}`` where there are several
    """
    first: dict[str, int] = {}
    names = sorted(set(subjects))
    place = {s: k for k, s in enumerate(names)}
    pairs = [(place[subjects[first.setdefault(key, k)]], place[subjects[k]]) for k, key in enumerate(pixels) if key]
    groups = [[names[k] for k in g] for g in linked_groups(len(names), pairs) if 1 < len(g) <= MOST_IDS]
    owner = {s: g[0] for g in groups for s in g}
    return [owner.get(s, s) for s in subjects], {g[0]: g for g in groups}


def settled_splits(subjects: list[str], owners: list[str], known: dict[str, str]) -> dict[str, str]:
    """Where people are who were registered before; new images of theirs go there too, and to train where in doubt."""
    out: dict[str, str] = {}
    for subject, owner in zip(subjects, owners, strict=True):
        if subject in known:
            out[owner] = min(known[subject], out.get(owner, known[subject]), key=schema.SPLITS.index)
    return out


def copy_notes(copies: dict[str, list[str]]) -> list[str]:
    """What to say of subjects that are one person."""
    if not copies:
        return []
    one = ", ".join(next(iter(copies.values()))[:3])
    return [
        f"the same image lies under several subjects ({one}): {sum(map(len, copies.values()))} subjects count as "
        f"{len(copies)} in every split, fold and permutation (field {schema.LINKED_FIELD})"
    ]


def people_notes(items: list[Item], given: list[str | None]) -> list[str]:
    """What stands for subjects where neither table nor header names them, in words.

    Args:
        items: the images and volumes
        given: subject of each by table or pattern
    """
    notes = []
    if all(not g and i.patient is None for i, g in zip(items, given, strict=True)) and (
        note := repeats_told([i.name for i in items])
    ):
        notes.append(note)
    n = sum(
        i.kind == "dicom" and i.patient is None and bool(i.study) and not g for i, g in zip(items, given, strict=True)
    )
    if n:
        notes.append(f"{n} DICOM images name no patient: images of one study count as one subject")
    return notes


def stated(samples, field: str | None = None) -> list[str]:
    """Subject of every sample as its field states it, links left aside."""
    name = store.subject_field(samples, field)
    ids = store.sample_ids(samples)
    values = ids if name is None else store.read_field(samples, name)
    return [str(v) if v not in (None, "") else i for v, i in zip(values, ids, strict=True)]


def link(samples, subjects: np.ndarray, groups: list[list[int]]) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Stores which subjects are one person.

    All samples of such subjects, in the whole dataset, get the name of the first in :data:`schema.LINKED_FIELD`. Where
    their stored splits differ, all go to the side that a model has seen already: train before val before test. Links of
    samples that are not in ``samples`` stay.

    Args:
        samples: a dataset or view
        subjects: stated subject of each
        groups: positions of samples that are copies of one another

    Returns:
        subjects that are one person now, and the number of groups under too many subjects to be one person's
    """
    dataset = store.dataset_of(samples)
    ids, owners = store.sample_ids(dataset), stated(dataset)
    here = dict(zip(store.sample_ids(samples), subjects, strict=True))
    # with another subject field than the stored one, a sample stands for its subject under both
    owners = [here.get(i, o) for i, o in zip(ids, owners, strict=True)]
    names = sorted(set(owners))
    place = {s: k for k, s in enumerate(names)}
    small = [g for g in groups if 1 < len(set(subjects[g])) <= MOST_IDS]
    too_many = sum(len(set(subjects[g])) > MOST_IDS for g in groups)
    pairs = [(place[subjects[g[0]]], place[subjects[k]]) for g in small for k in g[1:]]
    if store.has_field(dataset, schema.LINKED_FIELD):
        known = store.read_field(dataset, schema.LINKED_FIELD)
        first: dict[str, str] = {}
        for i, owner, label in zip(ids, owners, known, strict=True):
            if label and i not in here:
                pairs.append((place[first.setdefault(label, owner)], place[owner]))
    people = [tuple(names[k] for k in g) for g in linked_groups(len(names), pairs) if len(g) > 1]
    label_of = {s: p[0] for p in people for s in p}
    labels = {i: label_of.get(o) for i, o in zip(ids, owners, strict=True)}
    if people or store.has_field(dataset, schema.LINKED_FIELD):
        store.write_values(dataset, schema.LINKED_FIELD, labels, kind="string")
    _one_side(dataset, schema.SPLIT_FIELD, schema.SPLITS, ids, labels)
    return tuple(people), too_many


def _one_side(dataset, field: str, order: tuple[str, ...], ids: list[str], labels: dict[str, str | None]) -> None:
    if not store.has_field(dataset, field):
        return
    sides = dict(zip(ids, store.read_field(dataset, field), strict=True))
    of: dict[str, list[str]] = defaultdict(list)
    for i, label in labels.items():
        if label and sides[i] in order:
            of[label].append(i)
    moved = {}
    for members in of.values():
        side = min((sides[i] for i in members), key=order.index)
        moved |= {i: side for i in members if sides[i] != side}
    store.write_values(dataset, field, moved)


def on_both_sides(samples, groups: list[list[int]]) -> list[list[int]]:
    """Groups of equal images that a field of sides calls left and right."""
    fields = [f for f in store.metadata_fields(samples) if _SIDE.match(f)]
    table = store.read_table(samples, fields) if fields else None
    out = []
    for group in groups:
        for field in fields:
            sides = {str(table[field].iloc[k]).strip().casefold() for k in group}
            if sides & _LEFT and sides & _RIGHT:
                out.append(group)
                break
    return out
