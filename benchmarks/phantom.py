"""How fast are phantoms drawn and written? Subjects (three regions of 14 to 20 slices each) a second.

    python benchmarks/phantom.py [--quick] [--out phantom.json]

Seconds are those of the wall clock; beside them, for one process, stand the seconds of its core, which depend less on
what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from fiftyone_daebias.phantoms.phantom import phantom


def core_seconds() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a matrix of 128 only, a quarter of the subjects")
    parser.add_argument("--out", default="phantom.json")
    args = parser.parse_args()
    rows = []
    print(f"{'matrix':>6} {'format':>6} {'processes':>9} {'subjects/s':>10} {'core s each':>16} {'MB each':>12}")
    with tempfile.TemporaryDirectory() as folder:
        phantom(Path(folder) / "first", subjects=1, matrix=64, workers=1)  # imports
        for matrix, count in ((128, 48),) if args.quick else ((128, 200), (160, 120), (256, 48)):
            for format in ("dicom", "nifti"):
                for workers in (1, 2):
                    out = Path(folder) / f"{matrix}-{format}-{workers}"
                    began, core = time.perf_counter(), core_seconds()
                    phantom(
                        out,
                        subjects=count // (1 if args.quick else 2 // workers),
                        matrix=matrix,
                        format=format,
                        workers=workers,
                    )
                    seconds = time.perf_counter() - began
                    # workers are ended, not waited for, so only one process's seconds are known
                    core = core_seconds() - core if workers == 1 else float("nan")
                    n = sum(p.is_dir() for p in (out / "images").iterdir())
                    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / n / 1e6
                    rows.append(
                        {
                            "matrix": matrix,
                            "format": format,
                            "processes": workers,
                            "subjects": n,
                            "subjects a second": n / seconds,
                            "core seconds a subject": core / n,
                            "MB": size,
                        }
                    )
                    print(
                        f"{matrix:6} {format:>6} {workers:9} {n / seconds:10.2f} {core / n:16.3f} {size:12.1f}",
                        flush=True,
                    )
    Path(args.out).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
