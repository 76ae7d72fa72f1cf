"""``--json``: standard output holds JSON and nothing else, with every verb, whatever libraries have to say."""

import json
import os
import subprocess
import sys

import fiftyone as fo
import pytest
from small_cohort import copy_cohort

from fiftyone_daebias.verbs import VERBS

NAME = "json-alone"
QUICK = """
steps: {train: false, embed: false, duplicates: false, probe-all: false, suggest-clusters: false, explain: false,
        quality: false, drift: false, reidentify: false, case-mix: false, files: false, test-clusters: false,
        report: false, tag: false}
"""
#: what is run, in order, each on what those before left
LINES = {
    "phantom": "{tmp}/spine --subjects 2 --regions neck --format nifti --matrix 48",
    "privacy": "{images}",
    "register": "{name} {images} --table {table}",
    "duplicates": "{name}",
    "cache": "",
    "train": "{name} --images 64",
    "embed": "{name}",
    "reconstruction": "{name} --images 4 --steps 2",
    "files": "{name} --n-permutations 99",
    "quality": "{name} --n-permutations 99",
    "case-mix": "{name} --over view --n-permutations 99",
    "probe": "{name} sex --n-permutations 99 --n-bootstrap 100 --repeats 1",
    "probe-all": "{name} --fields age view --n-permutations 99 --n-bootstrap 100 --repeats 1",
    "disagreements": "{name} sex",
    "subgroups": "{name} sex --by view --n-bootstrap 100 --repeats 1",
    "transfer": "{name} sex view --n-bootstrap 100 --repeats 1",
    "tag": "{name}",
    "similar": "{name} --to {sample} --k 3",
    "suggest-clusters": "{name} --resamples 0",
    "name-cluster": "{name} here --view half --coloured-by nothing",
    "clusters": "{name}",
    "test-clusters": "{name} --n-permutations 99",
    "drift": "{name} --date-field age --n-permutations 99",
    "reidentify": "{name} --n-bootstrap 100",
    "train-baseline": "{name} beta-vae --images 64",
    "compare": "{name} --models dae pixels --fields sex --n-permutations 99 --n-bootstrap 100",
    "explain": "{name} --field sex --value F --no-train --n-permutations 99",
    "counterfactual": "{name} --field sex --value F --n-samples 8 --steps 2 --n-permutations 99 --n-bootstrap 100",
    "training-dynamics": "{name} sex --tag group --epochs 1 --repeats 1 --n-permutations 99 --side 32",
    "local-view": "{name} sex box --n-permutations 99 --n-bootstrap 100 --repeats 1",
    "mitigate": "{name} sex --tag group --n-bootstrap 100 --repeats 1",
    "sensitivity": "{name} --effects marker --strengths 9 --prevalences 0.3 --repeats 5",
    "audit": "{name} --config {config}",
    "story": "{name}",
    "report": "{name} --out {tmp}/report.html",
    "review": "{name} probe:sex --status confirmed",
    "share": "{name} --out {tmp}/bundle.zip",
    "import-shared": "{name} {tmp}/bundle.zip",
    "runs": "{name}",
}
#: stays in one process, since each would import FiftyOne anew; says where each verb's output ends, and its exit code
CHILD = """
import json, os, sys
from fiftyone_daebias import cli
said = []
for verb, line in json.load(open(sys.argv[1])):
    code = cli.main([verb, *line, "--json"])
    said.append((verb, code, os.lseek(1, 0, os.SEEK_CUR)))
    json.dump(said, open(sys.argv[2], "w"))
"""


def test_every_verb_prints_json_and_nothing_else(tmp_path):
    images, table = copy_cohort(tmp_path / "cohort", 40)
    (tmp_path / "quick.yml").write_text(QUICK)
    places = {
        "tmp": tmp_path, "name": NAME, "images": images, "table": table, "config": tmp_path / "quick.yml",
        "sample": sorted(images.iterdir())[0].name,
    }  # fmt: skip
    try:
        first = list(LINES)[: list(LINES).index("train")]
        outcomes = _run(tmp_path, first, places)
        dataset = fo.load_dataset(NAME)
        dataset.save_view("half", dataset.limit(20))
        dataset.limit(20).tag_samples("group")
        box = fo.Detections(detections=[fo.Detection(label="middle", bounding_box=[0.2, 0.2, 0.6, 0.6])])
        dataset.set_values("box", [box] * len(dataset))
        outcomes |= _run(tmp_path, [v for v in LINES if v not in first], places)
    finally:
        if fo.dataset_exists(NAME):
            fo.delete_dataset(NAME)
    known = {v.command for v in VERBS}
    assert known - set(LINES) <= {"import-checkpoint"}  # needs weights of its authors: tests/dae/test_published.py
    wrong = {verb: (code, out[:300]) for verb, (code, out) in outcomes.items() if code not in (0, 1)}
    assert not wrong
    for verb, (_, out) in outcomes.items():
        parsed = json.loads(out, parse_constant=lambda word, verb=verb: pytest.fail(f"{verb} prints {word}"))
        assert isinstance(parsed, (dict, list)), verb


def _run(folder, verbs, places) -> dict[str, tuple[int, str]]:
    """Exit code and standard output of each verb, in a process that is told everything FiftyOne has to say."""
    lines, said, out = folder / "lines.json", folder / "said.json", folder / "out"
    lines.write_text(json.dumps([(v, LINES[v].format(**places).split()) for v in verbs]))
    with open(out, "wb") as file:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(lines), str(said)],
            stdout=file,
            stderr=subprocess.PIPE,
            env={**os.environ, "FIFTYONE_DATABASE_VALIDATION": "true", "FIFTYONE_LOGGING_LEVEL": "INFO"},
            timeout=600,
        )
    assert child.returncode == 0, child.stderr[-3000:].decode()
    written, start, found = out.read_bytes(), 0, {}
    for verb, code, end in json.loads(said.read_text()):
        found[verb] = code, written[start:end].decode()
        start = end
    if any(code not in (0, 1) for code, _ in found.values()):
        print(child.stderr.decode())
    return found
