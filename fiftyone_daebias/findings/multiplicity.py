"""False-discovery control over everything that was tested on a dataset, whichever step tested it.

This is the one place where q-values and verdicts are made: dialogs, terminal,
panel, report and JSON read them from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..statistics.multiplicity import benjamini_hochberg
from ..statistics.power import next_level
from .finding import LEVEL, Finding, existing

#: what is found at this false-discovery rate, and not at the level, is unconfirmed: more people may tell
NEARLY = 0.2
#: what is said of verdicts that are given right after a step
PROVISIONAL = "verdicts are provisional: whatever is tested on this dataset later is corrected together with this"


@dataclass(frozen=True)
class HypothesisTest:
    """A finding that waits for its verdict.

    Attributes:
        finding: the finding, with ``evidence.p``
        p_within: p among subjects alike in the fields named as expected; NaN where there is no such test
        judge: ``judge(raw holds, within holds) -> verdict``; called with the corrected p-values compared with the level
        family: what kind of test it is, in words, for the sentence on the correction
        n_permutations: permutations behind the p-values; 0 where that is not stored
        redo: command that makes its run anew, where that was made with older statistics; such a p-value is not mixed
            with those of today; "" for a run of today
        at_level: the finding if a p-value must be at most so small, for those that say what would have been found
    """

    finding: Finding
    p_within: float
    judge: Callable[[bool, bool], str]
    family: str
    n_permutations: int = 0
    redo: str = ""
    at_level: Callable[[float], Finding] | None = None


def away_from_zero(interval: tuple[float, float]) -> float:
    """How far from 0 the nearer end of an interval is; 0 where it holds 0."""
    low, high = interval
    return 0.0 if low <= 0 <= high else min(abs(low), abs(high))


def permutations_needed(n_tests: int) -> int:
    """Permutations with which a single true effect among so many tests can be told."""
    return int(np.ceil(n_tests / LEVEL))


def too_few_permutations(claim: HypothesisTest, p: float, q: float) -> bool:
    """Whether a p-value is the smallest that its permutations allow, and yet too large for the correction."""
    return p <= 0.02 and q > LEVEL and claim.n_permutations > 0 and p <= 1.5 / (claim.n_permutations + 1)


def settle(claims: list[HypothesisTest]) -> tuple[list[Finding], int, str]:
    """Corrects the p-values of all claims together and gives verdicts.

    The p-values and those within strata are corrected as two families of the
    same size (Benjamini-Hochberg); a test that has no version within strata
    enters both with its only p-value. What would be found alone, and at a
    false-discovery rate of :data:`NEARLY`, is "unconfirmed"; so is what has a p-value as small
    as its permutations allow and yet too large: they were too few for so many
    tests.
    Claims of older statistics take no part.

    Returns:
        the findings, the number of tests, and what the correction spans, in words
    """
    raw = np.array([np.nan if c.redo else c.finding.evidence.p for c in claims], dtype=float)
    own = np.array([np.nan if c.redo else c.p_within for c in claims], dtype=float)
    within = np.where(np.isnan(own), raw, own)
    q, q_within = benjamini_hochberg(raw), benjamini_hochberg(within)
    n = int((~np.isnan(raw)).sum())
    level = next_level(q)
    claims = [replace(c, finding=c.at_level(level)) if c.at_level and not c.redo else c for c in claims]
    out = [
        _outdated(c) if c.redo else _settled(c, float(a), float(b), n)
        for c, a, b in zip(claims, q, q_within, strict=True)
    ]
    counted = Counter(c.family for c, p in zip(claims, raw, strict=True) if p == p)
    old = sum(bool(c.redo) for c in claims)
    left_out = f"; {old:,} results of an older version are left out until they are made anew" if old else ""
    if not n:
        return out, 0, "nothing was tested yet" + left_out
    parts = ", ".join(f"{k:,} {family}" for family, k in counted.items())
    tests = "test" if n == 1 else "tests"
    text = (
        f"q-values are corrected together (Benjamini-Hochberg) over everything that was tested on this dataset: {n:,} "
        f"{tests} ({parts}); {LEVEL:.0%} of what is called found may be chance. Copies, leaks, conflicts and outliers "
        f"are counted, not tested; explanations look closer at groups that are known already{left_out}"
    )
    return out, n, text


def _settled(claim: HypothesisTest, q: float, q_within: float, n: int) -> Finding:
    p = claim.finding.evidence.p
    evidence = replace(claim.finding.evidence, q=q, q_within=q_within)
    verdict, notes = claim.judge(q <= LEVEL, q_within <= LEVEL), claim.finding.notes
    if verdict == "not found" and claim.judge(q <= NEARLY and p <= LEVEL, True) not in ("not found", "unconfirmed"):
        verdict = "unconfirmed"
    if too_few_permutations(claim, p, q) or too_few_permutations(claim, claim.p_within, q_within):
        best = claim.judge(True, True)
        if best not in ("not found", verdict):
            verdict = "unconfirmed"
            notes = (
                *notes,
                f"none of the permutations did as well, but {n:,} tests need more of them to say so; "
                f"repeat with n_permutations={permutations_needed(n)} or more",
            )
    return replace(claim.finding, evidence=evidence, verdict=verdict, notes=notes)


def _outdated(claim: HypothesisTest) -> Finding:
    """What an older version's statistics said: shown, not counted, offered for another run."""
    note = f"made by an older version, whose statistics are no longer trusted; make it anew with 'daebias {claim.redo}'"
    params = {"field": claim.finding.field} if claim.redo == "probe" and claim.finding.field else {}
    return replace(
        claim.finding,
        verdict="older version",
        notes=(note, *claim.finding.notes),
        evidence=replace(claim.finding.evidence, strength=0.0),
        next_step=existing(claim.redo, "Made by an older version: run it again", **params),
    )
