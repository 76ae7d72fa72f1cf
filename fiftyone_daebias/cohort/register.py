"""The verb ``register``: files and a table become a FiftyOne dataset."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from .. import schema
from ..errors import CohortError, InputError
from ..progress import Progress, start
from ..store import register as records
from .cache import SliceCache
from .columns import Column, type_column
from .raster import SUFFIXES
from .slices import cache_file
from .split import split_subjects
from .table import Table, field_names, match_files, read_table

_SUBJECT_NAMES = {"".join(c for c in name.lower() if c.isalnum()) for name in schema.SUBJECT_FIELD_GUESSES}


@dataclass(frozen=True)
class RegistrationReport:
    """What became of every file and every row.

    Attributes:
        name: the dataset
        images: samples in the dataset now
        added: samples added by this call
        updated: samples changed by this call
        subjects: subjects in the cohort
        subject_source: where the subjects come from, in words
        splits: samples in train, val and test
        fields: ``{field: kind}`` of the table's fields
        join: how rows and files were joined, in words
        rows_without_file: names of rows without a file
        files_without_row: files without a row
        duplicate_rows: files named by more than one row, with what became of them
        skipped: ``{file: reason}`` of files left out
        unusable: ``{field: {file: text}}`` of values that could not be used
        notes: what was understood or looks wrong, one line each
    """

    name: str
    images: int
    added: int
    updated: int
    subjects: int
    subject_source: str
    splits: dict[str, int]
    fields: dict[str, str]
    join: str
    rows_without_file: tuple[str, ...]
    files_without_row: tuple[str, ...]
    duplicate_rows: dict[str, str]
    skipped: dict[str, str]
    unusable: dict[str, dict[str, str]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    def __str__(self) -> str:
        splits = ", ".join(f"{k} {n}" for k, n in self.splits.items())
        lines = [
            f"dataset {self.name!r}: {self.images:,} images of {self.subjects:,} subjects ({self.subject_source}); "
            f"{self.added:,} added, {self.updated:,} updated; {splits}",
            f"join: {self.join}",
        ]
        if self.fields:
            lines.append("fields: " + ", ".join(f"{f} ({k})" for f, k in self.fields.items()))
        for label, items in (
            ("rows without a file", self.rows_without_file), ("files without a row", self.files_without_row),
            ("files named by several rows", [f"{k}: {v}" for k, v in self.duplicate_rows.items()]),
            ("left out", [f"{k}: {v}" for k, v in self.skipped.items()]),
        ):
            if items:
                more = f" … and {len(items) - 5} more" if len(items) > 5 else ""
                lines.append(f"{label}: {len(items)}: " + "; ".join(list(items)[:5]) + more)
        for name, values in self.unusable.items():
            shown = ", ".join(f"{t!r} ({f})" for f, t in list(values.items())[:3])
            lines.append(f"values of {name!r} that could not be used: {len(values)}: {shown}")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def register_cohort(
    name: str,
    images: Path,
    table: Path | None = None,
    *,
    key: str | None = None,
    subject: str | None = None,
    pattern: str | None = None,
    stratify_by: list[str] | None = None,
    to_grey: bool = False,
    skip_unreadable: bool = False,
    seed: int = 51,
    progress: Progress | None = None,
) -> RegistrationReport:
    """Registers a folder of images and a metadata table as a FiftyOne dataset.

    Run again, it adds what is new and updates what changed; it removes
    nothing. The database is written only after every file and row was read.

    Args:
        name: name of the dataset
        images: folder with the images (searched through all sub-folders), or one image
        table: CSV, TSV, Excel or Parquet file with one row an image or a subject
        key: column of the table that names the file (path, file name or name without ending) or the subject;
            default: found by what matches
        subject: column of the table with the subject; default: found by its name
        pattern: regular expression over the file's relative path; its named groups become fields, and the group
            "subject" the subject: "(?P<subject>sub-[0-9]+)/"
        stratify_by: fields within which the subject-level split into train, val and test keeps its shares
        to_grey: reduce colour images to grey; by default they are refused unless all channels are equal
        skip_unreadable: leave out files that cannot be read, and report them, instead of stopping
        seed: seed of the split

    Returns:
        what became of every file and every row

    Raises:
        CohortError: no images, a table that joins nothing, an image that cannot be read
        InputError: a column or field that does not exist, or a bad pattern
    """
    if not str(name).strip():
        raise InputError("name is empty; give the dataset a name")
    root, files = _find_images(Path(images).expanduser())
    joined = _join(files, None if table is None else read_table(table), key, subject, pattern)
    for field in stratify_by or []:
        if field not in joined.columns:
            raise InputError(f"stratify_by: no field {field!r}; fields: {', '.join(joined.columns) or 'none'}")
    strata = None
    if stratify_by:
        strata = [tuple(joined.columns[f].values[k] for f in stratify_by) for k in range(len(files))]
    splits = split_subjects(joined.subjects, strata, seed=seed)
    keys, skipped = _cache_all(root, files, to_grey, skip_unreadable, progress)
    kept = [k for k in range(len(files)) if files[k] not in skipped]
    if not kept:
        raise CohortError(f"none of the {len(files)} images in {root} can be read; {next(iter(skipped.values()))}")
    rows = [
        records.Record(
            source=str(root / files[k]),
            key=keys[files[k]],
            subject=joined.subjects[k],
            split=splits[k],
            values={f: c.values[k] for f, c in joined.columns.items() if c.kind != "empty"},
            tags=tuple(joined.tags.get(files[k], ())),
        )
        for k in kept
    ]
    kinds = {f: c.kind for f, c in joined.columns.items() if c.kind != "empty"}
    facts = {"root": str(root), "to_grey": to_grey, "split_seed": seed, "subject_source": joined.subject_source}
    added, updated, total = records.write_records(name, rows, kinds, facts, progress=progress)
    unusable = {
        f: {files[k]: t for k, t in c.unusable.items()} for f, c in joined.columns.items() if c.unusable
    }
    return RegistrationReport(
        name, total, added, updated, len({r.subject for r in rows}), joined.subject_source,
        {s: sum(r.split == s for r in rows) for s in schema.SPLITS}, kinds, joined.how,
        tuple(joined.rows_without_file), tuple(joined.files_without_row), joined.duplicate_rows, skipped, unusable,
        tuple(f"{f}: {n}" for f, c in joined.columns.items() for n in c.notes) + tuple(joined.notes),
    )


def _find_images(where: Path) -> tuple[Path, list[str]]:
    if where.is_file():
        return where.parent.resolve(), [where.name]
    if not where.is_dir():
        raise CohortError(f"image folder {where} does not exist")
    root = where.resolve()
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith((".", "__MACOSX")))
        found += [
            (Path(folder) / n).relative_to(root).as_posix()
            for n in sorted(names)
            if n.lower().endswith(SUFFIXES) and not n.startswith(".")
        ]
    if not found:
        raise CohortError(f"no images in {where}; expected files ending in {', '.join(SUFFIXES)}")
    return root, found


@dataclass
class _Joined:
    subjects: list[str]
    subject_source: str
    columns: dict[str, Column]
    how: str
    rows_without_file: list[str]
    files_without_row: list[str]
    duplicate_rows: dict[str, str]
    tags: dict[str, list[str]]
    notes: list[str]


def _join(files: list[str], table: Table | None, key, subject, pattern) -> _Joined:
    groups = _match_pattern(files, pattern)
    if table is None:
        if key or subject:
            raise InputError("key and subject name columns of a table; pass table as well, or use pattern")
        return _finish(files, {}, [], groups, None, "no table", [], {}, {}, [])
    subject_column = _subject_column(table, subject)
    column, matches = match_files(table, files, key)
    how, row_of, duplicates, tags = "", {}, {}, defaultdict(list)
    if matches:
        how = f"by file, column {column!r}: {len(matches)} of {len(table.rows)} rows name one of {len(files)} files"
        rows_of = defaultdict(list)
        for k, named in matches.items():
            rows_of[named[0]].append(k)
        used = set(matches)
    else:
        by_subject = key or subject_column
        if by_subject is None or not any(g.get("subject") for g in groups):
            raise CohortError(
                f"table {table.path.name} joins nothing: no column names any of the {len(files)} images (first image: "
                f"{files[0]}, first row: {_row_text(table.rows[0])}); pass key=COLUMN, or pattern='(?P<subject>…)' to "
                "join by subject"
            )
        rows_of, used = defaultdict(list), set()
        for file, group in zip(files, groups, strict=True):
            for k, row in enumerate(table.rows):
                if group.get("subject") and str(row[by_subject]).strip() == group["subject"]:
                    rows_of[file].append(k)
                    used.add(k)
        if not used:
            raise CohortError(
                f"table {table.path.name} joins nothing: no value of column {by_subject!r} (first: "
                f"{table.rows[0][by_subject]!r}) is a subject found in the paths (first: "
                f"{groups[0].get('subject')!r}); correct key or pattern"
            )
        how = f"by subject, column {by_subject!r}: {len(used)} of {len(table.rows)} rows"
        how += f", {len(rows_of)} of {len(files)} files"
    for file, ks in rows_of.items():
        row_of[file] = ks[0]
        if len(ks) > 1:
            rows = [table.rows[k] for k in ks]
            if all(r == rows[0] for r in rows[1:]):
                duplicates[file] = f"{len(ks)} equal rows, used once"
            else:
                other = sorted({c for r in rows[1:] for c in r if r[c] != rows[0][c]})
                duplicates[file] = f"{len(ks)} rows that differ in {', '.join(other[:5])}; the first was used"
                tags[file].append(schema.TAG_CONFLICT)
    missing = [_row_text(r) for k, r in enumerate(table.rows) if k not in used]
    for file in files:
        if file not in row_of:
            tags[file].append(schema.TAG_NO_ROW)
    return _finish(files, row_of, table, groups, subject_column, how, missing, duplicates, tags, [])


def _finish(files, row_of, table, groups, subject_column, how, missing, duplicates, tags, notes) -> _Joined:
    columns: dict[str, Column] = {}
    names = [c for c in (table.columns if table else []) if c != subject_column]
    for column, field in field_names(names).items():
        texts = [table.rows[row_of[f]][column] if f in row_of else None for f in files]
        typed = type_column(column, texts)
        columns[field] = typed
    for group in sorted({g for row in groups for g in row} - {"subject"}):
        columns.setdefault(field_names([group])[group], type_column(group, [g.get(group) for g in groups]))
    subjects, source = _subjects(files, row_of, table, groups, subject_column)
    counts = Counter(subjects)
    if source != "none known: every image is its own subject" and len(counts) == len(files) > 1:
        notes.append("every image has a subject of its own; if that is not so, pass subject=COLUMN")
    alone = [f for f in files if table and f not in row_of]
    return _Joined(subjects, source, columns, how, missing, alone, duplicates, tags, notes)


def _subjects(files, row_of, table, groups, column) -> tuple[list[str], str]:
    if column is not None:
        values = [table.rows[row_of[f]][column] if f in row_of else None for f in files]
        texts = ["" if v is None else _subject_text(v) for v in values]
        alone = sum(t == "" for t in texts)
        source = f"column {column!r}" + (f", {alone} images without one are their own" if alone else "")
        return [t or f"image:{f}" for t, f in zip(texts, files, strict=True)], source
    if any(g.get("subject") for g in groups):
        return [g.get("subject") or f"image:{f}" for g, f in zip(groups, files, strict=True)], "pattern"
    return [f"image:{f}" for f in files], "none known: every image is its own subject"


def _subject_text(value: object) -> str:
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
    return None


def _match_pattern(files: list[str], pattern: str | None) -> list[dict[str, str]]:
    if pattern is None:
        return [{} for _ in files]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"pattern {pattern!r} is not a regular expression: {error}") from error
    if not compiled.groupindex:
        raise InputError(f"pattern {pattern!r} has no named group; write for example '(?P<subject>sub-[0-9]+)/'")
    found = [compiled.search(f) for f in files]
    if not any(found):
        raise InputError(f"pattern {pattern!r} matches no file (first file: {files[0]})")
    return [{k: v for k, v in m.groupdict().items() if v is not None} if m else {} for m in found]


def _cache_all(root, files, to_grey, skip_unreadable, progress) -> tuple[dict[str, str], dict[str, str]]:
    cache, keys, skipped = SliceCache(), {}, {}
    with start(progress, "reading images", len(files), "images") as task:
        for file in files:
            try:
                keys[file] = cache_file(cache, root / file, to_grey)
            except CohortError as error:
                if not skip_unreadable:
                    raise
                skipped[file] = str(error)
            task.advance()
    return keys, skipped


def _row_text(row: dict) -> str:
    return ", ".join(f"{k}={v}" for k, v in list(row.items())[:3])
