"""Reading all items of a cohort: only what is new or has changed, in this process, in several, or on a cluster."""

from __future__ import annotations

import os

from ..errors import CohortError
from ..parallel import workers as all_workers
from ..progress import Progress, start
from ..remote import in_processes, on_cluster
from .load import Loaded, how_read, load_item, loaded_before
from .stamps import Stamps, stamp_of

#: below this many bytes starting workers takes longer than they save
WORTH_WORKERS = 100_000_000


def load_items(
    jobs: list[tuple],
    workers: int | None,
    backend: str | None,
    skip_unreadable: bool,
    check_contents: bool,
    progress: Progress | None,
) -> list[Loaded]:
    """Decodes into the cache what it lacks, and takes the checksum of what is not known to be as it was.

    Args:
        jobs: the arguments of :func:`load_item` for each item
        workers, backend, skip_unreadable, check_contents: see :func:`register`
        progress: where to report

    Raises:
        CohortError: a raster image that cannot be read
    """
    if not jobs:
        return []
    cache_folder = jobs[0][3]
    stamps = Stamps(cache_folder)
    out: list[Loaded | None] = [None] * len(jobs)
    todo, marks, total = [], [], 0
    for k, (root, item, settings, _, previews, hide) in enumerate(jobs):
        mark = stamp_of([root / f for f in item.files], *how_read(item, settings))
        key = None if check_contents else stamps.get(mark)
        if key is not None:
            out[k] = loaded_before(root, item, key, cache_folder, previews, hide)
        if out[k] is None:
            todo.append(k)
            marks.append(mark)
            total += sum(os.path.getsize(root / f) for f in item.files if (root / f).exists())
    if workers is None:
        workers = 1 if total < WORTH_WORKERS else min(8, all_workers())
    waiting = [jobs[k] for k in todo]
    try:
        with start(progress, "reading images", len(jobs), "images") as task:
            task.advance(len(jobs) - len(todo))
            if backend is not None and waiting:
                results = on_cluster(backend, load_item, waiting)
            elif workers == 1 or not waiting:
                results = (load_item(*job) for job in waiting)
            else:
                results = in_processes(workers, load_item, waiting)
            for k, mark, done in zip(todo, marks, results, strict=True):
                if done.error and jobs[k][1].kind == "raster" and not skip_unreadable and not done.is_labels:
                    raise CohortError(done.error)
                stamps.put(mark, done.key)
                out[k] = done
                task.advance()
    finally:
        stamps.save()
    return [done for done in out if done is not None]
