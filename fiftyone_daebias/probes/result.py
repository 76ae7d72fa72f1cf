"""Results of probes: one row a field, and a table of rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from .permutation import benjamini_hochberg

#: a field counts as decodable at this false-discovery rate
LEVEL = 0.05


@dataclass(frozen=True)
class ProbeResult:
    """What an embedding knows of one field.

    Attributes:
        field: the field
        vectors: the vector field probed
        kind: "binary", "multiclass", "numeric" or "date"
        metric: "AUC" (macro one-against-rest for several classes) or "MAE" (in the field's unit; years for dates)
        score: its value on held-out subjects, every subject counting once
        interval: 95 % subject-bootstrap interval
        chance: 0.5, or the error of always guessing the median
        better: 95 % interval of the gain over chance; its low end is above 0 when the probe beats chance
        balanced_accuracy: NaN for numbers
        p: subject-level permutation p-value
        q: p after Benjamini-Hochberg over everything tested with it
        n_subjects: subjects that took part
        n_samples: samples that took part
        classes: classes probed, empty for numbers
        n_opposite: samples that the probe puts on another side than their own label
        notes: what was left out
        reason: why there is no number; "" when there is one
    """

    field: str
    vectors: str
    kind: str = ""
    metric: str = ""
    score: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    chance: float = float("nan")
    better: tuple[float, float] = (float("nan"), float("nan"))
    balanced_accuracy: float = float("nan")
    p: float = float("nan")
    q: float = float("nan")
    n_subjects: int = 0
    n_samples: int = 0
    classes: tuple[str, ...] = ()
    n_opposite: int = 0
    notes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def decodable(self) -> bool:
        """Whether the permutation test passes at the false-discovery level and the score beats chance."""
        return not self.reason and self.q <= LEVEL and self.better[0] > 0

    @property
    def effect(self) -> float:
        """0 for chance, 1 for perfect: 2·AUC − 1, or the share of the median's error that is gone."""
        if self.metric == "AUC":
            return 2 * self.score - 1
        return 1 - self.score / self.chance if self.chance else float("nan")

    @property
    def verdict(self) -> str:
        """In words."""
        if self.reason:
            return "not probed"
        if self.decodable:
            return "decodable"
        return "related, not predictable" if self.q <= LEVEL else "not found"

    def to_dict(self) -> dict:
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        plain = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in plain.items()}
        return {**plain, "decodable": self.decodable, "verdict": self.verdict}

    def __str__(self) -> str:
        return str(ProbeTable((self,)))


@dataclass(frozen=True)
class ProbeTable:
    """Rows for several fields, the strongest evidence first, those that could not be probed last."""

    rows: tuple[ProbeResult, ...]

    @classmethod
    def ranked(cls, rows: list[ProbeResult]) -> ProbeTable:
        """Adjusts the p-values over all rows and sorts them."""
        q = benjamini_hochberg(np.array([r.p for r in rows]))
        return cls.sorted([replace(r, q=float(v)) for r, v in zip(rows, q, strict=True)])

    @classmethod
    def sorted(cls, rows: list[ProbeResult]) -> ProbeTable:
        """Sorts rows whose p-values are adjusted already."""
        return cls(tuple(sorted(rows, key=lambda r: (bool(r.reason), not r.decodable, -np.nan_to_num(r.effect)))))

    def to_dict(self) -> dict:
        return {"rows": [r.to_dict() for r in self.rows]}

    def __str__(self) -> str:
        probed = [r for r in self.rows if not r.reason]
        lines = []
        if probed:
            head = ("field", "verdict", "score", "95 % interval", "chance", "p", "q", "subjects", "images")
            cells = [head, *(_cells(r) for r in probed)]
            widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
            for k, row in enumerate(cells):
                lines.append("  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip())
                if k == 0:
                    lines.append("  ".join("-" * w for w in widths))
            lines += [f"note: {r.field}: {n}" for r in probed for n in r.notes]
            lines.append(
                "score: AUC of an SVM on held-out subjects (several classes: mean one against the rest), or mean "
                "absolute error in the field's unit; every subject counts once. decodable: q at most "
                f"{LEVEL} and better than chance."
            )
        lines += [f"not probed: {r.reason}" for r in self.rows if r.reason]
        return "\n".join(lines)


def _cells(r: ProbeResult) -> tuple[str, ...]:
    digits = ".3f" if r.metric == "AUC" else ".4g"
    return (
        r.field, r.verdict, f"{r.metric} {r.score:{digits}}", f"{r.interval[0]:{digits}} to {r.interval[1]:{digits}}",
        f"{r.chance:{digits}}", f"{r.p:.3f}", f"{r.q:.3f}", f"{r.n_subjects:,}", f"{r.n_samples:,}",
    )
