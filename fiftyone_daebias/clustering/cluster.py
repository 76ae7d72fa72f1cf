"""Named clusters: what is stored of one, and keeping runs, label field and tags in step."""

from __future__ import annotations

import colorsys
import datetime
import hashlib
import itertools
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

from .. import schema, store
from ..errors import InputError

#: colours given in turn (Okabe & Ito: told apart by colour-blind eyes)
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
BLIND, UNKNOWN = "nothing", "unknown"


@dataclass(frozen=True)
class Cluster:
    """A named group of samples.

    Attributes:
        name: its name, unique in the dataset
        members: sample ids
        origin: "lasso", "view", "suggested", "opposite FIELD", "alike", "merged", "subtracted" or "imported"
        proposed: whether it is a suggestion that nobody has accepted yet
        color: CSS colour
        note: free text
        author: who named it
        map_key: brain key of the map it was drawn on, "" if on none
        polygon: corners in map coordinates, empty if it was not drawn
        coloured_by: field the map was coloured by when it was drawn; "nothing" if by none, "unknown"
        stability: see :class:`~fiftyone_daebias.clustering.density.CandidateCluster`; NaN when not measured
        created: ISO time
    """

    name: str
    members: tuple[str, ...]
    origin: str = "view"
    proposed: bool = False
    color: str = ""
    note: str = ""
    author: str = ""
    map_key: str = ""
    polygon: tuple[tuple[float, float], ...] = ()
    coloured_by: str = UNKNOWN
    stability: float = float("nan")
    created: str = ""

    def to_dict(self) -> dict:
        raw = asdict(self)
        raw["members"], raw["polygon"] = list(self.members), [list(p) for p in self.polygon]
        raw["stability"] = None if self.stability != self.stability else self.stability
        return raw

    @classmethod
    def from_dict(cls, raw: dict) -> Cluster:
        """Reads what :meth:`to_dict` wrote.

        Raises:
            InputError: it is not a cluster
        """
        try:
            polygon = tuple((float(x), float(y)) for x, y in raw.get("polygon") or ())
            known = {k: raw[k] for k in cls.__dataclass_fields__ if k in raw}
            stability = raw.get("stability")
            return cls(
                **{
                    **known,
                    "name": check_name(raw["name"]),
                    "members": tuple(map(str, raw["members"])),
                    "polygon": polygon,
                    "stability": float("nan") if stability is None else float(stability),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a cluster: {error}") from error


def check_name(name: object) -> str:
    """The name, if it can be one.

    Raises:
        InputError: empty, too long, or with characters that tags and files cannot hold
    """
    text = " ".join(str(name or "").split())
    if not text or len(text) > 60 or not re.fullmatch(r"[\w .,+()%/=-]+", text):
        raise InputError(f"a cluster's name has 1 to 60 letters, digits, spaces or .,+()%/=-; got {name!r}")
    return text


def run_key(name: str) -> str:
    """Key of a cluster's run; names that differ only in signs get different keys."""
    plain = re.sub(r"\W", "_", name)
    if plain != name:
        plain += "_" + hashlib.sha256(name.encode()).hexdigest()[:6]
    return schema.CLUSTER_RUN_PREFIX + plain


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def read_clusters(samples) -> dict[str, Cluster]:
    """All clusters of the dataset, in the order in which they were made."""
    out = []
    for key in store.list_runs(samples, schema.CLUSTER_RUN_PREFIX):
        config, results = store.load_run(samples, key)
        out.append(Cluster.from_dict({**config["cluster"], "members": results["sample_ids"]}))
    return {c.name: c for c in sorted(out, key=lambda c: (c.proposed, c.created, c.name))}


def next_color(used: Collection[str]) -> str:
    """A colour that is not used: first those of :data:`COLORS`, then hues a golden angle apart at three lightnesses."""
    free = [c for c in COLORS if c not in used]
    for k in itertools.count() if not free else ():
        hue, lightness = (k * 0.381966) % 1, (0.42, 0.62, 0.3)[k % 3]
        color = "#" + "".join(f"{round(255 * v):02X}" for v in colorsys.hls_to_rgb(hue, lightness, 0.7))
        if color not in used:
            return color
    return free[0]


def get(samples, name: str) -> Cluster:
    """The cluster of that name.

    Raises:
        InputError: there is none
    """
    clusters = read_clusters(samples)
    if name not in clusters:
        known = ", ".join(clusters) or "none; draw one in the App or run 'daebias suggest-clusters'"
        raise InputError(f"there is no cluster {name!r}; clusters: {known}")
    return clusters[name]


def write(samples, clusters: list[Cluster], remove: list[str] = ()) -> None:
    """Stores clusters, forgets others, and brings the label field, the tags and the colours in step."""
    before = read_clusters(samples)
    used = [c.color for c in before.values()]
    for cluster in clusters:
        if not cluster.color:
            cluster = replace(cluster, color=next_color(used))
        used.append(cluster.color)
        raw = cluster.to_dict()
        store.save_run(
            samples,
            run_key(cluster.name),
            {"cluster": {k: v for k, v in raw.items() if k != "members"}},
            {"sample_ids": list(cluster.members)},
        )
    for name in set(remove) - {c.name for c in clusters}:
        store.delete_run(samples, run_key(name))
    after = read_clusters(samples)
    labels: dict[str, list[str]] = {i: [] for c in before.values() for i in c.members}
    # the smallest first: the App colours a sample by the first name on its list
    for cluster in sorted(after.values(), key=lambda c: len(c.members)):
        for i in cluster.members:
            labels.setdefault(i, []).append(cluster.name)
    store.write_names(samples, schema.CLUSTER_FIELD, labels)
    store.set_value_colors(samples, schema.CLUSTER_FIELD, {c.name: c.color for c in after.values()})
    dataset = store.dataset_of(samples)
    for name in before:
        if name not in after or set(before[name].members) != set(after[name].members):
            store.untag(dataset, schema.TAG_CLUSTER + name)
    for name, cluster in after.items():
        if name not in before or set(before[name].members) != set(cluster.members):
            store.tag(dataset, cluster.members, schema.TAG_CLUSTER + name)
    for name in before:
        if name not in after:
            store.delete_view(samples, f"cluster: {name}")
    for name, cluster in after.items():
        if not cluster.proposed:
            store.save_view(
                samples,
                f"cluster: {name}",
                store.view_of_tag(samples, schema.TAG_CLUSTER + name),
                description=cluster.note,
                color=cluster.color,
            )
