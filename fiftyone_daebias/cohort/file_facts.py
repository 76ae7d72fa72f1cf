"""What a file says before its pixels are looked at: size, dimensions, depth, format, compression, kind of colour.

A model can read these from the image as it is loaded, resized and padded, and
people who export images for one diagnosis or at one site leave traces in them.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import schema
from . import nifti, raster

#: facts that are seen in the picture, not read from the header
SEEN = ("turned", "text")
#: what each fact is, for a sentence
MEANINGS = {
    "bytes": "file size",
    "rows": "rows of the file",
    "columns": "columns of the file",
    "format": "file format",
    "pixels": "kind of pixels",
    "quality": "JPEG quality",
    "turned": "turned:",
    "text": "burned-in text:",
}
#: how the name of pixels ends whose channels are copies of one another
COPIES = " of equal channels"
#: channels, bits a channel and name of Pillow's modes
_MODES = {
    "1": (1, 1, "black and white"),
    "L": (1, 8, "grey"),
    "LA": (1, 8, "grey, alpha"),
    "P": (3, 8, "palette"),
    "PA": (3, 8, "palette, alpha"),
    "RGB": (3, 8, "RGB"),
    "RGBA": (3, 8, "RGBA"),
    "RGBX": (3, 8, "RGB"),
    "CMYK": (3, 8, "CMYK"),
    "YCbCr": (3, 8, "YCbCr"),
    "LAB": (3, 8, "LAB"),
    "HSV": (3, 8, "HSV"),
    "I;16": (1, 16, "grey"),
    "I;16B": (1, 16, "grey"),
    "I": (1, 32, "grey"),
    "F": (1, 32, "grey"),
}


def shown(field: str) -> str:
    """A field's name as it is told: "daebias_file.bytes" is the file size."""
    if not field.startswith(schema.FILE_PREFIX):
        return field
    return MEANINGS.get(field.removeprefix(schema.FILE_PREFIX), field).rstrip(":")


def file_facts(paths: Sequence[Path], kind: str = "", to_grey: bool = False) -> dict:
    """Facts of a sample's files, from their headers.

    Args:
        paths: its files; of several (a DICOM series) the first speaks for all, but for the size
        kind: "raster", "nifti" or "dicom"; default: by the ending
        to_grey: whether images whose channels differ are among them; without, several channels are copies

    Returns:
        those of ``schema.FILE_FACTS`` that the files state; empty where none can be read
    """
    kind = kind or _kind_of(paths[0])
    try:
        size = int(sum(p.stat().st_size for p in paths))
        facts = {"raster": _raster, "nifti": _nifti, "dicom": _dicom}[kind](paths[0], to_grey)
    except Exception:  # decoders raise nearly anything; a file without facts is no error, its pixels are read elsewhere
        return {}
    return {"bytes": size, **{k: v for k, v in facts.items() if v is not None}}


def _kind_of(path: Path) -> str:
    low = path.name.lower()
    return "raster" if low.endswith(raster.SUFFIXES) else "nifti" if low.endswith(nifti.SUFFIXES) else "dicom"


def _raster(path: Path, to_grey: bool) -> dict:
    from PIL import Image

    with Image.open(path) as image:
        channels, bits, colour = _MODES.get(image.mode, (3, 8, image.mode))
        bits = image.info.get("bits", bits)
        stated = getattr(image, "tag_v2", {}).get(258)  # TIFF's BitsPerSample
        bits = int(stated[0]) if isinstance(stated, tuple) and stated else bits
        facts = {
            "rows": image.height,
            "columns": image.width,
            "format": image.format,
            "pixels": f"{_png_bits(path) or int(bits)}-bit {colour}",
            "quality": jpeg_quality(image.quantization) if image.format == "JPEG" else None,
        }
        if channels > 1:
            pixels = np.asarray(image.convert("RGB")) if to_grey else None
            if pixels is None or all(np.array_equal(pixels[..., 0], pixels[..., c]) for c in (1, 2)):
                facts["pixels"] += COPIES
    return facts


def _png_bits(path: Path) -> int | None:
    """Bits a channel of a PNG, which Pillow reads with 8 where there are several channels."""
    with open(path, "rb") as stream:
        head = stream.read(25)
    return head[24] if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 25 else None


def jpeg_quality(tables: dict[int, Sequence[int]]) -> int | None:
    """Quality from 1 to 100 at which libjpeg would make the luminance table (the nearest, by its sum)."""
    if not tables:
        return None
    total = sum(tables[min(tables)])
    sums = np.array([_table_sum(q) for q in range(1, 101)])
    return int(np.argmin(np.abs(sums - total))) + 1


#: sum of the standard luminance table (ITU-T T.81, annex K) is not linear in quality: its entries are rounded and cut
_LUMINANCE = np.array(
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 18 22 37 56 68 "
    "109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99".split(),
    int,
)


def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return int(np.clip((_LUMINANCE * scale + 50) // 100, 1, 255).sum())


def _nifti(path: Path, to_grey: bool) -> dict:
    import nibabel

    packed = path.name.lower().endswith(".gz")
    with (gzip.open if packed else open)(path, "rb") as stream:
        head = stream.read(540)
    little = head[:4] in (b"\x5c\x01\x00\x00", b"\x1c\x02\x00\x00")
    second = head[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
    cls, length = (nibabel.Nifti2Header, 540) if second else (nibabel.Nifti1Header, 348)
    header = cls(head[:length], endianness="<" if little else ">", check=False)
    dtype, shape = header.get_data_dtype(), header.get_data_shape()
    return {
        "rows": int(shape[0]),
        "columns": int(shape[1]) if len(shape) > 1 else None,
        "format": f"NIfTI-{2 if second else 1}{', gzip' if packed else ''}",
        "pixels": dtype.newbyteorder("=").name if dtype.fields is None else "RGB",
    }


def _dicom(path: Path, to_grey: bool) -> dict:
    import pydicom

    d = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    syntax = getattr(getattr(d, "file_meta", None), "TransferSyntaxUID", None)
    bits, colour = _number(d.get("BitsStored")), str(d.get("PhotometricInterpretation", "") or "")
    signed = "signed " if d.get("PixelRepresentation") else ""
    return {
        "rows": _number(d.get("Rows")),
        "columns": _number(d.get("Columns")),
        "format": f"DICOM, {syntax.name}" if syntax is not None and syntax.name != str(syntax) else "DICOM",
        "pixels": f"{bits}-bit {signed}{colour}".strip() if bits else None,
    }


def _number(value) -> int | None:
    return None if value in (None, "") else int(value)
