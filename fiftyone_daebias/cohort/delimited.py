"""Tables as text: encodings, signs between the columns, ``sep=;`` lines, open quotes, very large files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .decisions import Decision, shorten
from .grid import cut

#: files above this size are read in columns at once; below it every oddity of a line can be looked at
LARGE = 100_000_000
DELIMITERS = (",", "\t", ";", "|")
_SEP = re.compile(r'^\ufeff?"?sep=(.)"?\s*$', re.I)


@dataclass
class Delimited:
    """Lines of a text cut into cells.

    Attributes:
        rows: cells
        numbers: line number of each row
        delimiter: the sign between them
        decisions: what was decided
    """

    rows: list[list[str]]
    numbers: list[int]
    delimiter: str
    decisions: list[Decision] = field(default_factory=list)


def decode(raw: bytes) -> tuple[str, str]:
    """The text and its encoding.

    Raises:
        ValueError: it is no text
    """
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and b"\0" in raw[:4096]:
        # UTF-16 without its mark has every other byte empty
        for encoding, offset in (("utf-16-le", 1), ("utf-16-be", 0)):
            if raw[offset:400:2].count(0) > 0.8 * len(raw[offset:400:2]):
                return raw.decode(encoding, "replace"), encoding
    if not wide and sum(b < 9 or 13 < b < 32 for b in raw[:4096]) > 0.02 * len(raw[:4096]):
        raise ValueError("it is no text")
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return raw.decode(encoding).replace("\0", ""), encoding
        except UnicodeDecodeError:
            continue
    raise ValueError("its letters are in no encoding known here")


def find_delimiter(lines: Sequence[str]) -> str:
    """The sign that cuts most lines into the same number of parts, the more the better."""
    best, found = (0.0, 0), ","
    for delimiter in DELIMITERS:
        parts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        several = {n: c for n, c in parts.items() if n > 1}
        if not several:
            continue
        number, often = max(several.items(), key=lambda pair: (pair[1], pair[0]))
        share = often / sum(parts.values())
        score = (1.0 if share >= 0.6 else share, number)
        if score > best:
            best, found = score, delimiter
    if not best[1] and len(lines) > 1:
        parts = {len(line.split()) for line in lines}
        if len(parts) == 1 and parts.pop() > 1:
            return " "
    return found


def cut_lines(text: str, delimiter: str | None = None) -> Delimited:
    """Cuts a text into cells.

    Raises:
        ValueError: it is empty, or a quote is opened and never closed
    """
    said: list[Decision] = []
    skipped = 0
    first, _, rest = text.partition("\n")
    if match := _SEP.match(first.rstrip("\r")):
        said.append(Decision("table", "the first line names the sign between the columns", 1, first.strip()))
        delimiter, text, skipped = delimiter or match[1], rest, 1
    head = [line for line in text[:400_000].splitlines() if line.strip()][:60]
    if not head:
        raise ValueError("it is empty")
    if delimiter is None:
        delimiter = find_delimiter(head)
    csv.field_size_limit(max(csv.field_size_limit(), 10_000_000))
    spaces = {"skipinitialspace": True} if delimiter == " " else {}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **spaces)
    rows, numbers, last = [], [], 0
    for row in reader:
        rows.append(row)
        numbers.append(last + 1 + skipped)
        last = reader.line_num
    swallowed = [k for k, row in enumerate(rows) if any(c.count("\n") > 1 for c in row)]
    if swallowed and text.count('"') % 2:
        rows, numbers = _without_open_quotes(text, delimiter, skipped, said)
    return Delimited(rows, numbers, delimiter, said)


def _without_open_quotes(text: str, delimiter: str, skipped: int, said: list[Decision]):
    """Reads line by line: a line with one quote too many is cut without regard to quotes."""
    rows, numbers, odd = [], [], []
    for number, line in enumerate(text.splitlines(), start=1 + skipped):
        if line.count('"') % 2:
            odd.append(number)
            rows.append([c.strip().strip('"') for c in line.split(delimiter)])
        else:
            rows.append(next(csv.reader([line], delimiter=delimiter), []))
        numbers.append(number)
    widths = Counter(len(r) for r in rows if r)
    common = widths.most_common(1)[0][0]
    wrong = [n for n, r in zip(numbers, rows, strict=True) if n in odd and len(r) != common]
    if wrong or len(odd) > max(1, 0.02 * len(rows)):
        raise ValueError(f"line {(wrong or odd)[0]} opens a quote that is never closed; close it or remove it")
    line = text.splitlines()[odd[0] - 1 - skipped]
    what = f"a quote that is never closed (line {odd[0]}) was read as a sign of its own"
    said.append(Decision("table", what, len(odd), shorten(re.sub(r"[^\W_]", "x", line))))
    return rows, numbers


def read_large(path: Path, layout: dict | None = None):
    """Reads a text of any size by columns: ``(names, {name: pyarrow array of texts}, layout, decisions)``.

    The header and the sign between columns are found in the first million
    characters; what stands under them is cut by pyarrow.

    Raises:
        ValueError: a line has more or fewer cells than there are columns
    """
    import pyarrow as pa
    import pyarrow.csv as arrow

    with path.open("rb") as stream:
        raw = stream.read(1_000_000)
    start, encoding = decode(raw[: raw.rfind(b"\n") + 1] if raw[:2] not in (b"\xff\xfe", b"\xfe\xff") else raw)
    whole = start[: start.rfind("\n") + 1]
    lines = cut_lines(whole, (layout or {}).get("delimiter"))
    header = (layout or {}).get("header")
    grid = cut(lines.rows, tuple(header) if header else None, lines.numbers)
    skip = (grid.numbers[0] - 1) if grid.numbers else lines.numbers[-1]
    full = max(len(r) for r in lines.rows[grid.header[0] :][:60])
    keys = [f"c{k}" for k in range(full)]
    names = _positions(lines.rows, grid, full)
    wrong = []

    def report(row):
        wrong.append(row)
        return "error"

    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(
                column_names=keys, skip_rows=skip, encoding=encoding.replace("-sig", ""), block_size=1 << 25
            ),
            parse_options=arrow.ParseOptions(delimiter=lines.delimiter, invalid_row_handler=report),
            convert_options=arrow.ConvertOptions(
                column_types={k: pa.string() for k in keys},
                strings_can_be_null=False,
                include_columns=[k for k, n in zip(keys, names, strict=True) if n],
            ),
        )
    except pa.ArrowInvalid as error:
        if wrong:
            line = f"line {wrong[0].number}" if wrong[0].number else "a line"
            raise ValueError(
                f"{line} has {wrong[0].actual_columns} values under {wrong[0].expected_columns} columns"
            ) from None
        raise ValueError(" ".join(str(error).split())[:200]) from None
    columns = {n: table.column(k).combine_chunks() for k, n in zip(keys, names, strict=True) if n}
    return (
        list(columns),
        columns,
        {"delimiter": lines.delimiter, "header": list(grid.header)},
        [*lines.decisions, *grid.decisions],
    )


def _positions(rows, grid, full: int) -> list[str]:
    """The name of each column of the file; "" for those that were left out."""
    if len(grid.columns) == full:
        return grid.columns
    first, n_rows, _ = grid.header
    raw = [
        next((r[c] for r in reversed(rows[first : first + n_rows]) if c < len(r) and r[c].strip()), "")
        for c in range(full)
    ]
    left = list(grid.columns)
    return [left.pop(0) if name.strip() and left else "" for name in raw]
