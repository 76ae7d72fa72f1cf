"""Subject-level splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..schema import SPLITS

SHARES = (0.80, 0.05, 0.15)  # train, val, test: Graf et al. 2024


def split_subjects(
    subjects: Sequence[str],
    strata: Sequence[object] | None = None,
    shares: tuple[float, float, float] = SHARES,
    seed: int = 51,
) -> list[str]:
    """Puts every subject, with all its samples, into train, val or test.

    Args:
        subjects: subject of each sample
        strata: stratum of each sample (a subject has that of its first sample); the shares hold within each
        shares: shares of train, val and test; they sum to 1
        seed: seed of the draw; the order of the samples does not matter

    Returns:
        "train", "val" or "test" for each sample

    Raises:
        InputError: shares that are negative or do not sum to 1
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise InputError(f"split shares must be at least 0 and sum to 1; got {shares}")
    stratum: dict[str, str] = {}
    for k, subject in enumerate(subjects):
        stratum.setdefault(str(subject), "" if strata is None else str(strata[k]))
    groups = defaultdict(list)
    for subject in sorted(stratum):
        groups[stratum[subject]].append(subject)
    rng = np.random.default_rng(seed)
    side: dict[str, str] = {}
    carried = np.zeros(3)  # what rounding owes each side, carried from stratum to stratum
    for name in sorted(groups):
        members = [groups[name][k] for k in rng.permutation(len(groups[name]))]
        wanted = np.asarray(shares) * len(members) + carried
        counts = np.floor(wanted).astype(int).clip(min=0)
        for k in np.argsort(-(wanted - counts), kind="stable")[: max(0, len(members) - counts.sum())]:
            counts[k] += 1
        while counts.sum() > len(members):
            counts[np.argmax(counts)] -= 1
        carried = wanted - counts
        for k, subject in enumerate(members):
            side[subject] = SPLITS[int(np.searchsorted(np.cumsum(counts), k, side="right"))]
    return [side[str(s)] for s in subjects]
