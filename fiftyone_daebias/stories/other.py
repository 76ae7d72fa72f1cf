"""Stories that are of no field: persons on both sides of a split, copies, conflicts, another kind of picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from .. import store
from ..analyses import ANALYSES
from ..errors import DaebiasError
from ..findings.finding import Finding, Findings, Selector, existing
from .binding import decided
from .facts import Group, Story
from .foreign import foreign_groups
from .recording import recording_differences

#: differences in recording that are told; there may be as many as there are columns
MOST_RECORDINGS = 3
#: a group of which a field of another story decides so much is that story
KNOWN = 0.8


def other_stories(samples, findings: Findings) -> list[Story]:
    """What is counted and not tested, and what neighbours tell of persons."""
    # people with several images are the cause of both: of a leak, and of being found again
    kinds = {"leak": "persons", "duplicates": "copies", "conflicts": "conflicts"}
    kinds |= {key: kind for a in ANALYSES for key, kind in a.stories.items()}
    told: dict[str, list[Finding]] = {kind: [] for kind in dict.fromkeys(kinds.values())}
    for f in sorted(findings.rows, key=lambda f: f.key != "leak"):
        if f.key in kinds and f.verdict == "found":
            told[kinds[f.key]].append(f)
    out = [plain_story(kind, rows) for kind, rows in told.items() if rows]
    if rows := findings.of("text"):  # lists to look at: counted, not tested
        out.append(plain_story("text", list(rows)))
    if rows := findings.of("turned"):
        groups = tuple(Group(f.key.removeprefix("turned:").replace("-", " "), f.n_subjects, f.n_samples) for f in rows)
        ids = tuple(i for f in rows for i in f.selector.ids(samples))
        story = replace(plain_story("turned", list(rows)), groups=groups, n_groups=len(groups))
        people = sum(f.n_subjects for f in rows)
        out.append(replace(story, n_subjects=people, n_samples=len(ids), selector=Selector("ids", sample_ids=ids)))
    return out


def plain_story(kind: str, rows: list[Finding]) -> Story:
    best = rows[0]
    return Story(
        f"story:{kind}",
        kind,
        findings=tuple(f.key for f in rows),
        measure=best.evidence.measure,
        value=best.evidence.value,
        interval=best.evidence.interval,
        chance=best.evidence.chance,
        q=best.evidence.q,
        strength=best.evidence.strength,
        n_subjects=best.n_subjects,
        n_samples=best.n_samples,
        selector=best.selector,
        next_step=best.next_step,
    )


def recording_stories(table: pd.DataFrame, subjects: np.ndarray) -> list[Story]:
    """Fields that are recorded in one group only, or in other codes there, the surest first."""
    found = sorted(recording_differences(table, subjects), key=lambda r: (r.p, r.field, r.by))
    # one story a field: the group that shows it best
    best = list({r.field: r for r in reversed(found)}.values())[::-1][:MOST_RECORDINGS]
    return [
        Story(
            f"story:recording-{r.field}",
            "recording",
            r.field,
            n_subjects=r.n_inside,
            n_samples=int((table[r.field].notna()).sum()),
            selector=Selector("field", r.field),
            recording=r,
        )
        for r in best
    ]


def foreign_stories(samples, vectors: str, table: pd.DataFrame, subjects: np.ndarray, rows: list[Story]) -> list[Story]:
    """Small dense groups far from the rest, unless a field that leads a story already says what they are.

    Args:
        samples: a dataset or view
        vectors: the vector field
        table: metadata, one row a sample
        subjects: subject of each sample
        rows: the stories so far
    """
    try:
        ids, matrix = store.read_vectors(samples, vectors)
    except DaebiasError:
        return []
    if not np.isfinite(matrix).all():
        return []
    place = pd.Series(np.arange(len(table)), index=table.index).reindex(ids).to_numpy()
    leads = [s.lead for s in rows if s.kind == "field"]
    out = []
    for group in foreign_groups(np.asarray(matrix, np.float64), subjects[place]):
        inside = np.full(len(table), "", dtype=object)
        inside[place] = "outside"
        inside[place[group]] = "inside"
        column = pd.Series(inside, index=table.index, name="group")
        if any((decided(column, table[lead], subjects)[0] or 0.0) >= KNOWN for lead in leads):
            continue
        mine = [ids[k] for k in group]
        out.append(
            Story(
                f"story:foreign-{len(out) + 1}",
                "foreign",
                measure="samples",
                value=float(len(mine)),
                n_subjects=len(set(subjects[place[group]])),
                n_samples=len(mine),
                selector=Selector("ids", sample_ids=tuple(mine)),
                next_step=existing("similar", "Are there more like these?"),
            )
        )
    return out
