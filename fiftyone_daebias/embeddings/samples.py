"""Encoding the samples of a dataset: only what is new, written while the rest is encoded, on as many processes as
there are."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .. import schema, store
from ..dae.distributed import process_group
from ..dae.hardware import explained
from ..progress import Progress, start
from .encode import encode_volumes

#: samples between two writes to the database
WRITE_EVERY = 512
#: of an embedding's config, what a vector depends on
DECIDING = ("model", "checkpoint_hash", "n_slices", "pool", "crop")


def stored_content(samples, config: dict) -> dict[str, str]:
    """``{sample id: content}`` of the samples embedded before with the same model and settings."""
    key = schema.provenance_key(config["model"])
    if key not in store.list_runs(samples, key) or store.is_half_written(
        samples, schema.embedding_field(config["model"])
    ):
        return {}
    old, results = store.load_run(samples, key)
    if any(old.get(k) != config[k] for k in DECIDING):
        return {}
    return dict(zip(results["sample_ids"], results.get("content", ()), strict=False))


def encode_samples(
    samples, model, source, config: dict, *, batch_size: int, progress: Progress | None = None
) -> tuple[np.ndarray | None, list[int]]:
    """Vectors of all samples; what is stored for the same image, model and settings is not encoded again.

    Every process encodes its own stretch of the samples; the first one writes them all.

    Args:
        samples: a dataset or view
        model: an :class:`~.encoders.Encoder`
        source: the slices of ``samples``
        config: the embedding's config, with all of :data:`DECIDING`
        batch_size: slices a forward pass
        progress: where to report

    Returns:
        float32 (n, d), one row a sample of ``source``, or ``None`` on all processes but the first; and how many
        samples each process has encoded now
    """
    group, field = process_group(), schema.embedding_field(config["model"])
    done = _kept(samples, source, field, config) if group.is_main else {}
    rows = group.broadcast([i for i, s in enumerate(source.sample_ids) if s not in done])
    mine = rows[group.shard(len(rows))]
    shares = [0] * group.size
    rounds = -(-len(rows) // (WRITE_EVERY * group.size))
    found = encode_volumes(
        model,
        source,
        mine,
        n_slices=config["n_slices"],
        crop=config["crop"],
        pool=config["pool"],
        batch_size=batch_size,
    )
    with start(progress, "embedding", len(rows), "samples") as task, _Writer(samples, field) as writer:
        for k in range(rounds):
            # as many samples a round on every process: the last round takes what is left
            quota = WRITE_EVERY if k < rounds - 1 else len(mine)
            fresh: dict[str, np.ndarray] = {}
            try:
                while len(fresh) < quota and (pair := next(found, None)) is not None:
                    fresh[source.sample_ids[pair[0]]] = pair[1]
                    task.advance()
            except BaseException as error:
                if group.is_main:
                    writer.write(fresh)
                told = None
                if isinstance(error, RuntimeError):
                    told = explained(
                        error, model.device, batch_size=batch_size, kept="what was encoded is kept in the database"
                    )
                if told is None:
                    raise
                raise told from error
            for rank, part in enumerate(group.gather(fresh) or ()):
                writer.write(part)
                done.update(part)
                shares[rank] += len(part)
                if rank:
                    task.advance(len(part))
    if not group.is_main:
        return None, shares
    return np.stack([np.asarray(done[i], dtype=np.float32) for i in source.sample_ids]), shares


def _kept(samples, source, field: str, config: dict) -> dict[str, np.ndarray]:
    """Vectors that are stored and still right; the field is cleared of others."""
    name = config["model"]
    mark = hashlib.sha256(repr(sorted(config.items())).encode()).hexdigest()[:16]
    info = store.read_info(samples)
    marks = info.get("embedding_marks", {})
    if name == "dae":
        marks = {"dae": info.get("embedding_mark"), **marks}  # how the only model was marked before
    done: dict[str, np.ndarray] = {}
    same = marks.get(name) == mark
    if not same and not stored_content(samples, config):
        # Until the run beside them says where these vectors come from, none of them may be taken for another's.
        store.begin_vectors(samples, field)
    if store.has_field(samples, field):
        stored = zip(source.sample_ids, source.keys, store.read_field(samples, field), strict=True)
        if same:
            done = {i: v for i, _, v in stored if v is not None}
        else:
            before = stored_content(samples, config)
            done = {i: v for i, key, v in stored if v is not None and before.get(i) == key}
            if len(done) < store.count_values(samples, field):
                # nothing of another model or image may stay beside the new vectors
                store.clear_field(samples, field)
                store.write_vectors(samples, field, list(done), np.array(list(done.values()), np.float32))
    store.write_info(samples, embedding_marks={**marks, name: mark}, embedding_mark=None)
    return done


class _Writer:
    """Writes vectors to the database in a thread, one write at a time; on leaving, everything is written."""

    def __init__(self, samples, field: str):
        self.samples, self.field = samples, field
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="daebias-write")
        self.last: Future | None = None

    def __enter__(self) -> _Writer:
        return self

    def write(self, vectors: dict[str, np.ndarray]) -> None:
        if not vectors:
            return
        if self.last is not None:
            self.last.result()
        self.last = self.pool.submit(
            store.write_vectors, self.samples, self.field, list(vectors), np.stack(list(vectors.values()))
        )

    def __exit__(self, *error) -> None:
        self.pool.shutdown(wait=True)
        if self.last is not None:
            self.last.result()
