"""Runs an example of every verb and writes what it printed to docs/verbs.md.

    python docs/verbs.py [--only VERB ...]

The radiographs of ``daebias demo`` and a small planted spine cohort are
audited in a folder of their own; about 25 minutes on 2 cores. An example that
exits with another code than 0 ends the run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fiftyone_daebias.verbs import VERBS

HERE = Path(__file__).resolve().parent
MOST_LINES, WIDTH = 14, 150
#: (verb, command line after "daebias"); in order, each on what the ones before left
EXAMPLES = (
    (
        "phantom",
        "phantom {tmp}/spine --subjects 60 --regions neck --plants shift:43:site=C marker:12::8% --format nifti",
    ),
    ("privacy", "privacy {tmp}/spine/images"),
    ("register", "register spine {tmp}/spine/images"),
    ("duplicates", "duplicates daebias-demo"),
    ("cache", "cache"),
    ("train", "train spine --images 3200"),
    ("embed", "embed spine"),
    ("reconstruction", "reconstruction daebias-demo --images 16"),
    ("case-mix", "case-mix spine"),
    ("quality", "quality spine --expected sex age"),
    ("probe", "probe daebias-demo sex --adjust-for view age"),
    ("probe-all", "probe-all spine --fields sex age site centre_superior_mm handedness"),
    ("disagreements", "disagreements daebias-demo sex"),
    ("subgroups", "subgroups daebias-demo sex --by view"),
    ("transfer", "transfer daebias-demo sex view"),
    ("tag", "tag spine"),
    ("suggest-clusters", "suggest-clusters daebias-demo"),
    ("clusters", "clusters daebias-demo"),
    ("name-cluster", "name-cluster daebias-demo --view {view} 'film edge'"),
    ("test-clusters", "test-clusters daebias-demo --expected view sex age"),
    ("drift", "drift spine"),
    ("reidentify", "reidentify spine"),
    ("similar", "similar daebias-demo --to {sample} --k 5"),
    ("explain", "explain spine --field site --value C --no-train"),
    ("counterfactual", "counterfactual daebias-demo --field sex --value F --n-samples 8"),
    ("training-dynamics", "training-dynamics daebias-demo sex --epochs 2 --repeats 2"),
    ("mitigate", "mitigate daebias-demo sex --by view"),
    ("train-baseline", "train-baseline daebias-demo beta-vae --images 3200"),
    ("compare", "compare daebias-demo --models dae pixels random --fields sex age view --seeds 1"),
    ("sensitivity", "sensitivity spine --effects shift marker --repeats 10 --prevalences 0.2"),
    ("audit", "audit spine --skip explain sensitivity --fail-on 'site.auc>0.6'"),
    ("report", "report daebias-demo --out {tmp}/report.html"),
    ("review", "review daebias-demo probe:orig_pixel_spacing_mm --status confirmed --note 'digitiser'"),
    ("share", "share daebias-demo --out {tmp}/audit.zip"),
    ("import-shared", "import-shared daebias-demo {tmp}/audit.zip"),
    ("runs", "runs spine"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="run these again and keep what the page has of the others")
    parser.add_argument("--work", type=Path, help="folder to work in; default: a new one")
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="daebias-verbs-"))
    store = HERE / "verbs.json"
    kept = json.loads(store.read_text()) if store.exists() else {}
    places = {"tmp": str(work)}
    for verb, line in EXAMPLES:
        if args.only and verb not in args.only:
            continue
        if "{view}" in line or "{sample}" in line:
            places |= _names()
        shown = line.format(**{**places, "tmp": "work", "sample": places.get("sample", "")[:24]})
        print(f"daebias {shown}", flush=True)
        out = subprocess.run(
            f"{sys.executable} -m fiftyone_daebias {line.format(**places)} --quiet",
            shell=True,
            capture_output=True,
            text=True,
            env=os.environ,
        )
        home = os.environ.get("DAEBIAS_HOME") or str(Path.home() / ".fiftyone_daebias")
        text = out.stdout.replace(str(work), "work").replace(home, "~/.fiftyone_daebias").rstrip()
        expected = (0, 1) if "--fail-on" in line else (0,)
        if out.returncode not in expected:
            raise SystemExit(f"{verb}: exit {out.returncode}\n{out.stdout}\n{out.stderr}")
        kept[verb] = {"command": f"daebias {shown}", "output": _trim(text), "code": out.returncode}
        store.write_text(json.dumps(kept, indent=1) + "\n")
        (HERE / "verbs.md").write_text(_page(kept))


def _names() -> dict[str, str]:
    import fiftyone as fo

    dataset = fo.load_dataset("daebias-demo")
    views = [v for v in dataset.list_saved_views() if v.startswith("cluster")] or dataset.list_saved_views()
    return {"view": f"'{views[0]}'", "sample": dataset.first().id}


def _trim(text: str) -> str:
    lines = [t if len(t) <= WIDTH else t[: WIDTH - 1] + "…" for t in text.splitlines()]
    more = len(lines) - MOST_LINES
    return "\n".join(lines[:MOST_LINES] + ([f"… {more} more lines"] if more > 0 else []))


def _page(kept: dict) -> str:
    parts = [
        "# Every verb with an example\n\nWritten by `python docs/verbs.py`, which runs them all; long output is cut. "
        "`daebias VERB --help` explains every parameter; the same names are parameters of the Python functions and "
        "fields of the App's forms.\n"
    ]
    for verb in VERBS:
        if verb.command in kept:
            entry = kept[verb.command]
            code = f"\n(exit code {entry['code']})" if entry["code"] else ""
            shown = f"$ {entry['command']}\n{entry['output']}{code}"
            parts.append(f"## {verb.command}: {verb.label}\n\n```\n{shown}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
