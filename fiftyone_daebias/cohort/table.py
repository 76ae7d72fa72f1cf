"""Reading a metadata table, and finding the files that its rows name."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CohortError
from .decisions import Decision
from .delimited import LARGE, cut_lines, decode, read_large
from .grid import clean_name, cut
from .workbooks import EXCEL, STATISTICS, read_sheet, read_statistics

#: field names that FiftyOne or this package keep for themselves, or that hide a method of FiftyOne's samples
RESERVED = frozenset(
    "id _id pk filepath tags metadata created_at last_modified_at media_type media_reference _media_type _rand "
    "dataset_id _dataset_id _cls field_names frames from_dict get_field set_field to_dict montage_path "
    "subject_id".split()
)
#: beginnings and endings of the names of fields that this package writes
_OURS = ("daebias_", "header_", "dae_map", "dae_embedding")
_OUR_ENDINGS = ("_embedding", "_map_points")


class Rows(Sequence):
    """The rows of a table that lies in columns, each made when it is asked for."""

    def __init__(self, columns: Mapping[str, Sequence], n: int):
        self.by_column, self._n = columns, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(self._n))]
        if not -self._n <= k < self._n:
            raise IndexError(k)
        return {name: _one(values, k % self._n) for name, values in self.by_column.items()}

    def __iter__(self) -> Iterator[dict]:
        return (self[k] for k in range(self._n))


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        path: where it was read
        columns: names as they stand in the file
        rows: one dict of cells a row
        decisions: what was decided when it was read
        layout: how it was read, to read it so again: sheet, header, delimiter
    """

    path: Path
    columns: list[str]
    rows: Sequence[dict]
    decisions: tuple[Decision, ...] = ()
    layout: dict = field(default_factory=dict)

    def column(self, name: str) -> list:
        """All cells of a column."""
        if isinstance(self.rows, Rows):
            values = self.rows.by_column[name]
            return values.to_pylist() if hasattr(values, "to_pylist") else list(values)
        return [row.get(name) for row in self.rows]

    def raw(self, name: str):
        """All cells of a column in the form in which they lie: a list or a pyarrow array."""
        return self.rows.by_column[name] if isinstance(self.rows, Rows) else self.column(name)

    def cells(self, name: str, which: Sequence[int]) -> list:
        """Cells of a column in the rows ``which``; ``None`` where that is negative."""
        which = np.asarray(which, dtype=np.int64)
        if not len(which):
            return []
        if not isinstance(self.rows, Rows):
            return [self.rows[k].get(name) if k >= 0 else None for k in which.tolist()]
        values = self.rows.by_column[name]
        if hasattr(values, "take") and hasattr(values, "to_pylist"):
            import pyarrow as pa

            return values.take(pa.array(which, mask=which < 0)).to_pylist()
        return [values[k] if k >= 0 else None for k in which.tolist()]


def read_table(
    path: Path | str, *, sheet: str | None = None, layout: dict | None = None, wanted: Collection[str] = ()
) -> Table:
    """Reads CSV, TSV, Excel, Parquet, OpenDocument, SPSS, Stata or SAS; every value as it stands, none interpreted.

    Args:
        path: the file
        sheet: sheet of a workbook; default: the one that names the images, else the fullest
        layout: as an earlier reading found it
        wanted: names of images in small letters, without endings, by which a sheet is chosen

    Raises:
        CohortError: missing, empty, not a table, or with two columns of one name
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CohortError(f"table {path} does not exist; pass the path of a CSV, TSV, Excel or Parquet file")
    suffix = path.suffix.lower()
    layout = dict(layout or {})
    if sheet is not None:
        layout["sheet"] = sheet
    try:
        if suffix in EXCEL:
            table = _from_sheet(path, layout, wanted)
        elif suffix in (".parquet", ".pq", ".feather"):
            frame = pd.read_feather(path) if suffix == ".feather" else pd.read_parquet(path)
            table = _from_frame(path, frame, [])
        elif suffix in STATISTICS:
            table = _from_frame(path, *read_statistics(path))
        elif suffix in (
            ".rds",
            ".rdata",
            ".rda",
            ".mdb",
            ".accdb",
            ".numbers",
            ".json",
            ".jsonl",
            ".xml",
            ".pdf",
            ".docx",
            ".zip",
            ".gz",
            ".html",
            ".pkl",
            ".pickle",
            ".npy",
            ".npz",
            ".mat",
        ):
            raise ValueError(f"{suffix} files are not read here; save the table as .csv, .xlsx or .parquet")
        elif path.stat().st_size > LARGE:
            names, columns, found, said = read_large(path, layout)
            table = Table(path, names, Rows(columns, len(columns[names[0]]) if names else 0), tuple(said), found)
        else:
            table = _from_text(path, layout)
    except (ValueError, OSError, csv.Error, ImportError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise CohortError(f"table {path} cannot be read ({' '.join(str(error).split())[:200]})") from error
    except Exception as error:  # readers of workbooks raise kinds of their own for damaged files
        raise CohortError(
            f"table {path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from error
    if not len(table.rows) or not table.columns:
        raise CohortError(f"table {path} has no rows; pass a table with a header line and one line an image or subject")
    return table


def _from_text(path: Path, layout: dict) -> Table:
    text, _ = decode(path.read_bytes())
    lines = cut_lines(text, layout.get("delimiter"))
    header = layout.get("header")
    grid = cut(lines.rows, tuple(header) if header else None, lines.numbers)
    return _from_grid(path, grid, lines.decisions, {"delimiter": lines.delimiter, "header": list(grid.header)})


def _from_sheet(path: Path, layout: dict, wanted: Collection[str]) -> Table:
    rows, name, said = read_sheet(path, layout.get("sheet"), wanted)
    header = layout.get("header")
    grid = cut(rows, tuple(header) if header else None)
    return _from_grid(path, grid, said, {"sheet": name, "header": list(grid.header)})


def _from_grid(path: Path, grid, said: list[Decision], layout: dict) -> Table:
    columns = {n: [row[c] for row in grid.rows] for c, n in enumerate(grid.columns)}
    return Table(path, grid.columns, Rows(columns, len(grid.rows)), (*said, *grid.decisions), layout)


def _from_frame(path: Path, frame: pd.DataFrame, said: list[Decision]) -> Table:
    frame = frame.reset_index() if frame.index.names != [None] else frame
    names = [clean_name(c) for c in frame.columns]
    kept = [k for k, n in enumerate(names) if n and not re.fullmatch(r"Unnamed: \d+|__index_level_\d+__", n)]
    twice = sorted({names[k] for k in kept if names.count(names[k]) > 1})
    if twice:
        raise ValueError(f"two columns named {twice[0]!r}; rename one of them")
    columns = {}
    for k in kept:
        values = frame.iloc[:, k]
        columns[names[k]] = values.astype(object).where(values.notna(), None).tolist()
    return Table(path, list(columns), Rows(columns, len(frame)), tuple(said), {})


def _one(values, k: int):
    value = values[k]
    return value.as_py() if hasattr(value, "as_py") else value


def field_names(columns: Sequence[str]) -> dict[str, str]:
    """``{column: FiftyOne field}``: letters, digits and underscores, unique, clear of FiftyOne's and our own names."""
    out: dict[str, str] = {}
    used: set[str] = set()
    known = {c.strip().casefold() for c in columns}
    for column in columns:
        plain = unicodedata.normalize("NFKD", column.strip().replace("ß", "ss"))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        name = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_") or _spelled(column)
        low = name.casefold()
        # a probe of the field "type" is stored as "probe_type"
        probe = low.startswith("probe_") and low.removeprefix("probe_") in known
        if name[0].isdigit() or low in RESERVED or low.startswith(_OURS) or low.endswith(_OUR_ENDINGS) or probe:
            name = f"table_{name}"
        name = name[:100]
        base, k = name, 2
        while name.casefold() in used:
            name, k = f"{base}_{k}", k + 1
        used.add(name.casefold())
        out[column] = name
    return out


def _spelled(column: str) -> str:
    """A name in letters that ASCII lacks, by the names of its signs: nothing of it would be left otherwise."""
    signs = [c for c in column if c.isalnum()]
    return "column_" + "_".join(f"{ord(c):x}" for c in signs[:8]) if signs else "column"
