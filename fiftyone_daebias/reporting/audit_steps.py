"""The steps of the whole line: which verb each one runs, what it reads and what it builds on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from .. import schema, store, verbs
from ..embeddings.guard import safe_vectors
from ..errors import CheckpointError, InputError
from ..probes.labels import SPEAKS_FROM, not_a_label, too_weak
from ..probes.result import ProbeResult
from ..progress import Progress
from .audit_result import Step
from .finding import LEVEL
from .findings import collect_findings, findings_stamp
from .formatting import count, listed

#: findings that are explained, the strongest first
TOP = 3


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

    @property
    def available(self) -> bool:
        """Whether this installation has the verb."""
        return any(v.command == self.name for v in verbs.VERBS)

    def parameters(self) -> tuple[verbs.Parameter, ...]:
        """Its parameters as a configuration may give them."""
        own = verbs.parameters(verbs.by_command(self.name).load())
        return (*(p for p in own if p.name not in self.left_out), *self.extra)


_FIELDS = verbs.Parameter(
    "fields",
    list,
    str,
    None,
    None,
    "fields to look at; default: every label whose probe is strong enough to speak of single samples",
)
_TOP = verbs.Parameter("top", int, int, None, TOP, "how many findings to explain, the strongest first")
_EXPLAINED = ("cluster", "tag", "field", "value", "against")

_ALL = (
    StepKind("register", "register images and table", optional=False, default=None, left_out=("name",)),
    StepKind("duplicates", "look for copies and leaks", reads=("content", "table")),
    StepKind("case-mix", "compare the people of sites", reads=("table",), tests=True),
    StepKind("quality", "measure image quality", reads=("content", "table"), tests=True),
    StepKind("train", "train the diffusion autoencoder", reads=("content",), optional=False),
    StepKind("embed", "embed and map", ("train",), ("content", "checkpoint"), optional=False),
    StepKind("probe-all", "probe every metadata field", ("embed",), ("table", "vectors"), tests=True),
    StepKind(
        "disagreements",
        "list labels that images contradict",
        ("probe-all",),
        ("table",),
        tests=True,
        left_out=("field",),
        extra=(_FIELDS,),
    ),
    StepKind("tag", "tag outliers", ("embed",), ("content", "vectors")),
    StepKind("suggest-clusters", "suggest clusters", ("embed", "probe-all", "tag"), ("vectors",), tracked=False),
    StepKind(
        "test-clusters",
        "test clusters against metadata",
        ("embed", "suggest-clusters"),
        ("table", "clusters"),
        tests=True,
    ),
    StepKind("drift", "look for changes over time", ("embed",), ("table", "vectors"), tests=True),
    StepKind("reidentify", "ask what neighbours give away", ("embed",), ("table", "vectors"), tests=True),
    StepKind(
        "explain",
        "explain the strongest findings",
        ("probe-all", "test-clusters"),
        ("content", "clusters"),
        left_out=_EXPLAINED,
        extra=(_TOP,),
    ),
    StepKind("sensitivity", "what would have been found", ("embed", "probe-all"), ("content", "table"), default=None),
    StepKind(
        "story",
        "find out what is one thing",
        ("probe-all", "test-clusters", "disagreements", "tag"),
        ("table", "vectors", "findings"),
        tests=True,
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
    special = {"disagreements": _disagreements, "explain": _explain, "probe-all": _probe_all}
    run = special.get(kind.name) or _verb(kind.name)
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


def _verb(name: str) -> Callable:
    def run(samples, *, progress: Progress | None = None, **parameters):
        result = verbs.by_command(name).load()(samples, progress=progress, **parameters)
        return f"{_IN_A_LINE[name](result)} (provisional)" if name in _IN_A_LINE else result

    return run


def _probe_all(samples, *, progress: Progress | None = None, **parameters):
    """Probes the vectors; where they were found to know less than principal components, these beside them."""
    if parameters.get("vectors", schema.embedding_field()) == schema.embedding_field():
        parameters["vectors"] = safe_vectors(samples)
    return _verb("probe-all")(samples, progress=progress, **parameters)


def _probes_line(table) -> str:
    probed = [r for r in table.rows if not r.reason]
    found = [r.name for r in probed if r.verdict == "found"]
    return f"{count(len(probed), 'probe')}; found: {listed(found) or 'nothing'}"


def _case_mix_line(mix) -> str:
    tested = [r for r in mix.rows if r.verdict != "not tested"]
    uneven = [f"{r.field} over {r.over}" for r in tested if r.verdict == "found"]
    return f"{count(len(tested), 'pair')} of fields tested; uneven: {listed(uneven) or 'none'}"


def _quality_line(table) -> str:
    tested = [r for r in table.rows if r.verdict != "not tested"]
    return f"{count(len(tested), 'field')} tested; quality goes with " + (
        listed([r.field for r in tested if r.verdict == "found"]) or "none"
    )


def _tests_line(tests) -> str:
    verdicts = Counter(r.verdict for r in tests.rows)
    return f"{count(tests.n_tests, 'pair')} of cluster and field tested: " + listed(
        f"{n} {verdict}" for verdict, n in verdicts.items()
    )


def _drift_line(table) -> str:
    verdicts = Counter(r.verdict for r in table.rows)
    return f"{count(len(table.rows), 'series', 'series')}: " + listed(f"{n} {v}" for v, n in verdicts.items())


def _telling_line(told) -> str:
    yes = [what for what in told.rows if told.verdicts.get(what) == "found"]
    return f"neighbours tell {listed(yes)}" if yes else "neighbours tell nothing that was asked"


#: results whose own text begins with a table
_IN_A_LINE = {
    "case-mix": _case_mix_line,
    "quality": _quality_line,
    "probe-all": _probes_line,
    "test-clusters": _tests_line,
    "drift": _drift_line,
    "reidentify": _telling_line,
    "story": lambda told: count(len(told.rows), "story", "stories"),
}


def _disagreements(samples, *, fields: list[str] | None = None, progress: Progress | None = None, **parameters) -> str:
    """Judges every field named, or every label whose probe is strong enough; the level is shared among them."""
    if fields is None:
        fields, kinds = [], store.metadata_fields(samples)
        for key in store.list_runs(samples, schema.PROBE_RUN_PREFIX):
            config, results = store.load_run(samples, key)
            row = ProbeResult.from_dict(results["summary"])
            if not config.get("by") and not too_weak(row) and not not_a_label(row.field, kinds.get(row.field, "")):
                fields.append(row.field)
    run = verbs.by_command("disagreements").load()
    for key in store.list_runs(samples, schema.DISAGREEMENT_RUN_PREFIX):
        earlier = store.load_run(samples, key)[0]["field"]
        if earlier not in fields:
            run(samples, earlier, progress=progress, **parameters)  # takes back what its probe no longer carries
    if not fields:
        return f"no label has a probe whose AUC is surely {SPEAKS_FROM:g} or more: no sample is spoken of"
    parameters = {"level": LEVEL / len(fields), **parameters}
    said = [str(run(samples, name, progress=progress, **parameters)).splitlines() for name in fields]
    verdicts = [next((line for line in lines if line.startswith("verdicts:")), lines[0]) for lines in said]
    return "; ".join(f"{name}: {v.removeprefix('verdicts: ')}" for name, v in zip(fields, verdicts, strict=True))


def _explain(samples, *, top: int = TOP, progress: Progress | None = None, **parameters) -> str:
    """Explains the clusters and the groups on the other side of their label behind the strongest findings."""
    targets: dict[str, dict] = {}
    for finding in collect_findings(samples).rows:
        if finding.verdict not in ("found", "inseparable", "explained") and finding.kind != "opposite":
            continue
        if finding.cluster:
            targets.setdefault(f"cluster {finding.cluster}", {"cluster": finding.cluster})
        elif finding.kind == "opposite":
            targets.setdefault(finding.title, {"tag": finding.selector.name})
    if not targets:
        raise InputError("nothing was found that could be explained: no tested cluster, no group on the other side")
    run, said = verbs.by_command("explain").load(), []
    for name, target in list(targets.items())[:top]:
        try:
            run(samples, progress=progress, **target, **parameters)
        except InputError as error:
            said.append(f"{name}: not possible here: {error}")
        else:
            said.append(name)
    return "explained: " + "; ".join(said)


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
