"""What is stored of runs without loading their results, and what a dataset holds in a few cheap facts."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone as fo
from fiftyone.core.utils import to_slug

from .. import schema
from ..errors import InputError
from .runs import list_runs
from .samples import count, dataset_of


@dataclass(frozen=True)
class RunFacts:
    """A stored run, without its results.

    Attributes:
        key: its key
        config: its config
        created: ISO time, UTC, to the second
        size: bytes of its results
    """

    key: str
    config: dict
    created: str
    size: int


def run_facts(samples, prefix: str = "") -> list[RunFacts]:
    """Custom runs whose key begins with ``prefix``, newest first; results are not read."""
    dataset = dataset_of(samples)
    out = []
    for key in list_runs(dataset, prefix):
        document = dataset._doc.runs[key]
        created = document.timestamp.isoformat(timespec="seconds") if document.timestamp else ""
        size = getattr(document.results, "length", None) or 0
        out.append(RunFacts(key, dict(document.config or {}), created, int(size)))
    return sorted(out, key=lambda r: (r.created, r.key), reverse=True)


def samples_stamp(samples) -> str:
    """Changes whenever a sample or a field of the whole dataset is added, changed or removed; read from an index."""
    dataset = dataset_of(samples)
    newest = dataset._sample_collection.find_one({}, {"last_modified_at": 1}, sort=[("last_modified_at", -1)])
    n = count(dataset)
    fields = ",".join(dataset.get_field_schema())
    return f"{dataset._doc.id} {n} {newest and newest.get('last_modified_at')} {hash(fields)}"


def dataset_origin(name: str) -> str:
    """Of a dataset's name: "" when there is no such dataset, "registered" (by this package), "empty" or "foreign"."""
    if not fo.dataset_exists(name):
        return ""
    dataset = fo.load_dataset(name)
    if dataset.has_field(schema.SOURCE_FIELD):
        return "registered"
    return "foreign" if count(dataset) else "empty"


def check_name(name: str) -> None:
    """Checks that a dataset can be called so: FiftyOne also gives each an address, in which signs are alike.

    Raises:
        InputError: no letter or number in it, too long, or its address is that of another dataset
    """
    try:
        slug = to_slug(str(name))
    except ValueError as error:
        raise InputError(f"a dataset cannot be called {name!r}: {' '.join(str(error).split())}") from None
    if fo.dataset_exists(name):
        return
    for other in fo.list_datasets():
        try:
            same = to_slug(other) == slug
        except ValueError:
            continue
        if same:
            raise InputError(
                f"name {name!r} and the dataset {other!r}, which exists, have the same address in the App "
                f"({slug}); choose another name"
            )


def delete_brain_run(samples, key: str) -> None:
    """Deletes a map or similarity index if it exists."""
    dataset = dataset_of(samples)
    if dataset.has_brain_run(key):
        dataset.delete_brain_run(key)


def brain_runs(samples) -> list[str]:
    """Keys of all maps and indexes."""
    return list(dataset_of(samples).list_brain_runs())


def delete_evaluation(samples, key: str) -> None:
    """Deletes an evaluation if it exists."""
    dataset = dataset_of(samples)
    if dataset.has_evaluation(key):
        dataset.delete_evaluation(key)


def delete_workspace(samples, name: str) -> None:
    """Deletes a saved workspace if it exists."""
    dataset = dataset_of(samples)
    if dataset.has_workspace(name):
        dataset.delete_workspace(name)


def count_tag(samples, name: str) -> int:
    """Samples of the whole dataset with a tag."""
    return count(dataset_of(samples).match_tags(name))


def all_fields(samples) -> list[str]:
    """Names of the dataset's sample fields."""
    return list(dataset_of(samples).get_field_schema())
