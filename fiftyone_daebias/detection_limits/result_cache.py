"""What a sensitivity run has done so far, so that an interrupted one goes on: vectors of copies, and trials."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from .. import atomic, paths


class ResultCache:
    """A folder of finished pieces, each under the hash of everything it depends on.

    Args:
        dataset_name: name of the dataset
        facts: what all pieces depend on: checkpoint, content, seed …
    """

    def __init__(self, dataset_name: str, facts: dict):
        self.facts = facts
        self.folder = paths.home() / "sensitivity" / paths.safe_name(dataset_name)

    def vectors(self, **piece) -> np.ndarray | None:
        """Vectors kept under these facts, or ``None``."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self._path(piece, "safetensors")
        try:
            return load_file(path)["vectors"] if path.is_file() else None
        except (SafetensorError, OSError, KeyError):
            return None  # torn: made again

    def keep_vectors(self, vectors: np.ndarray, **piece) -> None:
        """Keeps vectors."""
        from safetensors.numpy import save

        self._write(self._path(piece, "safetensors"), save({"vectors": np.ascontiguousarray(vectors, np.float32)}))

    def trials(self, **piece) -> dict | None:
        """Trials kept under these facts, or ``None``."""
        path = self._path(piece, "json")
        try:
            return json.loads(path.read_text()) if path.is_file() else None
        except (OSError, ValueError):
            return None

    def keep_trials(self, value: dict, **piece) -> None:
        """Keeps trials."""
        self._write(self._path(piece, "json"), json.dumps(value).encode())

    def forget_others(self) -> None:
        """Deletes pieces that depend on another checkpoint, content or seed."""
        for path in self.folder.glob("*"):
            if path.name.split("-")[0] != self._stem():
                path.unlink(missing_ok=True)

    def _stem(self) -> str:
        return _hash(self.facts)[:16]

    def _path(self, piece: dict, suffix: str) -> Path:
        return self.folder / f"{self._stem()}-{_hash(piece)[:24]}.{suffix}"

    def _write(self, path: Path, data: bytes) -> None:
        atomic.write_bytes(path, data)


def _hash(value: dict) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
