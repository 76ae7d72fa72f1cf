"""The verb ``name-cluster``: what is lassoed, filtered or selected becomes a named cluster."""

from __future__ import annotations

import re
from typing import Annotated

from .. import store
from ..errors import InputError
from ..findings.review import author_here
from ..parameters import Advanced, ColouredBy, MapKey
from ..progress import Progress, listening
from . import cluster as named
from .clusters import ClusterList


def name_cluster(
    samples,
    name: str,
    *,
    color: Annotated[str, Advanced] | None = None,
    note: str = "",
    author: Annotated[str, Advanced] | None = None,
    map_key: MapKey | None = None,
    coloured_by: ColouredBy = named.UNKNOWN,
    replace: bool = False,
    progress: Progress | None = None,
) -> ClusterList:
    """Names the samples of a view, or of a lasso in the Embeddings panel, as a cluster.

    Stored are its name, colour, note, author and members; of a lasso also the
    polygon in map coordinates and its map. Members get the tag
    "daebias:cluster:NAME", an entry in "daebias_clusters" and a saved view.

    Args:
        samples: the members: a view, as the lasso leaves it
        name: its name
        color: CSS colour such as "#E69F00"; default: the next free one
        note: what you think it is
        author: who says so; default: the login name
        map_key: the map it was drawn on; default: the lasso's own
        coloured_by: field by which the map was coloured while drawing, "nothing" if by none: a cluster is
            never tested against a field that drew it
        replace: replace a cluster of the same name

    Returns:
        the clusters of the dataset

    Raises:
        InputError: nothing or everything was selected, the name is taken, or the map or field does not exist
    """
    told = listening(progress)
    dataset = store.dataset_of(samples)
    name = named.check_name(name)
    if not store.count(samples):
        raise InputError("the lasso or view holds no samples; draw it around some points")
    if store.count(samples) == store.count(dataset):
        raise InputError(
            f"all {store.count(dataset):,} samples are selected, so there is no rest to compare with; draw a lasso "
            "around some of them, or pass a view (--view NAME)"
        )
    if name in named.read_clusters(samples) and not replace:
        raise InputError(f"there is a cluster {name!r} already; choose another name, or replace it")
    if color and not re.fullmatch(r"#[0-9A-Fa-f]{6}|[a-zA-Z]+", color):
        raise InputError(f"color must be a CSS colour such as #E69F00; got {color!r}")
    if coloured_by not in (named.UNKNOWN, named.BLIND) and not store.has_field(samples, coloured_by.split(".")[0]):
        fields = ", ".join(sorted(store.metadata_fields(samples)))
        raise InputError(f"coloured_by: there is no field {coloured_by!r}; give 'nothing' or one of {fields}")
    lasso = store.lasso_of(samples)
    drawn_on = map_key or (lasso.map_key if lasso else "")
    if drawn_on and drawn_on not in store.map_runs(samples):
        known = ", ".join(store.map_runs(samples)) or "none"
        raise InputError(f"there is no map {drawn_on!r} any more; maps: {known}")
    subjects = set(store.read_subjects(samples))
    if len(subjects) == 1:
        told.say(f"all members are of one subject ({store.count(samples)} samples): it cannot be tested")
    cluster = named.Cluster(
        name,
        tuple(store.sample_ids(samples)),
        "lasso" if lasso else "view",
        False,
        color or "",
        note,
        author_here() if author is None else author,
        drawn_on,
        lasso.polygon if lasso else (),
        coloured_by,
        created=named.now(),
    )
    named.write(samples, [cluster])
    return ClusterList.of(samples)
