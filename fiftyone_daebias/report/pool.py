"""False-discovery control over everything that was tested on a dataset, whichever step tested it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..probes.permutation import benjamini_hochberg
from .finding import LEVEL, Finding


@dataclass(frozen=True)
class Claim:
    """A finding that waits for its verdict.

    Attributes:
        finding: the finding, with ``evidence.p``
        p_within: p among subjects alike in the fields named as expected; NaN where there is no such test
        judge: ``judge(raw holds, within holds) -> verdict``; called with the corrected p-values compared with the level
        family: what kind of test it is, in words, for the sentence on the correction
        n_permutations: permutations behind the p-values; 0 where that is not stored
    """

    finding: Finding
    p_within: float
    judge: Callable[[bool, bool], str]
    family: str
    n_permutations: int = 0


def away_from_zero(interval: tuple[float, float]) -> float:
    """How far from 0 the nearer end of an interval is; 0 where it holds 0."""
    low, high = interval
    return 0.0 if low <= 0 <= high else min(abs(low), abs(high))


def permutations_needed(n_tests: int) -> int:
    """Permutations with which a single true effect among so many tests can be told."""
    return int(np.ceil(n_tests / LEVEL))


def starved(claim: Claim, p: float, q: float) -> bool:
    """Whether a p-value is the smallest that its permutations allow, and yet too large for the correction."""
    return p <= 0.02 and q > LEVEL and claim.n_permutations > 0 and p <= 1.5 / (claim.n_permutations + 1)


def settle(claims: list[Claim]) -> tuple[list[Finding], int, str]:
    """Corrects the p-values of all claims together and gives verdicts.

    The p-values and those within strata are corrected as two families of the
    same size (Benjamini-Hochberg); a test that has no version within strata
    enters both with its only p-value. Where no permutation did as well and yet
    the correction does not let a test pass, there were too few permutations
    for so many tests: that is said, and the finding is "unconfirmed", neither
    absent nor explained.

    Returns:
        the findings, the number of tests, and what the correction spans, in words
    """
    raw = np.array([c.finding.evidence.p for c in claims], dtype=float)
    own = np.array([c.p_within for c in claims], dtype=float)
    within = np.where(np.isnan(own), raw, own)
    q, q_within = benjamini_hochberg(raw), benjamini_hochberg(within)
    n = int((~np.isnan(raw)).sum())
    out = []
    for claim, a, b in zip(claims, q, q_within, strict=True):
        evidence = replace(claim.finding.evidence, q=float(a), q_within=float(b))
        verdict, notes = claim.judge(bool(a <= LEVEL), bool(b <= LEVEL)), claim.finding.notes
        if starved(claim, claim.finding.evidence.p, a) or starved(claim, claim.p_within, b):
            best = claim.judge(True, True)
            if best not in ("not found", verdict):
                verdict = "unconfirmed"
                notes = (*notes, f"none of the permutations did as well, but {n:,} tests need more of them to say so; "
                                 f"repeat with n_permutations={permutations_needed(n)} or more")
        out.append(replace(claim.finding, evidence=evidence, verdict=verdict, notes=notes))
    counted = Counter(c.family for c, p in zip(claims, raw, strict=True) if p == p)
    if not n:
        return out, 0, "nothing was tested yet"
    parts = ", ".join(f"{k:,} {family}" for family, k in counted.items())
    text = (
        f"q-values are corrected together (Benjamini-Hochberg) over everything that was tested on this dataset: {n:,} "
        f"tests ({parts}); {LEVEL:.0%} of what is called found may be chance. Copies, leaks, conflicts and outliers "
        "are counted, not tested; explanations look closer at groups that are known already"
    )
    return out, n, text
