"""The verb ``runs``: what was computed on a dataset, when and how large; deleting it with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from . import paths, schema, store
from .analyses import ANALYSES, load
from .clustering import cluster as named
from .errors import InputError
from .parameters import Label, RunKeys
from .progress import Progress, start
from .rendering import Rendered, Table
from .tidy import tidy

OUTLIERS = "daebias_outliers"

#: kinds of runs by the beginning of their key, the longest first where one begins like another
_KINDS = tuple(
    sorted(
        (
            *((a.run, a.run_label) for a in ANALYSES if a.run),
            (schema.RECONSTRUCTION_RUN, "reconstruction"),
            (schema.STORIES_RUN, "stories"),
            (schema.AUDIT_RUN, "audit"),
            (schema.FINDING_REVIEW_RUN, "review"),
            (schema.SHARED_RUN_PREFIX, "shared bundle"),
        ),
        key=lambda entry: -len(entry[0]),
    )
)

#: kinds of runs whose statistics have a version
TESTING = tuple(a.run_label for a in ANALYSES if a.tests)


@dataclass(frozen=True)
class StoredRun:
    """A run and everything on the dataset that goes with it.

    Attributes:
        key: its key
        kind: what it is, in a word
        created: ISO time, UTC
        size: bytes of its results
        fields: sample fields that it made
        tags: tags that it set
        views: saved views that it made
        brain_keys: maps and indexes that it made
        evaluations: evaluations that it made
        outdated: whether it tested something with older statistics than this version's: it is to be run again
    """

    key: str
    kind: str
    created: str = ""
    size: int = 0
    fields: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    brain_keys: tuple[str, ...] = ()
    evaluations: tuple[str, ...] = ()
    outdated: bool = False

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    @property
    def owned_artifacts(self) -> str:
        """What goes with it, in words."""
        parts = [
            f"{word} {', '.join(values)}"
            for word, values in (
                ("fields", self.fields),
                ("tags", self.tags),
                ("saved views", self.views),
                ("maps and indexes", self.brain_keys),
                ("evaluations", self.evaluations),
            )
            if values
        ]
        return "; ".join(parts)


@dataclass(frozen=True)
class RunList(Rendered):
    """The runs of a dataset.

    Attributes:
        runs: the runs, newest first
        done: what was deleted, in words
    """

    runs: tuple[StoredRun, ...]
    done: str = ""

    def to_dict(self) -> dict:
        return {"runs": [r.to_dict() for r in self.runs], "done": self.done}

    def parts(self) -> list[str | Table]:
        if not self.runs:
            return [self.done or "no runs: nothing was computed on this dataset yet"]
        cells = [("run", "what", "made (UTC)", "size", "goes with it")]
        cells += [
            (
                r.key,
                r.kind + (", made by an older version" if r.outdated else ""),
                r.created.replace("T", " ")[:16],
                size_words(r.size),
                r.owned_artifacts or "-",
            )
            for r in self.runs
        ]
        old = sum(r.outdated for r in self.runs)
        lines = (
            [
                f"{old} made by an older version, whose statistics are no longer trusted: 'daebias audit' runs these "
                "steps again"
            ]
            if old
            else []
        )
        return [*([self.done] if self.done else []), Table.of(cells), *lines]


def runs(
    samples,
    action: Literal["list", "delete"] = "list",
    *,
    names: RunKeys | None = None,
    sure: Annotated[bool, Label("Yes, delete")] = False,
    progress: Progress | None = None,
) -> RunList:
    """Lists what was computed on a dataset, or deletes runs with the fields, tags, views and maps that go with them.

    The images, the table's own fields, trained checkpoints and the slice cache
    stay; what was embedded can be embedded again from the checkpoint.

    Args:
        samples: a dataset or view; runs belong to the whole dataset
        action: "list" or "delete"
        names: keys of the runs to delete
        sure: has to be set to delete; without it the error says what would go

    Returns:
        the runs that are there afterwards

    Raises:
        InputError: a run that does not exist, or not sure
    """
    if action == "list":
        return RunList(tuple(stored_runs(samples)))
    if action != "delete":
        raise InputError(f"action must be list or delete; got {action!r}")
    known = check_delete(samples, names, sure)
    with start(progress, "deleting", len(names), "runs") as task:
        for name in names:
            _delete(samples, known[name])
            task.advance(note=name)
    done = ["deleted " + "; ".join(_what_goes(known[n]) for n in names), *tidy(samples)]
    return RunList(tuple(stored_runs(samples)), "\n".join(done))


def check_delete(samples, names: list[str] | None, sure: bool) -> dict[str, StoredRun]:
    """The dataset's runs by key, if those named may be deleted.

    Raises:
        InputError: none is named, one does not exist, or not sure; the message says what would go
    """
    known = {r.key: r for r in stored_runs(samples)}
    if not names:
        raise InputError(f"names is missing; 'delete' needs it; runs: {', '.join(known) or 'none'}")
    for name in names:
        if name not in known:
            raise InputError(f"there is no run {name!r}; runs: {', '.join(known) or 'none'}")
    if not sure:
        raise InputError("this deletes " + "; ".join(_what_goes(known[n]) for n in names) + "; set sure to delete it")
    return known


def stored_runs(samples) -> list[StoredRun]:
    """All runs of this package on a dataset, newest first, with what goes with each; results are not read."""
    have = _Belongings(samples)
    out = [have.of(facts) for facts in store.run_facts(samples) if kind_of(facts.key)]
    if schema.OUTLIER_FIELD in have.fields and OUTLIERS not in {r.key for r in out}:
        out.append(StoredRun(OUTLIERS, "outliers", fields=have.outlier_fields(), tags=have.outlier_tags()))
    return out


def kind_of(key: str) -> str:
    """What a run is, in a word; "" if it is none of this package's."""
    for prefix, kind in _KINDS:
        if key.startswith(prefix):
            return kind
    return "embedding" if key.endswith(schema.PROVENANCE_SUFFIX) else ""


def size_words(size: int) -> str:
    """Bytes in words."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


class _Belongings:
    """Looks up what is there of the names that a run may have made."""

    def __init__(self, samples):
        self.samples = samples
        self.fields = set(store.all_fields(samples))
        self.views = set(store.saved_views(samples))
        self.brain = set(store.brain_runs(samples))

    def outlier_fields(self) -> tuple[str, ...]:
        every = (schema.OUTLIER_FIELD, schema.LOCAL_FIELD, schema.LOCAL_PLACE_FIELD)
        return tuple(f for f in every if f in self.fields)

    def outlier_tags(self) -> tuple[str, ...]:
        alike = [t for t in store.count_tags(store.dataset_of(self.samples)) if t.startswith(schema.TAG_ALIKE)]
        return (schema.TAG_OUTLIER, schema.TAG_LOCAL, *alike)

    def of(self, facts: store.RunFacts) -> StoredRun:
        key, kind = facts.key, kind_of(facts.key)
        fields, tags, brain = [], [], []
        analysis = next((a for a in ANALYSES if a.run_label == kind), None)
        made = load(analysis.owned)(facts, self.fields) if analysis and analysis.owned else {}
        if kind == "embedding":
            stem = key.removesuffix(schema.PROVENANCE_SUFFIX)
            fields = [stem + schema.EMBEDDING_SUFFIX, stem + schema.POINTS_SUFFIX]
            brain = [stem + schema.MAP_SUFFIX, stem + schema.SIMILARITY_SUFFIX]
        elif kind == "shared bundle":
            suffix = schema.SHARED_SUFFIX + key.removeprefix(schema.SHARED_RUN_PREFIX)
            fields = [f for f in self.fields if suffix in f]
            brain = [b for b in self.brain if suffix in b]
        elif kind == "outliers":
            fields, tags = self.outlier_fields(), self.outlier_tags()
        owns = facts.config.get("owns") or {}
        return StoredRun(
            key,
            kind,
            facts.created,
            facts.size,
            self._there(self.fields, fields, made, owns, "fields"),
            tuple(dict.fromkeys([*tags, *made.get("tags", ()), *owns.get("tags", ())])),
            self._there(self.views, (), made, owns, "views"),
            self._there(self.brain, brain, made, owns, "brain_keys"),
            tuple(made.get("evaluations", ())),
            kind in TESTING and store.is_outdated(facts.config),
        )

    @staticmethod
    def _there(known: set[str], names, made: dict, owns: dict, what: str) -> tuple[str, ...]:
        """Names that exist, each once."""
        every = dict.fromkeys([*names, *made.get(what, ()), *owns.get(what, ())])
        return tuple(n for n in every if n in known)


def _what_goes(run: StoredRun) -> str:
    return f"{run.key} ({run.kind})" + (f" with {run.owned_artifacts}" if run.owned_artifacts else "")


def _delete(samples, run: StoredRun) -> None:
    dataset = store.dataset_of(samples)
    if run.kind == "cluster":
        names = [c.name for c in named.read_clusters(dataset).values() if named.run_key(c.name) == run.key]
        named.write(dataset, [], names)
        return
    for figure in _figures(dataset, run):
        (paths.figures_dir(dataset.name) / figure).unlink(missing_ok=True)
    for key in run.evaluations:
        store.delete_evaluation(dataset, key)
    for key in run.brain_keys:
        store.delete_brain_run(dataset, key)
    for field in run.fields:
        store.clear_field(dataset, field)
    for tag in run.tags:
        store.untag(dataset, tag)
    for view in run.views:
        store.delete_view(dataset, view)
    if run.kind == "embedding":
        store.write_info(dataset, embedding_mark=None)
    store.delete_run(dataset, run.key)


def _figures(dataset, run: StoredRun) -> list[str]:
    """Files of the run's figures; only plain names inside the dataset's own folder."""
    if run.key not in store.list_runs(dataset, run.key):
        return []
    _, results = store.load_run(dataset, run.key)
    figures = results.get("figures") or []
    names = [f.get("png") for f in figures if isinstance(f, dict)] if isinstance(figures, list) else []
    return [n for n in names if isinstance(n, str) and n and "/" not in n and "\\" not in n and n not in (".", "..")]
