"""Does an audit find what is hidden, and does it keep silent where nothing is? On phantoms whose truth is known.

    python benchmarks/planted.py [--quick] [--suites mix null …] [--out planted]

Spine phantoms (``daebias phantom``) with known plants are written as NIfTI, registered, embedded and audited by the
steps of ``daebias audit``: probes, suggested and tested clusters, drift, outliers, disagreements, copies, neighbours,
image quality. Findings and groups are scored against the truth, which the audit never reads. The same steps but the
last run on the vectors of others: pixels with PCA, an encoder nobody trained, and MRQy's image quality measures; and
FiftyOne's own brain methods (copies, uniqueness, representativeness) run on pixels, as their default networks are
downloads. Suites:

    mix      several plants in one cohort, those of Graf et al. (2024) among them
    null     nothing planted: every finding is false
    each     one kind of plant a cohort
    strength a field of view moved by 2, 5, 10, 20 and 43 mm at one of four sites
    share    a field of view moved by 43 mm in 0.5, 1, 2, 5 and 10 % of people, whatever their site

Every cohort and seed is a process of its own and leaves one JSON file in ``--out``; what is there already is not run
again. ``--quick`` means fewer people, one slice matrix of 96, a DAE that saw 3,200 images, two regions, one seed of
the mix and two of nothing (some 200 seconds of one core a cohort): it shows that the machinery works and what is
plain; its rates are those of a handful of cohorts, and weaker plants need the full run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

MIX = [
    "shift:43:site=C,region=neck",
    "headrest:14:site=B,after=2015-06-01",
    "te:-25:site=D,after=2017-01-01",
    "twin:1:sex=M:6%",
    "label:1::3%",
    "marker:12:region=lumbar:4%",
    "duplicate:0::2%",
]
EACH = [
    "shift:43:site=C,region=neck",
    "headrest:14:site=B,after=2015-06-01",
    "te:-25:site=D,after=2017-01-01",
    "twin:1:sex=M:8%",
    "label:1::4%",
    "marker:12::5%",
    "duplicate:0::3%",
    "shading:0.4:site=A",
    "contrast:0.3:site=B",
    "noise:0.1:site=C",
    "spacing:0.5:site=D",
    "lost-slice:2::5%",
    "flip:1::5%",
    "sampling:0.6:site=C",
]
SUITES = {
    "mix": {"mix": MIX},
    "null": {"null": []},
    "each": {p.partition(":")[0]: [p] for p in EACH},
    "strength": {f"shift {mm} mm": [f"shift:{mm}:site=C,region=neck"] for mm in (2, 5, 10, 20, 43)},
    "share": {f"shift in {s} %": [f"shift:43:region=neck:{s}%"] for s in (0.5, 1, 2, 5, 10)},
}
MODELS = ("dae", "pca", "random", "iqm", "brain")


@dataclass(frozen=True)
class Scale:
    """How large the benchmark is.

    Attributes:
        subjects: people of a cohort
        regions: regions scanned
        matrix: rows and columns of a slice
        images: images the DAE sees
        permutations: of probes; cluster tests and drift take their own defaults
        by: field whose values are probed one by one, "" for none
        resamples: of suggested clusters
    """

    subjects: int = 300
    regions: tuple[str, ...] = ("neck", "chest", "lumbar")
    matrix: int = 128
    images: int = 19_200
    permutations: int = 1_999
    by: str = "body_part"
    resamples: int = 8


QUICK = Scale(100, ("neck", "lumbar"), 96, 3_200, 999, "", 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small: under 10 minutes on 2 cores")
    parser.add_argument("--suites", nargs="+", choices=SUITES, help="default: all; with --quick: mix, null")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, help="seeds a cohort; default: 5; with --quick: 1, and 2 of nothing")
    parser.add_argument("--subjects", type=int, help="people of a cohort, instead of the default")
    parser.add_argument("--images", type=int, help="images the DAE sees, instead of the default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cohorts at a time (one thread each)")
    parser.add_argument("--out", type=Path, default=Path("planted"), help="folder for results and the cohorts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        from planted_cohort import run_cohort

        run_cohort(json.loads(args.one))
        return
    began = time.perf_counter()
    scale = QUICK if args.quick else Scale()
    scale = replace(scale, **{k: v for k, v in (("subjects", args.subjects), ("images", args.images)) if v})
    suites = args.suites or (["mix", "null"] if args.quick else list(SUITES))
    specs = []
    for suite in suites:
        seeds = args.seeds or ((2 if suite == "null" else 1) if args.quick else 5)
        specs += [
            {
                "suite": suite,
                "cohort": name,
                "plants": plants,
                "seed": seed,
                "scale": asdict(scale),
                "models": args.models,
                "out": str(args.out.resolve()),
            }
            for seed in range(1, seeds + 1)
            for name, plants in SUITES[suite].items()
        ]
    args.out.mkdir(parents=True, exist_ok=True)
    results = _run_all(specs, args.jobs)
    from planted_figure import draw_curves
    from planted_table import print_tables

    summary = print_tables(results)
    if figure := draw_curves(results, args.out / "planted.png"):
        print(f"\ncurves: {figure}")
    spent = sum(r["cpu_seconds"] for r in results)
    took = time.perf_counter() - began
    print(f"\n{took:.0f} s for this run; {len(results)} cohorts, {spent:.0f} s of one core in all")
    (args.out / "planted.json").write_text(json.dumps({"summary": summary, "cohorts": results}, indent=1))


def result_file(spec: dict) -> Path:
    """Where a cohort's results lie; another scale is another file."""
    import hashlib

    facts = json.dumps({k: spec[k] for k in ("plants", "seed", "scale", "models")}, sort_keys=True)
    name = f"{spec['suite']}-{spec['cohort']}-{spec['seed']}".replace(" ", "_").replace("%", "pc")
    return Path(spec["out"]) / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}.json"


def _run_all(specs: list[dict], jobs: int) -> list[dict]:
    """Runs the cohorts that have no result yet, some at a time, each in a process of its own."""
    waiting = [s for s in specs if not result_file(s).exists()]
    running: list[tuple[dict, subprocess.Popen, Path]] = []
    home = Path(specs[0]["out"]) / "home"
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "DAEBIAS_HOME": str(home)}
    failed = []
    if waiting:
        import fiftyone as fo

        fo.list_datasets()  # starts the database, which the cohorts' processes then share
    while waiting or running:
        while waiting and len(running) < jobs:
            spec = waiting.pop(0)
            log = result_file(spec).with_suffix(".log")
            command = [sys.executable, str(Path(__file__).resolve()), "--one", json.dumps(spec)]
            with log.open("w") as stream:
                process = subprocess.Popen(command, env=os.environ | threads, stdout=stream, stderr=subprocess.STDOUT)
            running.append((spec, process, log))
        for entry in [e for e in running if e[1].poll() is not None]:
            running.remove(entry)
            spec, process, log = entry
            if process.returncode:
                failed.append((spec, log))
            took = "" if process.returncode else f", {json.loads(result_file(spec).read_text())['seconds']:.0f} s"
            print(
                f"{spec['suite']}, {spec['cohort']}, seed {spec['seed']}: "
                f"{'FAILED, see ' + str(log) if process.returncode else 'done' + took}",
                flush=True,
            )
        time.sleep(0.2)
    if failed:
        print(f"{len(failed)} of {len(specs)} cohorts failed; their logs say why; run again to try them again")
    return [json.loads(result_file(s).read_text()) for s in specs if result_file(s).exists()]


def interval(values) -> str:
    """Mean with a 95 % interval over cohorts (bootstrap), or the values of fewer than three."""
    values = np.array([v for v in values if v is not None and v == v], float)
    if not len(values):
        return "–"
    if len(values) < 3:
        return "/".join(f"{v:.2f}" for v in values)
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    return f"{values.mean():.2f} ({np.quantile(draws, 0.025):.2f}–{np.quantile(draws, 0.975):.2f})"


if __name__ == "__main__":
    main()
