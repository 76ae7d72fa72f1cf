"""The documents: the site builds without a warning, its reference has every command, and the notebook runs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from small_cohort import COHORT

from fiftyone_daebias import cli, command_table, verbs

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "reference.html").read_text()
    for verb in verbs.VERBS:
        assert f'id="{verb.command}"' in page, verb.command


def test_commands_in_the_documents_exist_with_their_options():
    known = {v.command for v in verbs.VERBS} | {
        "demo",
        "demo-mri",
        "app",
        "queue",
        "doctor",
        "completion",
        "signing-key",
    }
    for page in [
        *sorted((ROOT / "docs").glob("how-to/*.md")),
        ROOT / "docs" / "index.md",
        ROOT / "docs" / "concepts.md",
    ]:
        for line in re.findall(r"^(?:\$ )?daebias (.+?)(?: +#.*)?$", page.read_text(), re.MULTILINE):
            words = command_table.words_of(line)
            assert words[0] in known, f"{page.name}: {line}"
            assert cli.build_parser(words[0]).parse_args(words).command == words[0]


def test_every_verb_has_an_example_that_was_run():
    kept = json.loads((ROOT / "docs" / "verbs.json").read_text())
    # these need a mask of each image and a published checkpoint
    assert {v.command for v in verbs.VERBS} - {"local-view", "import-checkpoint"} <= set(kept)
    for verb, entry in kept.items():
        words = command_table.words_of(entry["command"].removeprefix("daebias "))
        assert cli.build_parser(words[0]).parse_args(words).command == verb
        # file names, not sample ids, and no word that the program does not use any more
        assert not re.search(r"\b[0-9a-f]{24}\b|decodable|finds from|resamples|label error ", entry["output"]), verb


def test_the_notebook_runs(tmp_path, dataset_name, daebias_home, capsys):
    """Every cell, on 48 of the subjects and with little training."""
    frame = pd.read_csv(COHORT / "metadata.csv")
    frame = frame.groupby("subject_id", sort=False).head(1).head(48)
    (tmp_path / "images").mkdir()
    for name in frame["filepath"]:
        shutil.copy(COHORT / name, tmp_path / "images" / Path(name).name)
    frame.drop(columns="filepath").to_csv(tmp_path / "metadata.csv", index=False)
    cells = json.loads((ROOT / "docs" / "demo.ipynb").read_text())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert len(code) >= 6 and not any(c["outputs"] for c in cells if c["cell_type"] == "code")
    space: dict = {}
    exec(code[0], space)
    space |= {"name": dataset_name, "folder": tmp_path, "training_images": 64, "permutations": 99}
    for cell in code[1:]:
        exec(cell, space)
    said = capsys.readouterr().out
    assert "48 images of 48 subjects" in said and "sex" in said
    assert Path(space["written"].files["html"]).stat().st_size > 10_000
