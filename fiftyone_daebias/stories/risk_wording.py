"""What a model of the target might make of a story, in words."""

from __future__ import annotations

from ..findings.formatting import listed, number
from .facts import Story

#: what a verdict is called on a card and in a line
VERDICTS = {
    "shortcut": "shortcut",
    "possible": "possible shortcut",
    "confounder": "to be balanced",
    "harmless": "harmless",
    "same": "same thing as the target",
    "target": "the target",
    "neither": "no risk seen",
    "unknown": "unclear",
}


def risk_headline(story: Story) -> str:
    """What it is, for a model of the target; "" where the target says nothing of it."""
    r, lead = story.risk, story.lead
    away = "shows in the files" if story.giveaway is not None and not story.findings[0].startswith("probe:") else ""
    shows = away or "can be read from the images"
    return {
        "shortcut": f"{lead} {shows} and goes with {r.target}",
        "possible": f"{lead} {shows} and goes with {r.target}",
        "confounder": f"{lead} goes with {r.target}, but {_unseen(story)}",
        "harmless": f"{lead} {shows}, but hardly goes with {r.target}",
        "neither": f"{lead} neither shows in the images nor goes with {r.target}",
        "same": f"{lead} and {r.target} cannot be told apart",
    }.get(r.verdict, "")


def _unseen(story: Story) -> str:
    if not story.seen:
        return "was not seen in the images"
    return f"the images were not seen to show more of it than comes with {story.risk.target}"


def risk_sentence(story: Story) -> str:
    """How dangerous it is and what shows that; "" without a target."""
    r = story.risk
    if r is None:
        return ""
    if r.reason:
        return f"{r.reason[:1].upper()}{r.reason[1:]}."
    parts = [_head(story), _tells(story), _proof(story)]
    if r.verdict in ("shortcut", "possible", "confounder") and r.balanced:
        parts.append(
            f"Balancing leaves {r.balanced:,} of {r.n_subjects:,} subjects; weighting, the worth of {r.weighted:,}."
        )
    if r.missing:
        parts.append(f"{r.target} was not recorded in {listed(r.missing)}.")
    if r.lost:
        parts.append(f"Only one class of {r.target} is seen in {listed(r.lost, 5)}: no weight mends that.")
    return " ".join(p for p in parts if p)


def _head(story: Story) -> str:
    r, lead = story.risk, story.lead
    if r.verdict == "possible":
        if r.beyond == "unknown":
            return (
                f"Perhaps a shortcut for {r.target}: whether the images show {lead} beyond what comes with {r.target} "
                "is not clear here."
            )
        return f"A model of {r.target} could use {lead} as a shortcut; the classifier tried here does not lean on it."
    return {
        "shortcut": f"Shortcut for {r.target}: a model can lean on {lead} instead of what shows {r.target} itself.",
        "confounder": f"To be balanced for {r.target}: no shortcut through the image, but test scores mix the two.",
        "harmless": f"Harmless for {r.target}: a model gains little by {lead}.",
        "neither": f"No risk seen for {r.target}.",
    }.get(r.verdict, f"Whether {lead} goes with {r.target} is not clear here.")


def _tells(story: Story) -> str:
    r = story.risk
    if r.utility != r.utility:
        return ""
    low, high = (50 * (1 + u) for u in r.utility_interval)
    return (
        f"From {story.lead} alone the right one of two with different {r.target} is named in "
        f"{50 * (1 + r.utility):.0f} of 100 cases ({low:.0f} to {high:.0f}; 50 is guessing)."
    )


def _proof(story: Story) -> str:
    r = story.risk
    # where a field hardly goes with the target the two parts differ by chance: nothing is told by their gap
    if r.gap != r.gap or r.verdict not in ("shortcut", "possible", "confounder"):
        return ""
    low, high = r.gap_interval
    return (
        f"A classifier of {r.target} trained on these images names the right one in {100 * r.together:.0f} of 100 "
        f"where {story.lead} and {r.target} go together, in {100 * r.apart:.0f} where they go apart (gap in AUC "
        f"{number(r.gap, 2)}, {number(low, 2)} to {number(high, 2)})."
    )


def risk_todo(story: Story) -> str:
    """What to do about it; "" where the target says nothing of it."""
    r, lead = story.risk, story.lead
    belongs = f"if it belongs to {r.target} (a sign, a grade), name it as expected instead"
    return {
        "shortcut": f"Balance or weight {r.target} over {lead}, or harmonise it, before training; {belongs}.",
        "confounder": f"Balance or weight {r.target} over {lead} before training; {belongs}.",
        "possible": f"Report test scores where {lead} and {r.target} go apart, of the final model too; {belongs}.",
        "harmless": f"Report test scores for each {lead}.",
        "same": f"If {lead} is part or another name of {r.target}, name it as expected. If it is how or where the "
        f"images were made, {r.target} cannot be learned from this cohort: add data in which the two differ.",
    }.get(r.verdict, "")
