"""Joining the rows of a table to images: by file, by subject, by several keys, by a pattern or by a DICOM UID."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from .. import schema
from ..errors import CohortError, InputError
from .columns import Column, Reading, type_column
from .decisions import Decision, shorten
from .items import Item
from .match import find_files, match_names, nearest, path_parts
from .missing import parse_codes
from .pseudonyms import Pseudonyms, looks_identifying
from .stored_columns import choose, refused_by_name
from .table import Table, field_names

_SUBJECT_NAMES = {"".join(c for c in name.lower() if c.isalnum()) for name in schema.SUBJECT_FIELD_GUESSES}
_SUBJECT_NAME = re.compile(
    r"^((patient|subject|participant|proband(en)?|versuchsperson)|"
    r"(patient(en)?|pat|subj(ect)?|participant|proband(en)?|person|pseudonym|case)"
    r"(s)?(nr|no|num|number|nummer|id|ident|identifier|key|code|pseudonym)|pid|pseudonym|"
    # UK Biobank, CDISC, ADNI, and words of other languages
    r"n?_?f?eid|usubjid|subjid|ptid|rid|idpatient|idpaciente|idpaziente|idsujet|paciente|paziente|sujet|sujeto|"
    r"pacjent|potilas|bolnoi|пациент|患者(id|编号|番号)?|受试者(id|编号)?|환자(id|번호)?)$"
)
_SESSIONS = ("session", "session_id", "ses", "visit", "visit_id", "sitzung", "timepoint")
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
        decisions: what was decided, with counts and examples
        not_stored: ``{column: why it is not stored}``
        plan: what was decided, to do it so again
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
    decisions: list[Decision] = field(default_factory=list)
    not_stored: dict[str, str] = field(default_factory=dict)
    plan: dict = field(default_factory=dict)


@dataclass
class _Match:
    """Rows of each item, by which way and column, in words, and what had to be disregarded."""

    rows_of: dict[str, list[int]]
    way: str
    columns: list[str]
    how: str
    decisions: list[Decision] = field(default_factory=list)


def join(
    items: list[Item],
    table: Table | None,
    key: str | list[str] | None,
    subject: str | None,
    pattern: str | None,
    *,
    keep: list[str] | None = None,
    missing_codes: list[str] | None = None,
    plan: dict | None = None,
) -> Joined:
    """Joins a table to items.

    Args:
        items: the images and volumes
        table: the table, or ``None``
        key: column that names the file, the series (folder or UID) or the subject; several columns together name an
            item by its subject, pattern groups and header fields; default: found by what matches
        subject: column with the subject; default: found by its name
        pattern: regular expression over the relative path with named groups
        keep: columns to store although they look as if they were about a person
        missing_codes: values that mean "missing": "999" where it looks like it, "column=999" in one column
        plan: what was decided before, as in :attr:`Joined.plan`

    Raises:
        CohortError: the table joins nothing
        InputError: a column that does not exist, or a bad pattern
    """
    notes: list[str] = []
    plan = plan or {}
    keys = [key] if isinstance(key, str) else list(key or [])
    if pattern is None and table is not None and _is_bids(items, table):
        pattern = BIDS
        notes.append("paths read as BIDS: sub-…, ses-…")
    groups = _match_pattern([i.name for i in items], pattern)
    if table is None:
        if keys or subject:
            raise InputError("key and subject name columns of a table; pass table as well, or use pattern")
        return _finish(items, None, groups, None, _Match({}, "", [], "no table"), [], {}, {}, notes, [], {}, plan)
    for column in (*keys, *(keep or ())):
        if column not in table.columns:
            raise CohortError(f"table {table.path.name} has no column {column!r}; columns: {', '.join(table.columns)}")
    subject_column = _subject_column(table, subject or plan.get("subject"))
    match = _match(items, table, keys, subject_column, groups, plan.get("join"))
    if not match.rows_of:
        raise CohortError(_joins_nothing(items, table))
    if match.way == "path" and subject_column is None:
        subject_column = match.columns[0]
        notes.append(f"column {subject_column!r} names parts of the paths, and so the subjects")
    row_of, duplicates, tags = {}, {}, defaultdict(list)
    differ, note = _one_row_a_volume(items, match.rows_of, table)
    notes += [note] if note else []
    for name, ks in match.rows_of.items():
        row_of[name] = ks[0]
        if len(ks) > 1 and name not in differ:
            rows = [table.rows[k] for k in ks[:100]]
            if all(r == rows[0] for r in rows[1:]):
                duplicates[name] = f"{len(ks)} equal rows, used once"
            else:
                other = sorted({c for r in rows[1:] for c in r if r[c] != rows[0][c]})
                duplicates[name] = f"{len(ks)} rows that differ in {', '.join(other[:5])}; the first was used"
                tags[name].append(schema.TAG_CONFLICT)
    used = {k for ks in match.rows_of.values() for k in ks}
    named = match.columns or table.columns[:1]
    cells = [table.column(c) for c in named]
    missing = [
        ", ".join(f"{c}={v[k]}" for c, v in zip(named, cells, strict=True))
        for k in range(len(table.rows))
        if k not in used
    ]
    for item in items:
        if item.name not in row_of:
            tags[item.name].append(schema.TAG_NO_ROW)
    codes = parse_codes(missing_codes, table.columns)
    return _finish(
        items,
        table,
        groups,
        subject_column,
        match,
        missing,
        duplicates,
        tags,
        notes,
        keep or [],
        codes,
        plan,
        row_of,
        differ,
    )


def _one_row_a_volume(items: list[Item], rows_of: dict[str, list[int]], table: Table) -> tuple[dict[str, set], str]:
    """A table with a row a file has several rows a volume: they become one, without what differs between its files.

    Returns:
        ``{volume: columns that differ}`` of the volumes whose rows were taken together, and a note
    """
    several = {i.name for i in items if len(i.files) > 1 and 1 < len(rows_of.get(i.name, ())) <= len(i.files)}
    shared = {k for n, ks in rows_of.items() if n not in several for k in ks}
    if not several or any(shared & set(rows_of[n]) for n in several):
        return {}, ""
    out: dict[str, set] = {n: set() for n in several}
    often: Counter = Counter()
    for column in table.columns:
        cells = table.column(column)
        for name in several:
            if any(cells[k] != cells[rows_of[name][0]] for k in rows_of[name][1:]):
                out[name].add(column)
                often[column] += 1
    note = f"the table has a row a file: the rows of {len(several)} volumes were taken together"
    if often:
        note += f"; not taken, as they differ within a volume: {', '.join(c for c, _ in often.most_common(8))}"
    return out, note


def _match(items, table, keys, subject_column, groups, known: dict | None) -> _Match:
    """The rows of each item, by the first way that joins anything."""
    if len(keys) > 1:
        return _by_several(items, table, keys, groups)
    ways = {"file": _by_file, "series": _by_series, "subject": _by_subject, "path": _by_path}
    if known and known.get("way") in ways and set(known.get("columns", [])) <= set(table.columns):
        found = ways[known["way"]](items, table, known["columns"], subject_column, groups)
        return replace(found, columns=known["columns"])
    for way in ways.values():
        found = way(items, table, keys, subject_column, groups)
        if found.rows_of:
            return found
    return _Match({}, "", [], "")


def _by_file(items, table, keys, subject_column, groups) -> _Match:
    volumes = defaultdict(list)
    for item in items:
        for file in item.files:
            volumes[file].append(item.name)
    files = list(volumes)
    found = find_files(table, files, keys[0] if keys else None)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for k, named in found.rows.items():
        for name in dict.fromkeys(n for file in named for n in volumes[file]):
            rows_of[name].append(k)
    how = (
        f"by file, column {found.column!r}: {len(found.rows)} of {len(table.rows)} rows name one of {len(files)} files"
    )
    return _Match(rows_of, "file", [found.column], how, list(found.decisions))


def _by_series(items, table, keys, subject_column, groups) -> _Match:
    best = _Match({}, "", [], "")
    aliases = {a for i in items for a in i.aliases}
    if not aliases:
        return best
    for column in keys or table.columns:
        named = defaultdict(list)
        for k, cell in enumerate(table.column(column)):
            if cell is not None and (text := str(cell).strip().rstrip("/")) in aliases:
                named[text].append(k)
        found = {i.name: [k for a in i.aliases for k in named.get(a, ())] for i in items} if named else {}
        found = {n: list(dict.fromkeys(ks)) for n, ks in found.items() if ks}
        if len(found) > len(best.rows_of):
            best = _Match(
                found,
                "series",
                [column],
                f"by series (folder or UID), column {column!r}: {len(found)} of {len(items)} volumes",
            )
    return best


def _by_subject(items, table, keys, subject_column, groups) -> _Match:
    column = keys[0] if keys else subject_column
    if column is None:
        return _Match({}, "", [], "")
    wanted = defaultdict(list)
    for k, cell in enumerate(table.column(column)):
        if text := _bare(_subject_text(cell)):
            wanted[text].append(k)
    names = [
        [_bare(n) for n in (group.get("subject"), item.patient[0] if item.patient else None) if n]
        for item, group in zip(items, groups, strict=True)
    ]
    pairs, loose = match_names({n for ns in names for n in ns}, wanted)
    sessions = next((c for c in table.columns if c.lower() in _SESSIONS), None)
    visits = table.column(sessions) if sessions else []
    said = [
        Decision(column, f"names of subjects compared without regard to {what}", len(pairs), shorten(f"{a} = {b}", 80))
        for what, a, b in loose
    ]
    rows_of = {}
    for item, group, ns in zip(items, groups, names, strict=True):
        ks = next((wanted[pairs[n]] for n in ns if n in pairs), None)
        if ks is None:
            continue
        if sessions and group.get("session"):
            here = {_bare(_subject_text(visits[k])): k for k in ks}
            same, loose = match_names({_bare(group["session"])}, {h for h in here if h})
            own = [k for k in ks if same and _bare(_subject_text(visits[k])) == next(iter(same.values()))]
            if own and loose:
                said.append(
                    Decision(
                        sessions,
                        f"sessions compared without regard to {loose[0][0]}",
                        1,
                        f"{loose[0][1]} = {loose[0][2]}",
                    )
                )
            if len(ks) > 1 and not own and any(here):
                continue  # the row of another session says nothing of this one
            ks = own or ks
        rows_of[item.name] = ks
    used = {k for ks in rows_of.values() for k in ks}
    how = f"by subject, column {column!r}: {len(used)} of {len(table.rows)} rows, {len(rows_of)} of {len(items)} files"
    return _Match(rows_of, "subject", [column], how, list({(d.about, d.what): d for d in said}.values()))


def _by_path(items, table, keys, subject_column, groups) -> _Match:
    """By folders and pieces of file names that a column with one row a value names."""
    best = _Match({}, "", [], "")
    parts = {i.name: path_parts(i.name) for i in items}
    pieces = {p for ps in parts.values() for p in ps if len(p) > 1}
    columns = keys or list(dict.fromkeys([*([subject_column] if subject_column else []), *table.columns]))
    for column in columns[:200]:
        rows = defaultdict(list)
        for k, cell in enumerate(table.column(column)):
            if text := _subject_text(cell):
                rows[text].append(k)
        sure = column in keys or column == subject_column
        short = all(t.isdigit() and len(t) < 3 for t in list(rows)[:50])
        if not sure and (len(rows) < 0.95 * len(table.rows) or short):
            continue  # values that come back, and small numbers, are in many a path by chance
        pairs, loose = match_names(pieces, set(rows)) if len(pieces) * len(rows) else ({}, [])
        rows_of = {}
        for item in items:
            # the longest piece that is a value; two different values in one path name nothing
            hits = {pairs[p] for p in parts[item.name] if p in pairs}
            if len(hits) == 1:
                rows_of[item.name] = rows[hits.pop()]
        if len(rows_of) > len(best.rows_of) and len(rows_of) >= 0.5 * min(len(items), max(len(rows), 1)):
            said = [
                Decision(
                    column,
                    f"pieces of paths compared without regard to {what}",
                    len(rows_of),
                    shorten(f"{a} = {b}", 80),
                )
                for what, a, b in loose
                if what != "everything but the number"
            ]
            how = (
                f"by pieces of the paths that column {column!r} names: {len(rows_of)} of {len(items)} images, "
                f"{len({k for ks in rows_of.values() for k in ks})} of {len(table.rows)} rows"
            )
            best = _Match(rows_of, "path", [column], how, said)
    return best


def _by_several(items, table, keys, groups) -> _Match:
    wanted = defaultdict(list)
    for k, cells in enumerate(zip(*(table.column(c) for c in keys), strict=True)):
        wanted[tuple(_bare(_subject_text(c)).casefold() for c in cells)].append(k)
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
    return _Match(rows_of, "several", keys, f"by {' + '.join(keys)}: {len(rows_of)} of {len(items)} images")


def _joins_nothing(items, table) -> str:
    near = nearest(table, [i.name for i in items])
    return (
        f"table {table.path.name} joins nothing: no column names any of the {len(items)} images (first: "
        + f"{items[0].name})"
        + (f"; {near}" if near else f"; its columns: {', '.join(table.columns[:12])}")
        + "; correct one of them, or pass key=COLUMN, or pattern='(?P<subject>…)' to join by subject"
    )


def _bare(name: str) -> str:
    """A BIDS label without its entity: participants.tsv may say "sub-01" or "01"."""
    return re.sub(r"^(sub|ses)-", "", name.strip())


def _is_bids(items: list[Item], table: Table) -> bool:
    has = sum(re.search(BIDS, i.name) is not None for i in items)
    return has > len(items) / 2 and any(c.lower() == "participant_id" for c in table.columns)


def _finish(
    items,
    table,
    groups,
    subject_column,
    match: _Match,
    missing,
    duplicates,
    tags,
    notes,
    keep,
    codes,
    plan,
    row_of=None,
    differ=None,
) -> Joined:
    row_of, differ = row_of or {}, differ or {}
    columns: dict[str, Column] = {}
    subjects, source = _subjects(items, row_of, table, groups, subject_column)
    owners = [s if s is not None else i.name for s, i in zip(subjects, items, strict=True)]
    people = Pseudonyms()
    decisions = [*(table.decisions if table else ()), *match.decisions]
    not_stored: dict[str, str] = {}
    planned = dict(plan.get("columns") or {})
    # the table's own names of files, series and people are known from elsewhere
    own = {subject_column, *(match.columns if match.way in ("file", "series", "path", "subject") else ())}
    names = [c for c in (table.columns if table else []) if c != subject_column]
    fields = {**field_names(names), **{c: p["field"] for c, p in planned.items() if p.get("field")}}
    which = [row_of.get(i.name, -1) for i in items]
    known = [i.secrets | ({i.patient[0].casefold()} if i.patient else set()) for i in items]
    out_plan: dict[str, dict] = {}
    for column in names:
        before, wanted = planned.get(column), column in keep
        reason = "" if wanted or before and before.get("stored") else refused_by_name(column)
        if before and not before.get("stored") and not wanted:
            reason = before.get("reason") or "the plan says so"
        if column in own and not wanted and not reason and not (before and before.get("stored")):
            reason = "it names the files, the series or the subjects, which the join already tells"
        if reason:
            not_stored[column] = reason
            out_plan[column] = {"stored": False, "reason": reason}
            continue
        name = fields[column]
        texts = table.cells(column, which)
        if differ:
            texts = [None if column in differ.get(i.name, ()) else t for t, i in zip(texts, items, strict=True)]
        hidden = {
            k for k, t in enumerate(texts) if t is not None and known[k] and str(t).strip().casefold() in known[k]
        }
        if hidden:
            notes.append(f"{name}: {len(hidden)} values equal to the patient's name or id were not stored")
            texts = [None if k in hidden else t for k, t in enumerate(texts)]
        typed = type_column(
            column,
            texts,
            siblings=table.columns,
            delimiter=table.layout.get("delimiter", ""),
            codes=codes.get(column, ()),
            likely_codes=codes.get("", ()),
            reading=Reading.from_dict(before["reading"]) if before and before.get("reading") else None,
        )
        choice = choose(typed, owners, people)
        if choice.column is None and not wanted and not (before and before.get("stored")):
            not_stored[column] = choice.reason
            out_plan[column] = {"stored": False, "reason": choice.reason}
            continue
        by_name = wanted or bool(before and before.get("stored") == "by name")
        typed = typed if by_name or choice.column is None else choice.column
        columns[name] = typed
        out_plan[column] = {"stored": "by name" if by_name else True, "field": name}
        if typed.reading is not None:
            out_plan[column]["reading"] = typed.reading.to_dict()
        if name != column and name.startswith("table_"):
            what = f"stored as {name!r}, since its own name cannot be a field's or is taken"
            decisions.append(Decision(column, what, 1))
        decisions += [replace(d, about=name) for d in typed.decisions if d.count]
    for group in sorted({g for row in groups for g in row} - {"subject"}):
        told = [g.get(group) for g in groups]
        told = ["name-" + people.name(t)[:8] if t and looks_identifying(t) else t for t in told]
        columns.setdefault(field_names([group])[group], type_column(group, told))
    counts = Counter(s for s in subjects if s is not None)
    if subject_column is not None and len(counts) == len(items) > 1:
        notes.append("every image has a subject of its own; if that is not so, pass subject=COLUMN")
    if table and subject_column is None and source.startswith("none known") and (maybe := _may_name_subjects(table)):
        notes.append(
            "no column is known to name the subject, so images of one person may fall on both sides of a split; if one "
            f"of these does, pass subject=COLUMN: {', '.join(maybe[:4])}"
        )
    alone = [i.name for i in items if table and i.name not in row_of]
    found = {}
    if table:
        found = {"subject": subject_column, "columns": out_plan}
        if match.way in ("file", "series", "subject", "path"):
            found["join"] = {"way": match.way, "columns": match.columns}
        notes += [f"table: {d}" for d in table.decisions] + [f"{d.about}: {d}" for d in match.decisions]
    return Joined(
        subjects, source, columns, match.how, missing, alone, duplicates, tags, notes, decisions, not_stored, found
    )


def _subjects(items, row_of, table, groups, column) -> tuple[list[str | None], str]:
    if column is not None:
        values = table.cells(column, [row_of.get(i.name, -1) for i in items])
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
    if value is None or isinstance(value, float) and value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


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
    """Columns whose values come back now and then, as those of people with several images do: texts, long numbers."""
    out = []
    for column in table.columns[:200]:
        values = [v for v in map(_subject_text, table.cells(column, range(min(len(table.rows), 5_000)))) if v]
        several = len(set(values))
        if len(values) >= 20 and 0.1 * len(values) < several < 0.95 * len(values):
            if type_column(column, values).kind == "string" or all(v.isdigit() and len(v) >= 5 for v in set(values)):
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
