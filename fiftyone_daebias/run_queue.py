"""The queue of runs that were sent to the background: FiftyOne's own, worked off one run after another.

FiftyOne keeps delegated operations in its database and leaves it to "fiftyone delegated launch" to run them. This
does the same, and what that lacks: every run has a process and a log of its own, there is one worker a machine and
database, and what a worker that died had begun is queued again, since every verb goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from . import paths
from .errors import InputError
from .processes import is_dead, lock_file, mark

#: seconds between two looks at the queue
EVERY = 1.0
#: where the database remembers which process works on a run
STORE = "daebias_queue"
_UNIT = """\
[Unit]
Description=Runs of fiftyone_daebias that were sent to the background
After=network.target

[Service]
ExecStart={python} -m fiftyone_daebias queue
{environment}Restart=on-failure

[Install]
WantedBy=default.target
"""
#: variables that say which database and folders a service works on
_KEPT = ("DAEBIAS_HOME", "FIFTYONE_DATABASE_URI", "FIFTYONE_DATABASE_NAME", "FIFTYONE_CONFIG_PATH")


def service_file() -> str:
    """A systemd user unit that keeps the queue working, also without an App and after a restart."""
    kept = "".join(f'Environment="{name}={os.environ[name]}"\n' for name in _KEPT if os.environ.get(name))
    return _UNIT.format(python=sys.executable, environment=kept)


def log_of(run: str) -> Path:
    """The log of a run."""
    return paths.home() / "logs" / f"queue-{paths.safe_name(run)}.log"


def log_tail(run: str, lines: int = 30) -> str:
    """The last lines of a run's log; "" where there is none."""
    try:
        text = log_of(run).read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return ""
    # a progress bar writes over itself
    return "\n".join([line.rpartition("\r")[2] for line in text.splitlines()][-lines:])


def begin_worker(app: int) -> bool:
    """Starts a worker that goes on by itself until the App is closed and nothing waits.

    Args:
        app: process number of the App

    Returns:
        whether it was started; ``False`` where one works already
    """
    with contextlib.suppress(InputError), _sole():
        log = paths.home() / "logs" / "queue.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "fiftyone_daebias", "queue", "--app", str(app)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return True
    return False


def work(app: int | None = None, say=print) -> None:
    """Runs what is queued, one after another, until it is ended.

    Args:
        app: end once this process is gone and nothing waits; default: never
        say: told what begins and ends

    Raises:
        InputError: another worker is at it
    """
    from fiftyone.operators.delegated import DelegatedOperationService

    with _sole():
        service = DelegatedOperationService()
        while True:
            _queue_again(service, say)
            if waiting := service.get_queued_operations():
                _run(service, min(waiting, key=lambda o: o.queued_at), say)
            elif app is not None and not psutil.pid_exists(app):
                return
            else:
                time.sleep(EVERY)


@contextlib.contextmanager
def _sole() -> Iterator[None]:
    """Holds the queue of this database on this machine.

    Raises:
        InputError: another process has it
    """
    import fiftyone as fo

    database = f"{fo.config.database_uri or fo.config.database_dir} {os.environ.get('FIFTYONE_DATABASE_NAME', '')}"
    file = paths.home() / f"queue-{hashlib.sha256(database.encode()).hexdigest()[:12]}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as stream:
        try:
            lock_file(stream, wait=False)
        except OSError as error:
            raise InputError(
                f"another process works off this queue already; nothing was started ({file}: {error.strerror})"
            ) from None
        yield


def _queue_again(service, say) -> None:
    """Queues again what a process had begun that is gone."""
    begun = _store()
    for key in begun.list_keys():
        operation = service.get(_id(key))
        if operation is None or operation.run_state != "running":
            begun.delete(key)
        elif is_dead(begun.get(key)):
            say(f"{_name(operation)}: its process is gone; queued again")
            service.set_queued(operation.id, required_state="running")
            begun.delete(key)


def _run(service, operation, say) -> None:
    """One run, in a process of its own that writes its own log."""
    run, name = str(operation.id), _name(operation)
    log = log_of(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"{name}: begins; log {log}")
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fiftyone_daebias.run_queue", run],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # FiftyOne writes into the log why a run failed; the command line keeps it from saying such things
            env={**os.environ, "FIFTYONE_LOGGING_LEVEL": "INFO"},
        )
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    now = service.get(operation.id)
    if now is not None and now.run_state in ("running", "queued"):
        from fiftyone.operators.executor import ExecutionResult

        words = f"its process ended with code {code} before it was done (killed, or out of memory); see the log"
        service.set_failed(operation.id, result=ExecutionResult(error=words, error_message=words))
    _store().delete(run)
    say(f"{name}: {now.run_state if now is not None else 'deleted'}")


def _one(run: str) -> None:
    from fiftyone.operators.delegated import DelegatedOperationService

    _store().set(run, mark())
    service = DelegatedOperationService()
    operation = service.get(_id(run))
    if operation is not None:
        service.execute_operation(operation, log=True)


def _id(run: str):
    from bson import ObjectId

    return ObjectId(run)


def _name(operation) -> str:
    return operation.label or operation.operator.rpartition("/")[2]


def _store():
    from fiftyone.operators.store import ExecutionStore

    return ExecutionStore.create(STORE)


if __name__ == "__main__":
    _one(sys.argv[1])
