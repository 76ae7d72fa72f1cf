"""Stories in a bundle: their words and the findings behind them, which hold every number that may be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .. import schema, store
from ..stories.facts import Story
from ..stories.story import read_stories
from ..stories.wording import headline

#: kinds of stories whose headline holds no count of people or images
_WITHOUT_COUNTS = ("field", "month")


@dataclass(frozen=True)
class StoryRow:
    """A story as it travels.

    Attributes:
        key: names it, the same in every copy of the cohort
        lead: field that tells most; "" where it is of no field
        headline: what it is, in one line
        findings: keys of the findings behind it that travel too, the strongest first
    """

    key: str
    lead: str
    headline: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Received:
    """What a bundle tells.

    Attributes:
        bundle: its id
        signer: whose key signed it, or "unsigned"
        created: when it was written, as the sender's clock had it
        stories: its stories, in the sender's order
        findings: ``{key: row}`` of its findings
    """

    bundle: str
    signer: str
    created: str
    stories: tuple[StoryRow, ...]
    findings: dict[str, dict]


def to_share(samples, told: dict[str, dict], counted: Collection[str]) -> tuple[tuple[Story, str], ...]:
    """Stories that may leave, each with its headline.

    A story leaves only with its strongest finding, whose numbers it repeats. A headline that counts people or images
    leaves only where the finding's own count did.

    Args:
        samples: a dataset or view
        told: the findings that leave, by their key here
        counted: keys of those whose counts leave unrounded
    """
    stories = read_stories(samples)
    out = []
    for story in stories.rows if stories is not None else ():
        if not story.findings or story.findings[0] not in told or story.recording is not None:
            continue
        if story.kind in _WITHOUT_COUNTS or story.findings[0] in counted:
            out.append((story, headline(story)))
    return tuple(out)


def read_received(samples) -> tuple[Received, ...]:
    """The stories of every bundle that was imported, those of the newest first."""
    out = []
    for key in store.list_runs(samples, schema.SHARED_RUN_PREFIX):
        config, results = store.load_run(samples, key)
        rows = tuple(StoryRow(**{**r, "findings": tuple(r["findings"])}) for r in results.get("stories") or ())
        findings = {f["key"]: f for f in results.get("findings") or ()}
        created = config.get("created_by_sender", "")
        out.append(Received(config["bundle"], config.get("signer", "unsigned"), created, rows, findings))
    return tuple(sorted((r for r in out if r.stories), key=lambda r: r.created, reverse=True))
