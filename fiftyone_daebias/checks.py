"""What can be known to be wrong before a verb runs: cheap enough for a form that is checked at every keystroke.

A check says what the verb itself would say, in one line. What needs vectors
or pixels is left to the verb.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from . import run_listing, store, verbs
from .analyses import ANALYSES
from .clustering import cluster as named
from .errors import CohortError, DaebiasError, InputError
from .statistics.targets import make_target

#: what is said of a required parameter that was not given yet
NO_VALUE = "still to be given"
_SMALLEST_MAP = 8


def field_questions(samples, subject_field: str | None = None) -> dict[str, str]:
    """Which metadata fields can be probed.

    Args:
        samples: a dataset or view
        subject_field: field that names the subject; default: as registered, else guessed by name

    Returns:
        ``{field: ""}`` for those that can, ``{field: why not}`` for the others
    """
    names = sorted(store.metadata_fields(samples))
    table = store.read_table(samples, names)
    subjects = store.read_subjects(samples, subject_field)
    return {name: _question(name, table, subjects) for name in names}


def _question(name: str, table: pd.DataFrame, subjects: list[str]) -> str:
    try:
        make_target(name, table[name].tolist(), subjects)
    except DaebiasError as error:
        return str(error)
    return ""


def check(verb: verbs.Verb, samples, values: dict) -> str:
    """What is wrong with a verb's parameters, in one line; "" when nothing is known to be.

    Args:
        verb: the verb
        samples: what it would act on; ``None`` for verbs that make a dataset
        values: its parameters, without those left at their default
    """
    parameters = verbs.parameters(verb.load())
    missing = [p.name for p in parameters if p.required and values.get(p.name) in (None, "", [])]
    if missing:
        return f"{' and '.join(missing)}: {NO_VALUE}"
    try:
        _check_values(samples, parameters, values)
        for one in _OF_VERB.get(verb.command, ()):
            one(samples, values)
    except (DaebiasError, OSError) as error:
        return " ".join(str(error).split())
    return ""


def _check_values(samples, parameters: tuple[verbs.Parameter, ...], values: dict) -> None:
    for parameter in parameters:
        given = values.get(parameter.name)
        if given is None:
            continue
        parameter.checked(given)
        if samples is None:
            continue
        for name in [given] if isinstance(given, str) else given if parameter.kind is list else []:
            if parameter.names == "vectors" and name not in (known := _vectors(samples)):
                raise InputError(f"there is no vector field {name!r}; vector fields: {', '.join(known) or 'none'}")
            if parameter.names == "cluster":
                named.get(samples, name)


def _vectors(samples) -> list[str]:
    return [*store.vector_fields(samples), *store.map_runs(samples), *store.similarity_runs(samples)]


def _register(_, values: dict) -> None:
    if store.dataset_origin(values["name"]) == "foreign":
        raise CohortError(
            f"dataset {values['name']!r} exists and was not registered by this package; choose another name"
        )
    given = values["images"] if isinstance(values["images"], (list, tuple)) else [values["images"]]
    for path in [*given, *([values["table"]] if values.get("table") else [])]:
        if not Path(path).expanduser().exists():
            raise CohortError(f"there is no file or folder {path}")


def _train(samples, values: dict) -> None:
    from .dae.train import pick_device, settings

    changes = {k: values[k] for k in ("images", "batch_size", "accumulate", "lr") if k in values}
    settings(values.get("preset"), **changes)
    pick_device(values.get("device"))


def _embed(samples, values: dict) -> None:
    from .dae.train import pick_device

    if store.count(samples) < _SMALLEST_MAP:
        raise InputError(f"a map needs at least {_SMALLEST_MAP} samples; got {store.count(samples)}; use a wider view")
    pick_device(values.get("device"))


def _needs_vectors(samples, values: dict) -> None:
    if not values.get("vectors") and not store.vector_fields(samples):
        raise InputError("these samples have no embedding yet; run 'Compute DAE embeddings' first")


def _askable(samples, values: dict) -> None:
    field = values.get("field")
    if field in (values.get("adjust_for") or ()):
        raise InputError(f"adjust_for: {field!r} cannot be adjusted for itself")
    table = store.read_table(samples, [field])
    scale = values.get("scale", "auto")
    make_target(field, table[field].tolist(), store.read_subjects(samples, values.get("subject_field")), scale)


def _new_cluster(samples, values: dict) -> None:
    name, total = named.check_name(values["name"]), store.count(store.dataset_of(samples))
    if store.count(samples) == total:
        raise InputError(
            f"all {total:,} samples are selected, so there is no rest to compare with; draw a lasso in the Embeddings "
            "panel, or tick samples in the grid"
        )
    if name in named.read_clusters(samples) and not values.get("replace"):
        raise InputError(f"there is a cluster {name!r} already; choose another name, or tick 'Replace'")


def _some_cluster(samples, values: dict) -> None:
    if not named.read_clusters(samples):
        raise InputError("there are no clusters yet; draw one in the Embeddings panel or run 'Suggest clusters'")
    for name in values.get("names") or ():
        named.get(samples, name)


def _sure(samples, values: dict) -> None:
    if values.get("action") == "delete":
        run_listing.check_delete(samples, values.get("names"), bool(values.get("sure")))


def _cluster_action(samples, values: dict) -> None:
    needs = {
        "accept": ("cluster",),
        "rename": ("cluster", "new_name"),
        "merge": ("cluster", "other"),
        "subtract": ("cluster", "other"),
        "delete": ("cluster",),
        "export": ("file",),
        "import": ("file",),
    }
    action = values.get("action", "list")
    for name in needs.get(action, ()):
        if not values.get(name):
            raise InputError(f"{name} is missing; '{action}' needs it")
    if values.get("new_name"):
        named.check_name(values["new_name"])


def _one_query(samples, values: dict) -> None:
    if bool(values.get("to")) == bool(values.get("cluster")):
        raise InputError("give either samples (tick them in the grid) or a cluster")


_OF_VERB: dict[str, tuple[Callable, ...]] = {
    **{a.step.command: (_needs_vectors,) for a in ANALYSES if a.step and "vectors" in a.step.reads},
    "register": (_register,),
    "train": (_train,),
    "embed": (_embed,),
    "probe": (_needs_vectors, _askable),
    "disagreements": (_needs_vectors,),
    "subgroups": (_needs_vectors, _askable),
    "transfer": (_needs_vectors, _askable),
    "name-cluster": (_new_cluster,),
    "clusters": (_cluster_action,),
    "test-clusters": (_some_cluster,),
    "similar": (_one_query,),
    "runs": (_sure,),
    "counterfactual": (_needs_vectors,),
    "local-view": (_needs_vectors,),
    "mitigate": (_needs_vectors,),
    "sensitivity": (_needs_vectors,),
}
