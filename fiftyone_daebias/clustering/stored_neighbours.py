"""What was stored of what neighbours tell."""

from __future__ import annotations

from .. import schema, store
from .neighbours import KnnLeakage


def stored_leakage(samples, vectors: str) -> dict[str, KnnLeakage]:
    """What "reidentify" stored of these vectors, by what was asked; empty where it did not run on them."""
    if schema.REIDENTIFY_RUN not in store.list_runs(samples, schema.REIDENTIFY_RUN):
        return {}
    config, results = store.load_run(samples, schema.REIDENTIFY_RUN)
    if config.get("vectors") != vectors:
        return {}
    rows = results["table"]["rows"]
    return {w: KnnLeakage(**{k: tuple(v) if isinstance(v, list) else v for k, v in r.items()}) for w, r in rows.items()}
