"""Which key files had when they were last read, so that what nobody touched is not read again to learn it is the same.

Files count as untouched while their paths, sizes, inodes and times are as they were: the time of the content, which
a copying program may set back, and that of the last change of any kind, which only the system sets (on Windows, which
keeps no such time, size and time of the content alone). Layout, version 1, in ``DAEBIAS_HOME/cache``::

    stamps-v1.txt      a line a reading: hash of all that, space, key in the slice cache

No path is stored. Of two lines with the same hash the later one holds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from .. import atomic
from ..errors import StoreError

VERSION = 1
#: seconds in which a file may change once more without other times: the coarsest grain that file systems have is 2
GRAIN = 3.0


class Stamps:
    """Keys by stamp; what is put is written by :meth:`save`.

    Args:
        folder: where the slice cache lies
    """

    def __init__(self, folder: Path):
        self.path = folder / f"stamps-v{VERSION}.txt"
        self._keys: dict[str, str] = {}
        self._new: dict[str, str] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="ascii", errors="replace").splitlines():
                stamp, _, key = line.partition(" ")
                if len(stamp) == 32 and len(key) == 64:  # others are what a killed writer has left
                    self._keys[stamp] = key

    def get(self, stamp: str) -> str | None:
        """The key that the files had with this stamp."""
        return self._keys.get(stamp)

    def put(self, stamp: str, key: str) -> None:
        """Notes a key; the stamp is that of :func:`stamp_of` *before* the files were read."""
        if stamp and key and self._keys.get(stamp) != key:
            self._keys[stamp] = self._new[stamp] = key

    def save(self) -> None:
        """Writes what was put."""
        if not self._new:
            return
        try:
            atomic.make_folder(self.path.parent)
            with open(self.path, "a", encoding="ascii") as stream:
                stream.write(_lines(self._new))
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror}); free space there") from error
        self._new = {}

    def prune(self, keep: set[str]) -> None:
        """Drops the stamps of all keys but those named."""
        if self.path.exists():
            self._keys = {stamp: key for stamp, key in self._keys.items() if key in keep}
            with atomic.replacing(self.path) as part:
                part.write_text(_lines(self._keys), encoding="ascii")


def _lines(keys: dict[str, str]) -> str:
    """Begun by an end of line, as the last writer may have been killed in the middle of one."""
    return "\n" + "".join(f"{stamp} {key}\n" for stamp, key in keys.items())


def stamp_of(files: Sequence[Path], *settings) -> str:
    """Hash of paths, sizes, inodes and times; "" where a file is so young that it may still change within their grain.

    Args:
        files: all files of an item; "" is given where one is not there
        settings: how they are read
    """
    facts, newest = [], 0.0
    for path in files:
        try:
            s = path.stat()
        except OSError:
            return ""
        newest = max(newest, s.st_mtime, s.st_ctime)
        facts.append((str(path), s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino))
    if newest > time.time() - GRAIN:
        return ""
    return hashlib.blake2b(repr((settings, facts)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
