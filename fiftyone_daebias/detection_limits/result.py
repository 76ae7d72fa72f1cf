"""The result of a sensitivity run: a row for each effect, strength and prevalence, and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from ..rendering import Rendered, Table
from ..serialize import plain
from .perturbation import reached

_NAN = float("nan")


@dataclass(frozen=True)
class SensitivityRow:
    """One effect of one strength in one share of the subjects.

    Attributes:
        effect: name of the effect; "none" for copies that were encoded again and not altered
        strength: how strong
        unit: its unit
        prevalence: share of the subjects affected
        n_affected: subjects affected
        n_subjects: subjects of the cohort that was tested
        repeats: trials, each with other subjects affected
        found: trials in which the test found it
        probability: found / repeats
        interval: 95 % interval of the probability
        tagged: share of the affected samples tagged as outliers, with nobody knowing who is affected
        tagged_rest: share of the other samples tagged
        places: share of affected samples tagged for something strange in one place, where few are affected
        island: share of trials in which a cluster of the embedding overlaps with the affected by at least a half; NaN
            if it was not asked
        reason: why there is no number
    """

    effect: str
    strength: float
    unit: str
    prevalence: float
    n_affected: int
    n_subjects: int
    repeats: int = 0
    found: int = 0
    probability: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    tagged: float = _NAN
    tagged_rest: float = _NAN
    island: float = _NAN
    places: float = _NAN
    reason: str = ""

    def to_dict(self) -> dict:
        return plain(self)


@dataclass(frozen=True)
class Sensitivity(Rendered):
    """What would have been found.

    Attributes:
        rows: the rows; those of effect "none" are false alarms
        sentence: the most important of it, for a physician
        level: p-value at which an effect counts as found
        n_tests: fields among which the marking field is assumed to be
        n_subjects: subjects tested
        n_samples: samples tested
        n_copied: subjects of whom copies were made; trials draw from them
        figures: the curves and examples of what was planted
        notes: what to bear in mind
    """

    rows: tuple[SensitivityRow, ...]
    sentence: str
    level: float
    n_tests: int
    n_subjects: int
    n_samples: int
    n_copied: int
    figures: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def false_alarms(self) -> tuple[int, int]:
        """Trials without any effect that were called found, and how many there were."""
        none = [r for r in self.rows if r.effect == "none"]
        return sum(r.found for r in none), sum(r.repeats for r in none)

    def to_dict(self) -> dict:
        return {
            "rows": [r.to_dict() for r in self.rows],
            "sentence": self.sentence,
            "level": self.level,
            "n_tests": self.n_tests,
            "n_subjects": self.n_subjects,
            "n_samples": self.n_samples,
            "n_copied": self.n_copied,
            "false_alarms": list(self.false_alarms),
            "figures": list(self.figures),
            "notes": list(self.notes),
        }

    def parts(self) -> list[str | Table]:
        shares = sorted({r.prevalence for r in self.rows if not r.reason})
        lines: list[str | Table] = [self.sentence, ""]
        asked = any(r.island == r.island for r in self.rows)
        if shares:
            head = ["effect", "strength", "unit"]
            for share in shares:
                n = next(r.n_affected for r in self.rows if r.prevalence == share)
                head.append(f"in {share:.0%} ({n})")
            head += [f"outliers in {shares[0]:.0%}", "strange places"]
            cells = [(*head, *((f"island in {shares[-1]:.0%}",) if asked else ()))]
            for effect, strength, unit in dict.fromkeys((r.effect, r.strength, r.unit) for r in self.rows):
                mine = {r.prevalence: r for r in self.rows if (r.effect, r.strength) == (effect, strength)}
                tagged = mine[shares[0]] if shares[0] in mine else None
                cells.append(
                    (
                        effect,
                        f"{strength:g}",
                        unit,
                        *(_cell(mine.get(s)) for s in shares),
                        f"{tagged.tagged:.0%}, rest {tagged.tagged_rest:.0%}" if tagged else "–",
                        f"{tagged.places:.0%}" if tagged and tagged.places == tagged.places else "–",
                        *((_share(mine.get(shares[-1])),) if asked else ()),
                    )
                )
            lines.append(Table.of(cells))
        lines.append(
            f"probability (95 % interval) that the permutation test of a probe finds it, if a field marks who is "
            f"affected; found: p at most {self.level:.2g} (0.05 over {self.n_tests} fields). {self.n_samples:,} "
            f"samples of {self.n_subjects:,} subjects; in brackets: subjects affected, drawn from {self.n_copied:,} in "
            "every trial. outliers: share of the affected "
            "samples that would be tagged although nothing marks them. strange places: share that would be tagged for "
            "something in one place that similar samples lack."
            + (
                " island: share of trials in which a cluster of the embedding is the affected, with an overlap of at "
                "least a half."
                if asked
                else ""
            )
        )
        for reason in dict.fromkeys(r.reason for r in self.rows if r.reason):
            lines.append(f"not tested: {reason}")
        return [*lines, *(f"note: {n}" for n in self.notes)]


def _cell(row: SensitivityRow | None) -> str:
    if row is None or row.reason:
        return "–"
    return f"{row.probability:.2f} ({row.interval[0]:.2f}-{row.interval[1]:.2f})"


def _share(row: SensitivityRow | None) -> str:
    return f"{row.island:.0%}" if row is not None and row.island == row.island else "–"


def make_sentence(rows: list[SensitivityRow]) -> str:
    """The smallest strength of each effect that is found at the smallest prevalence that was tested."""
    tested = [r for r in rows if not r.reason]
    if not tested:
        return "No share of the subjects was large enough to be tested."
    share = min(r.prevalence for r in tested)
    here = [r for r in tested if r.prevalence == share]
    n = here[0].n_affected
    parts, missed = [], []
    for effect in dict.fromkeys(r.effect for r in here if r.effect != "none"):
        mine = [r for r in here if r.effect == effect]
        strength = reached([r.strength for r in mine], [r.probability for r in mine])
        if strength is None:
            top = max(mine, key=lambda r: r.strength)
            missed.append(f"{_planted(top)} ({top.probability:.0%})")
        else:
            row = next(r for r in mine if r.strength == strength)
            low, high = row.interval
            parts.append(f"{_planted(row)} ({row.probability:.0%}, 95 % interval {low:.0%} to {high:.0%})")
    text = f"In {share:.0%} of the subjects ({n}), marked by some field, the audit would have found "
    text += "these with a probability of at least 80 %: " + "; ".join(parts) if parts else "none of the effects planted"
    if missed:
        text += ". It would often have missed " + "; ".join(missed)
    none = [r for r in tested if r.effect == "none"]
    alarms, trials = sum(r.found for r in none), sum(r.repeats for r in none)
    if trials:
        alarm = "1 alarm" if alarms == 1 else f"{alarms} alarms"
        text += f". With nothing planted it raised {alarm} in {trials} trials"
    return text + "."


def _planted(row: SensitivityRow) -> str:
    """The effect with its strength, in words."""
    effect = row.effect.replace("_", " ")
    if row.unit.split()[0] in ("mm", "pixels", "degrees", "slices"):
        return f"{effect} of {row.strength:g} {row.unit}"
    return f"{effect} {row.strength:g} ({row.unit})"
