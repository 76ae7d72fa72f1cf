"""Processes that ``torchrun`` starts at once import FiftyOne one after the other.

FiftyOne starts its database on import, and two that start it at the same
moment in the same folder are in each other's way; the second one finds the
first one's database if it waits for its turn.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_turn() -> Iterator[None]:
    """Inside, no other process of this user's ``torchrun`` is; without one, or with a database that runs, nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or os.environ.get("FIFTYONE_DATABASE_URI"):
        yield
        return
    with open(Path(tempfile.gettempdir()) / f"daebias-turns-{os.getuid()}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
