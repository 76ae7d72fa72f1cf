"""Writing files so that one is whole or not there, whatever is killed and however full the disk is.

A file is written under a name of its own beside its place, brought to disk, and moved into place. What cannot be
written stops the step with the path and what is needed: a full disk is never mistaken for an unreadable image.
Files are for their owner's eyes only unless told otherwise, since nearly all of them show people.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from .errors import DaebiasError, WriteError
from .processes import is_dead, mark

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700

_swept: set[Path] = set()
_NEEDED = {
    errno.ENOSPC: "free space there, or choose another disk (DAEBIAS_HOME)",
    errno.EDQUOT: "your quota there is used up: free space, or choose another disk (DAEBIAS_HOME)",
    errno.EFBIG: "no file may get that large there: free the limit (ulimit -f), or choose another disk (DAEBIAS_HOME)",
    errno.ENOENT: "that folder does not exist: make it, or choose another place",
    errno.EROFS: "that disk is read-only: choose another one (DAEBIAS_HOME)",
    errno.EACCES: "permission to write there is needed, or another place (DAEBIAS_HOME)",
    errno.EPERM: "permission to write there is needed, or another place (DAEBIAS_HOME)",
}


@contextlib.contextmanager
def replacing(
    path: Path | str,
    *,
    error: type[DaebiasError] = WriteError,
    prefix: str = "",
    mode: int | None = PRIVATE_FILE,
    folders: bool = True,
) -> Iterator[Path]:
    """Yields a path to write to; when the block ends well it takes the place of ``path``, at once and for good.

    Args:
        path: where the file belongs
        error: class of the error that says that it cannot be written
        prefix: what the message begins with, as "out: "
        mode: rights of the file; ``None`` leaves them to the system
        folders: whether folders on the way are made

    Raises:
        error: it cannot be written; nothing is left of the attempt, and what was there before stays
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{mark()}.{threading.get_ident()}.part")
    try:
        if folders:
            make_folder(path.parent)
        _sweep(path.parent)
        try:
            yield part
            if mode is not None:
                os.chmod(part, mode)
            to_disk(part)
            os.replace(part, path)
            to_disk(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise error(f"{prefix}{cannot_write(path, problem)}") from problem


def write_bytes(path: Path | str, data: bytes, **options) -> None:
    """Writes a whole file; options as of :func:`replacing`."""
    with replacing(path, **options) as part:
        part.write_bytes(data)


def write_text(path: Path | str, text: str, **options) -> None:
    """Writes a whole UTF-8 file; options as of :func:`replacing`. What is no text (half a surrogate) becomes "?"."""
    write_bytes(path, text.encode("utf-8", errors="replace"), **options)


def make_folder(path: Path | str) -> None:
    """Makes a folder and those above it, each readable by its owner only; folders that are there stay as they are.

    Raises:
        OSError: it cannot be made
    """
    path = Path(path)
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def to_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it
            raise
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Deletes what dead processes had half written to a folder; once a folder and process."""
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            parts = entry.name.rsplit(".", 3)
            if parts[-1] == "part" and len(parts) == 4 and parts[1].count("-") == 2 and is_dead(parts[1]):
                os.unlink(entry.path)


def cannot_write(path: Path, problem: OSError) -> str:
    """What to say when a file cannot be written: the path, the reason and what is needed."""
    reason = problem.strerror or str(problem)
    return f"{path} cannot be written ({reason}); {_NEEDED.get(problem.errno, 'choose another place')}"
