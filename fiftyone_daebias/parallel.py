"""Sharing work out among cores: as many as ``--workers`` or ``DAEBIAS_WORKERS`` says, else all there are for it.

The work is numpy's, torch's and openTSNE's, which let other threads run while they compute; so threads do it, on the
arrays that are there. What is computed does not depend on their number: items are the same, each draws from a
generator of its own, and results come in order.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from .errors import Cancelled, InputError
from .progress import Task

VARIABLE = "DAEBIAS_WORKERS"
Item = TypeVar("Item")
Result = TypeVar("Result")
_mine = threading.local()


def workers() -> int:
    """Cores that work may be shared among; 1 inside shared work.

    Raises:
        InputError: ``DAEBIAS_WORKERS`` is no number from 1 on
    """
    if getattr(_mine, "shared", False):
        return 1
    text = os.environ.get(VARIABLE)
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"{VARIABLE} must be a number from 1 on; got {text!r}")
    return int(text)


def claim(count: int | None = None) -> None:
    """Sets how many workers there are, for the libraries' own threads too; before any of them is imported.

    Args:
        count: how many; default: what ``DAEBIAS_WORKERS`` says, if anything

    Raises:
        InputError: fewer than 1
    """
    if count is not None:
        if count < 1:
            raise InputError(f"workers must be at least 1; got {count}")
        os.environ[VARIABLE] = str(count)
    if os.environ.get(VARIABLE):
        workers()  # says so where it is no number
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = os.environ[VARIABLE]


def each(function: Callable[[Item], Result], items: Iterable[Item], most: int | None = None) -> Iterator[Result]:
    """``function`` of every item, in order, several at a time; inside shared work one after the other.

    Args:
        function: what is to be done; it touches neither FiftyOne nor what others write
        items: taken up as they are needed
        most: most at a time, where each takes much memory
    """
    items = list(items)
    count = min(workers(), len(items), most or len(items))
    if getattr(_mine, "shared", False) or not items:
        yield from map(function, items)
        return
    # the libraries' threads would multiply with these; and one core gives the same digits as several
    threads = max(1, workers() // count)

    def begin() -> None:
        _mine.shared = True
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)

    with _few_threads(threads):
        if count == 1:
            yield from map(function, items)
            return
        pool = ThreadPoolExecutor(count, "daebias-shared", begin)
        try:
            yield from in_order((pool.submit(function, item) for item in items), 2 * count)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def in_order(begun: Iterable[Future], ahead: int) -> Iterator:
    """Results of pieces of work in their order, begun as they are needed.

    Args:
        begun: the pieces; taking the next one begins it
        ahead: most that have begun when a result is waited for
    """
    waiting: deque[Future] = deque()
    for one in begun:
        waiting.append(one)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class SharedTask:
    """A stretch of work that several threads advance; once it is closed, whoever advances it stops."""

    def __init__(self, task: Task):
        self._task, self._lock, self._closed = task, threading.Lock(), False

    def advance(self, n: int = 1, note: str = "") -> None:
        with self._lock:
            if self._closed:
                raise Cancelled("another part of this work was stopped")
            self._task.advance(n, note=note)

    def close(self) -> None:
        with self._lock:
            self._closed = True


@contextlib.contextmanager
def _few_threads(count: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    try:
        with _libraries(len(sys.modules)).limit(limits=count):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _libraries(modules: int):
    """The numerical libraries that are loaded; looked for anew when there are more modules, as it takes 3 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
