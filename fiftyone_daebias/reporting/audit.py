"""The verb ``audit``: the whole line from one configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np

from .. import schema, store, verbs
from ..errors import InputError
from ..findings.as_csv import findings_csv
from ..findings.collect import Findings, collect_findings
from ..findings.multiplicity import permutations_needed
from ..parameters import (
    Advanced,
    ByField,
    DateField,
    Expected,
    OutFile,
    PickedConfig,
    Preset,
    Protected,
    Seed,
    SubjectField,
)
from ..progress import Progress, listening
from ..rendering import Rendered, Table, parts_of
from ..stories.facts import Stories
from ..stories.story import read_stories
from ..stories.target import read_label
from .audit_config import AuditConfig
from .audit_result import Outcome, run_steps, seconds_of, write_log
from .audit_steps import LINE, make_step, step_kind
from .gates import GateResult, check_subjects, judge_gates, parse_gates
from .report import report_path

#: clusters that a cohort is thought to have when the number of tests is reckoned, before any is known
CLUSTERS_EXPECTED = 8
#: from so many samples on, thousands of permutations of a probe take too long
LARGE = 5_000
#: parameters that name metadata fields, checked before anything runs
_FIELDS = ("field", "fields", "expected", "protected", "adjust_for", "by", "date_field", "versions", "subject_field")


@dataclass(frozen=True)
class AuditResult(Rendered):
    """What an audit did and found.

    Attributes:
        dataset: the dataset
        steps: what became of each step
        gates: what became of each condition
        findings: everything found
        report: the report's file, "" when none was written
        stories: what was found, by its causes; ``None`` where that step was left out or failed
        written: the configuration's file, when it was only to be written
    """

    dataset: str
    steps: tuple[Outcome, ...] = ()
    gates: tuple[GateResult, ...] = ()
    findings: Findings = Findings(())
    report: str = ""
    written: str = ""
    stories: Stories | None = None

    @property
    def passed(self) -> bool:
        """Whether no condition failed the audit."""
        return not any(g.failed for g in self.gates)

    @property
    def exit_code(self) -> int:
        """0; 1 when a condition failed the audit; 3 when it finished but a step of it failed."""
        if not self.passed:
            return 1
        return 3 if any(s.outcome == "failed" for s in self.steps) else 0

    def to_dict(self) -> dict:
        return {
            "dataset": self.dataset,
            "passed": self.passed,
            "gates": [g.to_dict() for g in self.gates],
            "steps": [s.to_dict() for s in self.steps],
            "findings": self.findings.to_dict(),
            "stories": None if self.stories is None else self.stories.to_dict(),
            "report": self.report,
            "written": self.written,
        }

    def parts(self) -> list[str | Table]:
        if self.written:
            return [f"configuration written to {self.written}; run it with: daebias audit {self.written}"]
        lines = [f"  {s}" for s in self.steps if s.outcome in ("failed", "not possible")]
        lines += [f"audit of {self.dataset!r}", *parts_of(self.findings if self.stories is None else self.stories)]
        lines += [f"report: {self.report}"] if self.report else []
        lines += [told] if (told := seconds_of(self.steps)) else []
        return [*lines, *(str(g) for g in self.gates)]

    def table(self) -> str:
        """Every step and every finding, as text."""
        return "\n".join([f"audit of {self.dataset!r}", *(f"  {s}" for s in self.steps), "", str(self.findings)])

    def to_csv(self) -> str:
        """Every finding as a line of comma-separated values."""
        return findings_csv(self.findings)


def audit(
    samples,
    *,
    target: str | None = None,
    expected: Expected | None = None,
    protected: Protected | None = None,
    config: Annotated[PickedConfig, Advanced] | None = None,
    preset: Annotated[Preset, Advanced] | None = None,
    by: Annotated[ByField, Advanced] | None = None,
    date_field: Annotated[DateField, Advanced] | None = None,
    skip: Annotated[list[str], Advanced] | None = None,
    out: Annotated[OutFile, Advanced] | None = None,
    fail_on: Annotated[list[str], Advanced] | None = None,
    write_config: Annotated[Path, Advanced] | None = None,
    subject_field: SubjectField | None = None,
    seed: Seed | None = None,
    progress: Progress | None = None,
) -> AuditResult:
    """Runs the whole audit, from copies and leaks to the report; run again, it only does what has changed.

    A step that is not possible on this cohort (no dates, no field with two
    values) is recorded with its reason, and the audit goes on; so it does
    when a step fails, with the traceback in a log below DAEBIAS_HOME/logs
    and exit code 3. On the command line a YAML file may stand in place of
    the dataset, and may register the cohort first.

    Args:
        samples: a dataset or view
        target: field that a model will be trained to tell from the image; every story is then judged by what such a
            model might make of it. One finding of several as "finding=Effusion"
        expected: fields whose differences are no news (sex, age, region …): everything is given again among subjects
            alike in them
        protected: fields whose groups that model must serve alike (sex, age, ethnicity)
        config: YAML file with the settings of every step, or what it would hold; what is given here as well wins over
            it
        preset: training preset, as for "train"
        by: field whose values are looked at one by one, as a body's regions
        date_field: field with the date; default: found by name
        skip: steps to leave out: duplicates, case-mix, quality, train, embed, probe-all, disagreements, tag,
            suggest-clusters, test-clusters, drift, reidentify, explain, story,
            report
        out: the report's file, ending in .html; default: below DAEBIAS_HOME/reports
        fail_on: conditions that fail the audit, with exit code 1: "site.auc>0.6", "leak.subjects>0"
        write_config: only write the effective settings as YAML to this file, and run nothing
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of every step; default: 51

    Returns:
        what became of each step and condition, and the findings

    Raises:
        InputError: an unknown key, field or condition, before anything runs; a step the rest depends on is not possible
    """
    settings = AuditConfig.read(config) if config is not None else AuditConfig()
    settings = settings.with_changes(
        expected=expected,
        target=target,
        protected=protected,
        by=by,
        date_field=date_field,
        fail_on=fail_on,
        subject_field=subject_field,
        seed=seed,
        skip=skip,
        preset=preset,
        dataset=store.dataset_of(samples).name,
    )
    if out is not None:
        settings = replace(
            settings,
            steps={
                **settings.steps,
                "report": {**(settings.steps.get("report") or {}), "out": str(Path(out).expanduser().resolve())},
            },
        )
    settings = _with_permutations(samples, settings)
    if write_config is not None:
        settings = replace(settings, folder=Path(write_config).expanduser().resolve().parent)
        return AuditResult(settings.dataset, written=str(settings.write(write_config)))
    gates = parse_gates(settings.fail_on)
    store.ensure_samples(samples)
    known = store.metadata_fields(samples)
    check_subjects(gates, known)
    if settings.target:
        people = np.array(store.read_subjects(samples))
        read_label(store.read_table(samples), people, settings.target, partial(store.left_in_table, samples))
    chosen = [(kind, settings.parameters(kind.name)) for kind in LINE if kind.name not in ("register", "report")]
    report = settings.parameters("report") if "report" in settings.steps else None
    if report is not None:
        report_path(samples, report.get("out"))
    for kind, parameters in chosen:
        _check_fields(samples, kind.name, parameters or {})
    steps = run_steps(samples, [make_step(k, p) for k, p in chosen if p is not None], progress)
    off = tuple(Outcome(k.name, k.label, "off") for k, p in chosen if p is None)
    order = [k.name for k in LINE]
    steps = tuple(sorted((*steps, *off), key=lambda s: order.index(s.name)))
    try:
        findings = collect_findings(samples)
    except Exception as error:  # what the steps stored is there; only the list of findings is not
        findings = Findings(())
        where = write_log(settings.dataset, "findings", error)
        steps = (
            *steps,
            Outcome("findings", "collect the findings", "failed", f"{type(error).__name__} (traceback: {where})"),
        )
    judged, problem = (), None
    try:
        judged = judge_gates(gates, findings)
    except InputError as error:  # the report is written all the same
        problem = error
    _keep(samples, settings, steps, judged)
    report, step = _report(samples, settings, findings, steps, judged, progress)
    if problem is not None:
        raise problem
    return AuditResult(settings.dataset, (*steps, *step), judged, findings, report, stories=read_stories(samples))


def open_audit(name: str, view: str | None, values: dict, progress: Progress | None):
    """What the command line's first word names: a dataset, or a YAML file that names one and may register it.

    Args:
        name: name of a dataset, or path of a YAML file
        view: a saved view of the dataset
        values: parameters of :func:`audit` as given; "config" is set when ``name`` is a file
        progress: where to report

    Returns:
        the samples

    Raises:
        InputError: there is neither; or the file names no dataset
    """
    path = Path(name).expanduser()
    if path.suffix.lower() not in (".yaml", ".yml"):
        if values.get("config") is None:
            return store.load_samples(name, view)
        settings = AuditConfig.read(values["config"])
    else:
        if values.get("config") is not None:
            raise InputError(f"two configurations are given: {name} and {values['config']}; give one")
        settings = AuditConfig.read(path)
        values["config"] = path
        name = settings.dataset
    if not name:
        raise InputError(f"{path.name}: dataset: the name of the dataset is missing")
    parameters = settings.parameters("register")
    parse_gates(values.get("fail_on") or settings.fail_on)
    if parameters is not None and values.get("write_config") is None:
        listening(progress).say(f"registering {parameters['images']} as dataset {name!r}")
        verbs.by_command("register").load()(name, progress=progress, **parameters)
    return store.load_samples(name, view)


def _with_permutations(samples, settings: AuditConfig) -> AuditConfig:
    """With so many permutations, where none are given, that one true effect among all tests can be told."""
    fields = len(store.metadata_fields(samples))
    needed = 1000 * math.ceil(permutations_needed(fields * (1 + CLUSTERS_EXPECTED)) / 1000) - 1
    most = {s.name: s.permutations for s in LINE if s.permutations}
    if store.count(samples) > LARGE:
        most["probe-all"] = min(most["probe-all"], 4_999)
    steps = dict(settings.steps)
    for name, limit in most.items():
        own = steps.get(name)
        if own is not None and own.get("n_permutations") is None:
            default = next(p.default for p in step_kind(name).parameters() if p.name == "n_permutations")
            steps[name] = {**own, "n_permutations": max(default, min(needed, limit))}
    return replace(settings, steps=steps)


def _check_fields(samples, step: str, parameters: dict) -> None:
    for parameter in _FIELDS:
        names = parameters.get(parameter)
        names = [names] if isinstance(names, str) else names or []
        try:
            if parameter == "subject_field":
                for name in names:
                    store.subject_field(samples, name)
            else:
                store.read_table(samples.limit(1), list(names))
        except InputError as error:
            raise InputError(f"{parameter} of {step}: {error}") from None


def _keep(samples, settings: AuditConfig, steps, judged) -> None:
    store.save_run(
        samples,
        schema.AUDIT_RUN,
        {"config": settings.to_dict(), "passed": not any(g.failed for g in judged)},
        {"steps": [s.to_dict() for s in steps], "gates": [g.to_dict() for g in judged]},
    )


def _report(samples, settings, findings, steps, judged, progress) -> tuple[str, tuple[Outcome, ...]]:
    """Writes the report, unless what it would say is there already."""
    kind = next((k for k in LINE if k.name == "report"), None)
    if kind is None:
        return "", ()
    parameters = settings.parameters("report")
    if parameters is None:
        return "", (Outcome(kind.name, kind.label, "off"),)
    out = report_path(samples, parameters.get("out"))
    said = [[s.name, s.outcome if s.outcome in ("not possible", "failed") else "", s.summary] for s in steps]
    said += [g.to_dict() for g in judged]
    told = store.run_times(samples).get(schema.STORIES_RUN, "")
    step = replace(
        make_step(kind, parameters),
        done=lambda s: out.exists(),
        data=lambda s: f"{findings.stamp} {told} {said}",
        tracked=False,
    )
    return str(out), run_steps(samples, [step], progress)
