"""The steps of the whole line: which verb each one runs, what it reads and what it builds on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from .. import schema, store, verbs
from ..analyses import ANALYSES, AuditStep, load
from ..errors import CheckpointError
from ..findings.collect import findings_stamp
from ..progress import Progress
from .audit_result import Step


@dataclass(frozen=True)
class StepKind:
    """One step of the line.

    Attributes:
        name: its verb's command
        label: what it does
        after: the steps it builds on
        reads: what it reads: "content" (images), "checkpoint", "table" (metadata and subjects), "vectors", "clusters",
            "findings"
        optional: whether an audit goes on where it is not possible
        default: its parameters where the configuration says nothing; ``None`` leaves it out
        left_out: parameters that the audit itself supplies
        extra: parameters of the step beside those of its verb
        tracked: see :class:`~fiftyone_daebias.reporting.audit_result.Step`
        tests: whether it rests on statistics, which have a version
        run, line, permutations: see :class:`~fiftyone_daebias.analyses.AuditStep`
    """

    name: str
    label: str
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    optional: bool = True
    default: dict | None = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    extra: tuple[verbs.Parameter, ...] = ()
    tracked: bool = True
    tests: bool = False
    run: str = ""
    line: str = ""
    permutations: int = 0

    @property
    def available(self) -> bool:
        """Whether this installation has the verb."""
        return any(v.command == self.name for v in verbs.VERBS)

    def parameters(self) -> tuple[verbs.Parameter, ...]:
        """Its parameters as a configuration may give them."""
        own = verbs.parameters(verbs.by_command(self.name).load())
        return (*(p for p in own if p.name not in self.left_out), *self.extra)


def _analysis(step: AuditStep, tests: bool) -> StepKind:
    extra = tuple(verbs.Parameter(n, kind, item, None, default, text) for n, kind, item, default, text in step.extra)
    return StepKind(
        step.command,
        step.label,
        step.after,
        step.reads,
        default={} if step.on else None,
        left_out=step.left_out,
        extra=extra,
        tracked=step.tracked,
        tests=tests,
        run=step.run,
        line=step.line,
        permutations=step.permutations,
    )


_ANALYSES = [_analysis(a.step, a.tests) for a in ANALYSES if a.step]
#: analyses of the images themselves and of the table come before the embedding
_ALL = (
    StepKind("register", "register images and table", optional=False, default=None, left_out=("name",)),
    StepKind("duplicates", "look for copies and leaks", reads=("content", "table")),
    *(s for s in _ANALYSES if not s.after),
    StepKind("train", "train the diffusion autoencoder", reads=("content",), optional=False),
    StepKind("embed", "embed and map", ("train",), ("content", "checkpoint"), optional=False),
    *(s for s in _ANALYSES if s.after),
    StepKind(
        "story",
        "find out what is one thing",
        ("probe-all", "test-clusters", "disagreements", "tag"),
        ("table", "vectors", "findings"),
        tests=True,
        line="stories.terminal:in_a_line",
    ),
    StepKind("report", "write the report", optional=False),
)
#: the steps whose verbs this installation has, in order
LINE: tuple[StepKind, ...] = tuple(s for s in _ALL if s.available)


def step_kind(name: str) -> StepKind | None:
    """The step of that name, if there is one."""
    return next((s for s in LINE if s.name == name), None)


def make_step(kind: StepKind, parameters: dict) -> Step:
    """The step with its parameters."""
    run = in_a_line(load(kind.run) if kind.run else verbs.by_command(kind.name).load(), kind.line)
    model = parameters.get("model") or "dae"
    done: Callable = {
        "embed": lambda s: (
            store.has_field(s, schema.embedding_field(model)) and schema.map_key(model) in store.map_runs(s)
        ),
        "train": lambda s: bool(_checkpoint(s)),
        "tag": lambda s: store.has_field(s, schema.OUTLIER_FIELD),
    }.get(kind.name, lambda s: True)
    vectors = parameters.get("vectors") or schema.embedding_field()
    vectors = [vectors] if isinstance(vectors, str) else list(vectors)
    readers = {
        "content": _content,
        "checkpoint": lambda s: _checkpoint(s, model, parameters.get("checkpoint")),
        "table": _table,
        "clusters": _clusters,
        "findings": findings_stamp,
        "vectors": lambda s: " ".join(_vectors(s, v) for v in vectors),
    }
    return Step(
        kind.name,
        kind.label,
        run,
        parameters,
        done,
        kind.after,
        lambda s: " ".join(readers[name](s) for name in kind.reads),
        kind.optional,
        kind.tracked,
        schema.STATISTICS_VERSION if kind.tests else 0,
    )


def in_a_line(function: Callable, line: str) -> Callable:
    """A step whose result is said by another function, if one is named: its own text may begin with a table."""

    def run(samples, *, progress: Progress | None = None, **parameters):
        result = function(samples, progress=progress, **parameters)
        return f"{load(line)(result)} (provisional)" if line else result

    return run


def _content(samples) -> str:
    """Hash of what the images hold, and of which samples take part."""
    return _hash(sorted(store.content_keys(store.real(samples))))


def _checkpoint(samples, model: str = "dae", given: str | None = None) -> str:
    """Hash of the weights of the checkpoint given, or of the one trained on this dataset."""
    from ..dae.checkpoint import read_facts
    from ..dae.train import trained_checkpoint

    folder = given or trained_checkpoint(samples, model)
    try:
        return "" if folder is None else read_facts(folder)["sha256"]
    except CheckpointError:
        return ""


def _table(samples) -> str:
    """Hash of metadata and subjects."""
    table = store.read_table(samples).reset_index(drop=True)
    rows = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy()
    return _hash([list(table.columns), hashlib.sha256(rows.tobytes()).hexdigest(), store.read_subjects(samples)])


def _vectors(samples, field: str) -> str:
    """What names the vectors: their provenance where we made them, else the vectors themselves."""
    key = field.removesuffix(schema.EMBEDDING_SUFFIX) + schema.PROVENANCE_SUFFIX
    if field.endswith(schema.EMBEDDING_SUFFIX) and key in store.list_runs(samples, key):
        config, results = store.load_run(samples, key)
        made = {k: config.get(k) for k in ("checkpoint_hash", "n_slices", "pool", "crop", "seed", "perplexity")}
        return _hash([made, results.get("content"), store.sample_ids(samples)])
    if not store.has_field(samples, field):
        return ""
    ids, matrix = store.read_vectors(samples, field)
    return _hash([ids, hashlib.sha256(matrix.tobytes()).hexdigest()])


def _clusters(samples) -> str:
    from ..clustering.cluster import read_clusters

    return _hash([[c.name, sorted(c.members), c.coloured_by] for c in read_clusters(samples).values()])


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]
