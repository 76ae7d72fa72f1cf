"""Texts that name the same thing, from letter by letter to what a person sees at once.

Each way of comparing is looser than the one before. A looser one is only
tried on what is left, and only counts where it fits one name on each side:
two files, or two ways of writing, that would become one fit nothing.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import CohortError
from .decisions import Decision, shorten
from .table import Table

_ENDINGS = re.compile(r"(\.(nii|gz|dcm|png|jpe?g|tiff?|bmp|ima|dicom|mha|nrrd))+$", re.I)
#: cells up to which every column is compared whole, and rows looked at in tables with more
_SMALL, _SAMPLE = 20_000, 300


def composed(text: str) -> str:
    """Composed letters, no spaces around, no ".0" behind a whole number that a spreadsheet made a float."""
    text = unicodedata.normalize("NFC", text.strip())
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def folded(text: str) -> str:
    return composed(text).casefold()


def joined_up(text: str) -> str:
    """Without spaces, dashes, dots and underscores, except between two digits, where they part numbers."""
    text = re.sub(r"(?<=\d)[\s_.\-]+(?=\d)", "|", unicodedata.normalize("NFKC", folded(text)))
    return re.sub(r"[\s_.\-]+", "", text)


def without_zeros(text: str) -> str:
    """As :func:`joined_up`, with numbers without their leading zeros."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", joined_up(text))


def numbers_only(text: str) -> str:
    """The numbers in a text, "" where there is none."""
    return "|".join(n.lstrip("0") or "0" for n in re.findall(r"\d+", text))


#: (what is disregarded, how a text is changed), strictest first
WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str.strip),
    ('the way letters with accents are stored, or a ".0" behind a number', composed),
    ("letter case", folded),
    ("spaces, dashes and underscores", joined_up),
    ("leading zeros", without_zeros),
)
_LAST = ("everything but the number", numbers_only)


def forms(relative: str) -> list[str]:
    """Forms in which a table may name a file, strictest first."""
    if any("\ud800" <= c <= "\udfff" for c in relative):  # bytes of an older system: a table may spell them out
        relative = os.fsencode(relative).decode("cp1252", "replace")
    path = PurePosixPath(relative)
    return [path.as_posix(), path.name, _ENDINGS.sub("", path.name)]


@dataclass(frozen=True)
class Found:
    """What a column names.

    Attributes:
        column: the column
        rows: ``{row: [file]}``
        decisions: what had to be disregarded
    """

    column: str
    rows: dict[int, list[str]]
    decisions: tuple[Decision, ...] = ()


def match_files(table: Table, files: list[str], column: str | None = None) -> tuple[str, dict[int, list[str]]]:
    """As :func:`find_files`, the column and the rows only."""
    found = find_files(table, files, column)
    return found.column, found.rows


def find_files(table: Table, files: list[str], column: str | None = None) -> Found:
    """Finds the column that names files, and each row's file.

    A value may be a path relative to the image folder, a path that ends in
    one, a file name, or a name without its ending; what a person would not
    see as a difference is disregarded where nothing matches otherwise. A form
    that would fit two files fits none.

    Args:
        table: the table
        files: paths relative to the image folder, with forward slashes
        column: the column to use; ``None`` takes the one that names most files

    Raises:
        CohortError: the column does not exist
    """
    if column is not None and column not in table.columns:
        raise CohortError(f"table {table.path.name} has no column {column!r}; columns: {', '.join(table.columns)}")
    named = {file: forms(file) for file in files}
    lookups = [_lookup(named, change) for _, change in WAYS]
    best = Found(column or table.columns[0], {})
    for name in [column] if column else _worth_it(table, lookups):
        found = _match_column(name, table.column(name), lookups, files, column is not None)
        if _n_files(found) > _n_files(best):
            best = found
    return best


def _n_files(found: Found) -> int:
    return len({f for fs in found.rows.values() for f in fs})


def _worth_it(table: Table, lookups: list[dict]) -> list[str]:
    """All columns of small tables; of others those that name a file exactly, or loosely in a sample of rows."""
    n = len(table.rows)
    if n * len(table.columns) <= _SMALL:
        return table.columns
    exact = set(lookups[0])
    letters = {name: _n_exact(table, name, exact) for name in table.columns}
    which = sorted({*range(0, n, max(1, n // _SAMPLE)), *range(min(n, _SAMPLE))})
    loose = {}
    for name in table.columns:
        cells = {str(c) for c in table.cells(name, which) if c is not None}
        loose[name] = sum(bool(_hits(lookups[-1], c, WAYS[-1][1])) for c in cells)
    some = [
        name
        for counts in (letters, loose)
        for name in sorted((c for c in table.columns if counts[c]), key=lambda c: -counts[c])[:5]
    ]
    return list(dict.fromkeys(some)) or (table.columns if n * len(table.columns) <= 50 * _SMALL else [])


def _n_exact(table: Table, name: str, exact: set[str]) -> int:
    values = table.raw(name)
    if hasattr(values, "to_pylist"):
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.sum(pc.is_in(values, value_set=pa.array(sorted(exact), values.type))).as_py() or 0
    return len(exact.intersection(str(c) for c in values if c is not None))


def _lookup(named: Mapping[str, Sequence[str]], change: Callable[[str], str]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = defaultdict(set)
    for file, known_as in named.items():
        for form in known_as:
            out[change(form)].add(file)
    return out


def _hits(lookup: dict[str, set[str]], text: str, change: Callable[[str], str]) -> set[str]:
    """Files named by a text: whole, or by its ever shorter tails; a tail of several parts before a bare name."""
    text = re.sub(r"^(\./)+", "", text.strip().replace("\\", "/"))
    parts = [p for p in text.split("/") if p]
    for k in range(len(parts)):
        if hits := lookup.get(change("/".join(parts[k:]))):
            return hits
    if parts:
        return lookup.get(change(_ENDINGS.sub("", parts[-1])), set())
    return set()


def _match_column(name: str, cells: Sequence, lookups: list[dict], files: list[str], given: bool) -> Found:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for k, cell in enumerate(cells):
        if cell is not None and (text := str(cell).strip()):
            rows_of[text].append(k)
    out: dict[int, list[str]] = {}
    said: list[Decision] = []
    taken: set[str] = set()
    left = list(rows_of)
    ways = [*zip(WAYS, lookups, strict=True)]
    if _is_key(name, rows_of, len(cells)) or given:
        ways.append((_LAST, _lookup({f: forms(f) for f in files}, numbers_only)))
    for (what, change), lookup in ways:
        by_file: dict[str, list[str]] = defaultdict(list)
        for text in left:
            if not change(text) or change is numbers_only and not re.fullmatch(r"\d+(\.0)?", text):
                continue
            hits = _hits(lookup, text, change) - taken
            if len(hits) == 1:
                by_file[next(iter(hits))].append(text)
        # exact names may stand in several rows; looser ones must not bring two ways of writing together
        sure = {f: texts for f, texts in by_file.items() if len(texts) == 1 or not what}
        if what == _LAST[0] and len(sure) < 0.8 * min(len(left), len(set(files) - taken)):
            continue
        for file, texts in sure.items():
            for text in texts:
                for k in rows_of[text]:
                    out[k] = [file]
        taken |= set(sure)
        done = {t for texts in sure.values() for t in texts}
        left = [t for t in left if t not in done]
        if not what and len(left) > 1_000 and ways[-1][0] is not _LAST:
            # each way takes all that the ones before it take, so one look tells which texts can still name a file
            left = [t for t in left if _hits(lookups[-1], t, WAYS[-1][1])]
        if what and sure:
            file, texts = next(iter(sure.items()))
            said.append(
                Decision(
                    name,
                    f"names of files compared without regard to {what}",
                    len(sure),
                    shorten(f"{texts[0]} = {file}", 80),
                )
            )
    return Found(name, out, tuple(said))


def _is_key(name: str, rows_of: dict[str, list[int]], n: int) -> bool:
    """Whether numbers of a column may be those of files: each stands once, and the name does not say a quantity."""
    return (
        len(rows_of) >= 0.98 * n
        and n > 1
        and (
            re.search(
                r"(^|[^a-z])(id|nr|no|num|number|nummer|image|img|file|scan|case|index|key|bild|datei)([^a-z]|$)|id$",
                name,
                re.I,
            )
            is not None
        )
    )


def match_names(wanted: Iterable[str], known: Iterable[str]) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Pairs two sets of names: subjects of paths with those of a table, sessions with sessions.

    Args:
        wanted: names to find
        known: names to find them in

    Returns:
        ``{wanted: known}``, and ``(what was disregarded, wanted, known)`` of each looser way that was used
    """
    left, free, out, said = set(wanted), set(known), {}, []
    for what, change in (*WAYS, _LAST):
        ours, theirs = defaultdict(set), defaultdict(set)
        for text in left:
            ours[change(text)].add(text)
        for text in free:
            theirs[change(text)].add(text)
        found = {}
        for key, texts in ours.items():
            if key and len(texts) == 1 and len(theirs.get(key, ())) == 1:
                found[next(iter(texts))] = next(iter(theirs[key]))
        if what == _LAST[0] and len(found) < 0.8 * max(len(left), 1):
            continue
        if what and found:
            a = min(found)
            said.append((what, a, found[a]))
        out |= found
        left -= set(found)
        free -= set(found.values())
    return out, said


def path_parts(name: str) -> list[str]:
    """What a path may be called by: its folders, its name, and the pieces of its name."""
    path = PurePosixPath(name.partition("#")[0])
    stem = _ENDINGS.sub("", path.name)
    pieces = re.split(r"[_\s.\-]+", stem)
    heads = ["_".join(pieces[:k]) for k in range(2, len(pieces))]
    raw = [stem[: m.start()] for m in re.finditer(r"[_\s.\-]", stem)]
    return list(dict.fromkeys([*reversed([p for p in path.parts[:-1]]), stem, *reversed(raw), *heads, *pieces]))


def nearest(table: Table, names: Sequence[str]) -> str:
    """The value and the image that are most alike, and what they differ in; "" where nothing is alike."""
    stems = {
        folded(form): (form, name)
        for name in list(names)[:2000]
        for form in (forms(name)[2], *path_parts(name)[:3])
        if len(form) > 2
    }
    best = (0.0, "", "", "", "")
    for column in table.columns[:60]:
        cells = table.cells(column, range(min(len(table.rows), 200)))
        values = list(dict.fromkeys(str(c).strip() for c in cells if c))
        for value in values[:40]:
            text = folded(forms(value.replace("\\", "/"))[2])
            if len(text) < 3:
                continue
            for close in difflib.get_close_matches(text, list(stems)[:400], 1, 0.6):
                ratio = difflib.SequenceMatcher(None, text, close).ratio()
                if ratio > best[0]:
                    best = (ratio, column, value, stems[close][1], _difference(text, close))
    if not best[0]:
        return ""
    _, column, value, name, why = best
    return f"the nearest are {value!r} in column {column!r} and {name!r}: {why}"


def _difference(value: str, name: str) -> str:
    more, less = [], []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, value, name, autojunk=False).get_opcodes():
        if tag != "equal":
            more += [value[a:b]] if b > a else []
            less += [name[c:d]] if d > c else []
    parts = []
    if more:
        parts.append("the table has " + ", ".join(repr(m) for m in more[:3]) + " more")
    if less:
        parts.append("the file has " + ", ".join(repr(m) for m in less[:3]) + " more")
    return "; ".join(parts) or "they are equal, but several of them are alike"
