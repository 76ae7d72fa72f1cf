"""The benchmarks of the embedding run without a database, on any device, and go on where they were."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not installed with the package")


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import embedding
    import embedding_cohorts
    import gpu

    yield embedding, embedding_cohorts, gpu
    for name in ("embedding", "embedding_cohorts", "embedding_scores", "gpu"):
        sys.modules.pop(name, None)


def tiny_cohort(cohorts, n=70):
    """Volumes of two slices with a disc left or right, and its size."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :30]
    side, size = rng.integers(0, 2, n), rng.uniform(3, 9, n)
    volumes = [
        np.clip((np.hypot(y - 20, x - (8 if s else 22)) < r) * 120 + rng.normal(60, 8, (2, 40, 30)), 0, 255).astype(
            np.uint8
        )
        for s, r in zip(side, size, strict=True)
    ]
    table = pd.DataFrame({"side": np.where(side, "L", "R"), "size": size, "noise": rng.normal(size=n)})
    return cohorts.Slices("tiny", volumes, [f"s{k}" for k in range(n)], table, 2)


def test_rows_are_scored_and_kept(benchmarks, tmp_path, capsys):
    embedding, cohorts, _ = benchmarks
    cohort = tiny_cohort(cohorts)
    cohort.save(tmp_path / "tiny.npz")
    cohort = cohorts.Slices.load(tmp_path / "tiny.npz", "tiny")
    rows = ["random", "dae:64", "random+pca"]
    found = embedding.compare(cohort, rows, 1, "pca", tmp_path, "cpu-lite")
    by = {(f["row"], f["field"]): f for f in found}
    assert len(found) == 4 * 3 and by["pca", "side"]["score"] > 0.95 and by["dae:64", "side"]["score"] > 0.9
    assert by["pca", "size"]["score"] < 1.2 and by["random+pca", "size"]["gain"][0] > -0.5
    low, high = by["dae:64", "noise"]["gain"][1:]
    assert low < 0 < high
    trained = tmp_path / "tiny" / "dae-64-51" / "model.safetensors"
    before = trained.stat().st_mtime_ns
    assert embedding.compare(cohort, rows, 1, "pca", tmp_path, "cpu-lite") == found
    assert trained.stat().st_mtime_ns == before and "better than pca by" in capsys.readouterr().out


def test_batches_made_on_the_device_show_whole_slices_and_parts_of_them(benchmarks):
    _, cohorts, gpu = benchmarks
    data = gpu.OnDevice(tiny_cohort(cohorts), torch.device("cpu"))
    rng = torch.Generator().manual_seed(0)
    assert data.side == 40
    whole = data.batch(6, 40, 1.0, rng)
    known = data.centre(np.arange(len(data.slices)), 40)
    for image in whole:
        assert (known - image).abs().amax(dim=(1, 2, 3)).min() < 1e-4
    parts = data.batch(64, 20, 0.6, rng)
    assert parts.shape == (64, 1, 20, 20) and parts.min() >= -1 and parts.max() <= 1
    shares = (parts < -0.98).float().mean(dim=(1, 2, 3))
    assert shares.std() > 0.01  # background beside the slices


def test_the_gpu_benchmark_runs_on_a_cpu_and_goes_on(benchmarks, tmp_path):
    _, cohorts, gpu = benchmarks
    tiny_cohort(cohorts).save(tmp_path / "tiny.npz")
    told = [
        str(tmp_path / "tiny.npz"),
        "--presets",
        "cpu-lite",
        "--minutes",
        "0.01",
        "--steps",
        "1",
        "--batch",
        "4",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "out"),
    ]
    first = gpu.main(told)["cpu-lite"]
    assert {r["how"] for r in first["rates"]} == {"float32", "plain loop"}
    assert all(r["images/s"] > 0 and 0 < r["share read"] < 1 for r in first["rates"])
    assert first["training"]["images"] >= 4 and {p["field"] for p in first["probes"]} == {"side", "size", "noise"}
    told[told.index("0.01")] = "0.02"
    again = gpu.main(told)["cpu-lite"]["training"]
    assert again["images"] > first["training"]["images"] and again["seconds"] > first["training"]["seconds"]
    assert json.loads((tmp_path / "out" / "gpu.json").read_text())["cpu-lite"]["training"] == again
