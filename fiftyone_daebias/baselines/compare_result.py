"""A comparison's table: rows of embeddings and networks, a column a field."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..rendering import Rendered, Table


@dataclass(frozen=True)
class Column:
    """A field of the comparison.

    Attributes:
        field: its name
        metric: "accuracy", higher is better, or "l1" (mean absolute error in the field's units), lower is better
        classes: class names; empty for numbers
        n_subjects: held-out subjects that were scored
        n_samples: their samples
        reason: why it could not be compared; empty when it was
    """

    field: str
    metric: str = ""
    classes: tuple[str, ...] = ()
    n_subjects: int = 0
    n_samples: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Cell:
    """One row's score in one field.

    Attributes:
        score: accuracy or mean absolute error; every held-out subject counts once; mean over the seeds
        interval: 95 % subject-bootstrap interval
        by_seed: score of each seed
        difference: mean paired difference to the reference (row − reference); NaN for the reference
        difference_interval: 95 % subject-bootstrap interval of it
        p: two-sided sign-flip p-value of it
        q: after Benjamini-Hochberg over all rows and fields
        above_dull: mean paired difference to answering without images; NaN for that row
        q_dull: its p-value after Benjamini-Hochberg over all rows and fields
    """

    score: float
    interval: tuple[float, float]
    by_seed: tuple[float, ...]
    difference: float = float("nan")
    difference_interval: tuple[float, float] = (float("nan"), float("nan"))
    p: float = float("nan")
    q: float = float("nan")
    above_dull: float = float("nan")
    q_dull: float = float("nan")


@dataclass(frozen=True)
class CompareRow:
    """One embedding or network.

    Attributes:
        name: its name
        how: how it answers: "SVM on the embedding", "network on labels", "without images"
        dimensions: values a vector (0 where there is none)
        seeds: seeds of its training
        images: images that its training saw (of each fold, for networks on labels)
        train_seconds: seconds that its training took, mean over the seeds
        cells: ``{field: Cell}``
    """

    name: str
    how: str
    dimensions: int
    seeds: tuple[int, ...]
    images: int
    train_seconds: float
    cells: dict[str, Cell]


@dataclass(frozen=True)
class CompareResult(Rendered):
    """Embeddings beside one another on the same held-out subjects.

    Attributes:
        reference: the row that the others are compared with
        columns: the fields
        rows: the rows
        plan: who was scored from whose labels
        machine: processor, cores, accelerator
        notes: what a reader must know
        run_key: the run it is stored under
    """

    reference: str
    columns: tuple[Column, ...]
    rows: tuple[CompareRow, ...]
    plan: str
    machine: str
    notes: tuple[str, ...]
    run_key: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """One plain sentence a field: what is best of what beats no image, and what the reference differs from."""
        out = []
        for column in self.columns:
            if column.reason:
                continue
            high = column.metric == "accuracy"
            ranked = sorted(
                (r for r in self.rows if column.field in r.cells),
                key=lambda r: r.cells[column.field].score * (-1 if high else 1),
            )
            ranked = [r for r in ranked if _knows(column, r.cells[column.field])]
            if not ranked:
                out.append(f"{column.field}: no row answers better than without images ({column.n_subjects} subjects)")
                continue
            top = ranked[0].cells[column.field].score
            best = [r.name for r in ranked if r.cells[column.field].score == top]
            better, worse = [], []
            for row in self.rows:
                cell = row.cells.get(column.field)
                if cell is not None and cell.q <= 0.05:
                    (worse if (cell.difference > 0) == high else better).append(row.name)
            is_are = "best is" if len(best) == 1 else "best are"
            said = f"{column.field}: {is_are} {', '.join(best)} ({_score(column, ranked[0].cells[column.field])})"
            said += f"; {self.reference} is better than {', '.join(better)}" if better else ""
            said += f"; {self.reference} is worse than {', '.join(worse)}" if worse else ""
            if not better and not worse:
                said += f"; no row differs from {self.reference} beyond chance"
            out.append(said + f" (q ≤ 0.05, {column.n_subjects} subjects)")
        return tuple(out)

    def to_dict(self) -> dict:
        return {**asdict(self), "sentences": list(self.sentences)}

    def _head(self) -> list[str]:
        shown = [c for c in self.columns if not c.reason]
        metrics = {"accuracy": "acc. %", "l1": "l1"}
        return ["", "values", "images", "seconds", *(f"{c.field} {metrics[c.metric]}" for c in shown)]

    def _cells(self) -> list[tuple[str, ...]]:
        shown = [c for c in self.columns if not c.reason]
        out = []
        for row in self.rows:
            cells = [
                row.name,
                str(row.dimensions or "–"),
                f"{row.images:,}" if row.images else "–",
                f"{row.train_seconds:,.0f}" if row.images else "–",
            ]
            for c in shown:
                cell = row.cells.get(c.field)
                cells.append("" if cell is None else f"{_score(c, cell)} {_mark(c, cell)}".strip())
            out.append(tuple(cells))
        return out

    def _legend(self) -> list[str]:
        return [
            f"held out: {self.plan}; "
            + ", ".join(f"{c.field} {c.n_subjects:,} subjects" for c in self.columns if not c.reason),
            f"± half of the 95 % subject-bootstrap interval; ▲ better, ▼ worse than {self.reference} (paired by "
            f"subject, q ≤ 0.05); ° no better than without images (q > 0.05); seconds are those of training, on "
            f"{self.machine}",
        ]

    def parts(self) -> list[str | Table]:
        skipped = [f"{c.field} left out: {c.reason}" for c in self.columns if c.reason]
        table = Table.of([self._head(), *self._cells()])
        return [table, "", *self._legend(), *self.sentences, *skipped, *(f"note: {n}" for n in self.notes)]

    def to_markdown(self) -> str:
        """The table for a README, with paired differences below it."""
        head = self._head()
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(cells) + " |" for cells in self._cells()]
        lines += ["", *(f"{text}  " for text in self._legend())]
        lines += ["", f"Differences to {self.reference}, paired by subject:", ""]
        shown = [c for c in self.columns if not c.reason]
        lines += ["| | " + " | ".join(c.field for c in shown) + " |", "|" + " --- |" * (len(shown) + 1)]
        for row in self.rows:
            if row.name == self.reference:
                continue
            cells = []
            for c in shown:
                cell = row.cells.get(c.field)
                if cell is None:
                    cells.append("")
                    continue
                k = 100 if c.metric == "accuracy" else 1
                low, high = (f"{k * v:+.3g}" for v in cell.difference_interval)
                cells.append(f"{k * cell.difference:+.3g} ({low} to {high}), p {cell.p:.2g}, q {cell.q:.2g}")
            lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
        return "\n".join([*lines, "", *(f"- {n}" for n in self.notes)]) + "\n"


def _score(column: Column, cell: Cell) -> str:
    half = (cell.interval[1] - cell.interval[0]) / 2
    if column.metric == "accuracy":
        return f"{100 * cell.score:.1f} ± {100 * half:.1f}"
    return f"{cell.score:.3g} ± {half:.2g}"


def _mark(column: Column, cell: Cell) -> str:
    nothing = "°" if cell.q_dull > 0.05 or cell.q_dull <= 0.05 and not _knows(column, cell) else ""
    if not cell.q <= 0.05:
        return nothing
    return ("▲" if (cell.difference > 0) == (column.metric == "accuracy") else "▼") + nothing


def _knows(column: Column, cell: Cell) -> bool:
    """Whether a row answers better than one without images, beyond chance."""
    return cell.q_dull <= 0.05 and (cell.above_dull > 0) == (column.metric == "accuracy")
