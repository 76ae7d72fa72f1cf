"""A data sheet (Gebru et al., Communications of the ACM 64(12), 2021) from the facts of an audit."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..analyses import ANALYSES, load, of_kind
from ..findings.finding import plain
from ..findings.formatting import count, listed, percent
from ..statistics.cells import tellable
from .facts import ReportFacts

UNKNOWN = "Not recorded by the audit; to be answered by the owner of the data."
#: groups with fewer subjects are not spoken of in what leaves
SMALLEST = 5


@dataclass(frozen=True)
class About:
    """What only the owner of the data knows.

    Attributes:
        description: what the data are
        license: licence, as a URL or name
        citation: how to cite them
        url: where they are described
        creator: who made them
    """

    description: str = ""
    license: str = ""
    citation: str = ""
    url: str = ""
    creator: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the data sheet: questions with answers."""

    title: str
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Datasheet:
    """Sections in the order of the paper."""

    sections: tuple[Section, ...]

    def to_dict(self) -> dict:
        return plain(asdict(self))


def datasheet(facts: ReportFacts, about: About) -> Datasheet:
    """Answers what can be answered from the facts, and says where it cannot."""
    c = facts.cohort
    missing = [f"{f.name} {percent(f.n_missing / max(c.n_samples, 1))}" for f in c.fields if f.n_missing]
    return Datasheet(
        (
            Section(
                "Motivation",
                (
                    ("For what were the data made, and by whom?", about.description or UNKNOWN),
                    ("Who made them?", about.creator or UNKNOWN),
                ),
            ),
            Section(
                "Composition",
                (
                    (
                        "What are the instances, and how many?",
                        f"{c.n_samples:,} images or volumes of {count(c.n_subjects, 'subject')}; {c.geometry}.",
                    ),
                    (
                        "What is known of each?",
                        listed((f"{f.name} ({f.kind})" for f in c.fields), 40) or "nothing but the image",
                    ),
                    ("What is missing?", listed(missing, 20) if missing else "No field lacks values."),
                    (
                        "Are there recommended splits?",
                        "By subject: " + ", ".join(f"{k} {n:,}" for k, n in c.splits.items()) if c.splits else "No.",
                    ),
                    ("Are there errors, noise or redundancies?", errors(facts)),
                    ("Do the data tell of persons or of what they would rather keep?", sensitive(facts)),
                ),
            ),
            Section(
                "Collection", (("When?", timeframe(facts) or UNKNOWN), ("How, by whom, with whose consent?", UNKNOWN))
            ),
            Section("Preprocessing", (("What was done?", preprocessing(facts)),)),
            Section(
                "Biases and limits",
                (
                    ("What biases are known?", "\n".join(biases(facts)) or "The audit found none that holds."),
                    ("What is not known?", "\n".join(known_limits(facts))),
                ),
            ),
            Section(
                "Uses",
                (
                    (
                        "What should they not be used for?",
                        "Any model for which a finding above could serve as a short cut, "
                        "unless "
                        "that was looked at; in particular no comparison between groups that differ in what was found.",
                    ),
                ),
            ),
            Section(
                "Distribution",
                (
                    ("Under which licence?", about.license or UNKNOWN),
                    ("How are they cited?", about.citation or UNKNOWN),
                ),
            ),
            Section("Maintenance", (("Who maintains them?", about.creator or UNKNOWN),)),
        )
    )


def known_limits(facts: ReportFacts) -> list[str]:
    """What was not or cannot be said, without reasons that may speak of few subjects."""
    return [*facts.limits, *(f"Not done: {label}." for label, _ in facts.not_done)]


def biases(facts: ReportFacts) -> list[str]:
    """What holds, one sentence a finding, without groups of few subjects."""
    out = []
    for f in facts.of_verdict("found"):
        k = max(SMALLEST, facts.cohort.k)
        about = of_kind(f.kind)
        if about and about.bias and f.n_subjects >= k and tellable(f.cells, k):
            out.append(load(about.bias)(f))
    return out[:25]


def errors(facts: ReportFacts) -> str:
    """Copies, leaks, conflicts and wrong labels."""
    rows = [
        f
        for f in facts.findings.rows
        if f.kind in ("duplicates", "leak", "conflicts", "files", "disagreements") and f.verdict == "found"
    ]
    k = facts.cohort.k
    said = [
        f"{f.title} ({f'{f.n_samples:,} samples' if f.n_subjects >= k else f'fewer than {k} subjects'})" for f in rows
    ]
    return "; ".join(said) + "." if said else "The audit found no copies, leaks, conflicts or wrong labels."


def sensitive(facts: ReportFacts) -> str:
    """What the images or fields give away."""
    told = [load(a.given_away)(facts.findings) for a in ANALYSES if a.given_away]
    named = [f.name for f in facts.cohort.fields if not f.listed]
    text = "Medical images of persons under pseudonyms."
    text += "".join(f" {sentence}" for sentence in told if sentence)
    if named:
        text += f" Fields with nearly as many values as subjects: {listed(named)}."
    return text


def timeframe(facts: ReportFacts) -> str:
    """First and last year, "2016 to 2019"."""
    years = [y for y, n in facts.cohort.dates[1] if n is None or n > 0]
    return f"{years[0]} to {years[-1]} ({facts.cohort.dates[0]})" if years else ""


def preprocessing(facts: ReportFacts) -> str:
    """What was done to the images before they were looked at."""
    m = facts.checkpoint
    if not m:
        return "Nothing was embedded yet."
    slices = m.get("n_slices", 1)
    what = "One slice" if slices == 1 else f"The {slices} centre slices"
    how = f", their codes {'joined' if m.get('pool') == 'concat' else 'averaged'}" if slices != 1 else ""
    return (
        f"{what} of each sample, scaled to one field of view, encoded by a diffusion autoencoder learnt on these "
        "data "
        f"without labels{how}. The data themselves were not changed."
    )
