"""Live progress with time left, and stopping: for runs in the App and in the background.

FiftyOne 1.22 has no way to stop an operator. An immediate operator may be a
generator whose messages reach the App while it runs; its button "Stop" sets a
flag in the dataset's execution store, and so does the operator "Stop a
background run". The verb learns of it at its next step of progress, raises
``Cancelled``, and keeps what it had finished.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from fiftyone.operators.store import ExecutionStore

from fiftyone_daebias.errors import Cancelled
from fiftyone_daebias.estimates import duration_words

STORE = "daebias_stop"
#: seconds between two messages, and between two looks at the flag
EVERY = 0.5
#: flags older than this are forgotten, in seconds
FORGET = 86_400


class StopFlag:
    """Whether somebody asked a run to stop; kept in the database, so that any process may set it."""

    def __init__(self, token: str = ""):
        self.token = token or uuid.uuid4().hex
        self._looked = 0.0

    def set(self) -> None:
        _store().set(self.token, True, ttl=FORGET)

    def raise_if_set(self) -> None:
        """Looks at most twice a second.

        Raises:
            Cancelled: somebody asked to stop
        """
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        if _store().get(self.token):
            raise Cancelled("stopped; what was finished is kept: run the same step again to go on from there")

    def clear(self) -> None:
        _store().delete(self.token)


def _store() -> ExecutionStore:
    return ExecutionStore.create(STORE)


class _Task:
    def __init__(self, tell: Callable[[float | None, str], None], flag: StopFlag, label, total, unit):
        self._tell, self._flag, self._label, self._total, self._unit = tell, flag, label, total, unit
        self._done, self._began, self._told = 0, time.monotonic(), 0.0
        self._say("")

    def advance(self, n: int = 1, note: str = "") -> None:
        self._done += n
        self._flag.raise_if_set()
        now = time.monotonic()
        if now - self._told >= EVERY or self._done == self._total:
            self._told = now
            self._say(note)

    def _say(self, note: str) -> None:
        share = min(self._done / self._total, 1.0) if self._total else None
        text = f"{self._label}: {self._done:,}" + (f" of {self._total:,}" if self._total else "") + f" {self._unit}"
        elapsed = time.monotonic() - self._began
        if share and elapsed > 2 and self._done < self._total:
            text += f", about {duration_words(elapsed * (1 - share) / share)} left"
        self._tell(share, f"{text} ({note})" if note else text)

    def close(self) -> None:
        pass


class LiveProgress:
    """What a verb reports to: forwards ``(share done or None, words)``, and raises when somebody asked to stop."""

    def __init__(self, tell: Callable[[float | None, str], None], flag: StopFlag):
        self._tell, self._flag = tell, flag

    def task(self, label: str, total: int | None, unit: str) -> _Task:
        return _Task(self._tell, self._flag, label, total, unit)

    def say(self, message: str) -> None:
        self._flag.raise_if_set()
        self._tell(None, message)


def follow(work: Callable[[LiveProgress], object], flag: StopFlag) -> Iterator[tuple[float | None, str]]:
    """Runs ``work`` in a thread of its own and yields its progress until it is done.

    Closing the iterator (the browser went away) asks the work to stop.

    Args:
        work: called with the progress to report to
        flag: its stop flag

    Returns:
        (through ``yield from``) what ``work`` returned

    Raises:
        whatever ``work`` raised
    """
    told: queue.Queue = queue.Queue()
    outcome: dict[str, object] = {}

    def run() -> None:
        try:
            outcome["result"] = work(LiveProgress(lambda share, text: told.put((share, text)), flag))
        except BaseException as error:  # carried over to the thread that waits
            outcome["error"] = error
        told.put(None)

    thread = threading.Thread(target=run, daemon=True, name="daebias-operator")
    thread.start()
    try:
        while (message := told.get()) is not None:
            yield message
    except GeneratorExit:
        flag.set()
        raise
    thread.join()
    flag.clear()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
