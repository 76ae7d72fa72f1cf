"""Custom runs: what was computed, from what, and its results.

A run's config is small (parameters, seed, hashes, versions); its results may
hold arrays. FiftyOne gives arrays back as lists; :func:`load_run` makes them
arrays again.
"""

from __future__ import annotations

import copy
import datetime
import platform
from importlib import metadata

import fiftyone as fo
import numpy as np
from bson import DBRef, json_util
from fiftyone.core.odm.runs import RunDocument
from fiftyone.core.runs import RunResults

from .. import schema
from ..errors import StoreError
from .leases import check_lease
from .samples import dataset_of

_ARRAY = "__array__"


def versions() -> dict[str, str]:
    """Versions of everything that may change a result."""
    names = ("fiftyone-daebias", "fiftyone", "torch", "monai", "scikit-learn", "openTSNE", "numpy")
    out = {"python": platform.python_version()}
    for name in names:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def save_run(samples, key: str, config: dict, results: dict | None = None) -> None:
    """Stores a run, replacing one with the same key only once the new one is complete.

    Args:
        samples: a dataset or view
        key: name of the run; letters, digits and underscores
        config: JSON-able parameters; versions of schema, statistics and packages, and the time, are added
        results: values, lists, dicts and numpy arrays
    """
    dataset = dataset_of(samples)
    facts = {
        "schema_version": schema.SCHEMA_VERSION,
        "statistics_version": schema.STATISTICS_VERSION,
        "versions": versions(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    check_lease()
    run_config = dataset.init_run()
    for name, value in {**facts, **_plain(config)}.items():
        setattr(run_config, name, value)
    run_config.build().validate_run(dataset, key)
    document = RunDocument(
        dataset_id=dataset._doc.id,
        key=key,
        version=fo.__version__,
        timestamp=datetime.datetime.utcnow(),
        config=copy.deepcopy(run_config.serialize()),
    )
    packed = None
    if results is not None:
        packed = RunResults(dataset, run_config, key)
        for name, value in _pack(results).items():
            setattr(packed, name, value)
        document.results.put(json_util.dumps(packed.serialize()).encode(), content_type="application/json")
    _name(dataset, "runs", key, document)
    dataset._run_cache.pop(key, None)
    if packed is not None:
        dataset._run_cache[key] = packed


def save_brain_run(samples, key: str, results) -> None:
    """Stores what a FiftyOne Brain method made without a key, replacing a run of that key once the new one is complete.

    Args:
        samples: the dataset or view that it was made of
        key: brain key
        results: ``fiftyone.brain`` results that are not stored yet
    """
    dataset = dataset_of(samples)
    check_lease()
    stages = None if samples is dataset else [json_util.dumps(s) for s in samples._serialize(include_uuids=False)]
    document = RunDocument(
        dataset_id=dataset._doc.id,
        key=key,
        version=fo.__version__,
        timestamp=datetime.datetime.utcnow(),
        config=copy.deepcopy(results.config.serialize()),
        view_stages=stages,
    )
    document.results.put(json_util.dumps(results.serialize()).encode(), content_type="application/json")
    document.results_meta = dict(results.get_meta() or {})
    _name(dataset, "brain_methods", key, document)
    dataset._brain_cache.pop(key, None)


def _name(dataset, kind: str, key: str, document: RunDocument) -> None:
    """Lets a dataset name a run that is whole instead of the one before, in one write; that one goes only then."""
    document.save(upsert=True)
    runs = getattr(dataset._doc, kind)
    before = runs[key] if key in runs else None
    runs[key] = document
    dataset.save()
    _discard(before)


def _discard(document) -> None:
    """Deletes a run that no dataset names any more, with its results."""
    if document is None or isinstance(document, DBRef):  # already gone
        return
    if document.results:
        document.results.delete()
    document.delete()


def load_run(samples, key: str) -> tuple[dict, dict]:
    """Config and results of a run.

    Raises:
        StoreError: there is no such run, or a newer version of this package wrote it
    """
    dataset = dataset_of(samples)
    if not dataset.has_run(key):
        dataset.reload()
    if not dataset.has_run(key):
        known = ", ".join(dataset.list_runs()) or "none"
        raise StoreError(f"dataset {dataset.name!r} has no run {key!r}; runs: {known}")
    config = dataset.get_run_info(key).config.serialize()
    version = config.get("schema_version", 1)
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"run {key!r} was written with schema version {version}; this package reads up to {schema.SCHEMA_VERSION}; "
            "update fiftyone-daebias"
        )
    stored = dataset.load_run_results(key)
    # not serialize(), which looks at every number of long lists once more
    results = {} if stored is None else _unpack({name: getattr(stored, name) for name in stored.attributes()})
    for noise in ("cls", "config", "method", "type"):
        results.pop(noise, None)
        if noise != "config":
            config.pop(noise, None)
    return config, results


def is_outdated(config: dict) -> bool:
    """Whether a run was made with older statistics than this version's."""
    return int(config.get("statistics_version") or 1) < schema.STATISTICS_VERSION


def list_runs(samples, prefix: str = "") -> list[str]:
    """Keys of this dataset's custom runs that begin with ``prefix``."""
    return [k for k in dataset_of(samples).list_runs() if k.startswith(prefix)]


def run_times(samples) -> dict[str, str]:
    """When each of this dataset's custom runs was stored, ISO time, as exactly as the database keeps it."""
    dataset = dataset_of(samples)
    return {k: dataset.get_run_info(k).timestamp.isoformat(timespec="milliseconds") for k in dataset.list_runs()}


def delete_run(samples, key: str) -> None:
    """Deletes a run if it exists."""
    dataset = dataset_of(samples)
    check_lease()
    runs = dataset._doc.runs
    if key in runs:
        before = runs[key]
        del runs[key]
        dataset.save()
        dataset._run_cache.pop(key, None)
        _discard(before)


def _plain(value):
    """JSON-able form of numpy scalars, arrays, tuples and paths."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def _pack(value):
    if isinstance(value, np.ndarray):
        return {_ARRAY: str(value.dtype), "shape": list(value.shape), "data": value.ravel().tolist()}
    if isinstance(value, dict):
        return {str(k): _pack(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(v) for v in value]
    return _plain(value)


def _unpack(value):
    if isinstance(value, dict):
        if _ARRAY in value:
            return np.asarray(value["data"], dtype=value[_ARRAY]).reshape(value["shape"])
        return {k: _unpack(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_unpack(v) for v in value]
    return value
