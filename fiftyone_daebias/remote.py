"""Many calls of one function, in processes of this machine or on a Dask cluster; results in the order of the calls."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from .errors import InputError
from .parallel import in_order

#: seconds to wait for a scheduler, and for a worker of it
PATIENCE = 30


def in_processes(workers: int, call: Callable, jobs: list[tuple]) -> Iterator:
    """Results of ``call(*job)``; only a few jobs a process are on their way at a time."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, env={"DAEBIAS_WORKER": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"})
    try:
        yield from in_order((pool.submit(call, *job) for job in jobs), 4 * workers - 1)
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def check_backend(address: str) -> None:
    """Raises unless an address can be one of a Dask scheduler and the package that speaks to it is there.

    Raises:
        InputError: it is no such address, or the package is not installed
    """
    from importlib.util import find_spec

    if not re.fullmatch(r"dask://[^/\s:]+:\d{1,5}", address):
        raise InputError(f"backend must be dask://HOST:PORT; got {address!r}")
    if find_spec("distributed") is None:
        raise InputError(
            f"backend {address} needs the package 'distributed', which is not installed; run "
            "pip install 'fiftyone-daebias[dask]', or leave backend out"
        )


def on_cluster(address: str, call: Callable, jobs: list[tuple]) -> Iterator:
    """Results of ``call(*job)`` from the workers of a Dask cluster, through joblib's backend for it.

    Args:
        address: "dask://HOST:PORT" of the scheduler
        call: a function of this package, which the workers must be able to import
        jobs: arguments of each call

    Raises:
        InputError: no scheduler answers there, or it has no workers
    """
    check_backend(address)
    from distributed import Client
    from joblib import Parallel, delayed, parallel_config

    try:
        client = Client(address.replace("dask://", "tcp://"), timeout=PATIENCE, set_as_default=False)
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"backend {address}: no scheduler with workers answers ({type(error).__name__}); start one, or leave "
            "backend out"
        ) from error
    with client, parallel_config("dask", client=client):
        yield from Parallel(n_jobs=-1, return_as="generator", pre_dispatch="4*n_jobs")(
            delayed(_alone)(call, job) for job in jobs
        )


def _alone(call: Callable, job: tuple):
    """The call, on one thread of a worker: decoders would else start as many as there are cores, in every worker."""
    import cv2

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    return call(*job)
