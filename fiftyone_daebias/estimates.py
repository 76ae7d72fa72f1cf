"""How long a verb will take: from how long it took on this machine before, and never from a guess.

``DAEBIAS_HOME/rates.json`` keeps the last duration of every verb with the
amount of work behind it. A verb that never ran here has no estimate.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from . import atomic, paths, store, verbs
from .errors import WriteError

#: how the time of a verb grows with the number of samples, where it is not in proportion
_GROWTH = {"duplicates": 1.3, "probe": 1.7, "probe-all": 1.7, "subgroups": 1.7, "transfer": 1.7}
#: shorter than this is the time of starting, not a rate
_SHORTEST = 0.5


@dataclass(frozen=True)
class Estimate:
    """How long a verb will take.

    Attributes:
        seconds: expected
        basis: what it was reckoned from, in words
    """

    seconds: float
    basis: str

    def __str__(self) -> str:
        return f"takes about {duration_words(self.seconds)} ({self.basis})"


def estimate(verb: verbs.Verb, samples, values: dict) -> Estimate | None:
    """Expected duration of a verb; ``None`` when nothing like it has run on this machine.

    Args:
        verb: the verb
        samples: what it would act on; ``None`` for verbs that make a dataset
        values: its parameters, without those left at their default
    """
    if verb.command == "train":
        return _training(samples, values)
    last = _read().get(verb.command)
    # the panel asks this of every step at every redraw: the verb is loaded and the dataset read only for an answer
    if not last or last["seconds"] < _SHORTEST:
        return None
    work = _work(verb, samples, values)
    if not work:
        return None
    basis = f"the last time on this machine: {duration_words(last['seconds'])} for {last['samples']:,} samples"
    return Estimate(last["seconds"] * work / last["work"], basis)


def remember(verb: verbs.Verb, samples, values: dict, seconds: float) -> None:
    """Keeps how long a verb took, for the next estimate; a home folder that cannot be written is no error."""
    work = _work(verb, samples, values)
    if not work or verb.command == "train" or seconds < _SHORTEST:
        return
    rates = _read()
    rates[verb.command] = {"seconds": round(seconds, 2), "work": work, "samples": store.count(samples)}
    with contextlib.suppress(WriteError):
        atomic.write_text(_file(), json.dumps(rates, indent=1))


def duration_words(seconds: float) -> str:
    """A duration as one would say it: "20 seconds", "3 minutes", "1.5 hours"."""
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        rounded = max(2, round(seconds)) if seconds < 20 else 5 * round(seconds / 5)
        return f"{rounded} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 86400 else f"{seconds / 86400:.1f} days"


def _work(verb: verbs.Verb, samples, values: dict) -> float:
    """Amount of work, in units that only mean something beside another amount of the same verb."""
    if samples is None:
        return 0.0
    work = float(store.count(samples)) ** _GROWTH.get(verb.command, 1.0)
    defaults = {p.name: p.default for p in verbs.parameters(verb.load())}
    if "fields" in defaults:
        work *= len(values.get("fields") or store.metadata_fields(samples) or [1])
    if "n_permutations" in defaults:
        work *= 300 + (values.get("n_permutations") or defaults["n_permutations"])
    for name in ("repeats", "resamples"):
        if name in defaults:
            work *= values.get(name) or defaults[name] or 1
    return work


def _training(samples, values: dict) -> Estimate | None:
    """From the images a second that the newest run of the same preset wrote to its metrics."""
    from .dae.train import settings

    changes = {k: values[k] for k in ("images", "batch_size", "accumulate", "lr") if k in values}
    model, config = settings(values.get("preset"), **changes)[:2]
    found = sorted((paths.home() / "runs").glob("*/*/*/metrics.jsonl"), key=_age)
    for metrics in found:
        try:
            facts = json.loads((metrics.parent / "run.json").read_text())
            lines = [json.loads(line) for line in metrics.read_text().splitlines() if line.strip()]
        except (OSError, ValueError):
            continue
        if facts.get("model", {}).get("image_size") != model.image_size or not lines:
            continue
        rate = _rate(lines)
        if rate:
            words = f"{rate:.0f} images a second in the last training at {model.image_size} pixels on this machine"
            return Estimate(config.images / rate, words)
    return None


def _rate(lines: list[dict]) -> float:
    """Images a second of a training's last evaluation; older runs kept seconds only."""
    last = lines[-1]
    rate = last.get("images_per_second") or (last.get("images", 0) / last["seconds"] if last.get("seconds") else 0.0)
    return float(rate) if math.isfinite(rate) else 0.0


def _age(file: Path) -> float:
    try:
        return -file.stat().st_mtime
    except OSError:
        return 0.0


def _file() -> Path:
    return paths.home() / "rates.json"


def _read() -> dict:
    try:
        rates = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return {k: r for k, r in rates.items() if isinstance(r, dict) and r.get("work", 0) > 0 and "seconds" in r}
