"""Runs an example of every verb and writes what it printed to docs/verbs.md.

    daebias demo-mri
    python docs/verbs.py [--only VERB ...]

Most examples look at what the drawn demo left, so that each can be run again alone; those that make something (train,
embed, audit …) work on a few people who are drawn for them. The checkpoint that is taken over has the layout of the
published ones and made-up weights; the masks are the middle of each volume. An example that exits with another code
than 0 ends the run.
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
#: the dataset that "daebias demo-mri" makes
DEMO = "daebias-demo-mri"
#: (verb, command line after "daebias"); in order, each on what the ones before left
EXAMPLES = (
    ("phantom", "phantom {tmp}/spine --subjects 24 --regions neck --plants shift:43:site=C --format nifti"),
    ("privacy", "privacy {tmp}/spine/images"),
    ("register", "register spine {tmp}/spine/images"),
    ("duplicates", "duplicates {demo}"),
    ("cache", "cache"),
    ("train", "train spine --images 640"),
    ("import-checkpoint", "import-checkpoint {tmp}/last.ckpt --folder {tmp}/published"),
    ("embed", "embed spine"),
    ("reconstruction", "reconstruction spine --images 16"),
    ("case-mix", "case-mix {demo}"),
    ("quality", "quality spine --expected sex age"),
    ("files", "files {demo}"),
    ("probe", "probe {demo} sex --adjust-for age body_part"),
    ("probe-all", "probe-all {demo} --fields sex age site handedness"),
    ("disagreements", "disagreements {demo} sex"),
    ("subgroups", "subgroups {demo} sex --by body_part"),
    ("transfer", "transfer {demo} sex body_part"),
    ("tag", "tag {demo}"),
    ("suggest-clusters", "suggest-clusters {demo} --resamples 2"),
    ("clusters", "clusters {demo}"),
    ("name-cluster", "name-cluster {demo} --view {view} 'necks of C' --coloured-by site"),
    ("test-clusters", "test-clusters {demo} --expected sex age body_part"),
    ("drift", "drift {demo}"),
    ("reidentify", "reidentify {demo}"),
    ("similar", "similar {demo} --to {sample} --k 5"),
    ("explain", "explain spine --field sex --value F --no-train"),
    ("counterfactual", "counterfactual spine --field sex --value F --n-samples 8"),
    ("local-view", "local-view spine sex {tmp}/masks"),
    ("training-dynamics", "training-dynamics {demo} sex --epochs 1 --repeats 1"),
    ("mitigate", "mitigate {demo} sex --by body_part"),
    ("train-baseline", "train-baseline spine beta-vae --images 640"),
    ("compare", "compare {demo} --models dae pca pixels random --fields sex age body_part --folds 5 --seeds 1"),
    ("sensitivity", "sensitivity {demo} --effects shift --repeats 5 --prevalences 0.2"),
    ("audit", "audit spine --skip train explain sensitivity"),
    ("story", "story {demo}"),
    ("report", "report {demo} --out {tmp}/report.html"),
    ("review", "review {demo} probe:site --status confirmed --note 'another protocol'"),
    ("share", "share {demo} --out {tmp}/audit.zip"),
    ("import-shared", "import-shared {demo} {tmp}/audit.zip"),
    ("runs", "runs {demo}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="run these again and keep what the page has of the others")
    parser.add_argument("--work", type=Path, help="folder to work in; default: a new one")
    args = parser.parse_args()
    work = (args.work or Path(tempfile.mkdtemp(prefix="daebias-verbs-"))).resolve()
    store = HERE / "verbs.json"
    kept = json.loads(store.read_text()) if store.exists() else {}
    places = {"tmp": str(work), "demo": DEMO}
    for verb, line in EXAMPLES:
        if args.only and verb not in args.only:
            continue
        if verb in _BEFORE:
            places |= _BEFORE[verb](work)
        shown = line.format(**{**places, "tmp": "work"})
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


def _masks(work: Path) -> dict[str, str]:
    """NIfTI label maps of the middle third of each drawn volume, named like it."""
    import nibabel as nib
    import numpy as np

    (work / "masks").mkdir(exist_ok=True)
    for path in sorted((work / "spine" / "images").rglob("*.nii.gz")):
        volume = nib.load(path)
        middle = np.zeros(volume.shape, np.uint8)
        middle[tuple(slice(n // 3, n - n // 3) for n in volume.shape)] = 1
        nib.save(nib.Nifti1Image(middle, volume.affine), work / "masks" / path.name)
    return {}


def _published(work: Path) -> dict[str, str]:
    """A checkpoint with the names that the authors' code gives its weights."""
    sys.path.insert(0, str(HERE.parent / "tests" / "dae"))
    import torch
    from test_published import published

    weights = published("official-64")[0]
    torch.save({"state_dict": {f"ema_model.{name}": w for name, w in weights.items()}}, work / "last.ckpt")
    return {}


def _names(_: Path) -> dict[str, str]:
    import fiftyone as fo

    from fiftyone_daebias import store

    dataset = fo.load_dataset(DEMO)
    view = "necks of site C"
    store.save_view(dataset, view, dataset.match({"body_part": "CSPINE", "site": "C"}))
    return {"view": f"'{view}'", "sample": store.file_names(dataset, [dataset.first().id])[0]}


#: what is made before an example runs: ``{verb: work folder → names that its line holds}``
_BEFORE = {"import-checkpoint": _published, "local-view": _masks, "name-cluster": _names, "similar": _names}


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
