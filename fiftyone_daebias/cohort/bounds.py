"""Bounds on what a compressed file may grow to, looked at before it is unpacked.

A few megabytes of zeros unpack to gigabytes. Deflate, of which gzip, zip and deflated DICOM are made, shrinks at most
1,032-fold, and pictures of people hardly ever tenfold; label maps shrink more, but are small.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

from ..errors import CohortError

#: no zlib stream grows more than so much
MOST_RATIO = 1032
#: what grows so much and gets larger than this is no image of a person, bytes
ODD_RATIO, ODD_SIZE = 200, 1 << 30
_DEFLATED = b"1.2.840.10008.1.2.1.99"


def check_growth(path: Path | str, n_bytes: int, packed: int | None = None) -> None:
    """Refuses content that would not fit into memory or that no honest file of that size holds.

    Args:
        path: the file
        n_bytes: what its header says that it holds
        packed: bytes that it has now; default: the size of the file

    Raises:
        CohortError: it is refused, with both sizes
    """
    packed = os.stat(path).st_size if packed is None else packed
    room = _memory() // 2
    if n_bytes > room:
        raise CohortError(
            f"{Path(path).name} says that it holds {n_bytes / 1e9:.1f} GB, more than half of this machine's memory; it "
            "was not read"
        )
    if n_bytes > MOST_RATIO * max(packed, 1024) or n_bytes > ODD_SIZE and n_bytes > ODD_RATIO * packed:
        raise CohortError(
            f"{Path(path).name} has {packed:,} bytes and says that it holds {n_bytes:,}, which no image does; it was "
            "not unpacked"
        )


def check_workbook(path: Path | str) -> None:
    """Refuses an Excel file, a zip of texts, by the sizes that its directory gives.

    Raises:
        CohortError: it would grow too much
    """
    try:
        with zipfile.ZipFile(path) as book:
            total = sum(i.file_size for i in book.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # what it is is said by its reader
    packed = os.stat(path).st_size
    if total > ODD_SIZE or total > 50 << 20 and total > ODD_RATIO * packed:
        raise CohortError(
            f"table {Path(path).name} has {packed:,} bytes and would grow to {total:,}; it was not opened: save it "
            "as CSV"
        )


def check_deflated(path: Path | str) -> None:
    """Unpacks a deflated DICOM file into nothing, and stops where no image would go on.

    Raises:
        CohortError: it grows too much
    """
    with open(path, "rb") as stream:
        head = stream.read(1024)
        at = head.find(_DEFLATED)
        if at < 0:
            return
        # the group of the file's own facts says how long it is, right behind the preamble
        length = int.from_bytes(head[140:144], "little") if head[128:136] == b"DICM\x02\x00\x00\x00" else 0
        stream.seek(144 + length if length else at + len(_DEFLATED))
        packed = os.stat(path).st_size
        most = min(_memory() // 4, max(ODD_SIZE, ODD_RATIO * packed) if packed > 1 << 20 else ODD_RATIO * (1 << 20))
        unpack, grown = zlib.decompressobj(-zlib.MAX_WBITS), 0
        try:
            while block := stream.read(1 << 16):
                while block:
                    grown += len(unpack.decompress(block, 1 << 20))
                    if grown > most:
                        raise CohortError(
                            f"{Path(path).name} has {packed:,} bytes and grows to more than {most:,}, which no image "
                            "does; it was not read"
                        )
                    block = unpack.unconsumed_tail
        except zlib.error:
            return  # damaged: its reader says so


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 << 30
