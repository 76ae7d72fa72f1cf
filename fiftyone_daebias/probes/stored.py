"""Reading stored probes back."""

from __future__ import annotations

from .. import schema, store
from ..statistics.targets import make_target
from .result import ProbeResult, ProbeTable


def stored_probes(samples) -> ProbeTable:
    """The stored probes of a dataset, with the reasons for the metadata fields that cannot be probed.

    The q-values are those of the call that stored them.
    """
    rows = []
    for key in store.list_runs(samples, schema.PROBE_RUN_PREFIX):
        _, results = store.load_run(samples, key)
        rows.append(ProbeResult.from_dict(results["summary"]))
    known = {r.field for r in rows}
    vectors = rows[0].vectors if rows else schema.embedding_field()
    subjects = store.read_subjects(samples)
    for field in store.metadata_fields(samples):
        if field in known:
            continue
        values = store.read_table(samples, [field])[field].tolist()
        try:
            make_target(field, values, subjects)
        except ValueError as error:
            rows.append(ProbeResult(field, vectors, reason=str(error)))
        else:
            rows.append(ProbeResult(field, vectors, reason=f"field {field!r} was not part of the last probing"))
    return ProbeTable.sorted(rows)
