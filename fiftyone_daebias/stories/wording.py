"""Every sentence about a story, made from its facts: the terminal, the page and the panel say the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .. import schema
from ..cohort.file_facts import shown
from ..findings.formatting import count, number, p_value, percent, score
from ..quantities import Quantity, unit_of
from .facts import Stories, Story
from .given import Left
from .grouping import Joined
from .overlap import Overlap
from .risk_wording import risk_headline, risk_sentence, risk_todo

#: the headline says that the files give a field away from this Cliff's delta on (AUC .9), at the interval's end
GIVEN_AWAY = 0.8


@dataclass(frozen=True)
class Telling:
    """A story in words.

    Attributes:
        headline: what it is, in one line
        brief: how much, in a few words; "" where that is not measured
        much: how much of it the images tell
        same: one sentence a field that is the same thing
        ties: one sentence a field that goes together with it
        near: these fields in a few words
        who: who is concerned
        sure: how sure that is
        risk: what a model of the target might make of it; "" without a target
        todo: what to do next
    """

    headline: str
    brief: str
    much: str
    same: tuple[str, ...]
    ties: tuple[str, ...]
    near: str
    who: str
    sure: str
    risk: str
    todo: str


def tell(story: Story, n_tests: int) -> Telling:
    """A story in words.

    Args:
        story: its facts
        n_tests: tests corrected together
    """
    title, story = headline(story), _named(story)
    return Telling(
        title,
        short(story),
        _much(story),
        tuple(_same(j, story.lead) for j in story.joined),
        (*(_tie(t, story.lead) for t in story.ties), *(overlap_line(o, story.lead) for o in story.overlaps)),
        _and([t.field for t in story.ties]) if story.ties else "",
        _who(story),
        _sure(story, n_tests),
        risk_sentence(story),
        _todo(story),
    )


def cohort_line(stories: Stories) -> str:
    """The cohort and how much there is to tell, in one line."""
    images = count(stories.sample_count, "image or volume", "images or volumes")
    who = f"{images} of {count(stories.subject_count, 'subject')}"
    return f"{who}: {count(stories.n_found, 'finding')}, {count(len(stories.rows), 'story', 'stories')}"


def rest_line(stories: Stories) -> str:
    """What was expected and seen, and what was looked for and not found, in one line."""
    parts = []
    if stories.expected:
        parts.append(f"expected, and seen: {_and(stories.expected)}")
    if stories.n_not_found:
        parts.append(f"{count(stories.n_not_found, 'test')} of {stories.n_tests:,} found nothing")
    if stories.unconfirmed:
        parts.append(f"{len(stories.unconfirmed):,} unconfirmed")
    return "; ".join(parts)


def headline(story: Story) -> str:
    """What it is, in one line."""
    of_files = story.lead.startswith(schema.FILE_PREFIX)
    story = _named(story)
    n, people = f"{story.n_samples:,}", count(story.n_subjects, "person", "people")
    if story.kind == "persons" and story.measure == "samples":
        return f"{people} stand on both sides of a split: {n} images, so test scores are too good"
    if story.kind == "persons":
        return "Images of one person can be found among all others"
    if story.kind == "copies":
        return f"{n} images are copies of one another"
    if story.kind == "foreign":
        return f"{n} images lie together, far from all others: perhaps another kind of picture"
    if story.kind == "text":
        return f"{n} images seem to hold burned-in text"
    if story.kind == "turned":
        are = "image is" if story.n_samples == 1 else "images are"
        return f"{n} {are} turned beside fellows: {_and([f'{g.n_samples:,} {g.name}' for g in story.groups])}"
    if story.kind == "conflicts":
        return f"{n} images contradict their own row of the table"
    if story.recording is not None:
        r = story.recording
        if r.kind == "one group":
            return f"{r.field} was recorded in {r.by} {r.group} only"
        return (
            f"{r.field} is written otherwise in {r.by} {r.group}: {r.examples[0]!r} there, {r.examples[1]!r} elsewhere"
        )
    if story.kind == "month":
        return "The month of the scan can be told from the nearest image"
    if of_files and story.risk is not None:
        told = _and([story.lead, *(j.field for j in story.joined)])
        if story.risk.utility_interval[0] >= GIVEN_AWAY:
            return f"The files alone tell {story.risk.target}: {told}"
        return f"Files differ with {story.risk.target}: {told}"
    if story.risk is not None and (said := risk_headline(story)):
        return f"{said}{_bond(story)}"
    if not story.seen:
        return f"{story.lead} was not seen in the images"
    if story.giveaway is not None and max(story.giveaway.interval[0], -story.giveaway.interval[1]) >= GIVEN_AWAY:
        return f"The files alone tell {story.lead}{_bond(story)}"
    if story.findings and story.findings[0].startswith("file-facts:"):
        return f"Files differ with {story.lead}{_bond(story)}"
    if story.findings and not story.findings[0].startswith(("probe:", "quality:")):
        return f"The images differ with {story.lead}{_bond(story)}"
    if story.measure not in ("AUC", "MAE", "C"):
        return f"Image quality differs with {story.lead}{_bond(story)}"
    return f"{story.lead} can be read from the images{_bond(story)}"


def _named(story: Story) -> Story:
    """The story with its fields as they are told."""
    return replace(
        story,
        lead=shown(story.lead),
        joined=tuple(replace(j, field=shown(j.field)) for j in story.joined),
        ties=tuple(replace(j, field=shown(j.field)) for j in story.ties),
    )


def _bond(story: Story) -> str:
    """The fields that are the same thing, after a semicolon."""
    if not story.joined:
        return ""
    names = _and([j.field for j in story.joined])
    alike = all(j.left.answer in ("nothing", "inseparable") for j in story.joined)
    are = "is" if len(story.joined) == 1 else "are"
    go = "goes" if len(story.joined) == 1 else "go"
    return f"; {names} {are} the same thing" if alike else f"; {names} {go} with it"


def short(story: Story) -> str:
    """How much, in a few words."""
    if story.measure in ("AUC", "C"):
        return f"{story.measure} {number(story.value)} ({number(story.interval[0])} to {number(story.interval[1])})"
    if story.measure == "MAE":
        told = Quantity(_unit(story)).amount
        return f"to within {told(story.value)}, without the image {told(story.chance)}"
    if story.measure == "share":
        return f"{percent(story.value)}, {percent(story.chance)} by chance"
    if story.measure in ("", "samples"):
        return ""
    return f"{story.measure} {number(story.value)} ({number(story.interval[0])} to {number(story.interval[1])})"


def _unit(story: Story) -> str:
    """The unit of the lead; "" where it is not known. Older stories have a placeholder."""
    return unit_of(story.lead, (story.value, story.chance)) if story.unit.startswith("unit of") else story.unit


def _much(story: Story) -> str:
    g = story.giveaway
    if g is not None:
        away = f"The files alone tell it, without a look at the picture: {g.words}"
        away += f" (the right one of two in {50 * (1 + abs(g.value)):.0f} of 100 cases)."
        return f"{_own(story)} {away}" if story.measure in ("AUC", "C", "MAE") else away
    return _own(story)


def _own(story: Story) -> str:
    low, high = story.interval
    if story.measure == "AUC":
        return (
            f"Of two images with different {story.lead}, the image alone names the right one in "
            f"{100 * story.value:.0f} of 100 cases ({100 * low:.0f} to {100 * high:.0f}; 50 is guessing)."
        )
    if story.measure == "MAE":
        told = Quantity(_unit(story)).amount
        return (
            f"From the image alone {story.lead} is guessed to within {told(story.value)} on average "
            f"({number(low)} to {number(high)}); without the image to within {told(story.chance)}."
        )
    if story.measure == "share":
        what = "image of the same person" if story.kind == "persons" else "image of the same month"
        return (
            f"The most similar image is an {what} in {percent(story.value)} of cases ({percent(low)} to "
            f"{percent(high)}; {percent(story.chance)} by chance)."
        )
    if story.measure in ("", "samples"):
        return ""
    return f"{story.measure} {score(story.value)} ({score(low)} to {score(high)}); 0 is no difference."


def overlap_line(o: Overlap, lead: str) -> str:
    """A finding that points at the samples of one of the lead's groups."""
    low, high = o.interval
    return (
        f"{o.name[:1].upper()}{o.name[1:]}: {o.n_both:,} of {count(o.n_subjects, 'subject')} are {lead} {o.group} "
        f"(overlap {percent(o.value)}, {percent(low)} to {percent(high)})."
    )


def _association(j: Joined) -> str:
    low, high = j.binding.interval
    return f"{j.binding.measure} {number(j.binding.value, 2)}, {number(low, 2)} to {number(high, 2)}"


def _same(j: Joined, lead: str) -> str:
    if j.left.answer == "inseparable":
        return f"{j.field} cannot be told apart from {lead} ({_association(j)})."
    if j.left.answer == "nothing":
        return f"Given {lead}, {j.field} adds nothing{_left(j)} ({_association(j)})."
    share = max((v for v in (j.decides, j.decided) if v == v), default=float("nan"))
    which = (
        f"{lead} decides {share:.0%} of {j.field}" if j.decides == share else f"{j.field} decides {share:.0%} of {lead}"
    )
    more = f"; given {lead}, the images still tell something of {j.field}{_left(j)}" if j.left.answer == "left" else ""
    return f"{which} ({_association(j)}){more}."


def _left(j: Joined) -> str:
    if j.left.measure == "AUC":
        return f": AUC {number(j.left.raw)} becomes {number(j.left.value)}"
    if j.left.measure == "MAE":
        return f": {_within(j.left)}"
    return ""


def _within(left: Left) -> str:
    told = Quantity(left.unit).amount
    return f"to within {told(left.value)}, {told(left.chance)} without the image"


def _tie(j: Joined, lead: str) -> str:
    head = f"{lead} and {j.field} go together ({_association(j)})"
    own = {
        "left": f"given {j.field}, the images still tell {lead}{_left_of(j.of_lead)}",
        "nothing": f"given {j.field}, nothing of {lead} is left",
        "inseparable": f"{j.field} leaves too little of {lead} to compare",
    }.get(j.of_lead.answer)
    return f"{head}: {own}." if own else f"{head}; what is left of {lead} given {j.field} cannot be told."


def _left_of(left) -> str:
    if left.measure == "AUC":
        return f" (AUC {number(left.value)}, {number(left.raw)} without)"
    return f" ({_within(left)})" if left.measure == "MAE" else ""


def _who(story: Story) -> str:
    if story.recording is not None:
        r = story.recording
        return f"{count(r.n_inside, 'subject')} of {r.by} {r.group}, against {r.n_outside:,} of the other groups."
    total = f"{count(story.n_samples, 'image or volume', 'images or volumes')} of {count(story.n_subjects, 'subject')}"
    if not story.groups or not story.lead:
        return f"{total}."
    told = ", ".join(f"{g.name} ({g.n_subjects:,})" for g in story.groups)
    rest = story.n_groups - len(story.groups)
    return f"{total}; subjects by {story.lead}: {told}{f' and {rest} more' if rest > 0 else ''}."


def _sure(story: Story, n_tests: int) -> str:
    if story.recording is not None:
        return f"Not by chance ({_below(story.recording.p, 'p')} over all pairs of fields that were looked at)."
    if story.q != story.q and story.risk is not None and story.risk.utility_p == story.risk.utility_p:
        return f"That it goes with {story.risk.target}: {_below(story.risk.utility_p, 'p')}."
    if story.q != story.q:
        return "Counted, not tested."
    sure = f"Of findings this sure {_share_of_chance(story.q)} are chance ({_below(story.q, 'q')}, "
    sure += f"{count(n_tests, 'test')} corrected together)"
    if story.inseparable:
        return f"{sure}; it cannot be told apart from the expected fields."
    return f"{sure}."


def _below(p: float, letter: str) -> str:
    return f"{letter} < 0.0001" if p < 1e-4 else f"{letter} = {p_value(p)}"


def _share_of_chance(q: float) -> str:
    if q < 0.001:
        return "fewer than 1 in 1,000"
    return f"at most 1 in {1 / q:,.0f}" if q <= 0.5 else "many"


def _todo(story: Story) -> str:
    step = f" Then: {story.next_step.label} (daebias {story.next_step.verb})" if story.next_step else ""
    if story.kind == "persons":
        split = "Split again by subject, all" if story.measure == "samples" else "Keep all"
        return f"{split} images of one person on one side of every split; share vectors like patient data."
    if story.kind == "copies":
        return "Keep one of each, or keep them on one side of every split."
    if story.recording is not None:
        r = story.recording
        return f"Ask why; whether {r.field} is there, or how it is written, gives {r.by} away."
    if story.kind == "text":
        return "Look whether it names people; crop or blacken it, or a model may read it and vectors may carry it."
    if story.kind == "turned":
        return "Look at them; turn them back, or leave them out, and register again."
    if story.giveaway is not None and not story.risk:
        return f"Export all images in one way (format, compression, size), then stratify splits by {story.lead}.{step}"
    if story.kind == "foreign":
        return "Look at them; if they do not belong here, leave them out and audit again."
    if story.kind == "conflicts":
        return "Ask which is right before the field is used."
    if story.kind == "month":
        return "Shift dates before vectors are shared."
    if story.risk is not None and (said := risk_todo(story)):
        return f"{said}{step}"
    return f"Stratify splits by {story.lead} and report test scores for each of its groups.{step}"


def _and(words) -> str:
    words = [str(w) for w in words]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
