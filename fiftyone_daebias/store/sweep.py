"""Sweeping up what a process that died had half written: runs that no dataset names, and pieces of their results.

Every id that MongoDB's client makes carries five bytes that are random for each process. They tell the leavings of
the dead from what others are writing at this moment.
"""

from __future__ import annotations

import fiftyone.core.odm as odm
from bson import ObjectId


def sweep(dataset_id: ObjectId, marks: list[str]) -> dict[str, int]:
    """Deletes what processes with these marks left unfinished.

    Args:
        dataset_id: the dataset whose lease is held
        marks: bytes 5 to 9 of the ids that each dead process made, in hexadecimal digits

    Returns:
        how many of each kind were deleted: "runs", "files" and "pieces"
    """
    database, dead = odm.get_db_conn(), set(marks)

    def theirs(ids) -> list:
        return [i for i in ids if hasattr(i, "binary") and i.binary[4:9].hex() in dead]

    document = database.datasets.find_one({"_id": dataset_id}) or {}
    named = {
        key: _id(reference)
        for kind in ("runs", "brain_methods", "evaluations", "annotation_runs")
        for key, reference in (document.get(kind) or {}).items()
    }
    runs = list(database.runs.find({"_dataset_id": dataset_id}, {"_id": 1, "key": 1}))
    unnamed = [r for r in runs if r["_id"] not in named.values()]
    # whoever made it: a run that was to go once another had taken its key
    lost = theirs(r["_id"] for r in unnamed) + [r["_id"] for r in unnamed if _older(r["_id"], named.get(r.get("key")))]
    files = [r["results"] for r in database.runs.find({"_id": {"$in": lost}}, {"results": 1}) if r.get("results")]
    if lost:
        database.runs.delete_many({"_id": {"$in": lost}})
    files += theirs(f["_id"] for f in database["fs.files"].find({}, {"_id": 1}))
    used = {r["results"] for r in database.runs.find({"results": {"$in": files}}, {"results": 1})} if files else set()
    unused = [i for i in files if i not in used]
    if unused:
        database["fs.files"].delete_many({"_id": {"$in": unused}})
        database["fs.chunks"].delete_many({"files_id": {"$in": unused}})
    whole = {f["_id"] for f in database["fs.files"].find({}, {"_id": 1})}
    torn = [i for i in theirs(database["fs.chunks"].distinct("files_id")) if i not in whole]
    pieces = database["fs.chunks"].delete_many({"files_id": {"$in": torn}}).deleted_count if torn else 0
    return {"runs": len(set(lost)), "files": len(unused), "pieces": pieces}


def _id(reference):
    return getattr(reference, "id", reference)


def _older(one: ObjectId, other: ObjectId | None) -> bool:
    return other is not None and one.generation_time <= other.generation_time
