"""A type checker sees the verbs: the ``.pyi`` files are those that the verbs give, and a misspelt argument is an error."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fiftyone_daebias"
CODE = """
import fiftyone_daebias as daebias
from fiftyone_daebias.accessor import Accessor

daebias.probe(None, "sex", n_permutations=199)
daebias.probe(None, "sex", permutations=199)
daebias.probe(None, "sex", n_permutations="many")
daebias.prob
Accessor(None).probe("sex", adjust="age")
daebias.compute_dae_embeddings(None, perplexity=30.0)
"""


def test_the_stubs_are_what_the_verbs_give():
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "tools" / "stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.stubs().items():
        assert (PACKAGE / name).read_text() == text, f"{name} is out of date: run 'python tools/stubs.py'"
    assert (PACKAGE / "py.typed").is_file()


def test_a_misspelt_argument_is_an_error_for_a_type_checker(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "mypy.ini").write_text("[mypy]\nfollow_imports = skip\nignore_missing_imports = true\n")
    seen = [PACKAGE / n for n in ("__init__.pyi", "accessor.pyi", "parameters.py")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "mine.py", *map(str, seen)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    errors = {int(t.split(":")[1]): t for t in done.stdout.splitlines() if t.startswith("mine.py") and "error" in t}
    assert sorted(errors) == [6, 7, 8, 9], done.stdout + done.stderr
    assert 'did you mean "n_permutations"' in errors[6]
    assert 'expected "int"' in errors[7] and "prob" in errors[8] and "adjust" in errors[9]
