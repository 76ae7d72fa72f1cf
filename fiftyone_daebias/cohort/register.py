"""The verb ``register``: files and a table become a FiftyOne dataset."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from .. import paths, schema
from ..errors import CohortError, InputError
from ..parameters import (
    Advanced,
    Backend,
    ImageFolder,
    Label,
    Seed,
    ShiftDates,
    Spacing,
    StratifyBy,
    TableFile,
    Volume,
    Workers,
)
from ..progress import Progress
from ..remote import check_backend
from ..store import register as records
from ..store.run_metadata import check_name
from .bids import find_participants, with_sessions
from .bounds import check_workbook
from .columns import Column
from .decisions import Decision
from .fields import header_columns
from .geometry_fields import geometry_columns
from .items import Item, look_through
from .join import join
from .left_out import told
from .links import copy_notes, one_person, people_notes, settled_splits
from .load import Loaded, Settings
from .load_items import load_items
from .plan import read_plan, write_plan
from .private_paths import hidden_root, is_private, readable
from .pseudonyms import Pseudonyms, looks_identifying
from .split import split_subjects
from .table import Table, read_table
from .unfetched import not_here
from .workbooks import stem

#: slices a volume is embedded with; volumes with fewer are tagged
N_SLICES = 12


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
        not_stored: ``{column: why it is not stored}``
        decisions: every automatic decision about the table, with a count and an example
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
    not_stored: dict[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()

    def to_dict(self) -> dict:
        out = {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}
        return {**out, "decisions": [d.to_dict() for d in self.decisions]}

    def __str__(self) -> str:
        splits = ", ".join(f"{k} {n}" for k, n in self.splits.items())
        lines = [
            f"dataset {self.name!r}: {self.images:,} images of {self.subjects:,} subjects ({self.subject_source}); "
            f"{self.added:,} added, {self.updated:,} updated; {splits}",
            f"join: {self.join}",
        ]
        if self.fields:
            lines.append("fields: " + ", ".join(f"{f} ({k})" for f, k in self.fields.items()))
        if self.not_stored:
            by_reason: dict[str, list[str]] = {}
            for column, reason in self.not_stored.items():
                by_reason.setdefault(reason, []).append(column)
            lines.append(
                "columns not stored (--keep COLUMN stores them): "
                + "; ".join(f"{', '.join(cs)}: {why}" for why, cs in by_reason.items())
            )
        for label, items in (
            ("rows without a file", self.rows_without_file),
            ("files without a row", self.files_without_row),
            ("files named by several rows", [f"{k}: {v}" for k, v in self.duplicate_rows.items()]),
        ):
            if items:
                more = f" … and {len(items) - 5} more" if len(items) > 5 else ""
                lines.append(f"{label}: {len(items)}: " + "; ".join(list(items)[:5]) + more)
        if self.skipped:
            lines += [f"left out: {len(self.skipped):,} file{'s' * (len(self.skipped) > 1)}", *told(self.skipped)]
        for name, values in self.unusable.items():
            shown = ", ".join(f"{t!r} ({f})" for f, t in list(values.items())[:3])
            lines.append(f"values of {name!r} that could not be used: {len(values)}: {shown}")
        return readable("\n".join([*lines, *(f"note: {n}" for n in self.notes)]))


def register(
    name: str,
    images: ImageFolder,
    table: TableFile | None = None,
    *,
    key: Annotated[str | list[str], Label("Match table and files by"), Advanced] | None = None,
    subject: Annotated[str, Label("Subject column")] | None = None,
    pattern: Annotated[str, Advanced] | None = None,
    include: str | list[str] | None = None,
    exclude: str | list[str] | None = None,
    sheet: str | None = None,
    keep: list[str] | None = None,
    missing_codes: list[str] | None = None,
    plan: Path | None = None,
    from_plan: Path | None = None,
    plane: Annotated[Literal["auto", "sagittal", "coronal", "axial"], Advanced] = "auto",
    spacing: Spacing | None = None,
    volume: Volume = 0,
    stratify_by: StratifyBy | None = None,
    shift_dates: ShiftDates = 0,
    to_grey: Annotated[bool, Label("Turn colour into grey"), Advanced] = False,
    skip_unreadable: Annotated[bool, Advanced] = False,
    check_contents: Annotated[bool, Label("Read all files again"), Advanced] = False,
    workers: Workers | None = None,
    backend: Backend | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> RegistrationReport:
    """Registers DICOM, NIfTI or raster images and a metadata table as a FiftyOne dataset.

    A sample is one volume, or one 2-D image. DICOM series are grouped by
    their UID, split where they hold several volumes, and sorted by position.
    Allowed header fields are stored; names, ids, birth dates, addresses and
    free text are not, and subjects get a keyed pseudonym unless the table
    has one. Run again, it adds what is new and updates what changed; it
    removes nothing. The database is written only after every file and row
    was read.

    Args:
        name: name of the dataset
        images: folder with the images (searched through all sub-folders), or one image
        table: CSV, TSV, Excel, OpenDocument, Parquet, SPSS, Stata or SAS file with one row an image, a series or a
            subject; default: participants.tsv of a BIDS folder, if there is one; sub-*/sub-*_sessions.tsv are
            read beside it
        key: column of the table that names the file (path, file name or name without ending), the series (its folder
            or a DICOM UID) or the subject; several columns together, as subject and region; default: found by what
            matches
        subject: column of the table with the subject; default: found by its name
        pattern: regular expression over the file's relative path; its named groups become fields, and the group
            "subject" the subject: "(?P<subject>sub-[0-9]+)/"
        include: globs of the files to register, as "*_T1w.nii.gz" or "site-a/*"; default: all images but derivatives,
            masks, label maps and field maps, which come in where a glob names them ("derivatives/*")
        exclude: globs of files and folders to leave out
        sheet: sheet of a workbook; default: the one that names the images, else the fullest
        keep: columns to store although they may tell who somebody is: names, births, contacts, free text, texts with
            many values
        missing_codes: values that mean "missing": "999" in every column in which it lies apart from all others,
            "sbp=999,-1" in one column; without them such values are named and kept
        plan: write every automatic decision about the table to this YAML file
        from_plan: repeat the decisions of such a file exactly, after it was read or edited
        plane: plane of the slices; "auto" keeps the plane in which each volume was acquired
        spacing: in-plane spacing in mm to resample to; default: as it is
        volume: which volume of a 4-D NIfTI file
        stratify_by: fields within which the subject-level split into train, val and test keeps its shares
        shift_dates: shift all dates of a subject by the same number of days, between minus and plus this many; drift
            over time can then no longer be seen
        to_grey: reduce colour images to grey; by default they are refused unless all channels are equal
        skip_unreadable: leave out raster images that cannot be read, and report them, instead of stopping; DICOM and
            NIfTI files that cannot be read are always left out and reported
        check_contents: read every file again to see whether it has changed; by default one whose path, size, inode,
            time of content and time of last change are as before counts as unchanged
        workers: processes that decode; default: as many as there are cores, and one for small cohorts
        backend: "dask://HOST:PORT", scheduler of a cluster whose workers decode instead; they must see the images and
            DAEBIAS_HOME under the same paths
        seed: seed of the split

    Returns:
        what became of every file and every row

    Raises:
        CohortError: no images, a table that joins nothing, an image that cannot be read
        InputError: a column or field that does not exist, or a bad pattern
    """
    if not str(name).strip():
        raise InputError("name is empty; give the dataset a name")
    if spacing is not None and not 0.01 <= spacing <= 100:
        raise InputError(f"spacing is in mm and must be between 0.01 and 100; got {spacing}")
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1; got {workers}")
    if backend is not None:
        check_backend(backend)
    if from_plan is not None:
        # what is given in this call wins over the plan
        options, planned = read_plan(from_plan)
        given = {
            "key": key,
            "subject": subject,
            "pattern": pattern,
            "sheet": sheet,
            "keep": keep,
            "missing_codes": missing_codes,
            "stratify_by": stratify_by,
            "spacing": spacing,
            "include": include,
            "exclude": exclude,
        }
        key, subject, pattern, sheet, keep, missing_codes, stratify_by, spacing, include, exclude = (
            options.get(o) if v is None else v for o, v in given.items()
        )
        given = {
            "plane": (plane, "auto"),
            "volume": (volume, 0),
            "shift_dates": (shift_dates, 0),
            "to_grey": (to_grey, False),
            "seed": (seed, 51),
        }
        plane, volume, shift_dates, to_grey, seed = (
            options.get(o, v) if v == default else v for o, (v, default) in given.items()
        )
    else:
        planned = {}
    check_name(name)
    found = look_through(Path(images).expanduser(), include, exclude, progress)
    root, items, skipped = found.root, found.items, dict(found.skipped)
    sheet_read, bids_notes = _table(root, table, sheet, planned.get("layout"), items)
    joined = join(items, sheet_read, key, subject, pattern, keep=keep, missing_codes=missing_codes, plan=planned)
    people = Pseudonyms()
    subjects = [_subject(item, given, people) for item, given in zip(items, joined.subjects, strict=True)]
    fields = header_columns(items, subjects, joined, people, shift_dates)
    for wanted in stratify_by or []:
        if wanted not in fields.columns:
            raise InputError(f"stratify_by: no field {wanted!r}; fields: {', '.join(fields.columns) or 'none'}")
    strata = None
    if stratify_by:
        strata = [tuple(fields.columns[f].values[k] for f in stratify_by) for k in range(len(items))]
    settings = Settings(plane, spacing, volume, to_grey)
    sources = [_source(root, item, people) for item in items]
    hidden = [s.startswith("hidden:") for s in sources]
    jobs = [
        (root, i, settings, paths.cache_dir(), paths.previews_dir(name), h) for i, h in zip(items, hidden, strict=True)
    ]
    loaded = load_items(jobs, workers, backend, skip_unreadable, check_contents, progress)
    skipped |= {item.name: done.error for item, done in zip(items, loaded, strict=True) if done.error}
    kept = [k for k in range(len(items)) if not loaded[k].error]
    if not kept:
        raise CohortError(
            f"none of the {len(items)} images in {root} is registered; "
            + "; ".join(line.strip() for line in told(skipped, most=3))
        )
    owners, copies = one_person(subjects, [done.pixels for done in loaded])
    splits = split_subjects(owners, strata, seed=seed)
    settled = settled_splits(subjects, owners, records.known_splits(name))
    splits = [settled.get(owner, side) for owner, side in zip(owners, splits, strict=True)]
    columns = {f: c for f, c in fields.columns.items() if c.kind != "empty"}
    columns |= geometry_columns([done.geometry for done in loaded], columns)
    rows = [
        records.Record(
            source=sources[k],
            key=loaded[k].key,
            subject=subjects[k],
            split=splits[k],
            values=_Row(columns, k),
            tags=(*joined.tags.get(items[k].name, ()), *fields.tags.get(items[k].name, ()), *_tags(loaded[k])),
            filepath=loaded[k].preview,
            montage=loaded[k].montage,
            geometry=loaded[k].geometry or None,
            file=loaded[k].file or None,
            linked=owners[k] if owners[k] in copies else None,
        )
        for k in kept
    ]
    kinds = {f: c.kind for f, c in columns.items()}
    source = joined.subject_source
    if any(i.patient for i in items) and any(s is None for s in joined.subjects):
        source = "keyed pseudonyms of the headers' patient ids"
    facts = {
        "root": f"hidden:{people.name(str(root))}" if hidden_root(root) else str(root),
        "to_grey": to_grey,
        "split_seed": seed,
        "subject_source": source,
        "plane": plane,
        "spacing": spacing,
        "shift_dates": shift_dates,
        "not_stored": sorted(joined.not_stored),
        "units": {f: c.unit for f, c in columns.items() if c.unit},
    }
    added, updated, total = records.write_records(name, rows, kinds, facts, progress=progress)
    files = [i.name for i in items]
    unusable = {
        f: {
            files[k]: "(a value that looks like a person's)" if looks_identifying(t) else t
            for k, t in c.unusable.items()
        }
        for f, c in fields.columns.items()
        if c.unusable
    }
    if plan is not None:
        options = {
            "key": key,
            "subject": subject,
            "pattern": pattern,
            "sheet": sheet,
            "keep": keep,
            "include": include,
            "exclude": exclude,
            "missing_codes": missing_codes,
            "plane": plane,
            "spacing": spacing,
            "volume": volume,
            "stratify_by": stratify_by,
            "shift_dates": shift_dates,
            "to_grey": to_grey,
            "seed": seed,
        }
        layout = {"layout": sheet_read.layout} if sheet_read is not None and sheet_read.layout else {}
        write_plan(plan, options, {**layout, **joined.plan}, joined.decisions)
    for item in items:
        for what, text in item.unusable.items():
            unusable.setdefault(f"header {what}", {})[item.name] = text
    return RegistrationReport(
        name,
        total,
        added,
        updated,
        len({r.subject for r in rows}),
        source,
        {s: sum(r.split == s for r in rows) for s in schema.SPLITS},
        kinds,
        joined.how,
        tuple(joined.rows_without_file),
        tuple(joined.files_without_row),
        joined.duplicate_rows,
        skipped,
        unusable,
        (
            *found.notes,
            *people_notes(items, joined.subjects),
            *copy_notes(copies),
            *bids_notes,
            *(f"{f}: {n}" for f, c in fields.columns.items() for n in c.notes),
            *joined.notes,
            *fields.notes,
            *_hidden_notes(sources),
            *_volume_notes([loaded[k] for k in kept]),
        ),
        joined.not_stored,
        tuple(joined.decisions),
    )


class _Row(Mapping):
    """Values of one item, looked up in their columns: a dict for each would hold a large table several times over."""

    __slots__ = ("columns", "k")

    def __init__(self, columns: dict[str, Column], k: int):
        self.columns, self.k = columns, k

    def __getitem__(self, field: str):
        return self.columns[field].values[self.k]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def _table(
    root: Path, given: Path | None, sheet: str | None, layout: dict | None, items: list[Item]
) -> tuple[Table | None, list[str]]:
    """The table to join, with a BIDS folder's own tables where it has them."""
    notes = []
    if given is None:
        given, note = find_participants(root)
        if given is None:
            return None, [note] if note else []
        notes.append(note)
    elif (reason := not_here(Path(given).expanduser())) and "cannot be opened" not in reason:
        raise CohortError(f"table {given}: {reason}")
    if str(given).lower().endswith((".xlsx", ".xlsm", ".xltx")):
        check_workbook(given)
    table, note = with_sessions(
        read_table(given, sheet=sheet, layout=layout, wanted={stem(f) for i in items for f in i.files}), root
    )
    return table, [*notes, note] if note else notes


def _subject(item: Item, given: str | None, people: Pseudonyms) -> str:
    if given:
        # a table or a pattern may hand over a name where a pseudonym is meant
        return people.subject(given) if looks_identifying(given) or readable(given) != given else given
    if item.patient is not None:
        return people.subject(*item.patient)
    if item.study:  # a study is of one person
        return people.subject(item.study, "study")
    return f"image:{people.name(item.name) if is_private(Path(), item) else item.name}"


def _source(root: Path, item: Item, people: Pseudonyms) -> str:
    """The item's path; a stand-in when the path itself names the person, or cannot be stored."""
    return f"hidden:{people.name(item.name)}" if is_private(root, item) else str(root / item.name)


def _hidden_notes(sources: list[str]) -> list[str]:
    n = sum(s.startswith("hidden:") for s in sources)
    return (
        [
            f"{n} of {len(sources)} paths hold something like a name, a birth date or a number of a person, or letters "
            "that cannot be stored; they are stored as keyed stand-ins"
        ]
        if n
        else []
    )


def _tags(loaded: Loaded) -> list[str]:
    tags = []
    if loaded.geometry.get("plane", "image") != "image" and loaded.geometry["slices"] < N_SLICES:
        tags.append(schema.TAG_FEW_SLICES)
    if loaded.lacks_slices:
        tags.append(schema.TAG_MISSING_SLICES)
    return tags


def _volume_notes(loaded: list[Loaded]) -> tuple[str, ...]:
    out = []
    volumes = [d for d in loaded if d.geometry.get("plane", "image") != "image"]
    if volumes:
        planes = sorted({d.geometry["plane"] for d in volumes})
        text = f"{len(volumes)} volumes, {', '.join(planes)} slices"
        out.append(text + ("; pass plane=… to bring them to one plane" if len(planes) > 1 else ""))
    few = [d for d in volumes if d.geometry["slices"] < N_SLICES]
    if few:
        out.append(
            f"{len(few)} volumes have fewer than {N_SLICES} slices (first: {few[0].name} with "
            f"{few[0].geometry['slices']}); they are tagged {schema.TAG_FEW_SLICES}"
        )
    kinds: dict[str, list[tuple[str, str]]] = {}
    for done in loaded:
        for note in done.notes:
            kinds.setdefault(re.sub(r"[-\d.]+", "#", note.partition(":")[0]), []).append((done.name, note))
    for odd in sorted(kinds.values(), key=len):
        name, note = odd[0]
        out.append(f"{name}: {note}" if len(odd) == 1 else f"{note} ({name}, and {len(odd) - 1} more such)")
    return tuple(out)
