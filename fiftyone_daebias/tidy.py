"""Brings a dataset that an older version audited into the present shape; nothing of the user's is touched.

Predictions that nobody asked to see stay where every verb reads them, in the probes' runs; what goes are their copies
on the samples. ``doctor --fix`` and ``runs`` do this.
"""

from __future__ import annotations

from . import schema, store
from .clustering import cluster
from .quality_control.measures import MEASURES

#: description of the view that a probe of an older version saved
_OLD_VIEW = "look like another {} to a probe that has not seen their subject"


def tidy(samples) -> tuple[str, ...]:
    """Brings fields, saved views and sidebar into the present shape.

    Args:
        samples: a dataset or view; the whole dataset is looked at

    Returns:
        what was done, in words
    """
    dataset = store.dataset_of(samples)
    done = []
    if n := join_quality(dataset):
        done.append(f"{n} quality fields are parts of one, {schema.QUALITY_FIELD}")
    if store.label_field(dataset, schema.CLUSTER_FIELD):
        cluster.write(dataset, [])
        done.append(f"{schema.CLUSTER_FIELD} can be chosen under 'Color by'")
    fields, views = _drop_predictions(dataset)
    if fields:
        done.append(f"{fields} fields with predictions nobody asked for are gone; 'probe --predictions' writes them")
    if views:
        done.append(f"{views} saved views that nobody saved are gone")
    if store.has_field(dataset, schema.LOCKED_FIELD):
        store.clear_fields(dataset, [schema.LOCKED_FIELD])
        done.append(f"{schema.LOCKED_FIELD}, which no step reads any more, is gone")
    if store.arrange(dataset):
        done.append("the fields of the audit have their own groups in the sidebar")
    return tuple(done)


def join_quality(samples) -> int:
    """Makes the quality fields of an older version parts of one; returns how many there were."""
    dataset = store.dataset_of(samples)
    old = [m for m in (*MEASURES, "of") if store.has_field(dataset, schema.QUALITY_PREFIX_1 + m)]
    if not old:
        return 0
    store.declare_document(dataset, schema.QUALITY_FIELD, {**dict.fromkeys(MEASURES, "float"), "of": "string"})
    ids = store.sample_ids(dataset)
    for m in old:
        values = store.read_field(dataset, schema.QUALITY_PREFIX_1 + m)
        known = {i: v for i, v in zip(ids, values, strict=True) if v is not None}
        store.write_values(dataset, schema.QUALITY_PREFIX + m, known)
    store.clear_fields(dataset, [schema.QUALITY_PREFIX_1 + m for m in old])
    return len(old)


def _drop_predictions(dataset) -> tuple[int, int]:
    """Deletes predictions, evaluations and views that probes of older versions made unasked."""
    fields, views = [], 0
    known = store.saved_views(dataset)
    for facts in store.run_facts(dataset):
        if not facts.key.startswith(schema.PROBE_RUN_PREFIX) or "predictions" in facts.config:
            continue
        fields.append(schema.PROBE_FIELD_PREFIX + facts.key.removeprefix(schema.PROBE_RUN_PREFIX))
        field = facts.config.get("field", "")
        view = f"opposite {field}"
        if view in known and known[view].get("description") == _OLD_VIEW.format(field):
            store.delete_view(dataset, view)
            views += 1
    return store.clear_predictions(dataset, fields), views
