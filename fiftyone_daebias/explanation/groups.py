"""Two groups of samples to compare: every subject wholly on one side, or every subject on both."""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .. import store
from ..clustering import cluster as named
from ..errors import InputError

#: a side with fewer subjects is not compared
FEWEST = 5
_COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Groups:
    """Two groups of samples.

    Attributes:
        name: what is compared, in words: "cluster shifted against the rest"
        inside: name of the first group
        outside: name of the second group
        key: the comparison as part of a run key or file name
        ids: sample ids of both groups, in the order of the samples
        rows: their positions in the samples, synthetic ones not counted, int (n,)
        labels: whether each is in the first group, bool (n,)
        subjects: subject of each, str (n,)
        mixed: subjects that have samples on both sides and were left out
        paired: whether every subject has samples on both sides, and is compared with itself
        notes: what was left out, in words
    """

    name: str
    inside: str
    outside: str
    key: str
    ids: tuple[str, ...]
    rows: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    subjects: np.ndarray = field(repr=False)
    mixed: int = 0
    notes: tuple[str, ...] = ()
    paired: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_samples(self) -> tuple[int, int]:
        """Samples of the first and of the second group."""
        return int(self.labels.sum()), int((~self.labels).sum())

    @property
    def n_subjects(self) -> tuple[int, int]:
        """Subjects of the first and of the second group."""
        return len(set(self.subjects[self.labels])), len(set(self.subjects[~self.labels]))

    @property
    def units(self) -> np.ndarray:
        """What counts once, str (n,): the subject, or where subjects are paired the subject's part in a group."""
        if not self.paired:
            return self.subjects
        return np.array([f"{s} {'in' if side else 'out'}" for s, side in zip(self.subjects, self.labels, strict=True)])

    def config(self) -> dict:
        """What defines the comparison, JSON-able; ids are stored with the results."""
        return {
            "comparison": self.name,
            "inside": self.inside,
            "outside": self.outside,
            "n_samples": self.n_samples,
            "n_subjects": self.n_subjects,
            "mixed_subjects": self.mixed,
            "paired": self.paired,
            "notes": list(self.notes),
        }


def resolve_groups(
    samples,
    *,
    cluster: str | None = None,
    tag: str | None = None,
    field: str | None = None,
    value: str | None = None,
    against: str | None = None,
    subject_field: str | None = None,
    fewest: int = FEWEST,
    pair: bool = False,
) -> Groups:
    """The two groups that a user names.

    Exactly one of ``cluster``, ``tag`` and ``field`` names the first group. Synthetic samples take no part.

    Args:
        samples: a dataset or view
        cluster: name of a cluster
        tag: a sample tag
        field: a metadata field, with ``value``
        value: a value of the field, or a comparison such as ">=60" for numbers
        against: the second group: another cluster, tag or value (or comparison); default: all other samples (of a
            field: those with another value; samples without a value are on neither side)
        subject_field: field that names the subject; default: as registered, else guessed by name
        fewest: subjects that each side must have
        pair: compare subjects with themselves where more of them lie on both sides than wholly on the smaller side

    Returns:
        the groups; subjects with samples on both sides are left out and counted, or where they are paired the others
        are

    Raises:
        InputError: none or several are named, one does not exist, or a side has too few subjects
    """
    store.ensure_samples(samples)
    given = [n for n, v in (("cluster", cluster), ("tag", tag), ("field", field)) if v not in (None, "")]
    if len(given) != 1:
        known = ", ".join(named.read_clusters(samples)) or "none yet"
        raise InputError(
            f"give exactly one of cluster, tag and field with value; got {' and '.join(given) or 'none'}; clusters: "
            f"{known}"
        )
    if (field is not None) != (value is not None):
        raise InputError("field and value belong together: field='software', value='v2'")
    ids = store.sample_ids(samples)
    if cluster is not None:
        inside, outside, words = _by_cluster(samples, ids, cluster, against)
    elif tag is not None:
        inside, outside, words = _by_tag(samples, ids, tag, against)
    else:
        inside, outside, words = _by_value(samples, field, str(value), against)
    notes = []
    both = inside & outside
    if both.any():
        notes.append(f"{int(both.sum())} samples are in both groups and were left out")
    subjects = np.array(store.read_subjects(samples, subject_field), dtype=str)
    taking = inside ^ outside
    shared = set(subjects[taking & inside]) & set(subjects[taking & outside])
    one_sided = [len(set(subjects[taking & side]) - shared) for side in (inside, outside)]
    paired = pair and len(shared) >= max(fewest, 1 + min(one_sided))
    if shared:
        dropped = taking & (np.isin(subjects, sorted(shared)) ^ paired)
        notes.append(_on_both_sides(len(shared), sum(one_sided), int(dropped.sum()), paired))
        taking &= ~dropped
    rows = np.flatnonzero(taking)
    labels = inside[rows]
    found = Groups(
        f"{words[0]} against {words[1]}",
        *words,
        _key(words, against is not None),
        tuple(ids[k] for k in rows),
        rows,
        labels,
        subjects[rows],
        0 if paired else len(shared),
        tuple(notes),
        paired,
    )
    for side, n in zip(words, found.n_subjects, strict=True):
        if n < fewest:
            why = ""
            if shared:
                why = (
                    f" ({len(shared)} subjects with samples on both sides were left out: pass a view in which every "
                    "subject has one kind of image, such as one region or sequence)"
                )
            raise InputError(f"{side} has {n} subjects here{why}; at least {fewest} are needed on either side")
    return found


def _on_both_sides(n_shared: int, n_others: int, n_dropped: int, paired: bool) -> str:
    """What became of the subjects that lie on both sides."""
    if not paired:
        return f"{n_shared:,} subjects have samples on both sides; they ({n_dropped:,} samples) were left out"
    left = f"; {n_others:,} others ({n_dropped:,} samples) were left out" if n_others else ""
    return f"{n_shared:,} subjects have samples on both sides, and each is compared with itself{left}"


def _key(words: tuple[str, str], named_other: bool) -> str:
    text = f"{words[0]} against {words[1]}" if named_other else words[0]
    plain = re.sub(r"\W+", "_", text).strip("_")
    # names that differ only in signs must not share a run
    return plain if plain == text.replace(" ", "_") else f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _by_cluster(samples, ids, name, against):
    inside = np.isin(ids, named.get(samples, name).members)
    if against is None:
        return inside, ~inside, (f"cluster {name}", "the rest")
    return inside, np.isin(ids, named.get(samples, against).members), (f"cluster {name}", f"cluster {against}")


def _by_tag(samples, ids, name, against):
    every = store.tags_by_sample(samples)
    tags = [set(every[i]) for i in ids]
    known = set().union(*tags)
    for one in filter(None, (name, against)):
        if one not in known:
            raise InputError(f"no sample here has the tag {one!r}; tags: {', '.join(sorted(known)) or 'none'}")
    inside = np.array([name in t for t in tags])
    if against is None:
        return inside, ~inside, (f"tag {name}", "the rest")
    return inside, np.array([against in t for t in tags]), (f"tag {name}", f"tag {against}")


def _by_value(samples, field, value, against):
    column = store.read_table(samples, [field])[field].tolist()
    known = np.array([not _missing(v) for v in column])
    inside = _matches(field, column, value)
    if against is None:
        return inside, known & ~inside, (f"{field} {value}", "the rest")
    return inside, _matches(field, column, str(against)), (f"{field} {value}", f"{field} {against}")


def _matches(field: str, column: list, value: str) -> np.ndarray:
    """Which samples have the value, bool (n,).

    Raises:
        InputError: none has it
    """
    test = _comparison(field, column, value) or (lambda v: _text(v) == wanted)
    wanted = value.strip()
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in column if not _missing(v)):
        try:
            wanted = _text(float(value))
        except ValueError:
            pass
    elif wanted.casefold() in ("true", "false"):
        wanted = wanted.casefold().capitalize() if any(isinstance(v, bool) for v in column) else wanted
    found = np.array([not _missing(v) and bool(test(v)) for v in column])
    if not found.any():
        values = sorted({_text(v) for v in column if not _missing(v)})
        shown = ", ".join(values[:12]) + (" …" if len(values) > 12 else "")
        raise InputError(f"no sample here has {field} {value!r}; values: {shown or 'none'}")
    return found


def _comparison(field: str, column: list, value: str) -> Callable | None:
    match = re.fullmatch(r"\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*", value)
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in column if not _missing(v))
    if not match or not numbers:
        return None
    bound, compare = float(match[2]), _COMPARISONS[match[1]]
    return lambda v: compare(float(v), bound)


def _text(value) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _missing(value) -> bool:
    return value is None or value == "" or isinstance(value, float) and value != value
