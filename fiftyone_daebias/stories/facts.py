"""What a story is: facts about one cause, from which every text is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from dataclasses import field as made

from ..findings.finding import NextStep, Selector, plain, read_dataclass
from .grouping import Joined
from .overlap import Overlap
from .recording import Recording
from .risk import Risk

_NAN = float("nan")


@dataclass(frozen=True)
class Group:
    """Subjects with one value of the story's leading field.

    Attributes:
        name: the value
        n_subjects: subjects with it
        n_samples: samples with it
    """

    name: str
    n_subjects: int
    n_samples: int


@dataclass(frozen=True)
class Giveaway:
    """How the files alone tell a field.

    Attributes:
        fact: the fact that differs most: "bytes", "format: PNG" …
        words: the difference in words
        value: Cliff's delta
        interval: its interval over all facts together
    """

    fact: str
    words: str
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Story:
    """One cause and everything that was found of it.

    Attributes:
        key: names it, the same in every copy of the cohort
        kind: "field", "persons", "copies", "conflicts", "foreign" …
        lead: field that tells most; "" where the story is of no field
        joined: fields that are the same thing, with what is left of each given the lead
        ties: leads of other stories that go with this one
        clusters: groups on the map that show it
        groups: the largest groups of the lead
        n_groups: how many there are
        findings: keys of the findings behind it, the strongest first
        measure: "AUC", "MAE", "Cliff's delta", "share", "samples"
        value: its value
        interval: 95 % interval
        chance: what it would be if there were nothing
        unit: its unit, where the finding knows it
        q: of the strongest finding, over everything tested
        strength: from 0 to 1, at the interval's end nearer to chance
        n_subjects: subjects concerned
        n_samples: samples concerned
        selector: its samples
        people: fields of people that differ over it
        inseparable: whether it cannot be told apart from the expected fields
        next_step: what to run next
        figures: as :func:`~fiftyone_daebias.figures.save_figure` describes them
        risk: what a model of the target might make of it; ``None`` without a target
        recording: how the lead is recorded differently in a group; ``None`` where that is not the story
        seen: whether something of it was found in the images
        giveaway: how the files alone tell the lead; ``None`` where they do not, or not clearly
        overlaps: findings that point at the samples of one of its groups
        opposite: tag of samples that look like another value of the lead; "" where there is none
    """

    key: str
    kind: str
    lead: str = ""
    joined: tuple[Joined, ...] = ()
    ties: tuple[Joined, ...] = ()
    clusters: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    n_groups: int = 0
    findings: tuple[str, ...] = ()
    measure: str = ""
    value: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    chance: float = _NAN
    unit: str = ""
    q: float = _NAN
    strength: float = 0.0
    n_subjects: int = 0
    n_samples: int = 0
    selector: Selector = made(default_factory=Selector)
    people: tuple[str, ...] = ()
    inseparable: bool = False
    next_step: NextStep | None = None
    figures: tuple[dict, ...] = ()
    risk: Risk | None = None
    opposite: str = ""
    seen: bool = True
    recording: Recording | None = None
    giveaway: Giveaway | None = None
    overlaps: tuple[Overlap, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The lead and the fields that are the same thing."""
        return tuple(f for f in (self.lead, *(j.field for j in self.joined)) if f)


@dataclass(frozen=True)
class Stories:
    """Everything that an audit has to tell, by cause.

    Attributes:
        rows: the stories, the most telling first
        expected: fields named as expected that were seen in the images
        seen: findings of those fields
        target: field that a model is to be trained on; "" where none was named
        subject_count: subjects of the cohort
        sample_count: samples of the cohort
        n_found: findings that hold
        n_tests: tests corrected together
        n_not_found: tests that found nothing
        unconfirmed: findings that more people may confirm
        notes: what to bear in mind
        figures: the plot of detectability and utility, where there is a target
        stamp: of the findings the stories were made from
    """

    rows: tuple[Story, ...] = ()
    expected: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    target: str = ""
    subject_count: int = 0
    sample_count: int = 0
    n_found: int = 0
    n_tests: int = 0
    n_not_found: int = 0
    unconfirmed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[dict, ...] = ()
    stamp: str = ""

    def by_key(self, key: str) -> Story | None:
        """The story of that key."""
        return next((s for s in self.rows if s.key == key), None)

    def to_dict(self) -> dict:
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, raw: dict) -> Stories:
        """Reads what :meth:`to_dict` wrote."""
        return read_dataclass(cls, raw)

    def __str__(self) -> str:
        from .terminal import as_lines

        return "\n".join(as_lines(self))

    def table(self) -> str:
        """Every story in full, as text."""
        from .terminal import as_paragraph

        return "\n\n".join("\n".join(as_paragraph(s, self.n_tests)) for s in self.rows)

    def to_csv(self) -> str:
        """Every story as a line of comma-separated values."""
        from .terminal import stories_csv

        return stories_csv(self)
