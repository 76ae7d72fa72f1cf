"""Progress reporting: the library reports to whoever is listening, and prints nothing.

A long function takes ``progress: Progress | None`` and writes::

    with start(progress, "encode", total=n, unit="images") as task:
        for batch in batches:
            ...
            task.advance(len(batch), note="loss 0.12")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One stretch of work with a known or unknown length."""

    def advance(self, n: int = 1, note: str = "") -> None:
        """Counts ``n`` more units as done. May raise ``Cancelled``."""

    def close(self) -> None:
        """Ends the stretch."""


class Progress(Protocol):
    """Receives stretches of work and one-line messages."""

    def task(self, label: str, total: int | None, unit: str) -> Task: ...

    def say(self, message: str) -> None: ...


class _SilentTask:
    def advance(self, n: int = 1, note: str = "") -> None:
        pass

    def close(self) -> None:
        pass


class SilentProgress:
    """Listens to nothing: the default of every library function."""

    def task(self, label: str, total: int | None, unit: str) -> Task:
        return _SilentTask()

    def say(self, message: str) -> None:
        pass


class _TerminalTask:
    def __init__(self, label: str, total: int | None, unit: str):
        from tqdm import tqdm

        self._bar = tqdm(total=total, desc=label, unit=f" {unit}", dynamic_ncols=True, mininterval=0.5, smoothing=0.1)

    def advance(self, n: int = 1, note: str = "") -> None:
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(n)

    def close(self) -> None:
        self._bar.close()


class TerminalProgress:
    """Bars with rate and time left, and messages that do not tear the bars."""

    def task(self, label: str, total: int | None, unit: str) -> Task:
        return _TerminalTask(label, total, unit)

    def say(self, message: str) -> None:
        from tqdm import tqdm

        tqdm.write(message)


class _CallbackTask:
    def __init__(self, callback, label, total, unit):
        self._callback, self._label, self._total, self._unit, self._done = callback, label, total, unit, 0

    def advance(self, n: int = 1, note: str = "") -> None:
        self._done += n
        share = self._done / self._total if self._total else None
        text = f"{self._label}: {self._done}" + (f"/{self._total}" if self._total else "") + f" {self._unit}"
        self._callback(share, f"{text} {note}".strip())

    def close(self) -> None:
        pass


class CallbackProgress:
    """Forwards to ``callback(share in [0, 1] or None, text)``: an operator's progress bar, a log."""

    def __init__(self, callback: Callable[[float | None, str], None]):
        self._callback = callback

    def task(self, label: str, total: int | None, unit: str) -> Task:
        return _CallbackTask(self._callback, label, total, unit)

    def say(self, message: str) -> None:
        self._callback(None, message)


@contextmanager
def start(progress: Progress | None, label: str, total: int | None = None, unit: str = "items") -> Iterator[Task]:
    """Opens a stretch of work on ``progress`` (silent when ``None``) and closes it whatever happens."""
    task = listening(progress).task(label, total, unit)
    try:
        yield task
    finally:
        task.close()


def listening(progress: Progress | None) -> Progress:
    """Returns ``progress``, or a silent listener for ``None``."""
    return progress if progress is not None else SilentProgress()
