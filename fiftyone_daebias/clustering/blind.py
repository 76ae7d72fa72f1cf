"""Which fields a group was drawn without: a group made from a label says something of whatever goes with that label.

A group drawn without labels (an island of the map) is tested against every
field. A group made from a label X (samples misclassified for X, a lasso on a
map coloured by X, islands within the values of X) is not tested against X, nor
against fields that go with X; other fields change places only among subjects
alike in X. If such a field is independent of the images given X, it is
independent of the group given X, whatever X has to do with the images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import schema
from ..errors import InputError
from ..statistics.association import association_test, effect_of
from ..statistics.strata import make_strata
from .cluster import BLIND, UNKNOWN, Cluster

LEVEL = 0.05
#: a field whose Cramér's V or Cliff's delta with the label is larger goes with it, whatever the p-value
GOES_WITH = 0.3
#: permutations of the question whether a field goes with the label
_PERMUTATIONS = 199


@dataclass(frozen=True)
class Label:
    """What a group was made from.

    Attributes:
        field: the metadata field
        codes: class, or fifth of the numbers, of each sample of the dataset, (n,); −1 where there is no value;
            ``None`` where the values are too many to be held fixed
    """

    field: str
    codes: np.ndarray | None


def label_of(cluster: Cluster, fields: Iterable[str]) -> str:
    """Metadata field that a cluster was made from; "" if none is known.

    Args:
        cluster: the cluster
        fields: metadata fields of the dataset
    """
    name = cluster.coloured_by.split(".")[0]
    if name in (BLIND, UNKNOWN, ""):
        return ""
    # coloured by a probe's prediction is coloured by what the probe tells of the field
    stem = name.removeprefix(schema.PROBE_FIELD_PREFIX).removesuffix("_truth").split("_by_")[0]
    return next((f for f in fields if f == name or name != stem and schema.field_stem(f) == stem), "")


def is_unknown(cluster: Cluster) -> bool:
    """Whether nobody said what a cluster was drawn by."""
    return cluster.coloured_by == UNKNOWN


def make_label(field: str, column: pd.Series) -> Label:
    """The label with its values as classes, numbers cut at their fifths."""
    try:
        return Label(field, make_strata(column.to_frame(field)).codes)
    except InputError:
        return Label(field, None)


def goes_with(
    codes: np.ndarray, values: np.ndarray, classes: tuple[str, ...], subjects: np.ndarray, rng: np.random.Generator
) -> bool:
    """Whether a field goes with a label, by a permutation test or by the size of the effect.

    Args:
        codes: the label's classes (n,)
        values: class indices or numbers of the field (n,)
        classes: names of the field's classes, empty for numbers
        subjects: (n,)
        rng: random generator
    """
    held = [c for c in np.unique(codes) if 0 < (codes == c).sum() < len(codes)]
    if not held:
        return False
    groups = np.array([codes == c for c in held]).T
    p, _ = association_test(groups, values, len(classes), subjects, n_permutations=_PERMUTATIONS, rng=rng)
    known = p[~np.isnan(p)]
    if len(known) and known.min() * len(known) <= LEVEL:
        return True
    effects = [effect_of(g, values, classes, subjects) for g in groups.T if len(set(subjects[g])) >= 5]
    return any(abs(e.value) > GOES_WITH for e in effects)
