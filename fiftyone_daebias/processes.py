"""Naming processes, so that what a dead one left behind is told from what a living one is writing; and file locks."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@cache
def machine() -> str:
    """Names the set of processes in which a process number means one process; "" where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started(pid: int) -> str:
    """When a process began, in the kernel's ticks, since numbers of processes are used again; "" if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def mark() -> str:
    """Names this process in a file's name."""
    pid = os.getpid()
    return f"{_place()}-{pid}-{started(pid) or 0}"


def is_dead(name: str) -> bool:
    """Whether a process that :func:`mark` named is known to be gone."""
    place, pid, begun = name.split("-")
    return bool(machine()) and place == _place() and pid.isdigit() and started(int(pid)) != begun


def _place() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]


def lock_file(stream, wait: bool = True) -> None:
    """Locks an open file for this process alone; the system frees it when the file is closed, however that happens.

    Args:
        stream: a file that is open for writing
        wait: whether to wait for a process that holds it

    Raises:
        OSError: another process holds it and ``wait`` is false, or the file system knows no locks
    """
    if fcntl is not None:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt

    stream.seek(0)
    while True:
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            return
        except OSError:  # LK_LOCK gives up after ten seconds
            if not wait:
                raise
