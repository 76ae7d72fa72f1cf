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
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .. import store
from ..errors import Cancelled, DaebiasError
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
        optional: whether the audit goes on where the step is not possible
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
        outcome: "done", "unchanged" (done before, and nothing it depends on has changed since), "not possible" or "off"
        summary: the first line of its result, or why it is not possible
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
        took = f" ({self.seconds:.1f} s)" if self.outcome == "done" else ""
        return f"{self.name}: {self.outcome}{took}" + (f": {self.summary}" if self.summary else "")


def run_steps(samples, steps: list[Step], progress: Progress | None = None) -> tuple[Outcome, ...]:
    """Runs the steps in order, skipping those that are complete and unchanged.

    Args:
        samples: a dataset or view
        steps: the steps, in an order in which none comes before what it builds on
        progress: where to report

    Returns:
        what became of each

    Raises:
        DaebiasError: a step that is not optional is not possible
        Cancelled: the user asked to stop; what is complete is kept
    """
    told = listening(progress)
    out: list[Outcome] = []
    fingerprints: dict[str, str] = {}
    for number, step in enumerate(steps, start=1):
        known = _known(samples)
        built_on = {name: fingerprints.get(name) or known.get(name, {}).get("fingerprint", "") for name in step.after}
        facts = [step.name, step.parameters, step.data(samples), built_on]
        mark = _hash([*facts, step.version] if step.version else facts)
        fingerprints[step.name] = mark
        head = f"[{number}/{len(steps)}] {step.label}"
        before = known.get(step.name, {})
        if before.get("fingerprint") == mark and _complete(samples, step, before):
            told.say(f"{head}: unchanged")
            out.append(Outcome(step.name, step.label, "unchanged", before.get("summary", "")))
            continue
        told.say(head)
        times, began = store.run_times(samples), time.monotonic()
        try:
            result = step.run(samples, progress=progress, **step.parameters)
        except DaebiasError as error:
            if not step.optional or isinstance(error, Cancelled):
                raise
            reason = " ".join(str(error).split())
            told.say(f"not possible here: {reason}")
            out.append(Outcome(step.name, step.label, "not possible", reason, time.monotonic() - began))
            _forget(samples, step.name)
            continue
        outputs = {k: t for k, t in store.run_times(samples).items() if times.get(k) != t} if step.tracked else {}
        done = Outcome(step.name, step.label, "done", _first_line(result), time.monotonic() - began)
        _remember(samples, step.name, {"fingerprint": mark, "outputs": outputs, "summary": done.summary})
        out.append(done)
    return tuple(out)


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
