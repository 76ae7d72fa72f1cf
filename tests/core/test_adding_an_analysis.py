"""The example of CONTRIBUTING.md, taken from the page and added to a copy of the package: it works everywhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "    # the next analysis goes here; see CONTRIBUTING.md\n"

EVERYWHERE = """
import contextlib, io, json, sys, zipfile
from pathlib import Path
import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
from fiftyone.operators.executor import ExecutionContext, Executor
import fiftyone_daebias
from PIL import Image
from fiftyone_daebias import cli, schema, store
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin
from fiftyone_daebias.findings.collect import collect_findings

folder, told = Path(sys.argv[1]), {"package": fiftyone_daebias.__file__}
rng, samples = np.random.default_rng(0), []
for n in range(80):
    file = folder / f"{n}.png"
    Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(file)
    site = "A" if n < 40 else "B"
    # at B three of four were not weighed, at A one of four; two people have no height
    weight = None if rng.random() < (0.75 if site == "B" else 0.25) else 60.0 + n
    samples.append(fo.Sample(filepath=str(file), subject_id=f"P{n:03d}", site=site, weight=weight,
                             height=None if n < 2 else 150.0 + n))
data = fo.Dataset("example")
data.add_samples(samples, progress=False)
KEY = "missing-values:weight:site"

def command(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        told.setdefault("codes", []).append(cli.main(list(words)))
    return out.getvalue()

told["help"] = command("missing-values", "example", "site", "--n-permutations", "199")
link_plugin()
uri = f"{PLUGIN_NAME}/missing_values"
ctx = ExecutionContext(request_params={"dataset_name": "example", "params": {}}, operator_uri=uri)
told["form"] = sorted(foo.get_operator(uri).resolve_input(ctx).type.properties)
config = {"dataset": "example", "steps": {s: False for s in (
    "duplicates", "quality", "train", "embed", "probe-all", "disagreements", "tag", "suggest-clusters", "test-clusters",
    "drift", "reidentify", "explain", "case-mix")} | {"missing-values": {"over": "site", "n_permutations": 999}}}
data.reload()
result = data.daebias.audit(config=config, out=folder / "audit.html", progress=None)
told["steps"] = {s.name: [s.outcome, s.summary] for s in result.steps}
(found,) = [f for f in collect_findings(data).rows if f.key == KEY]
told["finding"] = {"verdict": found.verdict, "n": found.n_subjects, "cells": found.cells}
told["correction"] = collect_findings(data).correction
told["page"] = (folder / "audit.html").read_text()
told["croissant"] = (folder / "audit.croissant.json").read_text()
told["json"] = json.loads((folder / "audit.json").read_text())

panel = f"{PLUGIN_NAME}/{schema.PANEL_NAME}"
request = {"dataset_name": "example", "view": [], "params": {
    "__method__": "on_load", "panel_id": "p", "panel_state": {"tab": "sites"}}}
for method in ("on_load", "read"):  # it says that it reads, then shows what it read
    request["params"]["__method__"] = method
    ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=panel)
    foo.get_operator(panel).execute(ctx)
told["panel"] = json.dumps(ctx.executor.to_json())

for k in (5, 15):
    data.daebias.share(folder / f"{k}.zip", min_subjects=k, progress=None)
    raw = json.loads(zipfile.ZipFile(folder / f"{k}.zip").read("audit.json"))
    told[f"bundle {k}"] = {f["key"]: f["sentence"] for f in raw["findings"]}
told["runs"] = command("runs", "example")
told["deleted"] = command("runs", "example", "--action", "delete", "--names", "daebias_missing_values", "--sure")
data.reload()
told["left"] = [f.key for f in collect_findings(data).rows if f.kind == "missing-values"]
print("TOLD" + json.dumps(told, default=str))
"""


def test_three_files_are_enough(tmp_path):
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    module, entry = re.findall(r"```python\n(.*?)```", page, re.S)
    copy = tmp_path / "copy"
    hidden = shutil.ignore_patterns("__pycache__", "cxr_nih64")
    for part in ("fiftyone_daebias", "operators", "models", "tools"):
        shutil.copytree(ROOT / part, copy / part, ignore=hidden)
    shutil.copy(ROOT / "fiftyone.yml", copy)
    (copy / "fiftyone_daebias" / "missing_values.py").write_text(module, encoding="utf-8")
    registry = copy / "fiftyone_daebias" / "analyses.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count(MARK) == 1
    registry.write_text(text.replace(MARK, f"    {entry.strip()},\n{MARK}"), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(copy), "FIFTYONE_DATABASE_NAME": "daebias-example"}
    env["FIFTYONE_PLUGINS_DIR"], env["DAEBIAS_HOME"] = str(tmp_path / "plugins"), str(tmp_path / "home")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "images").mkdir()
    subprocess.run([sys.executable, "tools/manifest.py"], cwd=copy, env=env, check=True)
    done = subprocess.run(
        [sys.executable, "-c", CLEAN + EVERYWHERE, str(tmp_path / "images")],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    line = next((t for t in done.stdout.splitlines() if t.startswith("TOLD")), None)
    assert line, done.stdout[-2000:] + done.stderr[-4000:]
    told = json.loads(line[4:])
    assert Path(told["package"]).is_relative_to(copy) and told["codes"] == [0, 0, 0]
    assert "weight over site: found" in told["help"] and "over" in told["form"]
    assert told["steps"]["missing-values"][0] == "done", told["steps"]
    assert told["finding"]["verdict"] == "found" and told["finding"]["n"] == 80
    assert "tests of missing values" in told["correction"]
    # the page has its section, its sentence and its word in the glossary; the data sheet and Croissant have the finding
    for words in ("Missing values", "Who lacks weight goes with site", "did not write down what others did"):
        assert words in told["page"], words
    assert (
        "Values are missing unevenly" in json.dumps(told["json"]["datasheet"]) and "missing-values" in told["croissant"]
    )
    assert "site: lacks weight" in told["panel"]
    # of two people without a height nothing leaves; with a larger k nothing does
    assert set(told["bundle 5"]) == {"missing-values:weight:site"} and told["bundle 15"] == {}
    assert "missing values" in told["runs"] and "deleted" in told["deleted"] and told["left"] == []


CLEAN = """
import atexit
import fiftyone as fo
atexit.register(lambda: fo.delete_dataset("example") if fo.dataset_exists("example") else None)
if fo.dataset_exists("example"):
    fo.delete_dataset("example")
"""
