"""What files give away, in the stories: of a field that leads one, and of the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from .. import schema, store
from .binding import bind, decided
from .facts import Giveaway, Story
from .given import Left
from .grouping import MOST_DECIDED, TIE, Joined

#: files give a field away from this Cliff's delta on, at the interval's nearer end
CLEARLY = 0.5


def with_giveaways(samples, rows: list[Story]) -> list[Story]:
    """Stories of fields that the files alone tell clearly say so."""
    if schema.FILES_RUN not in store.list_runs(samples, schema.FILES_RUN):
        return rows
    stored = store.load_run(samples, schema.FILES_RUN)[1]["table"]["rows"]
    found = {r["field"]: r for r in stored if r["verdict"] != "not tested"}
    out = []
    for story in rows:
        row = found.get(story.lead)
        if row is not None and f"file-facts:{story.lead}" in story.findings:
            low, high = row["interval"]
            if max(low, -high) >= CLEARLY:
                told = Giveaway(row["measure"], row["words"], row["effect"], (low, high))
                story = replace(story, giveaway=told)
        out.append(story)
    return out


def fact_table(samples) -> pd.DataFrame:
    """Facts of the files that vary, a column each under the name of its field."""
    if not store.has_field(samples, schema.FILE_FIELD):
        return pd.DataFrame(index=pd.Index(store.sample_ids(samples), name="id"))
    names = [schema.FILE_PREFIX + f for f in schema.FILE_FACTS if store.has_field(samples, schema.FILE_PREFIX + f)]
    table = store.read_table(samples, names)
    return table[[c for c in table.columns if table[c].nunique() > 1]]


def new_facts(facts: pd.DataFrame, rows: list[Story], table: pd.DataFrame, subjects: np.ndarray) -> list[str]:
    """Facts that no field of a story decides, nor is decided by: what is known by another name is told there."""
    leads = [s.lead for s in rows if s.kind == "field"]

    def known(fact: str) -> bool:
        shares = (
            x
            for lead in leads
            for x in (_low(facts[fact], table[lead], subjects), _low(table[lead], facts[fact], subjects))
        )
        return any(share >= MOST_DECIDED for share in shares)

    return [fact for fact in facts.columns if not known(fact)]


def closest(fact: pd.Series, leads: pd.DataFrame, subjects: np.ndarray) -> str:
    """The field that a fact goes with most, "" where it goes with none."""
    bindings = {name: bind(fact, leads[name], subjects, leads.shape[1]) for name in leads}
    tied = {name: b.value for name, b in bindings.items() if b is not None and b.sure > 0 and b.interval[0] >= TIE}
    return max(tied, key=tied.get, default="")


def _low(b: pd.Series, a: pd.Series, subjects: np.ndarray) -> float:
    return float(np.nan_to_num(decided(b, a, subjects)[1]))


def one_story_a_cause(
    stories: list[Story], facts: pd.DataFrame, subjects: np.ndarray, strength: Callable[[Story], float]
) -> list[Story]:
    """Of facts that go together (size and dimensions, format and colour) the strongest tells for all.

    Args:
        stories: one a fact
        facts: the facts
        subjects: subject of each sample
        strength: what ranks them
    """
    out: list[Story] = []
    for story in sorted(stories, key=strength, reverse=True):
        for k, other in enumerate(out):
            binding = bind(facts[story.lead], facts[other.lead], subjects)
            if binding is not None and binding.interval[0] >= TIE:
                nothing = (Left(story.lead, other.lead, "unknown"), Left(other.lead, story.lead, "unknown"))
                shares = [decided(facts[b], facts[a], subjects)[0] for b, a in _both(story.lead, other.lead)]
                joined = Joined(story.lead, binding, *shares, *nothing)
                out[k] = replace(other, joined=(*other.joined, joined))
                break
        else:
            out.append(story)
    return out


def _both(a: str, b: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (a, b), (b, a)
