"""What the rest of the package may need to know of an analysis."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class AuditStep:
    """An analysis as a step of the audit.

    Attributes:
        command: the verb that it runs
        label: what it does
        listed: the step in the panel's list: what it does, and the question it answers
        after: the steps it builds on
        reads: what it reads: "content" (images), "checkpoint", "table" (metadata and subjects), "vectors", "clusters"
        on: whether it runs where the configuration says nothing
        left_out: parameters that the audit itself supplies
        extra: parameters beside those of its verb: ``(name, type, type of its items, default, help)``
        tracked: whether later steps run again when it did
        run: ``"module:function"`` in place of the verb
        line: ``"module:function"`` that says its result in a line; default: the first line of its text
        permutations: most permutations that an audit asks for, where the tests are many; 0: those of the verb
    """

    command: str
    label: str
    listed: tuple[str, str] = ("", "")
    after: tuple[str, ...] = ("embed",)
    reads: tuple[str, ...] = ("table", "vectors")
    on: bool = True
    left_out: tuple[str, ...] = ()
    extra: tuple[tuple, ...] = ()
    tracked: bool = True
    run: str = ""
    line: str = ""
    permutations: int = 0


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes:
        name: its name, that of its findings' kind too
        verbs: its verbs, as :class:`~fiftyone_daebias.verbs.Verb` takes them
        run: key of its run, or how the keys of its runs begin
        run_label: what its runs are, in a word
        owned: ``"module:function"``: ``(facts of a run, fields) -> {"fields", "tags", "views", "brain_keys",
            "evaluations": names}`` that go with a run beside what its config names as "owns"
        tests: whether it rests on statistics, which have a version (``schema.STATISTICS_VERSION``)
        findings: ``"module:function"``: ``samples -> list[HypothesisTest]`` of what it stored, for the false-discovery
            pool; its findings carry their counts (``cells``), else they stay out of bundles
        shown: ``"module:function"``: ``(samples, known) -> list[Finding]`` of what it stored and did not test, with a
            :class:`~fiftyone_daebias.findings.finding.Known`
        keeps: ``"module:function"``: ``(findings of tags, tested findings) -> those of tags that may be shown``
        kinds: kinds of its findings; default: its name
        result: ``"module:class"`` of its result, if that has ``rows`` with a verdict each
        settles: ``{"module:class" of a result: "module:function"}``: ``(result, {key: finding}, what the correction
            spans) -> the result with its verdicts``, for results of another form
        key: key of a row's finding, with the row's attributes in braces
        step: its step of the audit, if it has one
        section: title of its section of the report; "" where it has a section of another form, or none
        rows: ``"module:function"``: ``(samples, {key: finding}) -> stored rows with their verdicts``, for page and
            panel
        chart: ``"module:function"``: ``(rows, facts of the report) -> drawing`` of its section, below the clusters
        public: whether Croissant lists its findings
        given_away: ``"module:function"``: ``findings -> sentence`` of the data sheet on what images give away
        speaks: place among the kinds that speak of a field in stories, 1 the first; 0 if it speaks of none
        tells: whether its findings say that a field can be told from images, or from what is measured on them
        measured: whether a finding's selector names the sample field with the measure that speaks for it
        of_people: whether its findings say which people a field goes with, as the second part of their keys
        stories: ``{key of a finding: kind of the story that it is}``, for findings of no field
        bias: ``"module:function"``: ``finding -> sentence`` of the data sheet's biases
        next: ``{verb: verbs that make sense after it, the likeliest first}``
        tab: tab of the panel
        group: group of commands in which its verbs are shown
        examples: ``{verb: command lines without "daebias"}``; a test has the parser read each
        glossary: ``((term, meaning), …)``
    """

    name: str
    verbs: tuple[dict, ...] = ()
    run: str = ""
    run_label: str = ""
    owned: str = ""
    tests: bool = False
    findings: str = ""
    shown: str = ""
    keeps: str = ""
    kinds: tuple[str, ...] = ()
    result: str = ""
    settles: dict[str, str] = field(default_factory=dict)
    key: str = ""
    step: AuditStep | None = None
    section: str = ""
    rows: str = ""
    chart: str = ""
    given_away: str = ""
    speaks: int = 0
    tells: bool = False
    measured: bool = False
    of_people: bool = False
    stories: dict[str, str] = field(default_factory=dict)
    public: bool = False
    bias: str = ""
    next: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tab: str = ""
    glossary: tuple[tuple[str, str], ...] = ()
    group: str = "test"
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def of_findings(self) -> tuple[str, ...]:
        """Kinds of its findings."""
        return self.kinds or (self.name,)


def load(path: str) -> Callable:
    """The function that an entry names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
