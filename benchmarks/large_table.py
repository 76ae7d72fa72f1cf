"""Seconds and memory of reading and joining a table of a large study.

    python benchmarks/large_table.py [--rows 600000] [--columns 1200] [--images 2000] [--out large_table.json]

The table is made as such a study exports it: an id, a file name, and columns of which a third are numbers with many
values, a third codes, a third mostly empty, with dates among them. It is written as CSV, then read and joined to so
many images as ``register`` does it; the database is not part of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np


def write(path: Path, n_rows: int, n_columns: int) -> None:
    """Writes the table in blocks."""
    import pyarrow as pa
    import pyarrow.csv as arrow

    rng = np.random.default_rng(0)
    names = ["eid", "file", *(f"{20000 + k}-{k % 4}.0" for k in range(n_columns - 2))]
    with path.open("wb") as stream:
        stream.write((",".join(names) + "\n").encode())
        for first in range(0, n_rows, 20_000):
            n = min(20_000, n_rows - first)
            columns = [
                pa.array(np.arange(first, first + n) + 1_000_000),
                pa.array([f"{k:07d}_20252_2_0.png" for k in range(first, first + n)]),
            ]
            for k in range(n_columns - 2):
                if k % 3 == 0:
                    columns.append(pa.array(np.round(rng.normal(100, 20, n), 3)))
                elif k % 3 == 1:
                    columns.append(pa.array(rng.integers(-3, 8, n)))
                else:
                    some = rng.random(n) < 0.2
                    days = np.datetime64("2010-01-01") + rng.integers(0, 3000, n).astype("timedelta64[D]")
                    columns.append(pa.array(days.astype(str), mask=~some))
            arrow.write_csv(
                pa.table(columns, names=names), stream, arrow.WriteOptions(include_header=False, quoting_style="needed")
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--columns", type=int, default=1_200)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="where the table is written; default: a temporary folder")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    from fiftyone_daebias.cohort.items import Item
    from fiftyone_daebias.cohort.join import join
    from fiftyone_daebias.cohort.table import read_table

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "study.csv"
        write(path, args.rows, args.columns)
        step = max(1, args.rows // args.images)
        items = [Item(f := f"i/{k * step:07d}_20252_2_0.png", "raster", (f,)) for k in range(args.images)]
        began = time.monotonic()
        table = read_table(path)
        read = time.monotonic()
        joined = join(items, table, None, None, None)
        done = time.monotonic()
        facts = {
            "rows": len(table.rows),
            "columns": len(table.columns),
            "megabytes": round(path.stat().st_size / 1e6),
            "read_seconds": round(read - began, 1),
            "join_seconds": round(done - read, 1),
            "joined": joined.how,
            "fields": len(joined.columns),
            "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        }
    print(json.dumps(facts, indent=1))
    if args.out:
        args.out.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
