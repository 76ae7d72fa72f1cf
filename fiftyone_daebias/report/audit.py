"""The whole line as one resumable sequence of steps; nothing is computed again that has not changed.

A step's fingerprint is a hash of its parameters, the fingerprint of the step
before it and the data it reads. It is stored on the dataset once the step is
complete, so a step that was interrupted, or whose inputs changed, runs again,
and with it everything after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from .. import store
from ..progress import Progress, listening

STEPS_KEY = "steps"


@dataclass(frozen=True)
class Step:
    """One step of an audit.

    Attributes:
        name: a short name, stored with the fingerprint
        label: what it does, said while it runs
        run: the work, ``run(samples, progress=…, **parameters)``
        parameters: JSON-able parameters
        done: whether the step's output is still there: ``done(samples) -> bool``
    """

    name: str
    label: str
    run: Callable
    parameters: dict
    done: Callable[[object], bool]


def run_steps(samples, steps: list[Step], data_hash: str, progress: Progress | None = None) -> dict[str, bool]:
    """Runs the steps in order, skipping those that are complete and unchanged.

    Args:
        samples: a dataset or view
        steps: the steps, each building on the one before
        data_hash: hash of the data the first step reads
        progress: where to report

    Returns:
        ``{step name: whether it ran now}``
    """
    told = listening(progress)
    fingerprint = data_hash
    ran: dict[str, bool] = {}
    for number, step in enumerate(steps, start=1):
        fingerprint = _hash([fingerprint, step.name, step.parameters])
        stored = store.read_info(samples).get(STEPS_KEY, {})
        if stored.get(step.name) == fingerprint and step.done(samples):
            told.say(f"[{number}/{len(steps)}] {step.label}: unchanged")
            ran[step.name] = False
            continue
        told.say(f"[{number}/{len(steps)}] {step.label}")
        step.run(samples, progress=progress, **step.parameters)
        complete = {**store.read_info(samples).get(STEPS_KEY, {}), step.name: fingerprint}
        store.write_info(samples, **{STEPS_KEY: complete})
        ran[step.name] = True
    return ran


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
