"""How a dataset looks in the App: the user's fields as they were, ours behind them and in three groups of the sidebar.

FiftyOne lists fields in the order of the schema ("Color by", exports) and, in the sidebar, in the groups of the
dataset's app config; what is in no group it adds to groups of its own choice, one for each document.
"""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo
import fiftyone.core.odm as odm
from fiftyone.core.odm.dataset import DatasetAppConfig, SidebarGroupDocument

from .. import schema
from .leases import check_lease
from .samples import dataset_of, read_info

RESULTS, QUALITY, TECHNICAL = "audit results", "audit quality", "audit technical"
GROUPS = (RESULTS, QUALITY, TECHNICAL)
#: groups that FiftyOne makes by itself
_STANDARD = ("tags", "metadata", "labels", "primitives", "other")
_RESULTS = (
    schema.CLUSTER_FIELD,
    schema.OUTLIER_FIELD,
    schema.LOCAL_FIELD,
    schema.LOCAL_PLACE_FIELD,
    schema.REVIEW_FIELD,
    schema.DUPLICATE_FIELD,
)
_OURS_PREFIX = "daebias_"


def own_fields(samples) -> dict[str, str]:
    """This package's fields, ``{field: group of the sidebar}``, in the order in which they are listed."""
    dataset = dataset_of(samples)
    fields = dataset.get_field_schema()
    registered = "subject_field" in read_info(dataset) and schema.SOURCE_FIELD in fields
    found = {name: group for name, field in fields.items() if (group := _group(name, field, fields, registered))}
    first = {name: k for k, name in enumerate(_RESULTS)}
    ranked = sorted(found, key=lambda n: (GROUPS.index(found[n]), first.get(n, len(first))))
    return {name: found[name] for name in ranked}


def _group(name: str, field: fo.Field, fields: Mapping[str, fo.Field], registered: bool) -> str:
    """The group of a field, "" for one of the user's."""
    if name in _RESULTS:
        return RESULTS
    if name == schema.QUALITY_FIELD or name.startswith(schema.QUALITY_PREFIX_1):
        return QUALITY
    if name.startswith(_OURS_PREFIX) or schema.SHARED_SUFFIX in name:
        return TECHNICAL
    if _is_label(field) and name.startswith(schema.EXPLAIN_FIELD_PREFIX):
        return RESULTS
    probe = name.removesuffix("_truth").removesuffix("_eval")
    if name.startswith(schema.PROBE_FIELD_PREFIX) and _is_label(fields.get(probe)):
        return RESULTS
    if (
        isinstance(field, fo.VectorField)
        and name.endswith(schema.EMBEDDING_SUFFIX)
        or name.endswith(schema.POINTS_SUFFIX)
    ):
        return TECHNICAL
    if registered and name == schema.MONTAGE_FIELD:
        return TECHNICAL
    date = fields.get(name.removesuffix(schema.YEARS_SUFFIX)) if name.endswith(schema.YEARS_SUFFIX) else None
    if registered and isinstance(date, (fo.DateField, fo.DateTimeField)):
        return TECHNICAL
    return ""


def _is_label(field) -> bool:
    return isinstance(field, fo.EmbeddedDocumentField) and issubclass(field.document_type, fo.Label)


def arrange(samples) -> bool:
    """Puts this package's fields behind the user's, and into its own groups, collapsed; returns whether it had to.

    A group that the user made or renamed keeps what is in it, and one of ours that the user opened stays open.

    Args:
        samples: a dataset or view, or the name of a dataset that may not exist
    """
    if isinstance(samples, str):
        if not fo.dataset_exists(samples):
            return False
        samples = fo.load_dataset(samples)
    dataset = dataset_of(samples)
    ours = own_fields(dataset)
    if not ours:
        return False
    wanted = _sidebar(dataset, ours)
    behind = _reordered(dataset, ours)
    if not behind and wanted == _plain(dataset.app_config.sidebar_groups):
        return False
    check_lease()
    if wanted != _plain(dataset.app_config.sidebar_groups):
        dataset.app_config.sidebar_groups = [
            SidebarGroupDocument(name=name, paths=paths, expanded=expanded) for name, paths, expanded in wanted
        ]
        dataset.save()
    dataset.reload()
    return True


def _plain(groups) -> list[tuple[str, list[str], bool | None]]:
    return [(g.name, list(g.paths), g.expanded) for g in groups or ()]


def _sidebar(dataset, ours: Mapping[str, str]) -> list[tuple[str, list[str], bool | None]]:
    """Groups as they should be: name, paths, whether open."""
    default = _plain(DatasetAppConfig.default_sidebar_groups(dataset))
    now = _plain(dataset.app_config.sidebar_groups) or default
    opened = {name: expanded for name, _, expanded in now if name in GROUPS}
    theirs, placed = [], set()
    for name, paths, expanded in now:
        if name in GROUPS:
            continue
        made_for = name in ours or name.removesuffix("_eval") in ours
        kept = [p for p in paths if p.split(".")[0] not in ours or not (name in _STANDARD or made_for)]
        if kept or not made_for:
            theirs.append((name, kept, expanded))
        placed |= set(kept)
    for name, paths, _ in default:  # fields that came since the user last arranged the sidebar
        fresh = [p for p in paths if p.split(".")[0] not in ours and p not in placed]
        at = next((k for k, group in enumerate(theirs) if group[0] == name), None)
        if fresh and at is None:
            theirs.append((name, fresh, None))
        elif fresh and at is not None:
            theirs[at] = (name, theirs[at][1] + fresh, theirs[at][2])
    own = {name: [p for p in _paths(dataset, ours, name) if p not in placed] for name in GROUPS}
    return [*theirs, *((name, own[name], bool(opened.get(name))) for name in GROUPS if own[name])]


def _paths(dataset, ours: Mapping[str, str], group: str) -> list[str]:
    out = []
    for name in (n for n, g in ours.items() if g == group):
        field = dataset.get_field(name)
        if isinstance(field, fo.EmbeddedDocumentField) and not _is_label(field):
            out += [f"{name}.{part}" for part in field.get_field_schema()]
        else:
            out.append(name)
    return out


def _reordered(dataset, ours: Mapping[str, str]) -> bool:
    """Lists clusters first, then the user's fields, then the rest of ours; whether that was news.

    Written only if nobody else has changed the schema since it was read: a field declared meanwhile would be lost.
    """
    datasets = odm.get_db_conn().datasets
    document = datasets.find_one({"_id": dataset._doc.id}, {"sample_fields": 1}) or {}
    before = document.get("sample_fields") or []
    rank = {name: k for k, name in enumerate(ours, 1)}
    rank[schema.CLUSTER_FIELD] = -1  # FiftyOne lists its own (id, filepath, tags …) before all others in any case
    after = sorted(before, key=lambda f: rank.get(f["name"], 0))
    if after == before:
        return False
    check_lease()
    done = datasets.update_one(
        {"_id": dataset._doc.id, "sample_fields": before}, {"$set": {"sample_fields": after}}
    ).modified_count
    if done:
        dataset.reload()
    return bool(done)
