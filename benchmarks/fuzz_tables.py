"""Does an untidy table ever stop a registration, or get read wrong? Tables are made and damaged at random.

    python benchmarks/fuzz_tables.py [--tables 1000] [--seed 0] [--register 20] [--out fuzz_tables.json]

Each table has columns of numbers in four notations, dates in five, categories
and nonsense under names that are hard to store, words for missing in several
languages, title lines, several encodings and signs between columns; a quarter
of the text files are damaged. It is read and joined as ``register`` does it,
and what came is compared with what was meant. Right is: read, or refused in
one line. With ``--register N`` every N-th also goes into a database.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "cohort"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--register", type=int, default=0, help="register every N-th table into a database")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    from fuzzed_tables import fuzz_one, register_one

    began, counts, wrong = time.monotonic(), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(args.seed, args.seed + args.tables):
            outcome, why = fuzz_one(np.random.default_rng(k), Path(folder))
            if args.register and k % args.register == 0 and outcome == "read":
                outcome, why = register_one(np.random.default_rng(k), Path(folder))
            counts[outcome] += 1
            if outcome not in ("read", "refused"):
                wrong.append({"seed": k, "outcome": outcome, "why": why})
                print(k, outcome, why[-600:])
    facts = {"tables": args.tables, "seed": args.seed, "seconds": round(time.monotonic() - began, 1), **counts}
    print(", ".join(f"{k} {v}" for k, v in facts.items()))
    if args.out:
        args.out.write_text(json.dumps({**facts, "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
