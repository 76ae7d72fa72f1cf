"""Reading samples: ids, subjects, metadata tables and vectors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import fiftyone as fo
import fiftyone.core.media as fom
import numpy as np
import pandas as pd
from pymongo.errors import OperationFailure

from .. import schema
from ..connected_components import linked_groups
from ..errors import InputError, hint

_KINDS = {
    fo.StringField: "string",
    fo.BooleanField: "boolean",
    fo.IntField: "integer",
    fo.FloatField: "float",
    fo.DateField: "date",
    fo.DateTimeField: "datetime",
    fo.FrameNumberField: "integer",
}
_BUILT_IN = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
_OURS_PREFIX = "daebias_"


def load_samples(name: str, view: str | None = None):
    """Loads a dataset, or one of its saved views.

    Args:
        name: name of a dataset
        view: name of a saved view of that dataset

    Raises:
        InputError: there is no such dataset or view
    """
    if not fo.dataset_exists(name):
        known = ", ".join(sorted(fo.list_datasets())[:20]) or "none"
        raise InputError(f"there is no dataset {name!r}; datasets here: {known}; register one with 'daebias register'")
    dataset = fo.load_dataset(name)
    if view is None:
        return dataset
    if not dataset.has_saved_view(view):
        known = ", ".join(dataset.list_saved_views()) or "none"
        raise InputError(f"dataset {name!r} has no saved view {view!r}; saved views: {known}")
    loaded = dataset.load_saved_view(view)
    follow_slice(loaded)
    return loaded


def dataset_of(samples) -> fo.Dataset:
    """The dataset that ``samples`` is, or is a view of."""
    return samples._dataset


def ensure_samples(samples) -> None:
    """Checks that ``samples`` is a non-empty collection of images (synthetic ones do not count).

    Raises:
        InputError: not a FiftyOne dataset or view, empty, or not images
    """
    if not isinstance(samples, fo.core.collections.SampleCollection):
        raise InputError(f"samples must be a FiftyOne dataset or view; got {type(samples).__name__}")
    _refuse_pieces(samples)
    follow_slice(samples)
    if not count(real(samples)):
        what = "dataset" if isinstance(samples, fo.Dataset) else "this view of dataset"
        what = f"{what} {dataset_of(samples).name!r}"
        raise InputError(f"{what} has no samples; register images first or widen the view")
    if samples.media_type == fom.GROUP and isinstance(samples, fo.Dataset):
        dataset = dataset_of(samples)
        raise InputError(
            f"dataset {dataset.name!r} is grouped: pass a view of one of its slices "
            f"({', '.join(dataset.group_slices)}), as dataset.save_view('{dataset.default_group_slice}', "
            f"dataset.select_group_slices('{dataset.default_group_slice}')) makes one"
        )
    if samples.media_type not in (fom.IMAGE, fom.GROUP):
        raise InputError(
            f"dataset {samples._dataset.name!r} holds {samples.media_type!r} media; this package audits images and "
            "volumes registered with register"
        )


def count(samples) -> int:
    """How many samples there are.

    FiftyOne's ``len()`` and ``count()`` of a whole dataset are MongoDB's estimate, which is 0 or anything after a
    crash of the server; this one counts the index.
    """
    if samples.media_type == fom.GROUP:
        return flat(samples).count() if samples._is_full_collection() else samples.count()
    if samples._is_full_collection():
        return dataset_of(samples)._sample_collection.count_documents({}, hint="_id_")
    return samples.count()


def mend_estimate(dataset: fo.Dataset) -> bool:
    """Corrects MongoDB's estimate of the number of samples if it is wrong, as it is after a crash of the server.

    The App and FiftyOne itself go by the estimate. Returns whether it was wrong.
    """
    collection = dataset._sample_collection
    if collection.estimated_document_count() == collection.count_documents({}, hint="_id_"):
        return False
    with contextlib.suppress(OperationFailure):  # a user of the database who may not
        collection.database.command("validate", collection.name)
    return True


def _refuse_pieces(samples) -> None:
    """Patches, clips and frames are views of a throw-away dataset: nothing stored on them would stay."""
    if getattr(samples, "_is_generated", False):
        kind = "patches" if getattr(samples, "_is_patches", False) else "clips or frames"
        raise InputError(
            f"this view of dataset {samples._root_dataset.name!r} shows {kind}, which are pieces of its images and not "
            "images of their own; pass the dataset or another view of it, or save them as images and register these"
        )


def follow_slice(samples) -> None:
    """In a grouped dataset, makes the slice that the samples are of the one that the dataset is read and written by.

    Raises:
        InputError: the samples are of several slices
    """
    dataset = dataset_of(samples)
    if getattr(samples, "_is_generated", False) or dataset.media_type != fom.GROUP or isinstance(samples, fo.Dataset):
        return
    if samples.media_type == fom.GROUP:
        return  # such a view is read by the dataset's own slice
    names = samples.distinct(f"{dataset.group_field}.name")
    if len(names) > 1:
        raise InputError(
            f"this view of the grouped dataset {dataset.name!r} holds several slices ({', '.join(names)}); pass a "
            "view of one, as dataset.select_group_slices('" + str(names[0]) + "')"
        )
    if names and dataset.group_slice != names[0]:
        dataset.group_slice = names[0]


def flat(samples):
    """The dataset; of a grouped one the slice at hand as plain samples: most of FiftyOne's methods refuse groups."""
    dataset = dataset_of(samples)
    return dataset.select_group_slices(dataset.group_slice) if dataset.media_type == fom.GROUP else dataset


def everyone(samples):
    """All samples of the dataset, of whatever slice."""
    dataset = dataset_of(samples)
    if dataset.media_type == fom.GROUP:
        return dataset.select_group_slices(_allow_mixed=True)
    return dataset


def real(samples):
    """The samples without synthetic ones: every reader below goes through here, so none ever enters a finding."""
    return samples.match_tags(schema.TAG_SYNTHETIC, bool=False)


def sample_ids(samples) -> list[str]:
    """Ids of the samples, in their order, without synthetic ones."""
    return [str(i) for i in real(samples).values("id")]


def read_info(samples) -> dict:
    """This package's facts about the dataset (a copy)."""
    return dict(dataset_of(samples).info.get(schema.INFO_KEY) or {})


def read_units(samples) -> dict[str, str]:
    """``{field: unit}`` as header and table stated them at registration."""
    return dict(read_info(samples).get("units") or {})


def left_in_table(samples, name: str) -> str:
    """How to have a column of the table that registration did not store; "" where it is none of these."""
    if name not in read_info(samples).get("not_stored", ()):
        return ""
    return f"the table's column {name!r} was not stored; register again with --keep {name!r} (keep=[{name!r}])"


def write_info(samples, **facts) -> None:
    """Updates this package's facts about the dataset; ``None`` removes one."""
    dataset = dataset_of(samples)
    info = read_info(samples)
    for key, value in facts.items():
        if value is None:
            info.pop(key, None)
        else:
            info[key] = value
    info["schema_version"] = schema.SCHEMA_VERSION
    dataset.info[schema.INFO_KEY] = info
    dataset.save()


def begin_vectors(samples, field: str) -> None:
    """Notes that a vector field is about to hold other vectors than its run says; nobody reads it meanwhile."""
    write_info(samples, half_written=sorted({*read_info(samples).get("half_written", ()), field}))


def end_vectors(samples, field: str) -> None:
    """Notes that the vectors of a field, and the run that says where they come from, are whole."""
    left = sorted({*read_info(samples).get("half_written", ())} - {field})
    write_info(samples, half_written=left or None)


def is_half_written(samples, field: str) -> bool:
    """Whether an embedding was interrupted before its vectors were whole."""
    return field in read_info(samples).get("half_written", ())


def subject_field(samples, field: str | None = None) -> str | None:
    """The field that names the subject.

    ``field`` when given, else what ``register`` stored, else the first
    of :data:`schema.SUBJECT_FIELD_GUESSES` that exists, else ``None``.

    Raises:
        InputError: ``field`` does not exist
    """
    fields = _simple_fields(samples)
    if field is not None:
        if field not in fields:
            raise InputError(f"subject field {field!r} does not exist; fields: {', '.join(sorted(fields))}")
        return field
    stored = read_info(samples).get("subject_field")
    for guess in (stored, *schema.SUBJECT_FIELD_GUESSES):
        if guess and guess in fields:
            return guess
    return None


def file_names(samples, ids: Iterable[str]) -> list[str]:
    """File name of each of these samples, by which a person knows it: of the source, else of the picture."""
    chosen = flat(samples).select(list(ids), ordered=True)
    stored = read_field(chosen, schema.SOURCE_FIELD) if has_field(chosen, schema.SOURCE_FIELD) else None
    pictures = read_field(chosen, "filepath")
    return [str(s or p).rpartition("/")[2] for s, p in zip(stored or pictures, pictures, strict=True)]


def read_subjects(samples, field: str | None = None) -> list[str]:
    """Subject of every sample; a sample without one is a subject of its own (its id).

    Subjects that copies of one image link (:data:`schema.LINKED_FIELD`, written by ``register`` and ``duplicates``)
    are one, so that no copy lies on both sides of a split, fold or permutation.
    """
    ids, owners, _ = _owners(samples, field, [])
    return owners


def subjects_and_tags(samples) -> tuple[dict[str, str], dict[str, list[str]]]:
    """``{sample id: subject}`` and ``{sample id: tags}``, read in one pass; as :func:`read_subjects` has them."""
    ids, owners, (tags,) = _owners(samples, None, ["tags"])
    return dict(zip(ids, owners, strict=True)), {i: list(t or ()) for i, t in zip(ids, tags, strict=True)}


def _owners(samples, field: str | None, also: list[str]) -> tuple[list[str], list[str], list[list]]:
    """Ids, subjects, and the values of further fields."""
    name = subject_field(samples, field)
    wanted = [n for n in (name, schema.LINKED_FIELD) if n and dataset_of(samples).has_field(n)]
    columns = dict(zip(["id", *also, *wanted], real(samples).values(["id", *also, *wanted]), strict=True))
    ids = [str(i) for i in columns["id"]]
    values = columns[name] if name else ids
    owners = [str(v) if v is not None and str(v) != "" else i for v, i in zip(values, ids, strict=True)]
    linked = columns.get(schema.LINKED_FIELD)
    if linked is not None and any(linked):
        # what shares a subject or a link is one person, whichever field names the subject here
        seen: dict[tuple, int] = {}
        pairs = [
            (seen.setdefault((kind, value), k), k)
            for k, both in enumerate(zip(owners, linked, strict=True))
            for kind, value in enumerate(both)
            if value
        ]
        for group in linked_groups(len(ids), pairs):
            labels = [name for k in group if (name := linked[k])]
            for k in group if labels else ():
                owners[k] = min(labels)
    return ids, owners, [columns[n] for n in also]


def metadata_fields(samples) -> dict[str, str]:
    """Fields that hold facts about a sample, with their kind.

    Returns:
        ``{field: "string" | "boolean" | "integer" | "float" | "date" | "datetime" | "classification"}``; the
        package's own bookkeeping, file paths, the subject and vectors are left out
    """
    subject = subject_field(samples)
    media = {schema.MONTAGE_FIELD, *(dataset_of(samples).app_config.media_fields or [])}
    out = {}
    full = _simple_fields(samples)
    ours = _probe_fields(full)
    for name, field in full.items():
        if name in _BUILT_IN or name in media or name == subject or name.startswith(_OURS_PREFIX) or name in ours:
            continue
        kind = _kind(field)
        if kind is not None:
            out[name] = kind
    # a date's number of years is the same fact once more
    dates = [n for n, kind in out.items() if kind in ("date", "datetime")]
    for name in dates:
        out.pop(name + schema.YEARS_SUFFIX, None)
    return out


def _simple_fields(samples) -> dict[str, fo.Field]:
    """Sample fields, and below plain embedded documents their own: "clinical.age"."""
    out = {}
    for name, field in dataset_of(samples).get_field_schema().items():
        out[name] = field
        if name not in _BUILT_IN and _is_plain_document(field):
            out |= _below(name, field)
    return out


def _is_plain_document(field) -> bool:
    """Whether a field holds a document that is no label of FiftyOne's."""
    return isinstance(field, fo.EmbeddedDocumentField) and not issubclass(
        field.document_type, (fo.Label, fo.Group, fo.Metadata)
    )


def _below(name: str, field: fo.EmbeddedDocumentField) -> dict[str, fo.Field]:
    out: dict[str, fo.Field] = {}
    for child, inner in (field.get_field_schema() or {}).items():
        if child.startswith("_") or child in ("id", "tags"):
            continue
        if _is_plain_document(inner):
            out |= _below(f"{name}.{child}", inner)
        else:
            out[f"{name}.{child}"] = inner
    return out


def _kind(field) -> str | None:
    """Kind of a field that holds a simple fact, ``None`` for others."""
    kind = _KINDS.get(type(field))
    if (
        kind is None
        and isinstance(field, fo.EmbeddedDocumentField)
        and issubclass(field.document_type, fo.Classification)
    ):
        return "classification"
    return kind


def _probe_fields(fields: dict[str, fo.Field]) -> set[str]:
    """What probes wrote: labels, and the truth and evaluation beside them. A column "probe_type" is the user's."""
    labels = [
        n
        for n, f in fields.items()
        if n.startswith(schema.PROBE_FIELD_PREFIX) and isinstance(f, fo.EmbeddedDocumentField)
    ]
    beside = {n for n in fields for label in labels if n.startswith((f"{label}_eval", f"{label}_truth"))}
    return {*labels, *beside}


def read_table(samples, fields: list[str] | None = None) -> pd.DataFrame:
    """Metadata of the samples.

    Args:
        samples: a dataset or view
        fields: fields to read; ``None`` reads all of :func:`metadata_fields`

    Returns:
        a frame with the sample ids (str) as index and one column a field; labels are read as their class name;
        missing values are ``None``/``NaN``

    Raises:
        InputError: a field does not exist or holds no simple values
    """
    known = metadata_fields(samples)
    full = _simple_fields(samples)
    names = list(known) if fields is None else list(fields)
    paths = []
    for name in names:
        kind = known.get(name) or _kind(full.get(name))
        if name not in full:
            choices = f"fields to choose from: {', '.join(sorted(known)) or 'none'}"
            raise InputError(
                f"field {name!r} does not exist; {left_in_table(samples, name) or hint(name, known) or choices}"
            )
        if kind is None:
            raise InputError(
                f"field {name!r} holds {type(full[name]).__name__} values, not numbers, text, booleans, dates or "
                f"classifications; fields to choose from: {', '.join(sorted(known))}"
            )
        paths.append(name + ".label" if kind == "classification" else name)
    if not paths:
        return pd.DataFrame(index=pd.Index(sample_ids(samples), name="id"))
    columns = real(samples).values(["id", *paths])
    index = pd.Index([str(i) for i in columns[0]], name="id")
    return pd.DataFrame({n: pd.Series(c, index=index) for n, c in zip(names, columns[1:], strict=True)}, index=index)


def read_field(samples, field: str) -> list:
    """Raw values of any field, in sample order, without synthetic samples."""
    if field.split(".")[0] not in dataset_of(samples).get_field_schema():
        raise InputError(f"field {field!r} does not exist")
    return real(samples).values(field)


def read_labels(samples, field: str, attributes: tuple[str, ...]) -> dict[str, tuple]:
    """Attributes of a label field, ``{sample id: (value, …)}``, for the samples that have the label."""
    ids, labels = real(samples).values(["id", field])
    return {
        str(i): tuple(getattr(v, a, None) for a in attributes)
        for i, v in zip(ids, labels, strict=True)
        if v is not None
    }


def vector_fields(samples) -> list[str]:
    """Fields that hold vectors."""
    fields = dataset_of(samples).get_field_schema()
    return [n for n, f in fields.items() if isinstance(f, (fo.VectorField, fo.ArrayField))]


def read_vectors(samples, field: str) -> tuple[list[str], np.ndarray]:
    """Vectors of the samples that have one.

    Args:
        samples: a dataset or view
        field: a vector field, or a brain run: the map's points, or the vectors of a similarity index

    Returns:
        ids of the samples that have a vector, and the vectors, float32 of shape (n, d)

    Raises:
        InputError: the field does not exist, holds no vectors, or vectors of different length
    """
    full = dataset_of(samples).get_field_schema()
    if field not in full and dataset_of(samples).has_brain_run(field):
        return _run_vectors(samples, field)
    if field not in full:
        have = ", ".join(vector_fields(samples)) or "none; run 'daebias embed' first"
        raise InputError(f"vector field {field!r} does not exist; vector fields: {have}")
    if is_half_written(samples, field):
        raise InputError(f"the embedding in {field!r} was interrupted: run 'daebias embed' again to complete it")
    ids, values = real(samples).values(["id", field])
    pairs = [(str(i), v) for i, v in zip(ids, values, strict=True) if v is not None]
    if not pairs:
        raise InputError(f"no sample here has a vector in {field!r}; run 'daebias embed' on it first")
    try:
        vectors = np.stack([np.asarray(v, dtype=np.float32).ravel() for _, v in pairs])
    except ValueError as error:
        raise InputError(f"vectors in {field!r} differ in length or are not numbers ({error}); embed again") from error
    return [i for i, _ in pairs], vectors


def _run_vectors(samples, key: str) -> tuple[list[str], np.ndarray]:
    """Vectors behind a brain run, of the samples at hand, in their order."""
    results = dataset_of(samples).load_brain_results(key)
    vectors = getattr(results, "points", None)
    if vectors is not None:
        ids = results.sample_ids
    elif hasattr(results, "get_embeddings"):
        vectors, ids, _ = results.get_embeddings()
    else:
        raise InputError(f"brain run {key!r} holds neither a map nor a similarity index, so it has no vectors")
    rows = {str(i): k for k, i in enumerate(ids)}
    mine = [i for i in sample_ids(samples) if i in rows]
    if not mine:
        raise InputError(f"brain run {key!r} has none of these samples; run it on them or widen the view")
    return mine, np.asarray(vectors, np.float32)[[rows[i] for i in mine]]


def count_values(samples, field: str) -> int:
    """How many samples of the whole dataset have a value in a field."""
    return dataset_of(samples).count(field)


def has_field(samples, field: str) -> bool:
    """Whether the dataset has a field of that name."""
    return dataset_of(samples).has_field(field)


def audited_datasets() -> list[fo.Dataset]:
    """All datasets in this database that this package has written to."""
    found = (fo.load_dataset(name) for name in fo.list_datasets())
    return [d for d in found if schema.INFO_KEY in d.info or any(r.startswith(_OURS_PREFIX) for r in d.list_runs())]


def datasets_with(field: str) -> list[fo.Dataset]:
    """All datasets in this database that have a field."""
    found = (fo.load_dataset(name) for name in fo.list_datasets())
    return [d for d in found if d.has_field(field)]
