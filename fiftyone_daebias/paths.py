"""Where this package keeps what does not belong in the database.

``DAEBIAS_HOME`` (default ``~/.fiftyone_daebias``) holds ``runs/`` (training
run folders), ``cache/`` (slices), ``previews/``, ``figures/`` and ``keys/``
(subject-hash keys). The plugin's own folder is served over HTTP and never holds any of it.
"""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder for everything this package stores; not created until something is written."""
    return Path(os.environ.get("DAEBIAS_HOME") or Path.home() / ".fiftyone_daebias").expanduser().resolve()


def runs_dir(dataset_name: str, model: str = "dae") -> Path:
    """Run folder of one model trained on one dataset."""
    return home() / "runs" / safe_name(dataset_name) / safe_name(model)


def cache_dir() -> Path:
    """The slice cache."""
    return home() / "cache"


def previews_dir(dataset_name: str) -> Path:
    """PNG previews of a registered cohort."""
    return home() / "previews" / safe_name(dataset_name)


def figures_dir(dataset_name: str) -> Path:
    """Figures of a dataset's explanations, sensitivity and comparisons."""
    return home() / "figures" / safe_name(dataset_name)


def safe_name(name: str) -> str:
    """``name`` as one path component."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "_"
