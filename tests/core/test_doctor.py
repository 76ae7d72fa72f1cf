"""The doctor tells what is wrong and how to mend it."""

import os
import subprocess
import sys

import pytest

from fiftyone_daebias import doctor


def test_all_is_well_here():
    report = doctor.examine()
    assert report.passed, str(report)
    names = [c.name for c in report.checks]
    assert names == [
        "Python",
        "torch",
        "mongod",
        "database",
        "plugin",
        "plugin registry",
        "free disk",
        "DICOM decoders",
    ]
    assert "the main job can run" in str(report)


def test_without_a_mongod_it_fails_names_the_remedy_and_exits_with_1(tmp_path):
    # Another process, whose FiftyOne finds no binary anywhere: as after an install behind a closed network.
    code = (
        "import fiftyone_daebias.doctor as d; d.find_mongod = lambda: None; "
        "from fiftyone_daebias.cli import main; raise SystemExit(main(['doctor']))"
    )
    env = {**os.environ, "FIFTYONE_DATABASE_DIR": str(tmp_path)}
    env.pop("FIFTYONE_DATABASE_URI", None)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert out.returncode == 1, out.stdout + out.stderr
    line = out.stdout.splitlines()
    k = next(k for k, t in enumerate(line) if t.startswith("FAIL") and "mongod" in t)
    assert "mend: daebias doctor --fix" in line[k + 1]


def test_an_unreachable_database_is_found_and_its_password_hidden(monkeypatch):
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://user:secret@127.0.0.1:9/?serverSelectionTimeoutMS=300")
    report = doctor.examine()
    database = next(c for c in report.checks if c.name == "database")
    assert not database.ok and not report.passed
    assert "secret" not in str(report)


@pytest.mark.parametrize("ok, needed, passed", [(True, True, True), (False, True, False), (False, False, True)])
def test_only_needed_checks_decide(ok, needed, passed):
    assert doctor.Report((doctor.Check("x", ok, "found", "fix it", needed),)).passed is passed
