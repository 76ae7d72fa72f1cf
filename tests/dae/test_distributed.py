"""Two real processes train and embed as one: same losses, every sample once, one writer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy.spatial.distance import pdist

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import store
from fiftyone_daebias.dae.distributed import ProcessGroup
from fiftyone_daebias.errors import InputError

SETTINGS = {"preset": "cpu-lite", "images": 96, "batch_size": 16}


@pytest.fixture
def pictures(tmp_path, dataset_name, daebias_home):
    rng = np.random.default_rng(0)
    for k in range(25):
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / f"{k:02d}.png")
    dataset = fo.Dataset.from_images_dir(str(tmp_path), name=dataset_name)
    dataset.persistent = True
    return dataset


def torchrun(*arguments):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "fiftyone_daebias",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def losses(folder):
    return [json.loads(line)["loss"] for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_train_and_embed_as_one(pictures, monkeypatch):
    # cpu-lite saves every 3,200 images: one evaluation, at the end
    alone = pictures.daebias.train(**SETTINGS, progress=None)
    one = pictures.compute_dae_embeddings(progress=None)
    vectors = np.array(pictures.values("dae_embedding"))
    weights = load_file
    before = weights(Path(alone.folder) / "model.safetensors")
    single = losses(alone.folder)
    shutil.rmtree(alone.folder)

    out = torchrun(
        "train",
        pictures.name,
        "--preset",
        "cpu-lite",
        "--images",
        "96",
        "--batch-size",
        "16",
        "--device",
        "cpu",
        "--json",
    )
    assert out.returncode == 0, out.stderr[-2000:]
    together = json.loads(out.stdout[out.stdout.index("{") :])  # the first process alone prints
    assert together["folder"] == alone.folder
    assert losses(alone.folder) == pytest.approx(single, rel=1e-4)
    after = weights(Path(alone.folder) / "model.safetensors")
    for name, value in before.items():
        if name.startswith("evening."):
            continue  # directions of about equal spread may turn; distances stay, see below
        torch.testing.assert_close(after[name], value, atol=2e-4, rtol=0)

    out = torchrun("embed", pictures.name, "--checkpoint", alone.folder, "--device", "cpu")
    assert out.returncode == 0, out.stderr[-2000:]
    pictures.reload()
    config, results = store.load_run(pictures, "dae_provenance")
    assert config["checkpoint_hash"] == together["checkpoint_hash"] != one.checkpoint_hash
    assert config["encoded"] == [12, 13] and len(set(results["sample_ids"])) == 25
    np.testing.assert_allclose(pdist(np.array(pictures.values("dae_embedding"))), pdist(vectors), rtol=2e-3)

    out = torchrun("probe", pictures.name)
    assert "torchrun works with train and embed, not probe" in out.stderr


def test_work_is_shared_out_whole():
    for n in (0, 1, 7, 24):
        parts = [list(range(n))[ProcessGroup(rank, 3).shard(n)] for rank in range(3)]
        assert sum(parts, []) == list(range(n)) and max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch, tiny, tmp_path):
    from memory import MemorySource, train_tiny

    monkeypatch.setattr("fiftyone_daebias.dae.trainer.process_group", lambda: ProcessGroup(0, 3))
    with pytest.raises(
        InputError, match="batch_size 16 cannot be shared out evenly among 3 processes; pass batch_size=15"
    ):
        train_tiny(MemorySource(n=8), tmp_path, *tiny)
