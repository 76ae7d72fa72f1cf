"""The stories in at most ten lines of a terminal; each in full on demand."""

from __future__ import annotations

from ..findings.as_csv import as_csv
from ..findings.formatting import count
from .facts import Stories, Story
from .risk_wording import VERDICTS
from .wording import cohort_line, headline, rest_line, short, tell

#: stories told in the terminal; the others are counted
MOST = 7


def as_lines(stories: Stories) -> list[str]:
    """One line for the cohort, one a story, one for the rest."""
    lines = [cohort_line(stories)]
    for k, story in enumerate(stories.rows[:MOST], 1):
        much = short(story)
        danger = f" [{VERDICTS[story.risk.verdict]}]" if story.risk is not None else ""
        lines.append(f"{k}. {headline(story)}{f': {much}' if much else ''}{danger}")
    more = len(stories.rows) - MOST
    told = count(more, "more story", "more stories") if more > 0 else ""
    rest = "; ".join(t for t in (told, rest_line(stories)) if t)
    return [*lines, rest] if rest else lines


def in_a_line(stories: Stories) -> str:
    """What the audit's list of steps says of it."""
    return count(len(stories.rows), "story", "stories")


def as_paragraph(story: Story, n_tests: int) -> list[str]:
    """A story in full."""
    told = tell(story, n_tests)
    parts = (told.much, *told.same, *told.ties, told.who, told.sure, told.risk, told.todo)
    behind = f"findings: {', '.join(story.findings)}" if story.findings else ""
    return [told.headline, *(f"  {p}" for p in (*parts, behind) if p)]


def stories_csv(stories: Stories) -> str:
    """A line a story."""
    head = ("key", "headline", "lead", "fields", "measure", "value", "low", "high", "q", "subjects", "samples", "risk")
    rows = [
        (
            s.key,
            headline(s),
            s.lead,
            " ".join(s.fields),
            s.measure,
            s.value,
            *s.interval,
            s.q,
            s.n_subjects,
            s.n_samples,
            s.risk.verdict if s.risk is not None else "",
        )
        for s in stories.rows
    ]
    return as_csv(head, rows)
