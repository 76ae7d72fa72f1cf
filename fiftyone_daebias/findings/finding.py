"""What a finding is: one plain sentence, its evidence, its samples and the next step."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass, fields, is_dataclass
from dataclasses import field as made

import pandas as pd

from .. import schema, store
from ..analyses import ANALYSES
from ..errors import InputError, alike
from ..quantities import with_unit
from ..rendering import Rendered, Table
from ..statistics.cells import Cells, read_cells
from . import formatting
from .review import Review

#: a finding is one at this false-discovery rate
LEVEL = 0.05
#: verdict on a difference that a group has by construction
BUILT_IN = "built in"
#: verdicts, the most telling first
VERDICTS = (
    "found",
    "inseparable",
    "explained",
    "unconfirmed",
    BUILT_IN,
    "shown",
    "expected",
    "not found",
    "not tested",
    "older version",
)
#: verdicts as earlier versions stored them
_FORMER = {"not blind": BUILT_IN}
_NAN = float("nan")
#: values that a group's view can ask the database for, and how many different ones may read as one name
_SIMPLE, _MOST_SPELLINGS = (str, bool, int, float), 20


def read_verdict(stored: str) -> str:
    """A stored verdict, in today's words."""
    return _FORMER.get(stored, stored)


@dataclass(frozen=True)
class Evidence:
    """The numbers behind a finding.

    Attributes:
        measure: "AUC", "MAE", "Cramér's V", "Cliff's delta", "SD", "share", "samples" …; "" where nothing is measured
        value: its value
        interval: 95 % interval, subjects resampled
        chance: what it would be if there were nothing
        p: permutation p-value, subjects exchanged
        q: p after Benjamini-Hochberg over everything tested on the dataset, whichever step tested it
        q_within: the same for the test among subjects alike in the fields named as expected; ``q`` where none were
        unit: unit of the value
        detectable: the smallest value that would have been found with probability 0.8
        strength: from 0 (chance) to 1 (certain), of the interval's end that lies nearer to chance; ranks findings
    """

    measure: str = ""
    value: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    chance: float = _NAN
    p: float = _NAN
    q: float = _NAN
    q_within: float = _NAN
    unit: str = ""
    detectable: float = _NAN
    strength: float = 0.0

    def told(self, value: float) -> str:
        """The value, its chance or an end of its interval, with the unit that an error has."""
        return with_unit(formatting.number(value), self.unit if self.measure == "MAE" else "")


@dataclass(frozen=True)
class NextStep:
    """What to run next: a verb with its parameters."""

    verb: str
    params: dict
    label: str


@dataclass(frozen=True)
class Selector:
    """Names samples without listing them.

    Attributes:
        kind: "tag", "field" (samples with a value in it), "group" (``fields`` joined by ", " read as ``name``), "ids",
            "all", or "" for none
        name: tag, field or group
        fields: the fields of a group
        sample_ids: of kind "ids"
    """

    kind: str = ""
    name: str = ""
    fields: tuple[str, ...] = ()
    sample_ids: tuple[str, ...] = ()

    def view(self, samples):
        """A view of these samples of the whole dataset; it follows tags and values that change later."""
        if self.kind == "tag":
            return store.view_of_tag(samples, self.name)
        if self.kind == "field" and store.has_field(samples, self.name):
            return store.view_of_field(samples, self.name)
        if self.kind == "all":
            return store.view_of_all(samples)
        if self.kind == "group":
            rows = self._members(samples).drop_duplicates().to_dict("records")
            if 0 < len(rows) <= _MOST_SPELLINGS and all(isinstance(v, _SIMPLE) for row in rows for v in row.values()):
                return store.view_of_values(samples, rows)
        return store.lasting_view(samples, self.ids(samples))

    def ids(self, samples) -> list[str]:
        """Ids of these samples of the whole dataset, looked up now."""
        dataset = store.dataset_of(samples)
        if self.kind == "ids":
            here = set(store.sample_ids(dataset))
            return [i for i in self.sample_ids if i in here]
        if self.kind == "group":
            return list(self._members(dataset).index)
        if self.kind in ("tag", "field", "all"):
            if self.kind == "field" and not store.has_field(dataset, self.name):
                return []
            return store.sample_ids(dataset if self.kind == "all" else self.view(dataset))
        return []

    def _members(self, samples) -> pd.DataFrame:
        """Values of a group's fields, of the samples whose values read as its name."""
        table = store.read_table(store.dataset_of(samples), list(self.fields))
        texts = table.map(lambda v: None if v is None or v != v else str(v))
        joined = texts[texts.notna().all(axis=1)].agg(", ".join, axis=1)
        return table.loc[joined.index[joined == self.name]]


@dataclass(frozen=True)
class Known:
    """What has been read of a dataset already, for whoever looks for findings in it.

    Attributes:
        owners: ``{sample id: subject}``
        tags: ``{sample id: tags}``
        authors: whether sentences say who named a cluster
    """

    owners: dict[str, str]
    tags: dict[str, list[str]]
    authors: bool = True


@dataclass(frozen=True)
class Finding:
    """One thing that an audit says of a cohort; see :mod:`fiftyone_daebias.findings.collect`.

    Attributes:
        key: names it, the same in every copy of the cohort
        kind: "probe", "opposite", "outliers", "cluster", "association", "disagreements", "drift", "quality",
            "case-mix", "reidentify", "duplicates", "leak", "conflicts", "explain" …
        title: a few words
        sentence: one sentence that a physician can read
        verdict: one of :data:`VERDICTS`
        evidence: the numbers
        n_subjects: subjects that took part; of a group, those in it
        n_samples: samples that took part; of a group, those in it
        selector: its samples
        field: metadata field it is about
        cluster: cluster it is about
        next_step: what to run next
        figures: as :func:`~fiftyone_daebias.figures.save_figure` describes them
        run_key: the run behind it
        notes: what to bear in mind
        reviews: what people said of it, oldest first
        cells: counts of subjects from which its numbers were computed, ``{value: (inside, outside)}``; ``{}`` where
            it tells of nobody; ``None`` where they are not known, so it may not leave
    """

    key: str
    kind: str
    title: str
    sentence: str
    verdict: str = "shown"
    evidence: Evidence = made(default_factory=Evidence)
    n_subjects: int = 0
    n_samples: int = 0
    selector: Selector = made(default_factory=Selector)
    field: str = ""
    cluster: str = ""
    next_step: NextStep | None = None
    figures: tuple[dict, ...] = ()
    run_key: str = ""
    notes: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()
    cells: Cells | None = None

    @property
    def status(self) -> str:
        """What was last said of it: "reviewed", "confirmed", "refuted"; "" when nobody looked."""
        return self.reviews[-1].status if self.reviews else ""

    def to_dict(self) -> dict:
        facts = plain(asdict(self))
        if self.cells is None:  # as older versions wrote it: nothing is known
            del facts["cells"]
        return {**facts, "status": self.status}

    @classmethod
    def from_dict(cls, raw: dict) -> Finding:
        """Reads what :meth:`to_dict` wrote."""
        return read_dataclass(cls, raw)


@dataclass(frozen=True)
class Findings(Rendered):
    """All findings of a dataset, ranked by verdict and strength.

    Attributes:
        rows: the findings
        n_tests: tests that the false-discovery correction spans
        correction: what it spans, in words
        level: false-discovery rate
        notes: what to bear in mind of all of them
        stamp: see :func:`~fiftyone_daebias.findings.collect.findings_stamp`
    """

    rows: tuple[Finding, ...]
    n_tests: int = 0
    correction: str = ""
    level: float = LEVEL
    notes: tuple[str, ...] = ()
    stamp: str = ""

    @property
    def found(self) -> tuple[Finding, ...]:
        """Those that hold."""
        return tuple(f for f in self.rows if f.verdict == "found")

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Those of one kind."""
        return tuple(f for f in self.rows if f.kind == kind)

    def by_key(self, key: str) -> Finding:
        """The finding of that key.

        Raises:
            InputError: there is none
        """
        for row in self.rows:
            if row.key == key:
                return row
        keys = [f.key for f in self.rows]
        near = alike(key, keys, 5, 0.4) or keys[:5]
        raise InputError(
            f"there is no finding {key!r}; "
            + (
                f"the nearest: {', '.join(near)}"
                if near
                else "this dataset has no findings yet; run 'daebias audit' first"
            )
        )

    def to_dict(self) -> dict:
        return {
            "rows": [r.to_dict() for r in self.rows],
            "n_tests": self.n_tests,
            "correction": self.correction,
            "level": self.level,
            "notes": list(self.notes),
            "stamp": self.stamp,
        }

    @classmethod
    def from_dict(cls, raw: dict) -> Findings:
        """Reads what :meth:`to_dict` wrote."""
        return read_dataclass(cls, raw)

    def parts(self) -> list[str | Table]:
        shown = [f for f in self.rows if f.verdict not in ("not found", "not tested", "older version")]
        old = sum(f.verdict == "older version" for f in self.rows)
        rest = len(self.rows) - len(shown) - old
        lines: list[str | Table] = []
        if shown:
            head = ("finding", "verdict", "measure", "95 % interval", "q", "subjects", "samples", "review")
            lines.append(Table.of([head, *(_cells(f) for f in shown)]))
        else:
            lines.append("nothing was found")
        if rest:
            lines.append(f"{rest} more were looked at: not found, or not testable")
        if old:
            lines.append(f"{old} were made by an older version and are not counted: run 'daebias audit' again")
        return [*lines, *(f"note: {n}" for n in self.notes), self.correction]


def _cells(f: Finding) -> tuple[str, ...]:
    e = f.evidence
    low, high = e.interval
    interval = "" if low != low else f"{formatting.number(low)} to {formatting.number(high)}"
    value = "" if e.value != e.value else f"{e.measure} {e.told(e.value)}".strip()
    return (
        f.key,
        f.verdict,
        value,
        interval,
        formatting.p_value(e.q),
        f"{f.n_subjects:,}",
        f"{f.n_samples:,}",
        f.status,
    )


def existing(verb: str, label: str, **params) -> NextStep | None:
    """A next step, if there is such a verb."""
    from ..verbs import VERBS

    return NextStep(verb, params, label) if any(v.command == verb for v in VERBS) else None


def following(verb: str) -> NextStep | None:
    """The likeliest next step after a verb, as the registry has it."""
    from ..verbs import VERBS

    after = next((a.next[verb] for a in ANALYSES if verb in a.next), ())
    labels = {v.command: v.label for v in VERBS}
    return next((NextStep(v, {}, labels[v]) for v in after if v in labels), None)


def plain(value):
    """JSON-able: lists for tuples, ``None`` for numbers that are none."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def read_dataclass(cls, raw: dict):
    """A dataclass from JSON: NaN for ``None`` where a number belongs, tuples for lists, dataclasses for dicts."""
    hints = typing.get_type_hints(cls)
    values = {}
    for f in fields(cls):
        if f.name in raw:
            own = {"cells": read_cells, "verdict": read_verdict}.get(f.name)
            values[f.name] = own(raw[f.name]) if own else _value(hints[f.name], raw[f.name])
    return cls(**values)


def _value(hint, value):
    options = [h for h in typing.get_args(hint) if h is not type(None)]
    if is_dataclass(hint):
        return read_dataclass(hint, value)
    if len(options) == 1 and is_dataclass(options[0]):
        return None if value is None else read_dataclass(options[0], value)
    if typing.get_origin(hint) is tuple:
        item = options[0]
        return tuple(_value(item, v) for v in value or ())
    return _NAN if hint is float and value is None else value


def tag_selector(tag: str) -> Selector:
    """The samples that carry a tag."""
    return Selector("tag", tag)


def cluster_selector(name: str) -> Selector:
    """The samples of a cluster."""
    return Selector("tag", schema.TAG_CLUSTER + name)
