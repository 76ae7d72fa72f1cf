"""Finding what is to be registered: raster images, NIfTI volumes, and DICOM volumes out of series."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CohortError
from ..progress import Progress, start
from . import left_out, names, nifti, raster
from .dicom.frames import planes_of
from .dicom.group import Plane, Stack, stacks
from .dicom.header import fields_of, identifying_words
from .dicom.mosaic import is_mosaic
from .dicom.people import by_folder, by_person, patient_of
from .dicom.scan import Header, looks_like_dicom, read_header
from .dicom.values import NO_SEX, sexes_of
from .pseudonyms import looks_identifying
from .unfetched import not_here

#: files that lie in cohorts and are no images; named in the report only when nothing else is found
_BYSTANDERS = (
    ".json",
    ".csv",
    ".tsv",
    ".txt",
    ".md",
    ".bval",
    ".bvec",
    ".xml",
    ".pdf",
    ".html",
    ".xlsx",
    ".parquet",
    ".yml",
    ".yaml",
    ".log",
    ".py",
    ".cff",
    ".bib",
    ".json.gz",
    ".csv.gz",
    ".tsv.gz",
    ".txt.gz",
    ".xls",
    ".ods",
    ".sav",
    ".dta",
    ".sh",
    ".rst",
    ".bidsignore",
    ".svg",
)
#: so many single files at different places of one study are a volume whose UIDs were lost
MANY_ALONE = 5
_BIDS_TABLES = ("participants.tsv", "dataset_description.json")


@dataclass(frozen=True)
class Item:
    """One sample to be: an image or a volume.

    Attributes:
        name: relative path of its (first) file, with "#n" for the n-th volume of a series; unique
        kind: "raster", "nifti" or "dicom"
        files: relative paths
        stack: planes and affine of a DICOM volume, ``None`` for a mosaic and other kinds
        mosaic: whether it is a Siemens mosaic
        header: allowed header fields
        patient: patient id and its issuer; kept in memory only
        secrets: words that identify the person; kept in memory only
        aliases: other texts by which a table may name it: UIDs, the series' folder
        note: what tells it from the other volumes of its series
        study: StudyInstanceUID, by which images without a patient id are one person's; kept in memory only
        unusable: ``{field: what stands there}`` of header values that could not be used
        label_word: a word of its path that speaks of a mask or label map, "" if there is none
    """

    name: str
    kind: str
    files: tuple[str, ...]
    stack: Stack | None = None
    mosaic: bool = False
    header: dict = field(default_factory=dict)
    patient: tuple[str, str] | None = None
    secrets: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    note: str = ""
    study: str = ""
    unusable: dict[str, str] = field(default_factory=dict)
    label_word: str = ""


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Attributes:
        root: the folder
        items: samples to be, in order of their names
        skipped: ``{file: reason}`` of files that are left out
        notes: what was understood or looks wrong, one line each
    """

    root: Path
    items: list[Item]
    skipped: dict[str, str]
    notes: list[str]


def find_items(where: Path, progress: Progress | None = None) -> tuple[Path, list[Item], dict[str, str]]:
    """As :func:`look_through`, without globs and notes: root, items and what is left out."""
    found = look_through(where, progress=progress)
    return found.root, found.items, found.skipped


def look_through(
    where: Path,
    include: str | list[str] | None = None,
    exclude: str | list[str] | None = None,
    progress: Progress | None = None,
) -> Found:
    """Looks through a folder, or at one file.

    Args:
        where: folder, or one image
        include: globs of relative paths; ``None`` takes all
        exclude: globs of relative paths that are left out
        progress: where to report

    Raises:
        CohortError: no such folder, or nothing in it that is an image
        InputError: ``include`` matches nothing
    """
    include, exclude = ([g] if isinstance(g, str) else list(g or ()) or None for g in (include, exclude))
    skipped: dict[str, str] = {}
    if where.is_dir():
        root = where.resolve()
        files, skipped = _walk(root)
    elif where.exists() or where.is_symlink():
        root, files = where.parent.resolve(), [where.name]
    else:
        raise CohortError(f"image folder {where} does not exist")
    is_bids = any((root / t).is_symlink() or (root / t).exists() for t in _BIDS_TABLES)
    files = [f for f in files if not f.casefold().endswith(_BYSTANDERS)]
    files, more = left_out.choose(files, include, exclude, is_bids)
    skipped |= more
    items, dicom, notes = [], [], []
    for file in files:
        low = file.lower()
        if reason := not_here(root / file):
            skipped[file] = reason
            continue
        if low.endswith(raster.SUFFIXES):
            items.append(Item(file, "raster", (file,)))
        elif low.endswith(nifti.SUFFIXES):
            header, unusable = nifti.read_sidecar(root / file)
            items.append(Item(file, "nifti", (file,), header=header, unusable=unusable))
        elif left_out.is_archive(file):
            skipped[file] = left_out.archive_reason(root / file)
        elif low.endswith((".dcm", ".ima", ".dicom")) or looks_like_dicom(root / file):
            dicom.append(file)
        else:
            skipped[file] = "not an image that is read here (DICOM, NIfTI, PNG, JPEG, TIFF, BMP)"
    if dicom:
        found, more, notes = _dicom_items(root, dicom, progress)
        items += found
        skipped |= {file: left_out.one_line(reason) for file, reason in more.items()}
    if not items:
        if skipped:
            raise CohortError(
                f"no images in {where}: {len(skipped)} files were left out; "
                + "; ".join(line.strip() for line in left_out.told(skipped, most=3))
            )
        raise CohortError(
            f"no images in {where}; expected DICOM, NIfTI or files ending in {', '.join(raster.SUFFIXES)}"
        )
    items = [replace(i, label_word=left_out.label_word(i.name, include)) for i in items]
    if note := left_out.suffixes_told([i.name for i in items]):
        notes.append(note)
        items = [
            replace(i, header={**i.header, "bids_suffix": s}) if (s := left_out.bids_suffix(i.name)) else i
            for i in items
        ]
    plain = [i.name for i in items if "laterality" not in i.header]
    if sides := names.sides_of(plain):
        notes.append(f"{len(sides)} file names come as left and right: field 'laterality'")
        items = [replace(i, header={**i.header, "laterality": sides[i.name]}) if i.name in sides else i for i in items]
    return Found(root, sorted(items, key=lambda i: i.name), skipped, notes)


def _walk(root: Path) -> tuple[list[str], dict[str, str]]:
    """Relative paths of all files, linked folders too unless they lead back; and what is not entered."""
    files, skipped, seen = [], {}, {root}
    for folder, subfolders, found in os.walk(root, followlinks=True):
        entered = []
        for name in sorted(subfolders):
            path = Path(folder) / name
            if name.startswith((".", "__MACOSX")):
                continue
            if path.is_symlink():
                real = path.resolve()
                if real in seen or seen & set(real.parents) or real in root.parents:
                    skipped[path.relative_to(root).as_posix()] = "a linked folder that leads back into the cohort"
                    continue
                seen.add(real)
            entered.append(name)
        subfolders[:] = entered
        for name in sorted(found):
            if name.startswith("."):
                continue
            path = (Path(folder) / name).relative_to(root).as_posix()
            try:
                path.encode()
            except UnicodeEncodeError:
                shown = path.encode("utf-8", "replace").decode()
                skipped[shown] = "cannot be opened by a name that is no UTF-8: rename it"
                continue
            files.append(path)
    return files, skipped


def _dicom_items(root: Path, files: list[str], progress) -> tuple[list[Item], dict[str, str], list[str]]:
    series: dict[tuple, list[tuple[str, Header]]] = defaultdict(list)
    skipped: dict[str, str] = {}
    seen: dict[str, str] = {}
    lost = 0
    # headers are read by a few threads: on network disks waiting, not computing, takes the time
    with (
        start(progress, "reading headers", len(files), "files") as task,
        ThreadPoolExecutor(4) as pool,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # pydicom warns of each odd value; what matters of them is reported
        for file, (header, reason) in zip(files, pool.map(lambda f: read_header(root / f), files), strict=True):
            task.advance()
            if header is None:
                skipped[file] = reason
                continue
            uid = _text(header, "SOPInstanceUID")
            if uid and uid in seen and _same_file(root / file, root / seen[uid]):
                skipped[file] = f"copy of {seen[uid]}"
                continue
            if uid:
                seen.setdefault(uid, file)
            key = _text(header, "SeriesInstanceUID") or f"file:{file}"
            if key.startswith("file:") and patient_of(header.dataset) and _text(header, "StudyInstanceUID"):
                # one patient's, one study's and one folder's: positions and numbers tell the rest; where nobody is
                # named, files stay alone, as they may be of many people
                key = f"folder:{Path(file).parent.as_posix()}"
                lost += 1
            series[(key, _text(header, "Modality"))].append((file, header))
        items = []
        notes = []
        if lost:
            notes.append(f"{lost} files state no SeriesInstanceUID: taken as series by patient, study and folder")
        for (_, modality), members in series.items():
            members = sorted(members, key=lambda m: m[0])
            datasets, folders = [h.dataset for _, h in members], [str(Path(file).parent) for file, _ in members]
            people, odd = by_person(datasets)
            notes += odd
            split = [by_folder(datasets, folders, g) for g in people]
            parts = [(part, len(g) > 1) for g in split for part in g]
            if any(torn for _, torn in parts):
                notes.append("images that name no patient share one SeriesInstanceUID: told apart by folder")
            for group, torn in parts:
                usable = []
                for file, header in (members[k] for k in group):
                    try:
                        usable.append((file, header, planes_of(len(usable), header.dataset)))
                    except Exception as error:  # pydicom raises many kinds for damaged elements, when looked at
                        text = " ".join(str(error).split())[:120]
                        skipped[file] = f"header cannot be read ({type(error).__name__}: {text})"
                try:
                    made = list(_volumes(usable, modality, notes)) if usable else []
                    # a UID that stands in several people's files says nothing of who they are
                    items += [replace(item, study="") for item in made] if torn else made
                except Exception as error:  # as above, of what only the fields look at
                    text = " ".join(str(error).split())[:120]
                    skipped |= {f: f"header cannot be read ({type(error).__name__}: {text})" for f, *_ in usable}
    if note := _one_file_series(items):
        notes.append(note)
    counted = [f"{text} ({n} times)" if n > 1 else text for text, n in Counter(notes).items()]
    sexes, more = sexes_of([i.header.get("sex") for i in items])
    items = [_with_sex(item, sex) for item, sex in zip(items, sexes, strict=True)]
    return items, skipped, [*counted, *more]


def _one_file_series(items: list[Item]) -> str:
    """A note where one patient's files make a stack by position, but each has a SeriesInstanceUID of its own."""
    alone: dict[tuple, set[tuple]] = defaultdict(set)
    for item in items:
        plane = item.stack.planes[0] if item.stack is not None and len(item.stack.planes) == 1 else None
        if plane is not None and plane.has_place and plane.frame is None:
            axes = tuple(round(v, 2) for v in plane.orientation)
            alone[(item.patient, item.study, plane.shape, axes)].add(plane.position)
    stacked = [len(places) for places in alone.values() if len(places) >= MANY_ALONE]
    return (
        (
            f"{sum(stacked)} files of {len(stacked)} stacks have a SeriesInstanceUID of their own each, though their "
            "positions make volumes: kept as single images"
        )
        if stacked
        else ""
    )


def _with_sex(item: Item, sex: str | None) -> Item:
    stated = item.header.get("sex")
    if stated == sex:
        return item
    header = {k: v for k, v in item.header.items() if k != "sex"}
    if sex is not None:
        return replace(item, header={**header, "sex": sex})
    unusable = {} if stated.upper() in NO_SEX else {"sex": stated}
    return replace(item, header=header, unusable={**item.unusable, **unusable})


def _text(header: Header, keyword: str) -> str:
    try:
        return str(header.dataset.get(keyword, "") or "")
    except Exception:  # a damaged element, which pydicom finds when it is looked at
        return ""


def _same_file(a: Path, b: Path) -> bool:
    return a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes()


def _volumes(members: list[tuple[str, Header, list[Plane]]], modality: str, said: list[str]) -> Iterator[Item]:
    files = [m[0] for m in members]
    mosaics = [m for m in members if is_mosaic(m[1].dataset)]
    for file, header, _ in mosaics:
        yield _item(file, (file,), header, None, len(mosaics) > 1 and "mosaic" or "", said, mosaic=True)
    found = stacks([p for m in members if not is_mosaic(m[1].dataset) for p in m[2]], modality)
    counts: dict[str, int] = defaultdict(int)
    for stack in found:
        used = list(dict.fromkeys(p.file for p in stack.planes))
        place = {k: n for n, k in enumerate(used)}
        moved = Stack(
            tuple(replace(p, file=place[p.file]) for p in stack.planes), stack.affine, stack.label, stack.notes
        )
        first = files[used[0]]
        counts[first] += 1
        several = sum(files[next(iter(dict.fromkeys(p.file for p in s.planes)))] == first for s in found) > 1
        name = f"{first}#{counts[first]}" if several else first
        yield _item(
            name,
            tuple(files[k] for k in used),
            members[used[0]][1],
            moved,
            stack.label,
            said,
            uids=[_text(members[k][1], "SOPInstanceUID") for k in used],
        )


def _item(name, files, header: Header, stack, note, said: list[str], mosaic=False, uids=()) -> Item:
    d = header.dataset
    aliases = [*(_text(header, k) for k in ("SeriesInstanceUID", "SOPInstanceUID", "StudyInstanceUID")), *uids]
    fields, unusable, notes = fields_of(d)
    said += notes
    if stack is not None and stack.planes[0].facts.get("EchoTime"):
        try:
            fields["echo_time"] = float(stack.planes[0].facts["EchoTime"])
        except ValueError:
            pass
    aliases.append(Path(files[0]).parent.as_posix())
    secrets = identifying_words(d)
    if looks_identifying(note) or any(w in note.casefold() for w in secrets):
        note = "named in words that may name a person"
    return Item(
        name,
        "dicom",
        files,
        stack,
        mosaic,
        fields,
        patient_of(d),
        frozenset(secrets),
        tuple(dict.fromkeys(a for a in aliases if a and a != ".")),
        note,
        _text(header, "StudyInstanceUID"),
        unusable,
    )
