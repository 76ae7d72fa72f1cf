"""Learning curves of a subgroup beside everybody else's, and what can be read from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from ...statistics.exchange import subject_permutations
from ...statistics.scores import subject_weights
from .learning import Course

#: how far below the others' final accuracy counts as reached
MARGIN = 0.02
PARTS = ("training", "validation")


@dataclass(frozen=True)
class Curves:
    """Loss and accuracy of a subgroup and of the others, with the same mix of labels, in one part of the subjects.

    Attributes:
        part: "training" or "validation"
        seen: images seen at each look
        subgroup_accuracy: (seeds, looks)
        others_accuracy: (seeds, looks)
        subgroup_loss: (seeds, looks)
        others_loss: (seeds, looks)
        level: the accuracy to reach: the others' mean over the last looks, less :data:`MARGIN`
        reached: images until the subgroup reaches it, one a seed; ``None`` where it never does
        others_reached: the same for the others
        gap: mean excess of the subgroup's loss over the others' in the whole training
        p: share of exchanges of the tag among subjects of one label with a gap at least as large
        n_subgroup: subjects of the subgroup that were followed
        n_others: subjects of the others
    """

    part: str
    seen: np.ndarray
    subgroup_accuracy: np.ndarray = field(repr=False)
    others_accuracy: np.ndarray = field(repr=False)
    subgroup_loss: np.ndarray = field(repr=False)
    others_loss: np.ndarray = field(repr=False)
    level: float
    reached: tuple[int | None, ...]
    others_reached: tuple[int | None, ...]
    gap: float
    p: float
    n_subgroup: int
    n_others: int

    def to_dict(self) -> dict:
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        last = self.subgroup_accuracy[:, -3:].mean(), self.others_accuracy[:, -3:].mean()
        slower = "learned later" if self.p <= 0.05 else "no later than chance has it"
        return (
            f"{self.part}: at the end {last[0]:.0%} right in the subgroup, {last[1]:.0%} in the others; the others "
            f"reach {self.level:.0%} after {images_until(self.others_reached)}, the subgroup "
            f"{images_until(self.reached)}; mean excess loss {self.gap:+.3f}, p {self.p:.3f} ({slower}); "
            f"{self.n_subgroup} and {self.n_others} subjects"
        )


def make_curves(
    courses: list[Course],
    labels: np.ndarray,
    tagged: np.ndarray,
    subjects: np.ndarray,
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> list[Curves]:
    """Curves of the training and of the validation subjects.

    In both groups every subject counts once, and the labels have the subgroup's mix, so that a classifier that leans
    to one class early on favours neither.

    Args:
        courses: trainings of the same samples
        labels: bool (n,)
        tagged: whether each sample is of the subgroup, bool (n,)
        subjects: subject of each sample
        n_permutations: exchanges of the tag
        rng: random generator
    """
    out = []
    for part in PARTS:
        looks = min(len(c.seen) for c in courses)
        sides = [c.training if part == "training" else ~c.training for c in courses]
        rows = [np.flatnonzero(side & ~np.isnan(c.margin[0])) for side, c in zip(sides, courses, strict=True)]
        if any(len(set(subjects[r[tagged[r]]])) < 2 or len(set(subjects[r[~tagged[r]]])) < 2 for r in rows):
            continue
        curves = [[], [], [], []]
        for course, r in zip(courses, rows, strict=True):
            own, other = group_weights(labels[r], tagged[r], subjects[r])
            for k, (values, weights) in enumerate(
                ((course.right, own), (course.right, other), (course.loss, own), (course.loss, other))
            ):
                curves[k].append(values[:looks][:, r] @ weights)
        subgroup, others, subgroup_loss, others_loss = (np.array(c) for c in curves)
        level = float(others[:, -3:].mean()) - MARGIN
        seen = courses[0].seen[:looks]
        gap, p = _gap(courses, rows, labels, tagged, subjects, n_permutations, rng)
        followed = np.unique(np.concatenate(rows))
        out.append(
            Curves(
                part,
                seen,
                subgroup,
                others,
                subgroup_loss,
                others_loss,
                level,
                tuple(first_reached(c, seen, level) for c in subgroup),
                tuple(first_reached(c, seen, level) for c in others),
                gap,
                p,
                len(set(subjects[followed[tagged[followed]]])),
                len(set(subjects[followed[~tagged[followed]]])),
            )
        )
    return out


def first_reached(curve: np.ndarray, seen: np.ndarray, level: float) -> int | None:
    """Images until a curve is at a level for two looks in a row (or at the last one); ``None``: never."""
    above = curve >= level
    for k in range(1, len(curve)):
        if above[k] and (k == len(curve) - 1 or above[k + 1]):
            return int(seen[k])
    return None


def group_weights(labels: np.ndarray, tagged: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the samples in the mean of the subgroup and in that of the others, each summing to 1.

    Subjects count once; the others' labels are brought to the subgroup's mix.
    """
    own, other = np.zeros(len(labels)), np.zeros(len(labels))
    for group, into in ((tagged, own), (~tagged, other)):
        into[group] = subject_weights(subjects[group])
    own /= max(own.sum(), 1e-12)
    for label in (False, True):
        mine = ~tagged & (labels == label)
        share = own[labels == label].sum()
        if mine.any():
            other[mine] *= share / other[mine].sum()
    return own, other / max(other.sum(), 1e-12)


def _gap(courses, rows, labels, tagged, subjects, n_permutations, rng) -> tuple[float, float]:
    """Mean excess loss of the subgroup, and its permutation p-value: tags exchanged among subjects of one label."""
    # a sample's loss averaged over looks and over the trainings in which it was in this part
    total, count = np.zeros(len(labels)), np.zeros(len(labels))
    for course, r in zip(courses, rows, strict=True):
        total[r] += course.loss[1:, r].mean(axis=0)
        count[r] += 1
    mine = np.flatnonzero(count)
    loss = total[mine] / count[mine]

    def gap(marks: np.ndarray) -> float:
        own, other = group_weights(labels[mine], marks, subjects[mine])
        return float(loss @ own - loss @ other)

    observed = gap(tagged[mine])
    order = subject_permutations(
        subjects[mine], tagged[mine].astype(float)[:, None], n_permutations, rng, strata=labels[mine].astype(int)
    )
    drawn = np.array([gap(tagged[mine][o]) for o in order])
    return observed, float((1 + (drawn >= observed - 1e-12).sum()) / (1 + n_permutations))


def images_until(reached: tuple[int | None, ...]) -> str:
    """Images until a level is reached, over the trainings, in words."""
    known = sorted(r for r in reached if r is not None)
    never = len(reached) - len(known)
    if not known:
        return "never"
    middle = known[len(known) // 2] if len(known) % 2 else known[len(known) // 2 - 1]
    spread = f" ({known[0]:,} to {known[-1]:,})" if known[0] != known[-1] else ""
    return f"{middle:,} images{spread}" + (f", never in {never} of {len(reached)} trainings" if never else "")
