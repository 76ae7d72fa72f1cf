"""How often is each kind of claim made where there is nothing? One line a kind, with its exact interval.

    python benchmarks/claims.py [--kinds cluster drift] [--replicates 400] [--out claims.json] [--list]

Every kind draws a cohort without an effect (or with one that the claim must
not be made of), asks the package's own functions, and says whether a claim was
made at a level of 5 % for one test. Printed are kind, rate, nominal level,
exact binomial 95 % interval (Clopper-Pearson) and replicates. "above" means
that the whole interval lies above the nominal level. Kinds of "coverage" count
the intervals that miss the truth, those of "power" the claims that are made
where they should be.

To add kinds: a module of this folder with a tuple ``KINDS``, and its name in
``MODULES``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fiftyone_daebias.statistics.intervals import share_interval

#: modules with kinds, in the order in which they are run
MODULES = ("claims_probes", "claims_clusters", "claims_intervals", "claims_adjusted", "claims_time", "claims_images")


@dataclass(frozen=True)
class Kind:
    """A kind of claim.

    Attributes:
        name: its name; the first word names its family
        simulate: ``simulate(rng) -> bool``: draws a cohort and says whether the claim was made (an interval missed, an
            effect found)
        nominal: the rate that is allowed, or for "power" the rate that is wanted
        counts: "false claims", "missed intervals" or "power"
        replicates: cohorts, unless told otherwise
    """

    name: str
    simulate: Callable[[np.random.Generator], bool]
    nominal: float = 0.05
    counts: str = "false claims"
    replicates: int = 400


@dataclass(frozen=True)
class Rate:
    """What came of a kind."""

    kind: str
    counts: str
    rate: float
    nominal: float
    low: float
    high: float
    replicates: int
    seconds: float

    @property
    def verdict(self) -> str:
        if self.counts == "power":
            return "too low" if self.high < self.nominal else "ok"
        return "above" if self.low > self.nominal else "ok"

    def __str__(self) -> str:
        return (
            f"{self.kind:<54} {self.counts:<16} {self.rate:.3f} of {self.nominal:.2f} [{self.low:.3f}, "
            f"{self.high:.3f}] {self.replicates:>5} cohorts, {self.seconds:5.0f} s  {self.verdict}"
        )


def run(kind: Kind, replicates: int = 0) -> Rate:
    """Simulates a kind; the same kind and number give the same cohorts."""
    n, began = replicates or kind.replicates, time.monotonic()
    seed = zlib.crc32(kind.name.encode())
    hits = sum(bool(kind.simulate(np.random.default_rng([seed, k]))) for k in range(n))
    return Rate(kind.name, kind.counts, hits / n, kind.nominal, *share_interval(hits, n), n, time.monotonic() - began)


def registry() -> tuple[Kind, ...]:
    """All kinds of all modules."""
    return tuple(kind for name in MODULES for kind in importlib.import_module(name).KINDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", default=[], help="only kinds whose name begins with one of these")
    parser.add_argument("--replicates", type=int, default=0, help="cohorts a kind; default: the kind's own")
    parser.add_argument("--out", type=Path, default=Path("claims.json"))
    parser.add_argument("--list", action="store_true", help="only list the kinds")
    args = parser.parse_args()
    rows = []
    for kind in registry():
        if args.kinds and not any(kind.name.startswith(k) for k in args.kinds):
            continue
        if args.list:
            print(kind.name)
            continue
        rows.append(run(kind, args.replicates))
        print(rows[-1], flush=True)
        args.out.write_text(json.dumps([{**asdict(r), "verdict": r.verdict} for r in rows], indent=1))


if __name__ == "__main__":
    main()
