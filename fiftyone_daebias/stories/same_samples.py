"""Findings that point at samples, joined to the stories whose groups these samples are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from .. import store
from ..findings.finding import Findings
from .facts import Story
from .overlap import ONE, best_group, same_sets

#: stories that are sets of samples: those that are told for themselves even where a field's group is the same
_TOLD = ("text",)
_JOINED = ("foreign", "turned")
#: findings that are no story of their own but may point at the samples of one
_LISTS = ("outliers",)


def by_overlap(
    samples, findings: Findings, rows: list[Story], table: pd.DataFrame, subjects: np.ndarray
) -> list[Story]:
    """Joins what points at the same samples.

    Sets of samples that are one become one story; a set that is a group of a
    field's story is told there, and burned-in text in both places, as it may
    name people. Lists to look at (outliers, samples that share a strange place)
    are no story, but are named where they are a story's samples.

    Args:
        samples: a dataset or view
        findings: all findings
        rows: the stories so far
        table: metadata, one row a sample
        subjects: subject of each sample
    """
    ids = store.sample_ids(samples)
    place = {i: k for k, i in enumerate(ids)}
    sets, names = {}, {}
    for key, selector, name in [
        *((s.key, s.selector, _NAMES[s.kind]) for s in rows if s.kind in _TOLD + _JOINED),
        *((f.key, f.selector, f.title) for f in findings.rows if f.kind in _LISTS),
    ]:
        inside = np.zeros(len(ids), bool)
        inside[[place[i] for i in selector.ids(samples) if i in place]] = True
        sets[key], names[key] = inside, name
    if not sets:
        return rows
    by_key = {s.key: s for s in rows}
    for first, *others in same_sets(sets, subjects):
        if first not in by_key:
            continue
        for other in others:
            mine = by_key.pop(other, None)
            behind = mine.findings if mine is not None else (other,)
            by_key[first] = replace(by_key[first], findings=(*by_key[first].findings, *behind))
    for key, inside in sets.items():
        best = None
        for story in [s for s in by_key.values() if s.kind == "field"]:
            found = best_group(key, names[key], inside, table[story.lead], subjects)
            if found is not None and found.interval[0] >= ONE and (best is None or found.value > best[1].value):
                best = story.key, found
        if best is None:
            continue
        home = by_key[best[0]]
        mine = by_key.get(key)
        behind = mine.findings if mine is not None else () if key.startswith("story:") else (key,)
        by_key[home.key] = replace(
            home,
            overlaps=(*home.overlaps, best[1]),
            findings=(*home.findings, *(b for b in behind if b not in home.findings)),
        )
        if mine is not None and mine.kind in _JOINED:
            del by_key[key]
    return list(by_key.values())


_NAMES = {"text": "burned-in text", "foreign": "a group far from all others", "turned": "turned pictures"}
