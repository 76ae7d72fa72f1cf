"""Every story, and every other field that was probed, judged by what a model of the target might make of it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import store
from ..cohort.file_facts import shown
from ..figures import COLORS, save_figure
from ..findings.finding import Evidence, Finding, Findings, Selector, existing
from ..progress import Progress, start
from .binding import levels_of
from .facts import Group, Story
from .files import closest, fact_table, new_facts, one_story_a_cause
from .given import Conditional
from .risk import Risk, RiskOf, image_scores
from .target import Label

_NAN = float("nan")
#: verdicts on what tells the target
_TELL = ("shortcut", "possible", "confounder", "same")
#: how a verdict is drawn
_MARKS = {
    "shortcut": (COLORS[1], "s"),
    "possible": (COLORS[1], "o"),
    "confounder": (COLORS[4], "D"),
    "harmless": (COLORS[0], "o"),
}


def judge(
    samples,
    rows: list[Story],
    findings: Findings,
    table: pd.DataFrame,
    subjects: np.ndarray,
    label: Label,
    conditional: Conditional,
    protected,
    seed: int,
    progress: Progress | None = None,
) -> list[Story]:
    """The stories with their risk, and a story each for protected fields and for what tells the target unseen.

    Args:
        samples: a dataset or view
        rows: the stories
        findings: everything found, and looked for and not found
        table: metadata, one row a sample
        subjects: subject of each sample
        label: the target
        conditional: asks what the image tells of a field when the target is known
        protected: fields that are judged whatever was found of them
        seed: random seed
        progress: where to report
    """
    probes = {f.field: f for f in findings.of("probe") if f.key == f"probe:{f.field}" and f.verdict != "not tested"}
    expected = tuple(f.field for f in findings.of("probe") if f.verdict == "expected")
    inside = {name for s in rows for name in s.fields}
    others = [f for f in probes if f in table.columns and f not in inside and f != label.field]
    others = [f for f in others if f in protected or f not in expected]
    others += [f for f in protected if f not in probes and f not in inside and f != label.field]
    facts = fact_table(samples)
    of_files = new_facts(facts, rows, table, subjects)
    table = table.join(facts[of_files])
    stories = [s for s in rows if s.kind == "field"]
    scores, source, ids = None, conditional.source, store.sample_ids(samples)
    conditional.columns[label.name] = pd.Series(
        [label.classes[c] if c >= 0 else None for c in label.codes], index=ids, dtype=object
    )
    if source is not None:
        scores, _ = image_scores(source, label, ids, seed=seed)
    of = RiskOf(
        label,
        table,
        subjects,
        scores,
        expected=expected,
        n_fields=len(stories) + len(others) + len(of_files),
        seed=seed,
    )
    out = []
    with start(progress, "judging risks", len(stories) + len(others) + len(of_files), "fields") as task:
        for story in rows:
            if story.kind != "field":
                out.append(story)
                continue
            out.append(replace(story, risk=of(story.lead, *_seen(story.lead, probes, conditional, label, True))))
            task.advance(note=story.lead)
        for name in others:
            finding = probes.get(name)
            visible = finding is not None and finding.verdict in ("found", "inseparable", "expected")
            visible = visible and finding.evidence.q <= 0.05
            risk = of(name, *_seen(name, probes, conditional, label, visible))
            if name in protected or risk.verdict in _TELL:
                out.append(_bare_story(name, finding, risk, table, subjects))
            task.advance(note=name)
        told, leads = [], [s.lead for s in out if s.risk is not None and s.risk.verdict in _TELL]
        behind = next((f for f in findings.of("file-facts") if f.field == label.field and f.verdict == "found"), None)
        for name in of_files:
            seen = _seen(name, probes, conditional, label, True)
            risk = of(name, *seen)
            lead = closest(facts[name], table[leads], subjects)
            if risk.verdict in _TELL and lead:
                # what files tell of the target because they tell the site is the site's story
                given = copy(of)
                given.expected = (*expected, lead)
                risk = risk if given(name, *seen).verdict in _TELL else replace(risk, verdict="neither")
            if risk.verdict in _TELL:
                story = _bare_story(name, None, risk, table, subjects)
                told.append(replace(story, findings=(behind.key,) if behind is not None else ()))
            task.advance(note=shown(name))
    return out + one_story_a_cause(told, facts, subjects, lambda s: s.risk.utility)


def _seen(name: str, probes, conditional: Conditional, label: Label, found: bool):
    """How well the image tells a field beyond what it tells of the target, its interval, whether it was found at all,
    and what is left of it given the target.

    A field that goes with the target is told by whatever tells the target; what
    counts is what is left of it among subjects alike in the target.
    """
    value, interval = detectability(probes.get(name))
    if name == label.field or not found:
        return value, interval, found, ""
    left = conditional(name, label.name)
    if left.measure not in ("AUC", "MAE"):
        return value, interval, found, ""
    value, interval = _over_chance(Evidence(left.measure, left.value, left.interval, left.chance))
    beyond = "nothing" if left.answer == "unknown" and interval[0] <= 0 else left.answer
    return value, interval, found, beyond


def detectability(finding: Finding | None) -> tuple[float, tuple[float, float]]:
    """How well the image tells a field: 2·AUC − 1, or the share by which it betters guessing."""
    if finding is None:
        return _NAN, (_NAN, _NAN)
    return _over_chance(finding.evidence)


def _over_chance(e: Evidence) -> tuple[float, tuple[float, float]]:
    if e.measure in ("AUC", "C"):
        values = [2 * v - 1 for v in (e.value, *e.interval)]
    elif e.measure == "MAE" and e.chance > 0:
        values = [1 - v / e.chance for v in (e.value, e.interval[1], e.interval[0])]
    else:
        return _NAN, (_NAN, _NAN)
    value, low, high = (float(np.clip(v, 0, 1)) for v in values)
    return value, (low, high)


def field_groups(column: pd.Series, subjects: np.ndarray) -> tuple[tuple[Group, ...], int, int]:
    """Groups of a field, the largest first, and subjects and samples with a value."""
    codes, levels = levels_of(column)
    groups = [Group(name, len(set(subjects[codes == k])), int((codes == k).sum())) for k, name in enumerate(levels)]
    return tuple(sorted(groups, key=lambda g: -g.n_subjects)), len(set(subjects[codes >= 0])), int((codes >= 0).sum())


def _bare_story(name: str, finding: Finding | None, risk: Risk, table: pd.DataFrame, subjects) -> Story:
    """A field of which nothing was found in the images."""
    groups, n_subjects, n_samples = field_groups(table[name], subjects)
    story = Story(
        f"story:{name}",
        "field",
        name,
        groups=groups[:6],
        n_groups=len(groups),
        n_subjects=n_subjects,
        n_samples=n_samples,
        selector=Selector("field", name),
        next_step=existing("explain", "Where in the image is the difference?", field=name),
        risk=risk,
        seen=False,
    )
    if finding is None:
        return story
    e = finding.evidence
    return replace(
        story,
        findings=(finding.key,),
        measure=e.measure,
        value=e.value,
        interval=e.interval,
        chance=e.chance,
        q=e.q,
        strength=e.strength,
        seen=finding.verdict in ("found", "inseparable") or finding.verdict == "expected" and e.q <= 0.05,
    )


def draw_risks(dataset: str, rows: list[Story], target: str) -> dict:
    """Detectability over utility, one mark a field."""
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    told = [s for s in rows if s.risk is not None and s.risk.utility == s.risk.utility]
    for story in told:
        r = story.risk
        color, mark = _MARKS.get(r.verdict, (COLORS[-1], "o"))
        x, y = np.nan_to_num(r.detectability), r.utility
        ends = np.nan_to_num(r.detectability_interval)
        ax.errorbar(
            x,
            y,
            xerr=[[max(x - ends[0], 0)], [max(ends[1] - x, 0)]],
            yerr=[[max(y - r.utility_interval[0], 0)], [max(r.utility_interval[1] - y, 0)]],
            fmt=mark,
            color=color,
            capsize=2,
        )
        ax.annotate(shown(story.lead)[:28], (x, y), xytext=(5, 5), textcoords="offset points", fontsize=8)
    ax.set(
        xlim=(-0.03, 1.05),
        ylim=(-0.03, 1.05),
        xlabel="detectability: how well the image tells it",
        ylabel=f"utility: how well it tells {target}",
    )
    ax.text(1.03, 1.02, "shortcut", ha="right", va="top", color=COLORS[1], fontsize=9)
    ax.text(1.03, 0.0, "visible, harmless", ha="right", va="bottom", color=COLORS[0], fontsize=9)
    ax.text(0.0, 1.02, "to be balanced", ha="left", va="top", color=COLORS[4], fontsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    caption = (
        "0 is guessing, 1 is certain (2·AUC − 1; for numbers the share by which guessing is bettered); bars are 95 % "
        "intervals, subjects as the units."
    )
    return save_figure(dataset, "story_risks", figure, f"What a model of {target} might make of each field", caption)
