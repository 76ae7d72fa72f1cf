"""What a dataset offers for a parameter: fields that can be probed, maps, clusters and runs that exist."""

from __future__ import annotations

from collections.abc import Callable

from fiftyone_daebias import checks, run_listing, store
from fiftyone_daebias.clustering.cluster import BLIND, UNKNOWN, read_clusters
from fiftyone_daebias.dae.config import presets
from fiftyone_daebias.dae.samples import pick_device
from fiftyone_daebias.dae.train import trained_checkpoint
from fiftyone_daebias.embeddings.encoders import model_names
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.statistics.dates import date_field_of
from fiftyone_daebias.verbs import Parameter

from .panel.audit_state import read_state

#: a field with more values is not offered as a list of them
MOST_VALUES = 60

#: field questions by dataset and state of its samples: forms ask at every keystroke
_asked: dict[str, dict[str, str]] = {}


def field_questions(dataset) -> dict[str, str]:
    """``{field: ""}`` for what can be probed, ``{field: why not}`` for the rest; read again when samples changed."""
    stamp = store.samples_stamp(dataset)
    if stamp not in _asked:
        while len(_asked) > 8:
            _asked.pop(next(iter(_asked)))
        _asked[stamp] = checks.field_questions(dataset)
    return _asked[stamp]


def choices_for(parameter: Parameter, dataset, given: dict) -> list[str] | None:
    """Values to offer for a parameter; ``None`` where it names nothing on the dataset.

    Args:
        parameter: the parameter
        dataset: the dataset, or ``None``
        given: the form's values so far
    """
    offer = _OFFERS.get(parameter.names)
    if dataset is None or offer is None:
        return None
    return offer(dataset, given)


def _date_fields(dataset, given: dict) -> list[str]:
    kinds = store.metadata_fields(dataset)
    dated = [f for f, k in kinds.items() if k in ("date", "datetime") or "date" in f or "year" in f]
    return sorted(dated) or sorted(kinds)


def _fields(dataset, given: dict) -> list[str]:
    return sorted(store.metadata_fields(dataset))


def _values(dataset, given: dict) -> list[str] | None:
    field = given.get("field")
    return _values_of(dataset, field) if field in store.metadata_fields(dataset) else None


#: what to offer for each kind of :class:`~fiftyone_daebias.parameters.Choice`
_OFFERS: dict[str, Callable[[object, dict], list[str] | None]] = {
    "probed field": lambda dataset, _: [f for f, reason in field_questions(dataset).items() if not reason],
    "field": _fields,
    "date field": _date_fields,
    "subject field": lambda dataset, _: _fields(dataset, {}) + [f for f in [store.subject_field(dataset)] if f],
    "field or none": lambda dataset, _: [BLIND, UNKNOWN, *_fields(dataset, {})],
    "value": _values,
    "vectors": lambda dataset, _: store.vector_fields(dataset),
    "map": lambda dataset, _: store.map_runs(dataset),
    "index": lambda dataset, _: store.similarity_runs(dataset),
    "cluster": lambda dataset, _: list(read_clusters(dataset)),
    "run": lambda dataset, _: [r.key for r in run_listing.stored_runs(dataset)],
    "tag": lambda dataset, _: sorted(store.count_tags(dataset)),
    "finding": lambda dataset, _: [f.key for f in read_state(dataset).findings.rows],
    "preset": lambda dataset, _: presets(),
    "encoder": lambda dataset, _: model_names(),
}


def _values_of(dataset, field: str) -> list[str] | None:
    """The values of a field, if they are few enough to choose from."""
    values = store.read_table(dataset, [field])[field].dropna().unique()
    return sorted(map(str, values)) if 0 < len(values) <= MOST_VALUES else None


def choice_labels(parameter: Parameter, dataset) -> dict[str, str]:
    """What to show for values that do not speak for themselves: runs with kind, date and size."""
    if parameter.names == "run" and dataset is not None:
        return {
            r.key: f"{r.kind}: {r.key}, {r.created.replace('T', ' ')[:16]}, {run_listing.size_words(r.size)}"
            for r in run_listing.stored_runs(dataset)
        }
    if parameter.names == "finding" and dataset is not None:
        return {f.key: f"{f.title} ({f.verdict})" for f in read_state(dataset).findings.rows}
    if parameter.names == "field or none":
        return {BLIND: "nothing (drawn without colours)", UNKNOWN: "not known"}
    return {}


def last_colour(dataset) -> str:
    """Field that last coloured a map of the dataset; "" where none did since the server began.

    The Embeddings panel keeps to itself what colours it, but asks the server for the colours, which keeps the latest.
    """
    from fiftyone.server.routes import embeddings_v2

    asked = list(getattr(embeddings_v2, "_color_cache", ()))
    return next((key[3] for key in reversed(asked) if dataset is not None and key[0] == dataset.name), "")


def value_if_empty(name: str, dataset) -> str:
    """The value that a field of a form takes when it is left empty, where that depends on the dataset or machine."""
    if name == "device":
        return str(pick_device(None))
    if dataset is None:
        return ""
    if name == "subject_field":
        return store.subject_field(dataset) or "none, so every image counts as a person"
    if name == "date_field":
        try:
            return date_field_of(store.metadata_fields(dataset), None)
        except InputError:
            return "none, since no field holds dates"
    if name == "checkpoint":
        found = trained_checkpoint(dataset)
        return "the model trained on this dataset" if found else "a model is trained first"
    return ""


def not_offered(parameter: Parameter, dataset) -> str:
    """Which fields a form leaves out, and why, in a sentence; "" when none."""
    if parameter.names != "probed field" or dataset is None:
        return ""
    out = [f for f, reason in field_questions(dataset).items() if reason]
    if not out:
        return ""
    return f"Not offered, since they cannot be probed (ids, one value only, too few subjects): {', '.join(out)}."
