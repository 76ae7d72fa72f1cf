"""Writing a registered cohort into the database."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from bson import ObjectId
from fiftyone.core.odm.dataset import ActiveFields
from fiftyone.core.odm.sample import DatasetSampleDocument
from fiftyone.core.storage import normalize_path
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure

from .. import schema
from ..errors import InputError, StoreError
from ..progress import Progress, start
from ..serialize import decimal_year
from .connection import is_away
from .fields import check_types, declare_document, declare_fields, tag
from .samples import count, mend_estimate, write_info

#: samples written at a time
BATCH = 1000
#: MongoDB's code for a key that is there already
_DUPLICATE_KEY = 11000


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
        file: facts of its files
        linked: the one subject that copies under several ids are of
    """

    source: str
    key: str
    subject: str
    split: str
    values: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    filepath: str | None = None
    montage: str | None = None
    geometry: dict | None = None
    file: dict | None = None
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
    if exists:
        dataset = fo.load_dataset(name, reload=True)
        mend_estimate(dataset)
        if schema.SOURCE_FIELD not in dataset.get_field_schema() and count(dataset):
            raise InputError(f"dataset {name!r} exists and was not registered by this package; choose another name")
        check_types(dataset, kinds)
    else:
        dataset = fo.Dataset(name, persistent=True)
    try:
        _set_up(dataset, kinds, rows)
        ids, sources = dataset.values(["id", schema.SOURCE_FIELD])
        known = {s: str(i) for i, s in zip(ids, sources, strict=True) if s is not None}
        fresh = [r for r in rows if r.source not in known]
        with start(progress, "writing samples", len(rows), "samples") as task:
            for k in range(0, len(fresh), BATCH):
                part = fresh[k : k + BATCH]
                _add(dataset, part)
                task.advance(len(part))
            updated = _update(dataset, [(known[r.source], r) for r in rows if r.source in known])
            task.advance(len(rows) - len(fresh))
        if any(r.montage for r in rows) and schema.MONTAGE_FIELD not in dataset.app_config.media_fields:
            dataset.app_config.media_fields = ["filepath", schema.MONTAGE_FIELD]
            dataset.app_config.media_fallback = True  # single images have no montage
            dataset.save()
        write_info(dataset, subject_field=schema.SUBJECT_FIELD, **facts)
    except BaseException as error:
        if not exists and not is_away(error):  # what a database that is away has got is gone on from by the next call
            dataset.delete()
        raise
    return len(fresh), updated, count(dataset)


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


def _set_up(dataset, kinds: dict[str, str], rows: list[Record]) -> None:
    """Brings a new dataset, or one whose registration was cut off anywhere, to where samples can be written."""
    ours = {
        schema.SUBJECT_FIELD: "string",
        schema.SPLIT_FIELD: "string",
        schema.SOURCE_FIELD: "string",
        schema.CACHE_FIELD: "string",
        schema.GEOMETRY_FIELD: "dict",
        schema.LINKED_FIELD: "string",
    }
    if any(r.montage for r in rows):
        ours[schema.MONTAGE_FIELD] = "string"
    years = {f + schema.YEARS_SUFFIX: "float" for f, kind in kinds.items() if kind in ("date", "datetime")}
    declare_fields(dataset, {**ours, **kinds, **years})
    facts = {fact for r in rows for fact in r.file or ()}
    declare_document(dataset, schema.FILE_FIELD, {f: kind for f, kind in schema.FILE_FACTS.items() if f in facts})
    if not dataset.persistent:
        dataset.persistent = True
    if dataset.app_config.active_fields is None:
        # The App prints every label on every thumbnail unless told otherwise, and probes add one a field.
        dataset.app_config.active_fields = ActiveFields(paths=["tags"])
        dataset.save()
    _one_sample_a_source(dataset)


def _one_sample_a_source(dataset) -> None:
    """Lets the database itself refuse a second sample of a source; samples without a source are not concerned.

    Raises:
        StoreError: there are such samples already
    """
    try:
        dataset.create_index(
            schema.SOURCE_FIELD, unique=True, partialFilterExpression={schema.SOURCE_FIELD: {"$type": "string"}}
        )
    except (DuplicateKeyError, OperationFailure) as error:
        if error.code != _DUPLICATE_KEY:
            raise
        seen: set[str] = set()
        doubles = []
        for i, source in zip(*dataset.sort_by("id").values(["id", schema.SOURCE_FIELD]), strict=True):
            if source is not None and source in seen:
                doubles.append(str(i))
            seen.add(source)
        tag(dataset, doubles, schema.TAG_REGISTERED_TWICE)
        raise StoreError(
            f"dataset {dataset.name!r} has {len(doubles)} samples of sources that are in it already, from a "
            f"registration after a crash of the database; they are tagged {schema.TAG_REGISTERED_TWICE!r}: delete them "
            "in the App, then register again"
        ) from error


def _values(record: Record, document=fo.DynamicEmbeddedDocument) -> dict:
    out: dict = {
        schema.SUBJECT_FIELD: record.subject,
        schema.SPLIT_FIELD: record.split,
        schema.SOURCE_FIELD: record.source,
        schema.CACHE_FIELD: record.key,
        schema.GEOMETRY_FIELD: record.geometry,
        schema.FILE_FIELD: None if record.file is None else document(**record.file),
        schema.LINKED_FIELD: record.linked,
    }
    if record.montage is not None:
        out[schema.MONTAGE_FIELD] = record.montage
    for field, value in record.values.items():
        out[field] = value
        if hasattr(value, "toordinal"):
            # The App cannot colour by dates, so a date is there as a number of years too.
            out[field + schema.YEARS_SUFFIX] = decimal_year(value)
    return out


def _add(dataset, records: list[Record]) -> None:
    """Adds samples: FiftyOne makes the first one, and the others' documents are written like its own.

    FiftyOne looks up every field of every sample in the schema several times, which for a table of 3,000 columns takes
    a tenth of a second a sample.
    """
    first = fo.Sample(filepath=_picture(records[0]), tags=list(records[0].tags), **_values(records[0]))
    dataset.add_samples([first], progress=False)
    declared = dataset.get_field_schema()
    keys = {name: field.db_field or name for name, field in declared.items()}
    of_first = {keys[f] for f in _values(records[0])}
    like = dataset._sample_collection.find_one({"_id": ObjectId(first.id)})
    like = {k: v for k, v in like.items() if k != "_id" and k not in of_first}
    documents = []
    for record in records[1:]:
        values = {keys[f]: declared[f].to_mongo(v) for f, v in _values(record).items() if v is not None}
        own = {
            "filepath": normalize_path(_picture(record)),
            "tags": list(record.tags),
            "_rand": DatasetSampleDocument._rand.default(),
        }
        documents.append({**like, **own, **values})  # FiftyOne, too, leaves out what is missing
    if documents:
        dataset._sample_collection.insert_many(documents)


def _picture(record: Record) -> str:
    return record.filepath or record.source


def _update(dataset, pairs: list[tuple[str, Record]]) -> int:
    """Writes only what differs; a sample keeps the split it once got, so that nothing leaks."""
    declared = dataset.get_field_schema()
    changed = 0
    # whole documents are read and written, not one field after the other: a table may have thousands of columns
    for k in range(0, len(pairs), 500):
        part = {ObjectId(i): {"filepath": _picture(r), **_values(r, dict)} for i, r in pairs[k : k + 500]}
        stamp = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        writes, ids = [], []
        for old in dataset._sample_collection.find({"_id": {"$in": list(part)}}):
            new = {}
            for field, value in part[old["_id"]].items():
                key = declared[field].db_field or field
                if field == schema.FILE_FIELD and value is not None:
                    if value.items() <= (old.get(key) or {}).items():
                        continue
                    value = fo.DynamicEmbeddedDocument(**value)
                plain = declared[field].to_mongo(value)
                if field == schema.LINKED_FIELD and value is None:
                    continue  # what the verb duplicates linked stays so
                if field == schema.FILE_FIELD and plain and old.get(key):
                    plain = {**old[key], **plain}  # what was seen in the picture stays
                if field != schema.SPLIT_FIELD and _differs(plain, old.get(key)):
                    new[key] = plain
            if new:
                writes.append(UpdateOne({"_id": old["_id"]}, {"$set": {**new, "last_modified_at": stamp}}))
                ids.append(str(old["_id"]))
        if writes:
            dataset._bulk_write(writes, ids=ids)
            changed += len(writes)
    return changed


def _differs(value, old) -> bool:
    if isinstance(value, datetime.datetime) and isinstance(old, datetime.datetime):
        return _utc(value) != _utc(old)
    return value != old and not (isinstance(old, float) and value is not None and abs(value - old) < 1e-9)


def _utc(time: datetime.datetime) -> datetime.datetime:
    """Without zone and to the millisecond, as the database keeps it."""
    if time.tzinfo is not None:
        time = time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
