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
    """

    finding: Finding
    p_within: float
    judge: Callable[[bool, bool], str]
    family: str


def settle(claims: list[Claim]) -> tuple[list[Finding], int, str]:
    """Corrects the p-values of all claims together and gives verdicts.

    The p-values and those within strata are corrected as two families of the
    same size (Benjamini-Hochberg); a test that has no version within strata
    enters both with its only p-value.

    Returns:
        the findings, the number of tests, and what the correction spans, in words
    """
    raw = np.array([c.finding.evidence.p for c in claims], dtype=float)
    own = np.array([c.p_within for c in claims], dtype=float)
    within = np.where(np.isnan(own), raw, own)
    q, q_within = benjamini_hochberg(raw), benjamini_hochberg(within)
    out = []
    for claim, a, b in zip(claims, q, q_within, strict=True):
        evidence = replace(claim.finding.evidence, q=float(a), q_within=float(b))
        verdict = claim.judge(bool(a <= LEVEL), bool(b <= LEVEL))
        out.append(replace(claim.finding, evidence=evidence, verdict=verdict))
    counted = Counter(c.family for c, p in zip(claims, raw, strict=True) if p == p)
    n = sum(counted.values())
    if not n:
        return out, 0, "nothing was tested yet"
    parts = ", ".join(f"{k:,} {family}" for family, k in counted.items())
    text = (
        f"q-values are corrected together (Benjamini-Hochberg) over everything that was tested on this dataset: {n:,} "
        f"tests ({parts}); {LEVEL:.0%} of what is called found may be chance. Copies, leaks, conflicts, outliers and "
        "re-identification are counted, not tested; explanations look closer at groups that are known already"
    )
    return out, n, text
