"""Finding what is to be registered: raster images, NIfTI volumes, and DICOM volumes out of series."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CohortError
from ..progress import Progress, start
from . import nifti, raster
from .dicom.frames import planes_of
from .dicom.group import Plane, Stack, stacks
from .dicom.header import fields_of, identifying_words
from .dicom.mosaic import is_mosaic
from .dicom.scan import Header, looks_like_dicom, read_header

#: files that lie in cohorts and are no images; named in the report only when nothing else is found
_BYSTANDERS = (".json", ".csv", ".tsv", ".txt", ".md", ".bval", ".bvec", ".xml", ".pdf", ".html", ".xlsx", ".parquet",
               ".yml", ".yaml", ".zip", ".log", ".gz", ".npy", ".npz", ".mat", ".py", ".cff", ".bib")


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


def find_items(where: Path, progress: Progress | None = None) -> tuple[Path, list[Item], dict[str, str]]:
    """Looks through a folder, or at one file.

    Returns:
        the root, the items in order of their names, and ``{file: reason}`` of files that are no images

    Raises:
        CohortError: no such folder, or nothing in it that is an image
    """
    if where.is_file():
        root, files = where.parent.resolve(), [where.name]
    elif where.is_dir():
        root = where.resolve()
        files = list(_walk(root))
    else:
        raise CohortError(f"image folder {where} does not exist")
    items, skipped, dicom = [], {}, []
    for file in files:
        low = file.lower()
        if low.endswith(raster.SUFFIXES):
            items.append(Item(file, "raster", (file,)))
        elif low.endswith(nifti.SUFFIXES):
            items.append(Item(file, "nifti", (file,), header=nifti.read_sidecar(root / file)))
        elif low.endswith((".dcm", ".ima", ".dicom")) or looks_like_dicom(root / file):
            dicom.append(file)
        elif not low.endswith(_BYSTANDERS):
            skipped[file] = "not an image that is read here (DICOM, NIfTI, PNG, JPEG, TIFF, BMP)"
    if dicom:
        found, left_out = _dicom_items(root, dicom, progress)
        items += found
        skipped |= left_out
    if not items:
        if skipped:
            file, reason = next(iter(skipped.items()))
            raise CohortError(f"no images in {where}: {len(skipped)} files were looked at, {file}: {reason}")
        raise CohortError(
            f"no images in {where}; expected DICOM, NIfTI or files ending in {', '.join(raster.SUFFIXES)}"
        )
    return root, sorted(items, key=lambda i: i.name), skipped


def _walk(root: Path) -> Iterator[str]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith((".", "__MACOSX")))
        for n in sorted(names):
            if not n.startswith("."):
                yield (Path(folder) / n).relative_to(root).as_posix()


def _dicom_items(root: Path, files: list[str], progress) -> tuple[list[Item], dict[str, str]]:
    series: dict[tuple, list[tuple[str, Header]]] = defaultdict(list)
    skipped: dict[str, str] = {}
    seen: dict[str, str] = {}
    # headers are read by a few threads: on network disks waiting, not computing, takes the time
    with start(progress, "reading headers", len(files), "files") as task, ThreadPoolExecutor(4) as pool:
        for file, (header, reason) in zip(files, pool.map(lambda f: read_header(root / f), files), strict=True):
            task.advance()
            if header is None:
                skipped[file] = reason
                continue
            uid = str(header.dataset.get("SOPInstanceUID", "") or "")
            if uid and uid in seen and _same_file(root / file, root / seen[uid]):
                skipped[file] = f"copy of {seen[uid]}"
                continue
            if uid:
                seen.setdefault(uid, file)
            key = str(header.dataset.get("SeriesInstanceUID", "") or "") or f"file:{file}"
            series[(key, str(header.dataset.get("Modality", "")))].append((file, header))
    items = []
    for members in series.values():
        usable = []
        for file, header in sorted(members, key=lambda m: m[0]):
            try:
                usable.append((file, header, planes_of(len(usable), header.dataset)))
            except Exception as error:  # pydicom raises many kinds for damaged elements, only when they are looked at
                skipped[file] = f"header cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
        if usable:
            items += _volumes(usable)
    return items, skipped


def _same_file(a: Path, b: Path) -> bool:
    return a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes()


def _volumes(members: list[tuple[str, Header, list[Plane]]]) -> Iterator[Item]:
    names = [m[0] for m in members]
    mosaics = [m for m in members if is_mosaic(m[1].dataset)]
    for file, header, _ in mosaics:
        yield _item(file, (file,), header, None, len(mosaics) > 1 and "mosaic" or "", mosaic=True)
    found = stacks([p for m in members if not is_mosaic(m[1].dataset) for p in m[2]])
    counts: dict[str, int] = defaultdict(int)
    for stack in found:
        used = list(dict.fromkeys(p.file for p in stack.planes))
        place = {k: n for n, k in enumerate(used)}
        moved = Stack(
            tuple(replace(p, file=place[p.file]) for p in stack.planes), stack.affine, stack.label, stack.notes
        )
        first = names[used[0]]
        counts[first] += 1
        several = sum(names[next(iter(dict.fromkeys(p.file for p in s.planes)))] == first for s in found) > 1
        name = f"{first}#{counts[first]}" if several else first
        yield _item(name, tuple(names[k] for k in used), members[used[0]][1], moved, stack.label)


def _item(name, files, header: Header, stack, note, mosaic=False) -> Item:
    d = header.dataset
    patient = str(d.get("PatientID", "") or "").strip()
    if not patient:
        patient = str(d.get("PatientName", "") or "").strip()
    aliases = [str(d.get(k, "") or "") for k in ("SeriesInstanceUID", "SOPInstanceUID", "StudyInstanceUID")]
    aliases.append(Path(files[0]).parent.as_posix())
    fields = fields_of(d)
    if stack is not None and stack.planes[0].facts.get("EchoTime"):
        try:
            fields["echo_time"] = float(stack.planes[0].facts["EchoTime"])
        except ValueError:
            pass
    return Item(
        name, "dicom", files, stack, mosaic, fields,
        (patient, str(d.get("IssuerOfPatientID", "") or "")) if patient else None,
        frozenset(identifying_words(d)), tuple(a for a in aliases if a and a != "."), note,
    )
