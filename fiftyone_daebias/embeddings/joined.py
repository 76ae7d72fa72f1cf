"""How many slice codes a stored vector joins: what whitening has to know of it."""

from __future__ import annotations

from .. import schema, store


def joined_slices(samples, field: str) -> int:
    """Slice codes that each vector of a field joins; 1 where nothing is known of the field or codes were averaged.

    Args:
        samples: a dataset or view
        field: a vector field, for example "dae_embedding"
    """
    key = field.removesuffix(schema.EMBEDDING_SUFFIX) + schema.PROVENANCE_SUFFIX
    if not field.endswith(schema.EMBEDDING_SUFFIX) or key not in store.list_runs(samples, key):
        return 1
    config, _ = store.load_run(samples, key)
    return int(config.get("n_slices", 1)) if config.get("pool", "concat") == "concat" else 1
