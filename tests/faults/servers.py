"""A database server of a test's own, which may be killed, and commands run as processes of their own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def mongod() -> str | None:
    """The server's program: FiftyOne's own, or one on the path."""
    found = importlib.util.find_spec("fiftyone")
    own = Path(found.submodule_search_locations[0], "db", "bin", "mongod") if found else None
    return str(own) if own is not None and own.exists() else shutil.which("mongod")


class Server:
    """A mongod with a folder and a port of its own.

    Args:
        folder: where its data lie; created
    """

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "data").mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                mongod(),
                "--dbpath",
                str(self.folder / "data"),
                "--port",
                str(self.port),
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--wiredTigerCacheSizeGB",
                "0.25",
                "--logpath",
                str(self.folder / "log"),
                "--logappend",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """SIGKILL, as when the machine loses its power or its memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def environment(home: Path, address: str | None = None) -> dict[str, str]:
    """Surroundings of a command: a home of its own and, if given, another database."""
    out = {**os.environ, "DAEBIAS_HOME": str(home), "FIFTYONE_DATABASE_VALIDATION": "false"}
    if address:
        out["FIFTYONE_DATABASE_URI"] = address
    return out


def start(arguments: list[str], env: dict[str, str], **options) -> subprocess.Popen:
    """Starts ``daebias`` with arguments."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-m", "fiftyone_daebias", *arguments], env=env, **options)


def finish(process: subprocess.Popen, seconds: float = 120) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that must end by itself."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it hangs: {process.args}") from None
    return process.returncode, out, err


def run(arguments: list[str], env: dict[str, str], seconds: float = 120) -> tuple[int, str, str]:
    """Runs ``daebias`` to its end."""
    return finish(start(arguments, env), seconds)


def python(code: str, env: dict[str, str], seconds: float = 120) -> str:
    """What a Python process prints."""
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()
