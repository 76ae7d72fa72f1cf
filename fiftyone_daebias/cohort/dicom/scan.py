"""Reading the headers of DICOM files and telling images from what is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from ...errors import CohortError
from ..bounds import check_deflated


@dataclass(frozen=True)
class Header:
    """A file that is a DICOM image, with its header."""

    path: Path
    dataset: pydicom.Dataset


def looks_like_dicom(path: Path) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without preamble."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return True
    # Without preamble a file starts with a tag of group 0002 or 0008, in either byte order, of a known element.
    group, element = head[:2], head[2:4]
    if group in (b"\x02\x00", b"\x08\x00"):
        little = True
    elif group in (b"\x00\x02", b"\x00\x08"):
        little = False
    else:
        return False
    number = int.from_bytes(element, "little" if little else "big")
    return number <= 0x0100


def read_header(path: Path) -> tuple[Header | None, str]:
    """Reads a header; anything that is not an image is named.

    Returns:
        the header and "", or ``None`` and why the file is left out
    """
    if path.name.upper() == "DICOMDIR":
        return None, "DICOMDIR: an index, its files are read by themselves"
    try:
        check_deflated(path)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        name = dataset.get("SOPClassUID", None)
        meta = getattr(dataset, "file_meta", None)
        if name is None and meta is not None:
            name = meta.get("MediaStorageSOPClassUID", None)
        kind = UID(str(name)).name if name else ""
        if "Media Storage Directory" in kind:
            return None, "DICOMDIR: an index, its files are read by themselves"
        if not len(dataset):
            return None, "not DICOM, or nothing in it"
        if "Rows" not in dataset or "Columns" not in dataset:
            if kind:
                return None, f"no image: a header without pixels ({kind})"
            return None, "no image: neither Rows and Columns nor a SOP class"
        if int(dataset.Rows or 0) < 1 or int(dataset.Columns or 0) < 1:
            return None, f"no image: {dataset.Rows} x {dataset.Columns} pixels"
        if "Segmentation" in kind or "Presentation State" in kind or "RT Dose" in kind:
            return None, f"no image: {kind}"
    except CohortError as error:
        return None, str(error)
    except InvalidDicomError as error:
        return None, f"not DICOM ({error})"
    except Exception as error:  # a damaged header may raise anything; the file is named in the report
        return None, f"header cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
    return Header(path, dataset), ""
