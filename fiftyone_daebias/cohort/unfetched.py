"""Files that lie in a folder but whose content does not: links and pointers of DataLad, git-annex and Git LFS."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: a pointer is smaller than this, bytes
_SMALL = 1024
_ANNEX = "content not fetched (git-annex): run 'datalad get .' or 'git annex get .' in its folder"
_LFS = "content not fetched (Git LFS): run 'git lfs pull' in its folder"


def not_here(path: Path) -> str:
    """Why a file's content cannot be read from here, with the command that fetches it; "" when it can.

    Reads a few bytes of small files only, and never opens what is no regular file (a pipe would wait for ever).
    """
    try:
        found = os.stat(path)
    except OSError as error:
        if path.is_symlink():
            target = os.readlink(path)
            return _ANNEX if "annex/objects" in target else "a link to a file that is not there"
        return f"cannot be opened ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file"
    if not 0 < found.st_size < _SMALL:
        return ""
    try:
        with open(path, "rb") as stream:
            head = stream.read(200)
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return _LFS
    return _ANNEX if head.startswith(b"/annex/objects/") else ""
