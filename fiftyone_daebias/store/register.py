"""Writing a registered cohort into the database."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone as fo
from fiftyone.core.odm.dataset import ActiveFields

from .. import schema
from ..errors import InputError
from ..progress import Progress, start
from .fields import _TYPES
from .samples import write_info


@dataclass(frozen=True)
class Record:
    """One sample to be.

    Attributes:
        source: path of the original file; what identifies the sample when it is registered again
        key: key in the slice cache
        subject: pseudonym of the subject
        split: "train", "val" or "test"
        values: ``{field: value}`` from table and header
        tags: tags of this package
        filepath: picture the App shows; default: the source itself
        montage: picture of the 12 centre slices, a second media field
        geometry: what was done to the volume
        linked: the one subject that copies under several ids are of
    """

    source: str
    key: str
    subject: str
    split: str
    values: dict
    tags: tuple[str, ...] = ()
    filepath: str | None = None
    montage: str | None = None
    geometry: dict | None = None
    linked: str | None = None


def write_records(
    name: str, rows: list[Record], kinds: dict[str, str], facts: dict, progress: Progress | None = None
) -> tuple[int, int, int]:
    """Adds new samples and updates changed ones; removes none.

    Args:
        name: dataset; created persistent when it does not exist
        rows: the samples
        kinds: ``{field: kind}`` as in :func:`store.write_values`
        facts: what to remember in the dataset's info

    Returns:
        samples added, samples updated, samples in the dataset

    Raises:
        InputError: the dataset exists and was not registered by this package, or a field has another type there
    """
    exists = fo.dataset_exists(name)
    dataset = fo.load_dataset(name) if exists else None
    if dataset is not None:
        if schema.SOURCE_FIELD not in dataset.get_field_schema() and len(dataset):
            raise InputError(f"dataset {name!r} exists and was not registered by this package; choose another name")
        _check_types(dataset, kinds)
    else:
        dataset = fo.Dataset(name, persistent=True)
        # The App prints every label on every thumbnail unless told otherwise, and probes add one a field.
        dataset.app_config.active_fields = ActiveFields(paths=["tags"])
        dataset.save()
    try:
        _declare(dataset, kinds)
        known = {}
        if len(dataset):
            ids, sources = dataset.values(["id", schema.SOURCE_FIELD])
            known = {s: str(i) for i, s in zip(ids, sources, strict=True)}
        fresh = [r for r in rows if r.source not in known]
        with start(progress, "writing samples", len(rows), "samples") as task:
            for k in range(0, len(fresh), 1000):
                part = fresh[k : k + 1000]
                dataset.add_samples([_sample(r) for r in part], progress=False)
                task.advance(len(part))
            updated = _update(dataset, [(known[r.source], r) for r in rows if r.source in known], kinds)
            task.advance(len(rows) - len(fresh))
        if any(r.montage for r in rows) and schema.MONTAGE_FIELD not in dataset.app_config.media_fields:
            dataset.app_config.media_fields = ["filepath", schema.MONTAGE_FIELD]
            dataset.app_config.media_fallback = True  # single images have no montage
            dataset.save()
        write_info(dataset, subject_field=schema.SUBJECT_FIELD, **facts)
    except BaseException:
        if not exists:
            dataset.delete()
        raise
    return len(fresh), updated, len(dataset)


def known_splits(name: str) -> dict[str, str]:
    """``{subject: split}`` of a dataset that may not exist yet; of a subject in several the one nearest to training."""
    if not fo.dataset_exists(name):
        return {}
    dataset = fo.load_dataset(name)
    if not {schema.SUBJECT_FIELD, schema.SPLIT_FIELD} <= set(dataset.get_field_schema()):
        return {}
    out: dict[str, str] = {}
    for subject, split in zip(*dataset.values([schema.SUBJECT_FIELD, schema.SPLIT_FIELD]), strict=True):
        if subject is not None and split in schema.SPLITS:
            out[subject] = min(split, out.get(subject, split), key=schema.SPLITS.index)
    return out


def _declare(dataset, kinds: dict[str, str]) -> None:
    ours = {
        schema.SUBJECT_FIELD: "string", schema.SPLIT_FIELD: "string", schema.SOURCE_FIELD: "string",
        schema.CACHE_FIELD: "string", schema.MONTAGE_FIELD: "string", schema.GEOMETRY_FIELD: "dict",
        schema.LINKED_FIELD: "string",
    }
    for field, kind in {**ours, **kinds}.items():
        if not dataset.has_field(field):
            dataset.add_sample_field(field, _TYPES[kind])
        if kind == "date" and not dataset.has_field(field + "_years"):
            dataset.add_sample_field(field + "_years", fo.FloatField)


def _check_types(dataset, kinds: dict[str, str]) -> None:
    for field, kind in kinds.items():
        existing = dataset.get_field(field)
        if existing is not None and not isinstance(existing, _TYPES[kind]):
            raise InputError(
                f"field {field!r} is {type(existing).__name__} in dataset {dataset.name!r} but {kind} in the new "
                "table; register under another name, or rename the column"
            )


def _values(record: Record) -> dict:
    out = {
        schema.SUBJECT_FIELD: record.subject,
        schema.SPLIT_FIELD: record.split,
        schema.SOURCE_FIELD: record.source,
        schema.CACHE_FIELD: record.key,
        schema.MONTAGE_FIELD: record.montage,
        schema.GEOMETRY_FIELD: record.geometry,
        schema.LINKED_FIELD: record.linked,
    }
    for field, value in record.values.items():
        out[field] = value
        if hasattr(value, "toordinal"):
            # The App cannot colour by dates, so a date is there as a number of years too.
            out[field + "_years"] = value.year + (value.timetuple().tm_yday - 1) / 365.25
    return out


def _sample(record: Record) -> fo.Sample:
    return fo.Sample(filepath=record.filepath or record.source, tags=list(record.tags), **_values(record))


def _update(dataset, pairs: list[tuple[str, Record]], kinds: dict[str, str]) -> int:
    """Writes only what differs; a sample keeps the split it once got, so that nothing leaks."""
    if not pairs:
        return 0
    fields = ["filepath", *(f for f in _values(pairs[0][1]) if f != schema.SPLIT_FIELD)]
    now = dataset.select([i for i, _ in pairs], ordered=True).values(fields)
    changed: set[str] = set()
    for field, values in zip(fields, now, strict=True):
        new = {}
        for (sample_id, record), old in zip(pairs, values, strict=True):
            value = (record.filepath or record.source) if field == "filepath" else _values(record).get(field)
            if field == schema.LINKED_FIELD and value is None:
                continue  # what the verb duplicates linked stays so
            if value != old and not (isinstance(old, float) and value is not None and abs(value - old) < 1e-9):
                new[sample_id] = value
        if new:
            dataset.set_values(field, new, key_field="id")
            changed |= set(new)
    return len(changed)
