"""The slice cache: decoded slices in one memory-mapped file, so that training reads arrays and not files.

Layout, version 1, in ``DAEBIAS_HOME/cache``::

    slices-v1.bin      arrays, one after the other, C order
    slices-v1.jsonl    one line an array: {"key", "offset", "shape", "dtype", "low", "high"}

A line is written after its array is on disk, so whatever was interrupted is
simply not there; an incomplete last line is ignored. Writers take a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import paths
from ..errors import StoreError

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """Where one array lies and the range of its values."""

    offset: int
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float


class SliceCache:
    """Arrays by content key; many processes may read while one writes.

    Args:
        folder: where the cache lies; default ``DAEBIAS_HOME/cache``
    """

    def __init__(self, folder: Path | None = None):
        self.folder = Path(folder) if folder is not None else paths.cache_dir()
        self.data = self.folder / f"slices-v{VERSION}.bin"
        self.index = self.folder / f"slices-v{VERSION}.jsonl"
        self._entries: dict[str, Entry] = {}
        self._read_to = 0
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getstate__(self) -> dict:
        return {"folder": self.folder}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["folder"])

    def refresh(self) -> None:
        """Reads what other processes have added."""
        if not self.index.exists():
            self._entries, self._read_to = {}, 0
            return
        size = self.data.stat().st_size if self.data.exists() else 0
        if self.index.stat().st_size < self._read_to:  # somebody deleted the cache and it began anew
            self._entries, self._read_to = {}, 0
        with open(self.index, "rb") as stream:
            stream.seek(self._read_to)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                try:
                    raw = json.loads(line)
                    entry = Entry(raw["offset"], tuple(raw["shape"]), raw["dtype"], raw["low"], raw["high"])
                except (ValueError, KeyError):
                    continue  # half a line of a killed writer, ended by the next writer
                end = entry.offset + int(np.prod(entry.shape)) * np.dtype(entry.dtype).itemsize
                if end <= size:
                    self._entries[raw["key"]] = entry

    def add(self, key: str, array: np.ndarray) -> None:
        """Stores an array under a key; a key that is there already is left alone.

        Raises:
            StoreError: the disk is full or not writable
        """
        array = np.ascontiguousarray(array)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.data, "ab") as data, open(self.index, "ab") as index:
                fcntl.flock(index, fcntl.LOCK_EX)
                self.refresh()
                if key in self._entries:
                    return
                offset = data.seek(0, os.SEEK_END)
                data.write(array.tobytes())
                data.flush()
                entry = {
                    "key": key, "offset": offset, "shape": array.shape, "dtype": array.dtype.str,
                    "low": float(array.min()), "high": float(array.max()),
                }
                torn = index.tell() > self._read_to
                index.write((b"\n" if torn else b"") + json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise StoreError(
                f"the slice cache in {self.folder} cannot be written ({error.strerror}); free space there or set "
                "DAEBIAS_HOME to another disk"
            ) from error
        self.refresh()

    def shape(self, key: str) -> tuple[int, ...]:
        return self._entries[key].shape

    def read(self, key: str) -> tuple[np.ndarray, Entry]:
        """The array (memory-mapped, read-only) and its entry."""
        entry = self._entries[key]
        array = np.memmap(self.data, dtype=entry.dtype, mode="r", offset=entry.offset, shape=entry.shape)
        return array, entry


def file_key(path: Path | str | list[Path], *settings) -> str:
    """Key of one or several files' content under reading settings: other content or settings, another key."""
    digest = hashlib.sha256(repr((VERSION, *settings)).encode())
    for one in path if isinstance(path, list) else [path]:
        with open(one, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
