"""What a dataset offers for a parameter: fields that can be probed, maps, clusters and runs that exist."""

from __future__ import annotations

from fiftyone_daebias import checks, run_listing, store
from fiftyone_daebias.clustering.cluster import BLIND, UNKNOWN, read_clusters
from fiftyone_daebias.clustering.drift import date_field_of
from fiftyone_daebias.dae.config import presets
from fiftyone_daebias.dae.samples import pick_device
from fiftyone_daebias.dae.train import trained_checkpoint
from fiftyone_daebias.embeddings.encoders import model_names
from fiftyone_daebias.errors import InputError

from .panel.audit_state import read_state

#: parameters that name a metadata field which has to be probed or tested
ASKED = {"field", "fields", "label_field"}
#: parameters that name any metadata field
FIELDS = ASKED | {"expected", "adjust_for", "stratify_by", "by", "versions", "group_by", "protected"}
DATES = {"date_field"}
VECTORS = set(checks.VECTORS)
MAPS = {"map_key", "brain_key"}
INDEXES = {"index"}
CLUSTERS = {"cluster", "clusters", "other"}
SUBJECT = {"subject_field"}

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


def choices_for(name: str, command: str, dataset, given: dict) -> list[str] | None:
    """Values to offer for a parameter; ``None`` where it names nothing on the dataset.

    Args:
        name: the parameter
        command: the verb's command
        dataset: the dataset, or ``None``
        given: the form's values so far
    """
    if dataset is None:
        return None
    if name in ASKED:
        return [f for f, reason in field_questions(dataset).items() if not reason]
    if name in DATES:
        kinds = store.metadata_fields(dataset)
        dated = [f for f, k in kinds.items() if k in ("date", "datetime") or "date" in f or "year" in f]
        return sorted(dated) or sorted(kinds)
    if name in FIELDS:
        return sorted(store.metadata_fields(dataset))
    if name in VECTORS:
        return store.vector_fields(dataset)
    if name in MAPS:
        return store.map_runs(dataset)
    if name in INDEXES:
        return store.similarity_runs(dataset)
    if name in CLUSTERS or name == "names" and command == "test-clusters":
        return list(read_clusters(dataset))
    if name == "names" and command == "runs":
        return [r.key for r in run_listing.stored_runs(dataset)]
    if name in ("tag", "subgroup") and command != "name-cluster":
        return sorted(store.count_tags(dataset))
    if name == "value" and given.get("field") in store.metadata_fields(dataset):
        return _values_of(dataset, given["field"])
    if name == "finding":
        return [f.key for f in read_state(dataset).findings.rows]
    if name == "preset":
        return presets()
    if name == "coloured_by":
        return [BLIND, UNKNOWN, *sorted(store.metadata_fields(dataset))]
    if name == "model" and command == "embed":
        return model_names()
    if name in SUBJECT:
        return sorted(store.metadata_fields(dataset)) + [f for f in [store.subject_field(dataset)] if f]
    return None


def _values_of(dataset, field: str) -> list[str] | None:
    """The values of a field, if they are few enough to choose from."""
    values = store.read_table(dataset, [field])[field].dropna().unique()
    return sorted(map(str, values)) if 0 < len(values) <= MOST_VALUES else None


def choice_labels(name: str, command: str, dataset) -> dict[str, str]:
    """What to show for values that do not speak for themselves: runs with kind, date and size."""
    if name == "names" and command == "runs" and dataset is not None:
        return {
            r.key: f"{r.kind}: {r.key}, {r.created.replace('T', ' ')[:16]}, {run_listing.size_words(r.size)}"
            for r in run_listing.stored_runs(dataset)
        }
    if name == "finding" and dataset is not None:
        return {f.key: f"{f.title} ({f.verdict})" for f in read_state(dataset).findings.rows}
    if name == "coloured_by":
        return {BLIND: "nothing (drawn blind)", UNKNOWN: "not known"}
    return {}


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


def not_offered(name: str, dataset) -> str:
    """Which fields a form leaves out, and why, in a sentence; "" when none."""
    if name not in ASKED or dataset is None:
        return ""
    out = [f for f, reason in field_questions(dataset).items() if reason]
    if not out:
        return ""
    return f"Not offered, since they cannot be probed (ids, one value only, too few subjects): {', '.join(out)}."
