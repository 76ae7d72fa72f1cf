"""Does anything that is handed over end in a traceback or without end? Configurations, plans, bundles, headers, tables.

    python benchmarks/fuzz_inputs.py [--each 400] [--seed 51] [--only configurations …] [--out fuzz_inputs.json]

Each input is honest but for some values, or damaged, or hostile; the strategies are those of the tests
(tests/faults/fuzzed_inputs.py, tests/cohort/fuzzed_tables.py). Right is: read, or refused in one line.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "cohort")]  # tests have a "faults" too

KINDS = ("configurations", "plans", "bundles", "headers", "tables")
#: an input that takes longer hangs, seconds
SECONDS = 60


class Hang(BaseException):
    """Raised by the alarm."""


def counted(check, counts: Counter, faults: list):
    """The check with its outcome counted, whatever it is."""

    def ring(*_):
        raise Hang

    def run(value):
        signal.signal(signal.SIGALRM, ring)
        signal.alarm(SECONDS)
        try:
            counts[check(value)] += 1
        except Hang:
            counts["hung"] += 1
            faults.append(f"hung: {str(value)[:500]}")
        except Exception:
            counts["traceback"] += 1
            faults.append(f"{traceback.format_exc()[-900:]}\n{str(value)[:500]}")
        finally:
            signal.alarm(0)

    return run


def fuzz(kind: str, n: int, seed: int, folder: Path) -> tuple[Counter, list[str]]:
    """Tries ``n`` inputs of a kind."""
    from faults import fuzzed_inputs as fuzzed
    from fuzzed_tables import fuzz_one
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from sharing.test_archive import contents, sealed

    from fiftyone_daebias.sharing.contents import to_members

    counts, faults = Counter(), []
    if kind == "tables":
        for k in range(seed, seed + n):
            outcome, why = fuzz_one(np.random.default_rng(k), folder)
            counts[outcome] += 1
            if outcome not in ("read", "refused"):
                faults.append(f"seed {k}: {outcome}: {why[-900:]}")
        return counts, faults
    if kind == "headers":
        spec = importlib.util.spec_from_file_location("fuzz_ingest", ROOT / "benchmarks" / "fuzz_ingest.py")
        fuzz_ingest = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(fuzz_ingest)
        seeds = fuzz_ingest.seeds(folder)
        made = [fuzzed.dicom_files(seeds[f]).map(lambda d: (d, ".dcm")) for f in ("classic.dcm", "enhanced.dcm")]
        strategy = st.one_of(*made, fuzzed.nifti_files(seeds["a.nii"]).map(lambda d: (d, ".nii")))

        def check(given):
            return fuzzed.check_image(*given, fuzz_ingest.outcome)

    elif kind == "bundles":
        strategy, check = fuzzed.bundles(to_members(contents()), sealed), fuzzed.check_bundle
    elif kind == "plans":
        strategy, check = fuzzed.plans(), fuzzed.check_plan
    else:
        strategy, check = fuzzed.configs(), fuzzed.check_config
    options = {"max_examples": n, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    seeded(seed)(settings(phases=[Phase.generate], **options)(given(strategy)(counted(check, counts, faults))))()
    return counts, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=400, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=51)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = {}
    print("| inputs | tried | read | refused in one line | tracebacks | hung | wrong | seconds |\n|" + "---|" * 8)
    for kind in args.only:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            counts, faults = fuzz(kind, args.each, args.seed, Path(folder))
        rows[kind] = {**counts, "seconds": round(time.monotonic() - began, 1), "faults": faults}
        shown = [counts[c] for c in ("read", "refused", "traceback", "hung", "wrong")]
        cells = [sum(counts.values()), *shown, round(time.monotonic() - began)]
        print(f"| {kind} | " + " | ".join(map(str, cells)) + " |", flush=True)
        for fault in faults[:5]:
            print(fault, flush=True)
        if args.out:
            args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
