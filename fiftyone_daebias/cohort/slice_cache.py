"""The slice cache: decoded slices in one memory-mapped file, so that training reads arrays and not files.

Layout, version 1, in ``DAEBIAS_HOME/cache``::

    slices-v1.bin      arrays, one after the other, C order
    slices-v1.jsonl    one line an array: {"key", "offset", "shape", "dtype", "low", "high", "facts"}

"facts" is what reading the files told besides, as :mod:`.load` keeps it; it
may be missing, or follow in a second line of the same key. A line is
written after its array is on disk, so whatever was interrupted is
simply not there; an incomplete last line is ignored. Writers lock
``slices-v1.lock``. A pruned cache begins with the line {"data": name of its
data file}. ``DAEBIAS_CACHE_GB`` bounds it; without, it leaves a twentieth of
the disk free.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import atomic, paths
from ..errors import StoreError
from ..processes import lock_file

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """Where one array lies, the range of its values, and what reading its files told besides."""

    offset: int
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    facts: dict | None = None

    @property
    def n_bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


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
        self._seen: int | None = None
        self._map: tuple[Path, mmap.mmap] | None = None
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getstate__(self) -> dict:
        return {"folder": self.folder}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["folder"])

    def refresh(self) -> None:
        """Reads what other processes have added, or anew after one has pruned or deleted the cache."""
        if not self.index.exists():
            self._entries, self._read_to, self._seen, self._map = {}, 0, None, None
            return
        with open(self.index, "rb") as stream:
            seen = os.fstat(stream.fileno())
            if seen.st_ino != self._seen or seen.st_size < self._read_to:
                self._entries, self._read_to, self._seen, self._map = {}, 0, seen.st_ino, None
                self.data = self.folder / f"slices-v{VERSION}.bin"
            stream.seek(self._read_to)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            raw = json.loads(line)
            if "data" in raw:
                self.data = self.folder / Path(raw["data"]).name
                return
            entry = Entry(raw["offset"], tuple(raw["shape"]), raw["dtype"], raw["low"], raw["high"], raw.get("facts"))
        except (ValueError, KeyError, TypeError):
            return  # half a line of a killed writer, ended by the next writer
        if entry.offset + entry.n_bytes <= (self.data.stat().st_size if self.data.exists() else 0):
            self._entries[raw["key"]] = entry

    def facts(self, key: str) -> dict | None:
        """What reading the files of a key told besides; ``None`` where that is not known."""
        return self._entries[key].facts if key in self._entries else None

    def add(self, key: str, array: np.ndarray, facts: dict | None = None) -> None:
        """Stores an array under a key; the array of a key that is there already is left alone.

        Args:
            key: of the files' content and how they are read
            array: the slices
            facts: JSON-able; what the files told besides, newer than what there is

        Raises:
            StoreError: the disk is full or not writable, or the cache is at its bound
        """
        array = np.ascontiguousarray(array)
        try:
            atomic.make_folder(self.folder)
            with self._lock():
                self.refresh()
                there = self._entries.get(key)
                if there is not None and facts in (None, there.facts):
                    return
                if there is None:
                    self._ensure_room(array.nbytes)
                    with open(self.data, "ab") as data:
                        entry = _entry(data.seek(0, os.SEEK_END), array, facts)
                        data.write(array.tobytes())
                        data.flush()
                        os.fsync(data.fileno())  # a line without its array would be taken for one after a power loss
                else:
                    entry = replace(there, facts=facts)
                with open(self.index, "ab") as index:
                    torn = index.tell() > self._read_to
                    index.write((b"\n" if torn else b"") + _line(key, entry))
        except OSError as error:
            raise StoreError(
                f"the slice cache in {self.folder} cannot be written ({error.strerror}); free space there or set "
                "DAEBIAS_HOME to another disk"
            ) from error
        self.refresh()

    def _ensure_room(self, n_bytes: int) -> None:
        """Refuses what would go over the bound: DAEBIAS_CACHE_GB, or all but a twentieth of the disk."""
        stated = os.environ.get("DAEBIAS_CACHE_GB")
        disk = shutil.disk_usage(self.folder)
        try:
            room = float(stated) * 1e9 - self.n_bytes if stated else disk.free - disk.total / 20
        except ValueError:
            raise StoreError(f"DAEBIAS_CACHE_GB must be a number of gigabytes; got {stated!r}") from None
        if n_bytes > room:
            bound = f"its bound of {stated} GB" if stated else "the last twentieth of the disk"
            raise StoreError(
                f"the slice cache in {self.folder} ({self.n_bytes / 1e9:.1f} GB) has reached {bound}; run "
                "'daebias cache --prune' to drop what no dataset uses, raise DAEBIAS_CACHE_GB or set DAEBIAS_HOME to "
                "another disk"
            )

    @property
    def n_bytes(self) -> int:
        """Size of the data file."""
        return self.data.stat().st_size if self.data.exists() else 0

    def keys(self) -> list[str]:
        """Keys of all arrays."""
        return list(self._entries)

    def size_of(self, key: str) -> int:
        """Bytes of one array."""
        return self._entries[key].n_bytes

    def prune(self, keep: set[str]) -> int:
        """Drops all arrays but those named; safe to interrupt, and beside readers.

        Returns:
            bytes freed
        """
        with self._lock():
            self.refresh()
            before, old = self.n_bytes, self.data
            data = self.folder / f"slices-v{VERSION}-{uuid.uuid4().hex[:12]}.bin"
            index = data.with_suffix(".jsonl")
            try:
                with open(data, "wb") as out, open(index, "wb") as lines:
                    lines.write(json.dumps({"data": data.name}).encode() + b"\n")
                    for key in [k for k in self._entries if k in keep]:
                        array, entry = self.read(key)
                        lines.write(_line(key, replace(entry, offset=out.tell())))
                        out.write(array.tobytes())
                atomic.to_disk(data)
                atomic.to_disk(index)
                os.replace(index, self.index)
            except BaseException:
                data.unlink(missing_ok=True)
                index.unlink(missing_ok=True)
                raise
            old.unlink(missing_ok=True)
        self.refresh()
        return before - self.n_bytes

    @contextmanager
    def _lock(self):
        with open(self.folder / f"slices-v{VERSION}.lock", "ab") as lock:
            lock_file(lock)
            yield

    def shape(self, key: str) -> tuple[int, ...]:
        return self._entries[key].shape

    def read(self, key: str) -> tuple[np.ndarray, Entry]:
        """The array (memory-mapped, read-only) and its entry."""
        entry = self._entries[key]
        try:
            array = np.ndarray(entry.shape, entry.dtype, self._mapped(entry.offset + entry.n_bytes), entry.offset)
        except FileNotFoundError:  # pruned by another process
            self.refresh()
            if key not in self._entries:
                raise StoreError("the slice cache was pruned while it was read; run the command again") from None
            return self.read(key)
        return array, entry

    def _mapped(self, end: int) -> mmap.mmap:
        """The data file up to ``end`` at least; mapped once, as mapping it for each array takes longer than reading."""
        known = self._map
        if known is None or known[0] != self.data or len(known[1]) < end:
            with open(self.data, "rb") as stream:
                known = self.data, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self._map = known
        return known[1]


def _entry(offset: int, array: np.ndarray, facts: dict | None) -> Entry:
    return Entry(offset, array.shape, array.dtype.str, float(array.min()), float(array.max()), facts)


def _line(key: str, entry: Entry) -> bytes:
    known = {k: v for k, v in entry.__dict__.items() if v is not None}
    return json.dumps({"key": key, **known}).encode() + b"\n"


def file_key(path: Path | str | list[Path], *settings) -> str:
    """Key of one or several files' content under reading settings: other content or settings, another key."""
    digest = hashlib.sha256(repr((VERSION, *settings)).encode())
    for one in path if isinstance(path, list) else [path]:
        with open(one, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
