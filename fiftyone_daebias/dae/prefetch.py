"""Doing the next things in threads while the device is busy with the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, depth: int = 2, threads: int = 1
) -> Iterator[Result]:
    """``function`` of every item, in order, computed up to ``depth`` items before they are asked for.

    An error of ``function`` is raised at its item's turn; what was begun ahead is given up when the caller stops.
    """
    rest = iter(items)
    begun: deque = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="daebias-ahead")
    try:
        for item in rest:
            begun.append(pool.submit(function, item))
            if len(begun) > depth:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
