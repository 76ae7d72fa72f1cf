"""Joining the rows of a table to images: by file, by subject, by several keys, by a pattern or by a DICOM UID."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from .. import schema
from ..errors import CohortError, InputError
from .columns import Column, type_column
from .identity import identifying_column
from .items import Item
from .table import Table, field_names, match_files

_SUBJECT_NAMES = {"".join(c for c in name.lower() if c.isalnum()) for name in schema.SUBJECT_FIELD_GUESSES}
_SUBJECT_NAME = re.compile(
    r"^((patient|subject|participant|proband(en)?|versuchsperson)|"
    r"(patient(en)?|pat|subj(ect)?|participant|proband(en)?|person|pseudonym|case)"
    r"(s)?(nr|no|num|number|nummer|id|ident|identifier|key|code|pseudonym)|pid|pseudonym)$"
)
#: BIDS entities in a path
BIDS = r"(?P<subject>sub-[A-Za-z0-9]+)(?:[/_](?P<session>ses-[A-Za-z0-9]+))?"


@dataclass
class Joined:
    """Rows and images brought together.

    Attributes:
        subjects: subject of each item, ``None`` where only the header can tell
        subject_source: where the subjects come from, in words
        columns: ``{field: typed column}``, one value an item
        how: how rows and files were joined, in words
        rows_without_file, files_without_row: names
        duplicate_rows: ``{file: what became of its rows}``
        tags: ``{item name: tags}``
        notes: what was understood or looks wrong
    """

    subjects: list[str | None]
    subject_source: str
    columns: dict[str, Column]
    how: str
    rows_without_file: list[str]
    files_without_row: list[str]
    duplicate_rows: dict[str, str]
    tags: dict[str, list[str]]
    notes: list[str]


def join(
    items: list[Item], table: Table | None, key: str | list[str] | None, subject: str | None, pattern: str | None
) -> Joined:
    """Joins a table to items.

    Args:
        items: the images and volumes
        table: the table, or ``None``
        key: column that names the file, the series (folder or UID) or the subject; several columns together name an
            item by its subject, pattern groups and header fields; default: found by what matches
        subject: column with the subject; default: found by its name
        pattern: regular expression over the relative path with named groups

    Raises:
        CohortError: the table joins nothing
        InputError: a column that does not exist, or a bad pattern
    """
    notes: list[str] = []
    keys = [key] if isinstance(key, str) else list(key or [])
    if pattern is None and table is not None and _is_bids(items, table):
        pattern = BIDS
        notes.append("paths read as BIDS: sub-…, ses-…")
    groups = _match_pattern([i.name for i in items], pattern)
    if table is None:
        if keys or subject:
            raise InputError("key and subject name columns of a table; pass table as well, or use pattern")
        return _finish(items, {}, None, groups, None, "no table", [], {}, {}, notes)
    for column in keys:
        if column not in table.columns:
            raise CohortError(
                f"table {table.path.name} has no column {column!r}; columns: {', '.join(table.columns)}"
            )
    subject_column = _subject_column(table, subject)
    rows_of, how = _rows_of(items, table, keys, subject_column, groups)
    used = {k for ks in rows_of.values() for k in ks}
    rows_of, table, note = _one_row_a_volume(items, rows_of, table)
    notes += [note] if note else []
    if not rows_of:
        raise CohortError(
            f"table {table.path.name} joins nothing: no column names any of the {len(items)} images (first image: "
            f"{items[0].name}, first row: {_row_text(table.rows[0])}); pass key=COLUMN, or pattern='(?P<subject>…)' to "
            "join by subject"
        )
    row_of, duplicates, tags = {}, {}, defaultdict(list)
    for name, ks in rows_of.items():
        row_of[name] = ks[0]
        if len(ks) > 1:
            rows = [table.rows[k] for k in ks]
            if all(r == rows[0] for r in rows[1:]):
                duplicates[name] = f"{len(ks)} equal rows, used once"
            else:
                other = sorted({c for r in rows[1:] for c in r if r[c] != rows[0][c]})
                duplicates[name] = f"{len(ks)} rows that differ in {', '.join(other[:5])}; the first was used"
                tags[name].append(schema.TAG_CONFLICT)
    missing = [_row_text(r) for k, r in enumerate(table.rows) if k not in used]
    for item in items:
        if item.name not in row_of:
            tags[item.name].append(schema.TAG_NO_ROW)
    return _finish(items, row_of, table, groups, subject_column, how, missing, duplicates, tags, notes)


def _one_row_a_volume(
    items: list[Item], rows_of: dict[str, list[int]], table: Table
) -> tuple[dict[str, list[int]], Table, str]:
    """A table with a row a file has several rows a volume: they become one, without what differs between its files."""
    several = {i.name for i in items if len(i.files) > 1 and 1 < len(rows_of.get(i.name, ())) <= len(i.files)}
    shared = {k for n, ks in rows_of.items() if n not in several for k in ks}
    if not several or any(shared & set(rows_of[n]) for n in several):
        return rows_of, table, ""
    rows, out, differ = list(table.rows), dict(rows_of), Counter()
    for name in several:
        mine = [table.rows[k] for k in rows_of[name]]
        odd = {c for c in table.columns if any(r[c] != mine[0][c] for r in mine[1:])}
        differ.update(odd)
        out[name] = rows_of[name][:1]
        for k in rows_of[name]:
            rows[k] = {c: None if c in odd else v for c, v in mine[0].items()}
    left = [c for c in table.columns if c not in differ or any(r[c] is not None for r in rows)]
    note = f"the table has a row a file: the rows of {len(several)} volumes were taken together"
    if differ:
        note += f"; not taken, as they differ within a volume: {', '.join(c for c, _ in differ.most_common(8))}"
    return out, Table(table.path, left, rows), note


def _rows_of(items, table, keys, subject_column, groups) -> tuple[dict[str, list[int]], str]:
    """``{item: its rows}``, by the first way that joins anything."""
    if len(keys) > 1:
        return _by_several(items, table, keys, groups)
    volumes = defaultdict(list)
    for item in items:
        for file in item.files:
            volumes[file].append(item.name)
    files = list(volumes)
    column, matches = match_files(table, files, keys[0] if keys else None)
    rows_of: dict[str, list[int]] = defaultdict(list)
    if matches:
        for k, named in matches.items():
            for name in dict.fromkeys(n for file in named for n in volumes[file]):
                rows_of[name].append(k)
        how = f"by file, column {column!r}: {len(matches)} of {len(table.rows)} rows name one of {len(files)} files"
        return rows_of, how
    best: tuple[dict, str] = ({}, "")
    for column in keys or table.columns:
        named = defaultdict(list)
        for k, row in enumerate(table.rows):
            if row[column] is not None and str(row[column]).strip():
                named[str(row[column]).strip().rstrip("/")].append(k)
        found = {i.name: [k for a in i.aliases for k in named.get(a, ())] for i in items}
        found = {n: list(dict.fromkeys(ks)) for n, ks in found.items() if ks}
        if len(found) > len(best[0]):
            best = found, f"by series (folder or UID), column {column!r}: {len(found)} of {len(items)} volumes"
    if best[0]:
        return best
    by_subject = keys[0] if keys else subject_column
    if by_subject is None:
        return {}, ""
    wanted = defaultdict(list)
    for k, row in enumerate(table.rows):
        wanted[_bare(_subject_text(row[by_subject]))].append(k)
    sessions = [c for c in table.columns if c.lower() in ("session", "session_id", "ses")]
    for item, group in zip(items, groups, strict=True):
        for name in filter(None, (group.get("subject"), item.patient[0] if item.patient else None)):
            if ks := wanted.get(_bare(name)):
                own = [k for k in ks if sessions and group.get("session")
                       and _bare(str(table.rows[k][sessions[0]] or "")) == _bare(group["session"])]
                rows_of[item.name] = own or ks
                break
    used = {k for ks in rows_of.values() for k in ks}
    how = (f"by subject, column {by_subject!r}: {len(used)} of {len(table.rows)} rows, "
           f"{len(rows_of)} of {len(items)} files")
    if not used:
        first = next((g.get("subject") for g in groups if g.get("subject")), None)
        if first is not None:
            raise CohortError(
                f"table {table.path.name} joins nothing: no value of column {by_subject!r} (first: "
                f"{table.rows[0][by_subject]!r}) is a subject found in the paths (first: {first!r}); correct key or "
                "pattern"
            )
    return rows_of, how


def _by_several(items, table, keys, groups):
    wanted = defaultdict(list)
    for k, row in enumerate(table.rows):
        wanted[tuple(_bare(_subject_text(row[c])).casefold() for c in keys)].append(k)
    rows_of = {}
    for item, group in zip(items, groups, strict=True):
        own = {n.casefold(): str(v) for n, v in {**item.header, **group}.items()}
        values = []
        for column in keys:
            name = "".join(c for c in column.lower() if c.isalnum())
            value = own.get(column.casefold(), own.get(name))
            if value is None and name in _SUBJECT_NAMES:
                value = group.get("subject") or (item.patient[0] if item.patient else None)
            if value is None and name in ("region", "bodypart", "bodypartexamined"):
                value = own.get("body_part")
            if value is None and name in ("file", "filename", "path", "image"):
                value = item.name
            values.append(None if value is None else _bare(str(value)).casefold())
        if None not in values and (ks := wanted.get(tuple(values))):
            rows_of[item.name] = ks
    return rows_of, f"by {' + '.join(keys)}: {len(rows_of)} of {len(items)} images"


def _bare(name: str) -> str:
    """A BIDS label without its entity: participants.tsv may say "sub-01" or "01"."""
    return re.sub(r"^(sub|ses)-", "", name.strip())


def _is_bids(items: list[Item], table: Table) -> bool:
    has = sum(re.search(BIDS, i.name) is not None for i in items)
    return has > len(items) / 2 and any(c.lower() == "participant_id" for c in table.columns)


def _finish(items, row_of, table, groups, subject_column, how, missing, duplicates, tags, notes) -> Joined:
    columns: dict[str, Column] = {}
    names = [c for c in (table.columns if table else []) if c != subject_column]
    secret = [c for c in names if identifying_column(c)]
    if secret:
        notes.append(f"columns that may identify a person were not stored: {', '.join(secret)}")
    for column, field in field_names([c for c in names if c not in secret]).items():
        texts = [table.rows[row_of[i.name]][column] if i.name in row_of else None for i in items]
        known = [i.secrets | ({i.patient[0].casefold()} if i.patient else set()) for i in items]
        hidden = [k for k, t in enumerate(texts) if t is not None and str(t).strip().casefold() in known[k]]
        if hidden:
            notes.append(f"{field}: {len(hidden)} values equal to the patient's name or id were not stored")
            texts = [None if k in set(hidden) else t for k, t in enumerate(texts)]
        columns[field] = type_column(column, texts)
    for group in sorted({g for row in groups for g in row} - {"subject"}):
        columns.setdefault(field_names([group])[group], type_column(group, [g.get(group) for g in groups]))
    subjects, source = _subjects(items, row_of, table, groups, subject_column)
    counts = Counter(s for s in subjects if s is not None)
    if subject_column is not None and len(counts) == len(items) > 1:
        notes.append("every image has a subject of its own; if that is not so, pass subject=COLUMN")
    if table and subject_column is None and source.startswith("none known") and (maybe := _may_name_subjects(table)):
        notes.append(
            "no column is known to name the subject, so images of one person may fall on both sides of a split; if one "
            f"of these does, pass subject=COLUMN: {', '.join(maybe[:4])}"
        )
    alone = [i.name for i in items if table and i.name not in row_of]
    return Joined(subjects, source, columns, how, missing, alone, duplicates, tags, notes)


def _subjects(items, row_of, table, groups, column) -> tuple[list[str | None], str]:
    if column is not None:
        values = [table.rows[row_of[i.name]][column] if i.name in row_of else None for i in items]
        texts = ["" if v is None else _subject_text(v) for v in values]
        alone = sum(t == "" for t in texts)
        source = f"column {column!r}" + (f", {alone} images without one are their own" if alone else "")
        # an id that the header knows as the patient's is no pseudonym
        return [
            t if t and not (i.patient and t.casefold() == i.patient[0].casefold()) else None
            for t, i in zip(texts, items, strict=True)
        ], source
    if any(g.get("subject") for g in groups):
        return [g.get("subject") for g in groups], "pattern"
    return [None] * len(items), "none known: every image is its own subject"


def _subject_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _subject_column(table: Table, subject: str | None) -> str | None:
    if subject is not None:
        if subject not in table.columns:
            raise InputError(
                f"subject: table {table.path.name} has no column {subject!r}; columns: {', '.join(table.columns)}"
            )
        return subject
    for column in table.columns:
        if "".join(c for c in column.lower() if c.isalnum()) in _SUBJECT_NAMES:
            return column
    for column in table.columns:
        bare = "".join(c for c in column.lower() if c.isalnum())
        if _SUBJECT_NAME.match(bare):
            return column
    return None


def _may_name_subjects(table: Table) -> list[str]:
    """Columns of text whose values come back now and then, as those of people with several images do."""
    out = []
    for column in table.columns:
        values = [_subject_text(row[column]) for row in table.rows if row[column] is not None]
        values = [v for v in values if v]
        several = len(set(values))
        if len(values) >= 20 and 0.1 * len(values) < several < 0.95 * len(values):
            if type_column(column, values).kind == "string":
                out.append(f"{column!r} ({several} values in {len(values)} rows)")
    return out


def _match_pattern(names: list[str], pattern: str | None) -> list[dict[str, str]]:
    if pattern is None:
        return [{} for _ in names]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"pattern {pattern!r} is not a regular expression: {error}") from error
    if not compiled.groupindex:
        raise InputError(f"pattern {pattern!r} has no named group; write for example '(?P<subject>sub-[0-9]+)/'")
    found = [compiled.search(n) for n in names]
    if not any(found):
        raise InputError(f"pattern {pattern!r} matches no file (first file: {names[0]})")
    return [{k: v for k, v in m.groupdict().items() if v is not None} if m else {} for m in found]


def _row_text(row: dict) -> str:
    return ", ".join(f"{k}={v}" for k, v in list(row.items())[:3])
