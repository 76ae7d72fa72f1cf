"""Steps that are run in order, each only when something it depends on has changed.

A step's fingerprint is a hash of its parameters, of the data it reads and of
the fingerprints of the steps it builds on. It is stored on the dataset once
the step is complete, with the runs the step left behind; a step that was
interrupted, whose inputs changed or whose runs were deleted or replaced runs
again, and with it everything that builds on it, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import paths, store
from ..errors import Cancelled, DaebiasError, InputError, TrainingError
from ..progress import Progress, listening

STEPS_KEY = "steps"
_LONGEST = 400


@dataclass(frozen=True)
class Step:
    """One step of an audit.

    Attributes:
        name: a short name, stored with the fingerprint
        label: what it does, said while it runs
        run: the work, ``run(samples, progress=…, **parameters)``; its result's first line is kept
        parameters: JSON-able parameters
        done: whether the step's output is still there: ``done(samples) -> bool``
        after: names of the steps it builds on
        data: what the step reads from the dataset, as a short text: ``data(samples) -> str``
        optional: whether what builds on the step can do without it; where it cannot, it is left out with the step
        tracked: whether the step runs again when somebody deleted or replaced the runs it stored
        version: of the method behind the step; a step of another version runs again
    """

    name: str
    label: str
    run: Callable
    parameters: dict
    done: Callable[[object], bool] = lambda samples: True
    after: tuple[str, ...] = ()
    data: Callable[[object], str] = lambda samples: ""
    optional: bool = False
    tracked: bool = True
    version: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        name: the step
        label: what it does
        outcome: "done", "unchanged" (done before, and nothing it depends on has changed since), "not possible",
            "failed" or "off"
        summary: the first line of its result, or why there is none
        seconds: how long it took
    """

    name: str
    label: str
    outcome: str
    summary: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        if self.outcome == "not possible":
            return f"{self.name}: not possible here: {self.summary}"
        if self.outcome == "failed":
            return f"{self.name}: FAILED: {self.summary}"
        took = f" ({self.seconds:.1f} s)" if self.outcome == "done" else ""
        return f"{self.name}: {self.outcome}{took}" + (f": {self.summary}" if self.summary else "")


def seconds_of(outcomes: Iterable[Outcome], **others: float) -> str:
    """How long each step took, in a line, the longest first; "" where nothing was done."""
    took = {o.name: o.seconds for o in outcomes if o.outcome in ("done", "failed")} | others
    if not took:
        return ""
    told = ", ".join(f"{name} {s:.1f}" for name, s in sorted(took.items(), key=lambda item: -item[1]))
    return f"seconds: {sum(took.values()):.0f} ({told})"


def run_steps(samples, steps: list[Step], progress: Progress | None = None) -> tuple[Outcome, ...]:
    """Runs the steps in order, skipping those that are complete and unchanged.

    Args:
        samples: a dataset or view
        steps: the steps, in an order in which none comes before what it builds on
        progress: where to report

    Returns:
        what became of each

    Raises:
        Cancelled: the user asked to stop; what is complete is kept
    """
    told = listening(progress)
    out: list[Outcome] = []
    fingerprints: dict[str, str] = {}
    missing: set[str] = set()
    for number, step in enumerate(steps, start=1):
        head = f"[{number}/{len(steps)}] {step.label}"
        began = time.monotonic()
        try:
            needed = [n for n in step.after if n in missing]
            if needed:
                raise InputError(f"it builds on {needed[0]!r}, which failed")
            outcome = _run_step(samples, step, head, fingerprints, told, progress)
        except (Cancelled, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever a step raises, the others still have something to say
            outcome = _failure(samples, step, error, time.monotonic() - began)
            told.say(f"{head}: {outcome}")
            if not step.optional:
                missing.add(step.name)
        out.append(outcome)
    return tuple(out)


def _run_step(samples, step: Step, head: str, fingerprints: dict[str, str], told, progress) -> Outcome:
    known = _known(samples)
    built_on = {name: fingerprints.get(name) or known.get(name, {}).get("fingerprint", "") for name in step.after}
    facts = [step.name, step.parameters, step.data(samples), built_on]
    mark = _hash([*facts, step.version] if step.version else facts)
    fingerprints[step.name] = mark
    before = known.get(step.name, {})
    if before.get("fingerprint") == mark and _complete(samples, step, before):
        told.say(f"{head}: unchanged")
        return Outcome(step.name, step.label, "unchanged", before.get("summary", ""))
    told.say(head)
    times, began = store.run_times(samples), time.monotonic()
    result = step.run(samples, progress=progress, **step.parameters)
    outputs = {k: t for k, t in store.run_times(samples).items() if times.get(k) != t} if step.tracked else {}
    done = Outcome(step.name, step.label, "done", _first_line(result), time.monotonic() - began)
    _remember(samples, step.name, {"fingerprint": mark, "outputs": outputs, "summary": done.summary})
    return done


def _failure(samples, step: Step, error: Exception, seconds: float) -> Outcome:
    """Not possible where the step says so itself and can be done without; else failed, with its traceback in a log."""
    try:
        _forget(samples, step.name)
    except Exception as second:  # the database is gone: say so with the rest
        error.__context__ = second
    reason = " ".join(str(error).split())
    # a step that others need is "not possible" only when it follows from a failure already named
    by_design = isinstance(error, DaebiasError) and not isinstance(error, TrainingError)
    if by_design and (step.optional or "which failed" in reason):
        return Outcome(step.name, step.label, "not possible", reason, seconds)
    if not isinstance(error, DaebiasError):
        # the message of an error nobody foresaw may quote a value, so it stays in the log: summaries reach reports
        reason = f"{type(error).__name__} in {_place(error)}"
    log = write_log(store.dataset_of(samples).name, step.name, error)
    return Outcome(step.name, step.label, "failed", f"{reason} (traceback: {log})", seconds)


def _place(error: BaseException) -> str:
    """Where in this package it happened: "clusters/neighbours.py, line 90"."""
    frames = traceback.extract_tb(error.__traceback__)
    root = Path(__file__).resolve().parents[1]
    for frame in reversed(frames):
        if Path(frame.filename).is_relative_to(root):
            return f"{Path(frame.filename).relative_to(root).as_posix()}, line {frame.lineno}"
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"


def write_log(dataset: str, step: str, error: BaseException) -> Path | str:
    """Adds a traceback to the dataset's audit log below ``DAEBIAS_HOME/logs``; returns the log's path."""
    path = paths.home() / "logs" / f"audit-{paths.safe_name(dataset)}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} step {step}\n")
            stream.write("".join(traceback.format_exception(error)) + "\n")
    except OSError as full:
        return f"could not be written: {full}"
    return path


def _known(samples) -> dict[str, dict]:
    """What is stored of each step; an older form of the record does not count."""
    stored = store.read_info(samples).get(STEPS_KEY) or {}
    return {k: v for k, v in stored.items() if isinstance(v, dict)}


def _complete(samples, step: Step, record: dict) -> bool:
    times = store.run_times(samples)
    return step.done(samples) and all(times.get(k) == t for k, t in (record.get("outputs") or {}).items())


def _remember(samples, name: str, record: dict) -> None:
    store.write_info(samples, **{STEPS_KEY: {**_known(samples), name: record}})


def _forget(samples, name: str) -> None:
    store.write_info(samples, **{STEPS_KEY: {k: v for k, v in _known(samples).items() if k != name}})


def _first_line(result) -> str:
    text = str(result).strip() if result is not None else ""
    return text.splitlines()[0].strip()[:_LONGEST] if text else ""


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
