"""Damaged files are read or left out with a line, never a traceback or a hang: a short run of benchmarks/fuzz_ingest.py."""

import importlib.util
from pathlib import Path

import pytest


def test_damaged_files_end_in_a_line(daebias_home):
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_ingest.py"
    if not path.exists():
        pytest.skip("benchmarks are not here")
    spec = importlib.util.spec_from_file_location("fuzz_ingest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.fuzz(180, seed=5)
    assert result["faults"] == []
    # damage is not so strong that nothing is read, nor so weak that everything is
    assert 20 < result["outcomes"]["read"] < 150 and result["outcomes"]["left out"] > 20
