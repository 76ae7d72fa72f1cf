"""What a bundle holds, written to and read from its members; reading trusts nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from .. import schema
from ..clustering.test_clusters import Association
from ..errors import BundleError
from ..findings.finding import read_verdict
from ..probes.result import Adjusted, Holdout, ProbeResult
from . import checked as c
from .archive import AUDIT, MANIFEST, MAPS, SAMPLES, VECTORS, digest
from .models import Model
from .shared_stories import StoryRow

#: version 2 may hold stories; a bundle without any is written as version 1, for those who have an older package
FORMAT, VERSION = "daebias-bundle", 2
STATUSES = ("reviewed", "confirmed", "refuted")
#: provenance that says nothing of paths, people or single samples
PROVENANCE = {
    "model": c.text,
    "checkpoint_hash": lambda v, w: c.text(v, w, 128),
    "data_hash": lambda v, w: c.text(v, w, 128),
    "n_slices": c.number,
    "pool": c.text,
    "crop": c.number,
    "seed": c.number,
    "perplexity": c.number,
    "kl_divergence": c.number,
    "n_pca": c.number,
    "created": c.moment,
    "schema_version": c.number,
}


@dataclass(frozen=True)
class Row:
    """One sample of a bundle.

    Attributes:
        content: key of its files' content and of how they were read
        pixels: hash of its pixels, "" if they were not at hand: finds it where only the header was changed
        subject: pseudonymous key of its subject
        file: its file, only where the owner chose to tell
        person: its subject's id, only where the owner chose to tell
    """

    content: str
    pixels: str
    subject: str
    file: str = ""
    person: str = ""


@dataclass(frozen=True)
class Group:
    """A cluster or saved view.

    Attributes:
        name: its name
        rows: its samples, as rows of the bundle
        description: the view's description, or the cluster's note
        color: as #rrggbb, "" for none
        origin, proposed, author, map_key, polygon, coloured_by, stability, created: of clusters, see
            :class:`~fiftyone_daebias.clustering.cluster.Cluster`
    """

    name: str
    rows: tuple[int, ...]
    description: str = ""
    color: str = ""
    origin: str = ""
    proposed: bool = False
    author: str = ""
    map_key: str = ""
    polygon: tuple[tuple[float, float], ...] = ()
    coloured_by: str = ""
    stability: float | None = None
    created: str = ""


@dataclass(frozen=True)
class Workspace:
    """A saved workspace: the grid, a map and the audit panel."""

    name: str
    description: str = ""
    color: str = ""
    map_key: str = ""
    color_by: str = ""


@dataclass(frozen=True)
class Said:
    """What a person said of a finding, or of a sample (then ``finding`` is "" and there is one row)."""

    finding: str
    status: str
    note: str
    author: str
    date: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class FindingRow:
    """A finding as it travels: its facts and its sentence."""

    key: str
    kind: str
    title: str
    sentence: str
    verdict: str
    measure: str
    value: float
    interval: tuple[float, float]
    q: float
    n_subjects: int
    status: str


@dataclass(frozen=True)
class RiskRow:
    """What shared coordinates or vectors tell."""

    of: str
    what: str
    told: float
    interval: tuple[float, float]
    chance: float
    n_subjects: int


@dataclass(frozen=True)
class Contents:
    """A bundle.

    Attributes:
        rows: its samples
        maps: ``{key: (rows, points (m, 2))}``
        vectors: ``{field: (rows, vectors (m, d))}``
        findings: the findings' table
        probes: the probes' table
        associations: clusters against fields
        clusters: named clusters
        views: saved views
        workspaces: saved workspaces
        provenance: ``{model's name as part of a key: facts}``
        reviews: what people said
        stories: the findings by their causes
        k: groups of fewer subjects were withheld
        withheld: ``{what: how many were withheld}``
        risk: what the shared coordinates or vectors tell, one row a question
        reading: how the images were read
        software: versions
        created: ISO time
        id: hash of everything but the time
    """

    rows: tuple[Row, ...]
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    vectors: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    findings: tuple[dict, ...] = ()
    probes: tuple[dict, ...] = ()
    associations: tuple[dict, ...] = ()
    clusters: tuple[Group, ...] = ()
    views: tuple[Group, ...] = ()
    workspaces: tuple[Workspace, ...] = ()
    provenance: dict[str, dict] = field(default_factory=dict)
    reviews: tuple[Said, ...] = ()
    stories: tuple[StoryRow, ...] = ()
    k: int = 5
    withheld: dict[str, int] = field(default_factory=dict)
    risk: tuple[dict, ...] = ()
    reading: dict = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    created: str = ""
    id: str = ""


def to_members(contents: Contents) -> dict[str, bytes]:
    """The members of the archive; the manifest's id is a hash of all of them."""
    rows = contents.rows
    audit = {
        name: [_dict(v) for v in getattr(contents, name)]
        for name in ("findings", "probes", "associations", "clusters", "views", "workspaces", "reviews", "stories")
        if name != "stories" or contents.stories
    }
    members = {
        SAMPLES: _json({"samples": [{k: v for k, v in asdict(r).items() if v or k == "pixels"} for r in rows]}),
        AUDIT: _json({**audit, "provenance": contents.provenance}),
    }
    for name, arrays in ((MAPS, contents.maps), (VECTORS, contents.vectors)):
        if arrays:
            members[name] = _tensors(arrays)
    manifest = {
        "format": FORMAT,
        "version": VERSION if contents.stories else 1,
        "schema_version": schema.SCHEMA_VERSION,
        "k": contents.k,
        "n_samples": len(contents.rows),
        "n_subjects": len({r.subject for r in contents.rows}),
        "withheld": contents.withheld,
        "risk": list(contents.risk),
        "reading": contents.reading,
        "software": contents.software,
        "members": {n: {"sha256": digest(d), "size": len(d)} for n, d in sorted(members.items())},
    }
    manifest["id"] = digest(_json(manifest))[:16]
    return {MANIFEST: _json({**manifest, "created": contents.created}), **members}


def from_members(members: dict[str, bytes]) -> Contents:
    """Reads the members of an untrusted archive.

    Raises:
        BundleError: anything that is not as this package writes it; the message says what
    """
    manifest = _manifest(c.parse(members[MANIFEST], MANIFEST), members)
    raw = c.obj(c.parse(members[SAMPLES], SAMPLES), SAMPLES, ("samples",))
    rows = tuple(c.each(raw["samples"], "samples", _row, 2_000_000))
    n = len(rows)
    subjects = len({r.subject for r in rows})
    if n != manifest["n_samples"] or subjects != manifest["n_subjects"] or not n:
        raise BundleError(
            f"the manifest says {manifest['n_samples']:,} samples of {manifest['n_subjects']:,} subjects, the bundle "
            f"has {n:,} of {subjects:,}; nothing was imported"
        )
    maps = c.tensors(members[MAPS], MAPS, n, 2) if MAPS in members else {}
    vectors = c.tensors(members[VECTORS], VECTORS, n) if VECTORS in members else {}
    audit = c.obj(
        c.parse(members[AUDIT], AUDIT),
        AUDIT,
        ("findings", "probes", "associations", "clusters", "views", "workspaces", "reviews", "provenance"),
        ("stories",) if manifest["version"] > 1 else (),
    )
    clusters = tuple(c.each(audit["clusters"], "clusters", lambda v, w: _group(v, w, n), 2000))
    views = tuple(c.each(audit["views"], "views", lambda v, w: _group(v, w, n), 2000))
    workspaces = tuple(c.each(audit["workspaces"], "workspaces", _workspace, 2000))
    for where, some in (("clusters", clusters), ("views", views), ("workspaces", workspaces)):
        c.unique([g.name for g in some], where)
    for g in (*clusters, *workspaces):
        if g.map_key and g.map_key not in maps:
            raise BundleError(f"{g.name!r} names a map that the bundle does not have; nothing was imported")
    provenance = c.obj(audit["provenance"], "provenance", (), tuple(audit["provenance"] or ()))
    return Contents(
        rows,
        maps,
        vectors,
        tuple(c.each(audit["findings"], "findings", _TABLES["findings"], 20_000)),
        tuple(c.each(audit["probes"], "probes", _TABLES["probes"], 20_000)),
        tuple(c.each(audit["associations"], "associations", _TABLES["associations"])),
        clusters,
        views,
        workspaces,
        {c.stem(k, "provenance"): _facts(v, f"provenance of {k}") for k, v in provenance.items()},
        tuple(c.each(audit["reviews"], "reviews", lambda v, w: _said(v, w, n))),
        tuple(c.each(audit.get("stories", []), "stories", lambda v, w: StoryRow(**_STORY(v, w)), 2000)),
        **{k: manifest[k] for k in ("k", "withheld", "risk", "reading", "software", "created", "id")},
    )


def _manifest(raw, members: dict[str, bytes]) -> dict:
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise BundleError("this zip file is not a bundle of this package (its manifest says so); nothing was imported")
    version = raw.get("version")
    if type(version) is not int or version < 1:
        raise BundleError(
            f"the bundle has version {str(version)[:40]!r}; this package reads version {VERSION}; nothing was imported"
        )
    newest = raw.get("schema_version")
    if version > VERSION or type(newest) is int and newest > schema.SCHEMA_VERSION:
        raise BundleError(
            f"the bundle was written by a newer fiftyone-daebias (bundle version {version}, schema {newest}); this one "
            f"reads up to {VERSION} and {schema.SCHEMA_VERSION}; update it; nothing was imported"
        )
    c.obj(
        raw,
        MANIFEST,
        (
            "format",
            "version",
            "schema_version",
            "k",
            "n_samples",
            "n_subjects",
            "withheld",
            "risk",
            "reading",
            "software",
            "members",
            "id",
            "created",
        ),
    )
    listed = c.obj(raw["members"], "members", tuple(m for m in members if m != MANIFEST))
    for name, entry in listed.items():
        c.obj(entry, f"member {name}", ("sha256", "size"))
        if c.count(entry["size"], f"size of {name}") != len(members[name]) or entry["sha256"] != digest(members[name]):
            raise BundleError(
                f"{name} is not what the manifest says (its sha256 differs): the bundle was damaged or "
                "changed; ask for it again; nothing was imported"
            )
    said = {k: v for k, v in raw.items() if k not in ("id", "created")}
    if c.hexa(raw["id"], "the bundle's id", 16) != digest(_json(said))[:16]:
        raise BundleError(
            "the manifest was damaged or changed (the bundle's id does not fit it); ask for the bundle "
            "again; nothing was imported"
        )
    reading = c.obj(raw["reading"], "reading", (), ("to_grey", "plane", "spacing"))
    withheld = raw["withheld"] if isinstance(raw["withheld"], dict) else {}
    software = raw["software"] if isinstance(raw["software"], dict) else {}
    return {
        "version": version,
        "k": c.count(raw["k"], "k"),
        "n_samples": c.count(raw["n_samples"], "n_samples"),
        "n_subjects": c.count(raw["n_subjects"], "n_subjects"),
        "id": raw["id"],
        "created": c.moment(raw["created"], "created"),
        "risk": tuple(c.each(raw["risk"], "risk", _TABLES["risk"], 200)),
        "withheld": {c.name(k, "withheld"): c.count(v, "withheld") for k, v in withheld.items()},
        "software": {c.name(k, "software"): c.text(v, "software", 60) for k, v in software.items()},
        "reading": {
            k: v
            if v is None or k == "to_grey" and c.flag(v, k) is not None
            else c.number(v, k)
            if k == "spacing"
            else c.text(v, k, 40)
            for k, v in reading.items()
        },
    }


_SHARED_ROW = Model(
    Row,
    optional=("file", "person"),
    content=lambda v, w: c.hexa(v, w, 64),
    pixels=lambda v, w: v and c.hexa(v, w, 64),
    subject=lambda v, w: c.hexa(v, w, 16),
    file=lambda v, w: c.text(v, w, 1000),
    person=lambda v, w: c.text(v, w, 200),
)


def _row(raw, where) -> Row:
    return Row(**_SHARED_ROW(raw, where))


def _group(raw, where, n) -> Group:
    c.obj(raw, where, tuple(f.name for f in fields(Group)))
    return Group(
        c.name(raw["name"], where),
        c.rows(raw["rows"], where, n),
        c.text(raw["description"], where),
        c.color(raw["color"], where),
        c.text(raw["origin"], where, 100),
        c.flag(raw["proposed"], where),
        c.text(raw["author"], where, 100),
        raw["map_key"] and c.stem(raw["map_key"], where),
        tuple(_corner(p, where) for p in c.items(raw["polygon"], where, 10_000)),
        c.field(raw["coloured_by"], where),
        c.number(raw["stability"], where),
        c.moment(raw["created"], where),
    )


def _corner(raw, where) -> tuple[float, float]:
    x, y = c.pair(raw, where)
    if x is None or y is None:
        raise BundleError(f"{where} has a corner without coordinates; nothing was imported")
    return x, y


def _workspace(raw, where) -> Workspace:
    c.obj(raw, where, tuple(f.name for f in fields(Workspace)))
    return Workspace(
        c.name(raw["name"], where),
        c.text(raw["description"], where),
        c.color(raw["color"], where),
        raw["map_key"] and c.stem(raw["map_key"], where),
        c.field(raw["color_by"], where),
    )


def _said(raw, where, n) -> Said:
    c.obj(raw, where, tuple(f.name for f in fields(Said)))
    found = Said(
        c.text(raw["finding"], where, 300),
        c.choice(raw["status"], where, STATUSES),
        c.text(raw["note"], where),
        c.text(raw["author"], where, 100),
        c.moment(raw["date"], where),
        c.rows(raw["rows"], where, n),
    )
    if not found.finding and len(found.rows) != 1:
        raise BundleError(f"{where} is about neither a finding nor a sample; nothing was imported")
    return found


def _facts(raw, where) -> dict:
    c.obj(raw, where, (), tuple(PROVENANCE))
    return {k: v if v is None else PROVENANCE[k](v, f"{where}: {k}") for k, v in raw.items()}


_ADJUSTED = Model(
    Adjusted,
    ("fields", "score", "interval", "chance", "better", "p", "q", "n_subjects"),
    older=("n_strata",),
    fields=lambda v, w: c.each(v, w, c.field, 50),
)
_HELD_OUT = Model(Holdout)


def _verdict(value, where: str) -> str:
    """A verdict; older bundles may have a former word for it."""
    return read_verdict(c.text(value, where))


_STORY = Model(
    StoryRow,
    key=lambda v, w: c.text(v, w, 300),
    lead=lambda v, w: c.text(v, w, 300),
    findings=lambda v, w: tuple(c.each(v, w, lambda key, at: c.text(key, at, 300), 1000)),
)
#: the tables: the columns that travel, of the classes that hold them here
_TABLES = {
    "risk": Model(RiskRow),
    "findings": Model(FindingRow, key=lambda v, w: c.text(v, w, 300), verdict=_verdict),
    "associations": Model(
        Association,
        (
            "cluster",
            "field",
            "verdict",
            "measure",
            "effect",
            "interval",
            "difference",
            "words",
            "p",
            "q",
            "p_within",
            "q_within",
            "p_exploration",
            "n_inside",
            "n_outside",
        ),
        cluster=c.name,
        verdict=_verdict,
        p_exploration=c.number,
        field=c.field,
    ),
    "probes": Model(
        ProbeResult,
        (
            "field",
            "vectors",
            "group",
            "kind",
            "metric",
            "score",
            "interval",
            "chance",
            "better",
            "accuracy",
            "balanced_accuracy",
            "detectable",
            "p",
            "q",
            "n_subjects",
            "n_samples",
            "classes",
            "n_opposite",
            "adjusted",
            "holdout",
        ),
        field=c.field,
        n_opposite=c.number,
        adjusted=lambda v, w: None if v is None else _ADJUSTED(v, w),
        holdout=lambda v, w: None if v is None else _HELD_OUT(v, w),
    ),
}
#: names of the columns, for those who write them
COLUMNS = {
    **{name: model.names for name, model in _TABLES.items()},
    "adjusted": _ADJUSTED.names,
    "holdout": _HELD_OUT.names,
}


def _dict(value) -> dict:
    return value if isinstance(value, dict) else asdict(value)


def _json(value) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _tensors(arrays: dict[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    from safetensors.numpy import save

    out = {}
    for name, (rows, values) in sorted(arrays.items()):
        out[f"{name}.rows"] = np.ascontiguousarray(rows, np.int64)
        out[f"{name}.values"] = np.ascontiguousarray(values, np.float32)
    return save(out)
