"""Reading a metadata table and joining it to files."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import CohortError

#: field names that FiftyOne keeps for itself
RESERVED = {"id", "_id", "filepath", "tags", "metadata", "created_at", "last_modified_at", "_media_type", "_rand"}


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        path: where it was read
        columns: names as they stand in the file
        rows: one dict of texts a row
    """

    path: Path
    columns: list[str]
    rows: list[dict]


def read_table(path: Path | str) -> Table:
    """Reads CSV, TSV, Excel or Parquet; every value as it stands, nothing interpreted.

    Raises:
        CohortError: missing, empty, not a table, or with two columns of one name
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CohortError(f"table {path} does not exist; pass the path of a CSV, TSV, Excel or Parquet file")
    suffix = path.suffix.lower()
    try:
        if suffix in (".xlsx", ".xls", ".xlsm"):
            frame = pd.read_excel(path, dtype=object)
        elif suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = _read_text(path)
    except (ValueError, OSError, csv.Error, pd.errors.ParserError, ImportError) as error:
        raise CohortError(f"table {path} cannot be read ({' '.join(str(error).split())[:200]})") from error
    frame.columns = [str(c).replace("\ufeff", "").strip() for c in frame.columns]
    frame = frame.loc[:, [not re.match(r"^(Unnamed: \d+)?$", c) for c in frame.columns]]
    if frame.empty:
        raise CohortError(f"table {path} has no rows; pass a table with a header line and one line an image or subject")
    twice = sorted({c for c in frame.columns if list(frame.columns).count(c) > 1})
    if twice:
        raise CohortError(f"table {path} has two columns named {twice[0]!r}; rename one of them")
    return Table(path, list(frame.columns), frame.astype(object).where(frame.notna(), None).to_dict("records"))


def _read_text(path: Path) -> pd.DataFrame:
    raw = path.read_bytes()
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    head = [line for line in text.splitlines() if line.strip()][:20]
    if not head:
        raise ValueError("it is empty")
    # The delimiter that cuts the first lines into the same number of parts, the larger the better.
    def parts(delimiter: str) -> int:
        counts = [len(row) for row in csv.reader(head, delimiter=delimiter)]
        return min(counts) if min(counts) > 1 and max(counts) - min(counts) <= 1 else 1

    delimiter = max((",", "\t", ";", "|"), key=parts)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = [row for row in lines if any(c.strip() for c in row)]
    width = len(rows[0])
    for number, row in enumerate(rows[1:], start=2):
        if len(row) > width and any(c.strip() for c in row[width:]):
            raise ValueError(f"line {number} has {len(row)} values under {width} columns")
    return pd.DataFrame([(row + [""] * width)[:width] for row in rows[1:]], columns=rows[0], dtype=object)


def field_names(columns: list[str]) -> dict[str, str]:
    """``{column: FiftyOne field}``: letters, digits and underscores, unique, clear of FiftyOne's own names."""
    out: dict[str, str] = {}
    for column in columns:
        plain = unicodedata.normalize("NFKD", column.strip().replace("ß", "ss"))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        name = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_") or "column"
        if name[0].isdigit() or name in RESERVED or name.startswith("daebias_"):
            name = f"table_{name}"
        base, k = name, 2
        while name.lower() in {v.lower() for v in out.values()}:
            name, k = f"{base}_{k}", k + 1
        out[column] = name
    return out


#: forms in which a table may name a file, strictest first
def _forms(relative: str) -> list[str]:
    path = Path(relative)
    stem = path.name
    while Path(stem).suffix.lower() in (".gz", ".nii", ".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"):
        stem = Path(stem).stem
    return [path.as_posix(), path.name, stem]


def match_files(table: Table, files: list[str], column: str | None = None) -> tuple[str, dict[int, list[str]]]:
    """Finds the column that names files, and each row's file.

    A value may be a path relative to the image folder, a path that ends in
    one, a file name, or a name without its ending; letter case is ignored
    when nothing matches otherwise. A form that would fit two files fits none.

    Args:
        table: the table
        files: paths relative to the image folder, with forward slashes
        column: the column to use; ``None`` takes the one that matches most rows

    Returns:
        the column, and ``{row: [file]}`` of the rows that match

    Raises:
        CohortError: the column does not exist
    """
    if column is not None and column not in table.columns:
        raise CohortError(f"table {table.path.name} has no column {column!r}; columns: {', '.join(table.columns)}")
    best: tuple[str, dict[int, list[str]]] = (column or table.columns[0], {})
    for fold in (False, True):
        lookup: dict[str, set[str]] = defaultdict(set)
        for file in files:
            for form in _forms(file):
                lookup[form.casefold() if fold else form].add(file)
        for name in [column] if column else table.columns:
            found = {}
            for k, row in enumerate(table.rows):
                if row[name] is None:
                    continue
                text = str(row[name]).strip().replace("\\", "/").lstrip("./")
                hits = _lookup(lookup, text.casefold() if fold else text)
                if len(hits) == 1:
                    found[k] = sorted(hits)
            if len(found) > len(best[1]):
                best = (name, found)
        if best[1]:
            break
    return best


def _lookup(lookup: dict[str, set[str]], text: str) -> set[str]:
    """Files named by a text: whole, or by its ever shorter tails; a tail of several parts before a bare name."""
    parts = [p for p in text.split("/") if p]
    for k in range(len(parts)):
        if hits := lookup.get("/".join(parts[k:])):
            return hits
    if parts:
        return lookup.get(_forms(parts[-1])[2], set())
    return set()
