"""The report of a large audit: how long it takes to write, how large it is, and how fast a browser opens it.

    python benchmarks/report_size.py --subjects 30000

Runs are stored as ``benchmarks/panel.py`` stores them, with predictions of
every sample; with ``--stories`` they are told of them first, with a target.
The browser is a headless Chromium with the file on disk; the time is until its
load event and the first layout.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import fiftyone as fo
import numpy as np
from panel import event, make_dataset

from fiftyone_daebias.plugin import link_plugin


def open_in_browser(path: Path, times: int = 5) -> list[float]:
    """Seconds until the page is loaded and laid out, in a fresh context each time."""
    from playwright.sync_api import sync_playwright

    out = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(times):
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            began = time.perf_counter()
            page.goto(path.as_uri(), wait_until="load")
            page.evaluate("document.documentElement.scrollHeight")
            out.append(time.perf_counter() - began)
        browser.close()
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=30_000)
    parser.add_argument("--fields", type=int, default=12)
    parser.add_argument("--stories", action="store_true", help="tell the stories first: minutes in a large cohort")
    parser.add_argument("--out", type=Path, default=Path("report_size.json"))
    args = parser.parse_args()
    link_plugin()
    name, folder = "daebias-report-size", args.out.resolve().parent
    dataset = make_dataset(name, 2 * args.subjects, args.fields, folder, np.random.default_rng(51))
    measured = {"subjects": args.subjects, "samples": 2 * args.subjects}
    if args.stories:
        began = time.process_time()
        told = dataset.daebias.story(target="field_0", n_permutations=99, progress=None)
        measured |= {"stories": len(told.rows), "story, CPU seconds": time.process_time() - began}
    began = time.process_time()
    page = folder / "report_size.html"
    result = dataset.daebias.report(str(page), progress=None)
    measured |= {"report, CPU seconds": time.process_time() - began, "findings": result.n_findings}
    measured |= {kind: Path(path).stat().st_size for kind, path in result.files.items()}
    measured["opens, seconds"] = open_in_browser(page)
    measured["panel's first load"] = event(dataset, "on_load", {"tab": "story"})
    fo.delete_dataset(name)
    for key, value in measured.items():
        print(f"{key}: {value}")
    args.out.write_text(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
