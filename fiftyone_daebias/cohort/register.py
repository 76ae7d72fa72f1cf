"""The verb ``register``: files and a table become a FiftyOne dataset."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import paths, schema
from ..errors import CohortError, InputError
from ..linked import MOST_IDS, linked_groups
from ..progress import Progress, start
from ..store import register as records
from .bids import find_participants, with_sessions
from .fields import header_columns
from .geometry_fields import geometry_columns
from .identity import Pseudonyms, looks_identifying
from .items import Item, look_through
from .join import join
from .left_out import told
from .load import Loaded, Settings, load_item
from .split import split_subjects
from .table import Table, read_table
from .unfetched import not_here

#: slices a volume is embedded with; volumes with fewer are tagged
N_SLICES = 12
#: below this many bytes starting workers takes longer than they save
WORTH_WORKERS = 100_000_000


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
        ):
            if items:
                more = f" … and {len(items) - 5} more" if len(items) > 5 else ""
                lines.append(f"{label}: {len(items)}: " + "; ".join(list(items)[:5]) + more)
        if self.skipped:
            lines += [f"left out: {len(self.skipped):,} file{'s' * (len(self.skipped) > 1)}", *told(self.skipped)]
        for name, values in self.unusable.items():
            shown = ", ".join(f"{t!r} ({f})" for f, t in list(values.items())[:3])
            lines.append(f"values of {name!r} that could not be used: {len(values)}: {shown}")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def register_cohort(
    name: str,
    images: Path,
    table: Path | None = None,
    *,
    key: str | list[str] | None = None,
    subject: str | None = None,
    pattern: str | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    plane: Literal["auto", "sagittal", "coronal", "axial"] = "auto",
    spacing: float | None = None,
    volume: int = 0,
    stratify_by: list[str] | None = None,
    shift_dates: int = 0,
    to_grey: bool = False,
    skip_unreadable: bool = False,
    workers: int | None = None,
    seed: int = 51,
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
        table: CSV, TSV, Excel or Parquet file with one row an image, a series or a subject; default: participants.tsv
            of a BIDS folder, if there is one; sub-*/sub-*_sessions.tsv are read beside it
        key: column of the table that names the file (path, file name or name without ending), the series (its folder
            or a DICOM UID) or the subject; several columns together, as subject and region; default: found by what
            matches
        subject: column of the table with the subject; default: found by its name
        pattern: regular expression over the file's relative path; its named groups become fields, and the group
            "subject" the subject: "(?P<subject>sub-[0-9]+)/"
        include: globs of the files to register, as "*_T1w.nii.gz" or "site-a/*"; default: all images but derivatives,
            masks, label maps and field maps, which come in where a glob names them ("derivatives/*")
        exclude: globs of files and folders to leave out
        plane: plane of the slices; "auto" keeps the plane in which each volume was acquired
        spacing: in-plane spacing in mm to resample to; default: as it is
        volume: which volume of a 4-D NIfTI file
        stratify_by: fields within which the subject-level split into train, val and test keeps its shares
        shift_dates: shift all dates of a subject by the same number of days, between minus and plus this many; drift
            over time can then no longer be seen
        to_grey: reduce colour images to grey; by default they are refused unless all channels are equal
        skip_unreadable: leave out raster images that cannot be read, and report them, instead of stopping; DICOM and
            NIfTI files that cannot be read are always left out and reported
        workers: processes that decode; default: as many as there are cores, and one for small cohorts
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
    found = look_through(Path(images).expanduser(), include, exclude, progress)
    root, items, skipped = found.root, found.items, dict(found.skipped)
    rows, bids_notes = _table(root, table)
    joined = join(items, rows, key, subject, pattern)
    people = Pseudonyms()
    subjects = [_subject(item, given, people) for item, given in zip(items, joined.subjects, strict=True)]
    fields = header_columns(items, subjects, joined, people, shift_dates)
    for field in stratify_by or []:
        if field not in fields.columns:
            raise InputError(f"stratify_by: no field {field!r}; fields: {', '.join(fields.columns) or 'none'}")
    strata = None
    if stratify_by:
        strata = [tuple(fields.columns[f].values[k] for f in stratify_by) for k in range(len(items))]
    settings = Settings(plane, spacing, volume, to_grey)
    sources = [_source(root, item, people) for item in items]
    loaded = _load_all(root, items, sources, settings, paths.previews_dir(name), workers, skip_unreadable, progress)
    skipped |= {item.name: done.error for item, done in zip(items, loaded, strict=True) if done.error}
    kept = [k for k in range(len(items)) if not loaded[k].error]
    if not kept:
        raise CohortError(f"none of the {len(items)} images in {root} is registered; "
                          + "; ".join(line.strip() for line in told(skipped, most=3)))
    owners, copies = _one_person(subjects, [d.key if not (d.error or d.is_blank) else "" for d in loaded])
    splits = split_subjects(owners, strata, seed=seed)
    settled = _settled(subjects, owners, records.known_splits(name))
    splits = [settled.get(owner, side) for owner, side in zip(owners, splits, strict=True)]
    columns = {f: c for f, c in fields.columns.items() if c.kind != "empty"}
    columns |= geometry_columns([done.geometry for done in loaded], columns)
    rows = [
        records.Record(
            source=sources[k], key=loaded[k].key, subject=subjects[k], split=splits[k],
            values={f: c.values[k] for f, c in columns.items()},
            tags=(*joined.tags.get(items[k].name, ()), *fields.tags.get(items[k].name, ()), *_tags(loaded[k])),
            filepath=loaded[k].preview, montage=loaded[k].montage, geometry=loaded[k].geometry or None,
            linked=owners[k] if owners[k] in copies else None,
        )
        for k in kept
    ]
    kinds = {f: c.kind for f, c in columns.items()}
    source = joined.subject_source
    if any(i.patient for i in items) and any(s is None for s in joined.subjects):
        source = "keyed pseudonyms of the headers' patient ids"
    facts = {
        "root": str(root), "to_grey": to_grey, "split_seed": seed, "subject_source": source, "plane": plane,
        "spacing": spacing, "shift_dates": shift_dates,
    }
    added, updated, total = records.write_records(name, rows, kinds, facts, progress=progress)
    files = [i.name for i in items]
    unusable = {
        f: {files[k]: t for k, t in c.unusable.items()} for f, c in fields.columns.items() if c.unusable
    }
    for item in items:
        for field, text in item.unusable.items():
            unusable.setdefault(f"header {field}", {})[item.name] = text
    return RegistrationReport(
        name, total, added, updated, len({r.subject for r in rows}), source,
        {s: sum(r.split == s for r in rows) for s in schema.SPLITS}, kinds, joined.how,
        tuple(joined.rows_without_file), tuple(joined.files_without_row), joined.duplicate_rows, skipped, unusable,
        (
            *found.notes, *_copy_notes(copies), *_study_notes(items, joined.subjects), *bids_notes, *(f"{f}: {n}" for f, c in fields.columns.items() for n in c.notes), *joined.notes,
            *fields.notes, *_volume_notes([loaded[k] for k in kept]),
        ),
    )


def _table(root: Path, given: Path | None) -> tuple[Table | None, list[str]]:
    """The table to join, with a BIDS folder's own tables where it has them."""
    notes = []
    if given is None:
        given, note = find_participants(root)
        if given is None:
            return None, [note] if note else []
        notes.append(note)
    elif (reason := not_here(Path(given).expanduser())) and "cannot be opened" not in reason:
        raise CohortError(f"table {given}: {reason}")
    table, note = with_sessions(read_table(given), root)
    return table, [*notes, note] if note else notes


def _subject(item: Item, given: str | None, people: Pseudonyms) -> str:
    if given:
        return given
    if item.patient is not None:
        return people.subject(*item.patient)
    if item.study:  # a study is of one person
        return people.subject(item.study, "study")
    return f"image:{people.name(item.name) if _names_a_person(item) else item.name}"


def _names_a_person(item: Item) -> bool:
    """Whether an item's path holds a part of its patient's name or id, or looks as if it named somebody."""
    words = item.secrets | ({item.patient[0].casefold()} if item.patient and len(item.patient[0]) >= 4 else set())
    return any(w in item.name.casefold() for w in words) or any(map(looks_identifying, Path(item.name).parts))


def _source(root: Path, item: Item, people: Pseudonyms) -> str:
    """The item's path; a stand-in when the path itself names the person."""
    return f"hidden:{people.name(item.name)}" if _names_a_person(item) else str(root / item.name)


def _one_person(subjects: list[str], keys: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Subjects of which a file is there under several ids are one person.

    Returns:
        for each item the first of its person's subjects, and ``{that subject: all of them}`` where there are several
    """
    first: dict[str, int] = {}
    names = sorted(set(subjects))
    place = {s: k for k, s in enumerate(names)}
    pairs = [
        (place[subjects[first.setdefault(key, k)]], place[subjects[k]]) for k, key in enumerate(keys) if key
    ]
    groups = [[names[k] for k in g] for g in linked_groups(len(names), pairs) if 1 < len(g) <= MOST_IDS]
    owner = {s: g[0] for g in groups for s in g}
    return [owner.get(s, s) for s in subjects], {g[0]: g for g in groups}


def _settled(subjects: list[str], owners: list[str], known: dict[str, str]) -> dict[str, str]:
    """Where people are who were registered before; new images of theirs go there too, and to train where in doubt."""
    out: dict[str, str] = {}
    for subject, owner in zip(subjects, owners, strict=True):
        if subject in known:
            out[owner] = min(known[subject], out.get(owner, known[subject]), key=schema.SPLITS.index)
    return out


def _copy_notes(copies: dict[str, list[str]]) -> list[str]:
    if not copies:
        return []
    one = ", ".join(next(iter(copies.values()))[:3])
    return [f"the same file lies under several subjects ({one}): {sum(map(len, copies.values()))} subjects count as "
            f"{len(copies)} in every split, fold and permutation (field {schema.LINKED_FIELD})"]


def _study_notes(items: list[Item], given: list[str | None]) -> list[str]:
    n = sum(i.kind == "dicom" and i.patient is None and bool(i.study) and not g
            for i, g in zip(items, given, strict=True))
    return [f"{n} DICOM images name no patient: images of one study count as one subject"] if n else []


def _load_all(root, items, sources, settings, previews, workers, skip_unreadable, progress) -> list[Loaded]:
    """Decodes all items into the cache, in this process or in several."""
    cache = paths.cache_dir()
    hidden = [s.startswith("hidden:") for s in sources]
    if workers is None:
        total = sum((root / f).stat().st_size for i in items for f in i.files)
        workers = 1 if total < WORTH_WORKERS else min(8, os.cpu_count() or 1)
    out = []
    with start(progress, "reading images", len(items), "images") as task:
        if workers == 1:
            results = (load_item(root, i, settings, cache, previews, h) for i, h in zip(items, hidden, strict=True))
        else:
            results = _in_workers(workers, root, items, hidden, settings, cache, previews)
        for item, done in zip(items, results, strict=True):
            if done.error and item.kind == "raster" and not skip_unreadable and not done.is_labels:
                raise CohortError(done.error)
            out.append(done)
            task.advance()
    return out


def _in_workers(workers: int, root, items, hidden, settings, cache, previews) -> Iterator[Loaded]:
    """As the loop of :func:`load_item`, in processes; only a few items a process are on their way at a time."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, env={
        "DAEBIAS_WORKER": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"})
    waiting: deque = deque()
    try:
        for item, hide in zip(items, hidden, strict=True):
            waiting.append(pool.submit(load_item, root, item, settings, cache, previews, hide))
            if len(waiting) >= 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _tags(loaded: Loaded) -> list[str]:
    tags = []
    if loaded.geometry.get("plane", "image") != "image" and loaded.geometry["slices"] < N_SLICES:
        tags.append(schema.TAG_FEW_SLICES)
    if any(n.startswith("missing slices") for n in loaded.notes):
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
