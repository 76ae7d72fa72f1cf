"""Findings of comparisons of embeddings."""

from __future__ import annotations

from .. import schema
from ..findings.from_runs import ended, of_runs
from ..statistics.cells import Cells


def _compare(facts: dict) -> tuple[str, bool]:
    return " ".join(ended(s) for s in facts["sentences"]), True


def _compare_cells(facts: dict) -> Cells:
    """The subjects of each field; of an accuracy, those answered right and wrong."""
    cells = {}
    for column in (c for c in facts["columns"] if not c["reason"]):
        n = int(column["n_subjects"])
        cells[column["field"]] = n, 0
        for row in facts["rows"]:
            cell = row["cells"].get(column["field"])
            if cell and column["metric"] == "accuracy":
                right = round(n * float(cell["score"]))
                cells[f"{column['field']}: {row['name']}"] = right, n - right
    return cells


comparisons = of_runs(schema.COMPARE_RUN, "compare", "embeddings beside one another", _compare, _compare_cells)
