"""Writing fields, labels and tags in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import fiftyone as fo
import fiftyone.core.odm as odm
import numpy as np
from fiftyone.core.evaluation import EvaluationMethod

from ..errors import InputError
from .leases import check_lease
from .samples import count, dataset_of, flat

#: ids in one request
MOST_ASKED = 10_000

_TYPES = {
    "string": fo.StringField,
    "boolean": fo.BooleanField,
    "integer": fo.IntField,
    "float": fo.FloatField,
    "date": fo.DateField,
    "datetime": fo.DateTimeField,
    "dict": fo.DictField,
    "vector": fo.VectorField,
    "names": fo.ListField,
}


def declare_fields(samples, kinds: Mapping[str, str | type[fo.Label]]) -> None:
    """Declares those of the fields that the dataset lacks, all in one write of its schema.

    FiftyOne keeps the schema as one list and writes it whole: a field that another process declared since this one
    last looked would be lost, so the dataset is read again first. One write a field would take time that grows with
    the square of their number.

    Args:
        samples: a dataset or view
        kinds: ``{field: kind}`` as in :func:`write_values`, or a class of labels

    Raises:
        InputError: a field exists with another type
    """
    dataset = dataset_of(samples)
    # looked up in one copy of the schema: FiftyOne goes through all of it for each name that it is asked for
    if set(kinds) <= set(dataset.get_field_schema()):
        check_types(dataset, kinds)
        return
    check_lease()
    dataset.reload()
    check_types(dataset, kinds)
    known = dataset.get_field_schema()
    fresh = {field: _field(field, kind) for field, kind in kinds.items() if field not in known}
    if fresh:
        dataset._merge_sample_field_schema(fresh)


def declare_document(samples, field: str, kinds: Mapping[str, str]) -> None:
    """Declares a field that holds a document, with its parts, in one write of the schema.

    Args:
        samples: a dataset or view
        field: name of the field
        kinds: ``{part: kind}`` as in :func:`write_values`
    """
    dataset = dataset_of(samples)
    if all(dataset.has_field(f"{field}.{part}") for part in kinds):
        return
    check_lease()
    dataset.reload()
    parts = [odm.create_field(part, _TYPES[kind]) for part, kind in kinds.items()]
    document = odm.create_field(
        field, fo.EmbeddedDocumentField, embedded_doc_type=fo.DynamicEmbeddedDocument, fields=parts
    )
    dataset._merge_sample_field_schema({field: document})


def check_types(samples, kinds: Mapping[str, str | type[fo.Label]]) -> None:
    """Refuses kinds that differ from those of fields that exist.

    Raises:
        InputError: a field exists with another type
    """
    known = dataset_of(samples).get_field_schema()
    for field, kind in kinds.items():
        existing = known.get(field)
        if existing is None:
            continue
        if isinstance(kind, str):
            fits, expected = isinstance(existing, _TYPES[kind]), _TYPES[kind].__name__
        else:
            held = getattr(existing, "document_type", None)
            fits, expected = held is not None and issubclass(held, kind), kind.__name__
        if not fits:
            raise InputError(
                f"field {field!r} already exists as {type(existing).__name__}, not {expected}; rename or delete it, or "
                "choose another field name"
            )


def _field(name: str, kind: str | type[fo.Label]) -> fo.Field:
    if isinstance(kind, str):
        return odm.create_field(name, _TYPES[kind], subfield=fo.StringField if kind == "names" else None)
    return odm.create_field(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)


def write_values(samples, field: str, values: Mapping[str, object], kind: str | None = None) -> None:
    """Sets one field on many samples.

    Args:
        samples: a dataset or view
        field: name of the field; created if it does not exist
        values: ``{sample id: value}``
        kind: "string", "boolean", "integer", "float", "date", "datetime", "dict" or "vector"; declares a new field

    Raises:
        InputError: the field exists with another type
    """
    if kind is not None:
        declare_fields(samples, {field: kind})
    if values:
        dataset_of(samples).set_values(field, dict(values), key_field="id")


def write_documents(samples, field: str, documents: Mapping[str, Mapping[str, object]]) -> None:
    """Sets a field declared by :func:`declare_document` on many samples, all parts of a sample in one write.

    A write a part would write each sample, with its vector, as many times.

    Args:
        samples: a dataset or view
        field: name of the field
        documents: ``{sample id: {part: value}}``, all parts of each
    """
    if documents:
        values = {i: fo.DynamicEmbeddedDocument(**parts) for i, parts in documents.items()}
        dataset_of(samples).set_values(field, values, key_field="id")


def write_vectors(samples, field: str, ids: list[str], vectors: np.ndarray) -> None:
    """Stores float32 vectors of shape (n, d) on the samples ``ids``."""
    if len(ids) != len(vectors):
        raise InputError(f"{len(ids)} sample ids but {len(vectors)} vectors for field {field!r}")
    write_values(samples, field, dict(zip(ids, np.asarray(vectors, dtype=np.float32), strict=True)), kind="vector")


def write_labels(samples, field: str, labels: Mapping[str, fo.Label]) -> None:
    """Sets a label (``fo.Classification``, ``fo.Regression``, ``fo.Heatmap`` …) on many samples."""
    if labels:
        dataset_of(samples).set_values(field, dict(labels), key_field="id")


def clear_field(samples, field: str) -> None:
    """Deletes a field from the dataset if it exists."""
    clear_fields(samples, [field])


def clear_fields(samples, fields: Iterable[str]) -> None:
    """Deletes those of the fields that exist, in one pass over the samples."""
    dataset = dataset_of(samples)
    here = [f for f in fields if dataset.has_field(f)]
    if here:
        dataset.delete_sample_fields(here)


def label_field(samples, field: str) -> bool:
    """Whether a field holds labels."""
    held = dataset_of(samples).get_field_schema().get(field)
    return isinstance(held, fo.EmbeddedDocumentField) and issubclass(held.document_type, fo.Label)


def clear_predictions(samples, fields: Iterable[str]) -> int:
    """Deletes what :func:`write_predictions` and :func:`write_evaluation` wrote; returns how many fields went."""
    dataset = dataset_of(samples)
    labels = [f for f in fields if label_field(dataset, f)]
    evaluated = [f + "_eval" for f in labels if dataset.has_evaluation(f + "_eval")]
    labels += [f + "_truth" for f in labels if label_field(dataset, f + "_truth")]
    before = len(dataset.get_field_schema())
    clear_fields(dataset, [*labels, *evaluated])
    for key in evaluated:
        # its fields are gone: FiftyOne's own cleanup would go through all samples once more for each
        EvaluationMethod.delete_run(dataset, key, cleanup=False)
    return before - len(dataset.get_field_schema())


def tag(samples, ids: Iterable[str], name: str) -> int:
    """Adds a tag to the samples ``ids``; returns how many there were."""
    ids = list(ids)
    for part in _portions(ids):
        dataset_of(samples).select(part).tag_samples(name)
    return len(ids)


def untag(samples, name: str, ids: Iterable[str] | None = None) -> None:
    """Removes a tag from ``ids``, or from all of ``samples``."""
    whole = dataset_of(samples)
    for target in [samples] if ids is None else [whole.select(part) for part in _portions(list(ids))]:
        tagged = target.match_tags(name)
        if count(tagged):
            tagged.untag_samples(name)


def _portions(ids: list[str]) -> list[list[str]]:
    """The ids, a request's worth at a time: MongoDB takes no request of more than 16 MB."""
    return [ids[k : k + MOST_ASKED] for k in range(0, len(ids), MOST_ASKED)]


def write_predictions(samples, field: str, ids: list[str], labels: list[str], confidence, margin) -> None:
    """Stores predicted classes as ``fo.Classification``.

    Args:
        samples: a dataset or view
        field: label field
        ids: sample ids
        labels: predicted class of each
        confidence: probability of the predicted class, in [0, 1]
        margin: signed margin of the sample's own class; negative on the other side
    """
    write_labels(
        samples,
        field,
        {
            i: fo.Classification(label=str(label), confidence=float(c), margin=float(m))
            for i, label, c, m in zip(ids, labels, confidence, margin, strict=True)
        },
    )


def write_regressions(samples, field: str, ids: list[str], values) -> None:
    """Stores predicted numbers as ``fo.Regression``."""
    write_labels(samples, field, {i: fo.Regression(value=float(v)) for i, v in zip(ids, values, strict=True)})


def write_evaluation(samples, field: str, ids: list[str], truth, categorical: bool) -> None:
    """Stores what a prediction should have been, and FiftyOne's evaluation of the one against the other.

    Args:
        samples: a dataset or view
        field: label field with the predictions; the truth goes to ``field + "_truth"``, the evaluation to
            ``field + "_eval"``
        ids: sample ids
        truth: class or number of each
        categorical: whether it is a class
    """
    goal, key = field + "_truth", field + "_eval"
    dataset = dataset_of(samples)
    if dataset.has_evaluation(key):
        dataset.delete_evaluation(key)
    clear_field(samples, goal)
    if categorical:
        write_labels(samples, goal, {i: fo.Classification(label=str(t)) for i, t in zip(ids, truth, strict=True)})
        flat(dataset).exists(goal).evaluate_classifications(
            field, gt_field=goal, eval_key=key, method="simple", progress=False
        )
    else:
        write_regressions(samples, goal, ids, truth)
        flat(dataset).exists(goal).evaluate_regressions(
            field, gt_field=goal, eval_key=key, method="simple", progress=False
        )


def write_heatmaps(samples, field: str, maps: Mapping[str, np.ndarray]) -> None:
    """Stores uint8 maps as ``fo.Heatmap``, all on one scale from 0 to 255; the App stretches one over its picture."""
    write_labels(samples, field, {i: fo.Heatmap(map=m, range=[0, 255]) for i, m in maps.items()})


def write_boxes(samples, field: str, boxes: Mapping[str, tuple[str, list[float], float]]) -> None:
    """Stores one box a sample as ``fo.Detections``: ``{sample id: (label, [left, top, width, height], score)}``.

    The App draws them: where a dataset says which fields are drawn, this one joins them.
    """
    dataset = dataset_of(samples)
    shown = dataset.app_config.active_fields
    if shown is not None and not shown.exclude and field not in shown.paths:
        shown.paths = [*shown.paths, field]
        dataset.save()
    write_labels(
        samples,
        field,
        {
            i: fo.Detections(
                detections=[fo.Detection(label=label, bounding_box=list(map(float, box)), score=float(score))]
            )
            for i, (label, box, score) in boxes.items()
        },
    )


def count_tags(samples) -> dict[str, int]:
    """How many samples carry each tag."""
    return dict(samples.count_sample_tags())
