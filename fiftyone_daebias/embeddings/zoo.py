"""Putting ``models/`` into FiftyOne's model zoo from an installed package.

``foz.register_zoo_model_source`` takes the address of a GitHub repository or
of an archive, not a folder; this does with the folder what that does with a download.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ..errors import InputError
from ..plugin import plugin_dir


def register_zoo_source() -> list[str]:
    """Copies the package's ``models/`` into FiftyOne's model zoo, replacing an older copy of ours.

    Returns:
        names for ``foz.load_zoo_model``

    Raises:
        InputError: the zoo's folder cannot be written, or another source of that name is there
    """
    import fiftyone as fo

    source = plugin_dir() / "models"
    manifest = json.loads((source / "manifest.json").read_text())
    target = Path(fo.config.model_zoo_dir) / manifest["name"]
    if target.exists() and not _ours(target, manifest["name"]):
        raise InputError(f"{target} is not a model source of this package; move it away and register again")
    part = target.with_name(target.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"could not write {target}: {error.strerror}; set FIFTYONE_MODEL_ZOO_DIR") from error
    return [m["base_name"] for m in manifest["models"]]


def _ours(folder: Path, name: str) -> bool:
    try:
        return json.loads((folder / "manifest.json").read_text())["name"] == name
    except (OSError, ValueError, KeyError, TypeError):
        return False
