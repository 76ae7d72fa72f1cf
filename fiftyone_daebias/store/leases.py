"""A lease for each dataset: one writer at a time, whatever process or machine it works on.

FiftyOne writes lists such as a dataset's schema as a whole, so of two processes that change one at the same moment,
one loses its change without a word. A lease is one document, taken by find-and-modify by the clock of the database,
renewed while its holder works and deleted when it is done. One that a crash left behind ends by itself, or at once
where its process can be seen to be gone; whoever takes it then sweeps up what the dead process had half written.
"""

from __future__ import annotations

import contextlib
import contextvars
import getpass
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import fiftyone as fo
import fiftyone.core.odm as odm
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from ..errors import InputError, StoreError
from ..processes import machine, started
from ..progress import Progress, start
from .connection import is_away
from .samples import mend_estimate
from .sweep import sweep

COLLECTION = "daebias_leases"
#: a lease that is not renewed ends after so many seconds
LASTS = 60.0
#: how long a second writer waits unless told otherwise (``DAEBIAS_WAIT``, ``--wait``), seconds
PATIENCE = 600.0
#: seconds between two tries
_EVERY = 0.5

_held: contextvars.ContextVar[tuple[Lease, ...]] = contextvars.ContextVar("daebias_leases", default=())


class Lease:
    """What a process holds while it writes; see :func:`lease`."""

    def __init__(self, name: str, verb: str):
        self.name, self.owner, self.verb = name, uuid.uuid4().hex, verb
        self.lost = False
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True, name="daebias-lease")

    def take(self, wait: float, progress: Progress | None) -> list[str]:
        """Takes it, or waits for it.

        Returns:
            marks of the processes that died while they held it (see :func:`sweep.sweep`)

        Raises:
            StoreError: another process still holds it after ``wait`` seconds
        """
        until = time.monotonic() + wait
        found = self._try()
        if found["owner"] != self.owner and wait > 0:
            label = f"waiting for {_words(found)}"
            with start(progress, label, unit="s") as task:
                told = time.monotonic()
                while found["owner"] != self.owner and (left := until - time.monotonic()) > 0:
                    time.sleep(min(_EVERY, left))
                    found = self._try()
                    passed = int(time.monotonic() - told)
                    told += passed
                    task.advance(passed)
        if found["owner"] != self.owner:
            raise StoreError(
                f"{self.name!r} is being written by {_words(found)}; try again when it is done, or wait longer "
                f"with --wait SECONDS (it was {wait:g})"
            )
        self._renewer.start()
        return list(found.get("crashed") or ())

    def _try(self) -> dict:
        """The lease as it stands after one attempt to take it."""
        ours = {
            "owner": self.owner,
            "verb": self.verb,
            "user": _user(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "machine": machine(),
            "started": started(os.getpid()),
            "mark": _mark(),
            "since": "$$NOW",
            "expires": {"$add": ["$$NOW", int(1000 * LASTS)]},
            "crashed": {
                "$setUnion": [{"$ifNull": ["$crashed", []]}, {"$cond": [{"$gt": ["$mark", None]}, ["$mark"], []]}]
            },
        }
        free = {"$lt": [{"$ifNull": ["$expires", None]}, "$$NOW"]}
        found = self._swap({"_id": self.name}, {"$cond": [free, {"$mergeObjects": ["$$ROOT", ours]}, "$$ROOT"]})
        if found["owner"] != self.owner and _is_gone(found):
            theirs = {"_id": self.name, "owner": found["owner"]}
            with contextlib.suppress(DuplicateKeyError):  # somebody else was quicker
                found = self._swap(theirs, {"$mergeObjects": ["$$ROOT", ours]})
        return found

    def _swap(self, which: dict, document: dict) -> dict:
        for last in (False, True):
            try:
                return _leases().find_one_and_update(
                    which, [{"$replaceWith": document}], upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:  # two made it at the same moment; or another owner has it now
                if last:
                    raise
        raise AssertionError

    def _renew(self) -> None:
        while not self._done.wait(LASTS / 4):
            try:
                more = {"$add": ["$$NOW", int(1000 * LASTS)]}
                here = _leases().update_one({"_id": self.name, "owner": self.owner}, [{"$set": {"expires": more}}])
                self.lost = here.matched_count == 0
            except PyMongoError:
                continue  # the database is away; the writer itself will meet that
            if self.lost:
                return

    def check(self) -> None:
        """Raises unless it is still held.

        Raises:
            StoreError: it ended, because this process stood still for longer than it lasts, and another may write
        """
        if self.lost:
            raise StoreError(
                f"this process stood still so long that another may write to {self.name!r}; nothing more was "
                "written: run the step again"
            )

    def swept(self) -> None:
        """Notes that what dead processes had left is gone."""
        _leases().update_one({"_id": self.name, "owner": self.owner}, {"$set": {"crashed": []}})

    def give_back(self) -> None:
        self._done.set()
        if self.lost:
            return
        with contextlib.suppress(PyMongoError):  # it then ends by itself
            _leases().delete_one({"_id": self.name, "owner": self.owner})


@contextlib.contextmanager
def lease(
    samples, verb: str, progress: Progress | None = None, *, part: str = "", wait: float | None = None
) -> Iterator[None]:
    """Holds the lease of a dataset; inside one, another of the same dataset is the same.

    Args:
        samples: a dataset or view, or the name of a dataset to be; it is read again once the lease is held
        verb: who writes, in a word
        progress: told while another process is waited for
        part: what of it is written, if not the dataset itself
        wait: most seconds to wait; default: ``DAEBIAS_WAIT``, else ten minutes

    Raises:
        StoreError: another process writes and did not end in time
        InputError: it was deleted meanwhile
    """
    dataset = getattr(samples, "_dataset", None)
    name = (dataset.name if dataset is not None else str(samples)) + (f" ({part})" if part else "")
    one_of_many = int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0
    if one_of_many or any(held.name == name for held in _held.get()):
        yield
        return
    mine = Lease(name, verb)
    crashed = mine.take(_patience() if wait is None else wait, progress)
    token = _held.set((*_held.get(), mine))
    try:
        if not part:
            _refresh(dataset, name, crashed)
        mine.swept()
        yield
    except BaseException as error:
        mine.lost |= is_away(error)  # it then ends by itself
        if isinstance(error, KeyboardInterrupt) and not part and not mine.lost:
            _sweep_own(dataset, name)
        raise
    finally:
        _held.reset(token)
        mine.give_back()


def check_lease() -> None:
    """Raises when a lease that this process worked under has ended.

    Raises:
        StoreError: another process may be writing
    """
    for held in _held.get():
        held.check()


def _refresh(dataset: fo.Dataset | None, name: str, crashed: list[str]) -> None:
    """Reads the dataset as other processes left it, and sweeps up after those that died."""
    if not fo.dataset_exists(name):
        if dataset is not None:
            raise InputError(f"dataset {name!r} was deleted meanwhile; register it again")
        return
    if dataset is None:
        dataset = fo.load_dataset(name)
    dataset.reload()
    for results in (dataset._run_cache, dataset._brain_cache, dataset._evaluation_cache):
        results.clear()
    mend_estimate(dataset)
    if crashed:
        sweep(dataset._doc.id, crashed)


def _sweep_own(dataset: fo.Dataset | None, name: str) -> None:
    """Sweeps up what this process, which is asked to end, had half written: nobody will once its lease is back."""
    with contextlib.suppress(Exception):
        if dataset is not None:
            dataset.reload()  # else FiftyOne would write down what this process holds, half done as it is
        sweep(odm.get_db_conn().datasets.find_one({"name": name})["_id"], [_mark()])


def _mark() -> str:
    """The bytes that all ids of this process share."""
    return ObjectId().binary[4:9].hex()


def _leases():
    return odm.get_db_conn()[COLLECTION]


def _patience() -> float:
    text = os.environ.get("DAEBIAS_WAIT") or str(PATIENCE)
    try:
        return float(text)
    except ValueError:
        raise StoreError(f"DAEBIAS_WAIT must be a number of seconds; got {text!r}") from None


def _words(found: dict) -> str:
    return f"'{found['verb']}' (process {found['pid']} of {found['user']} on {found['host']})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "somebody"


def _is_gone(found: dict) -> bool:
    here = machine()
    return bool(here) and found.get("machine") == here and started(found["pid"]) != found.get("started")
