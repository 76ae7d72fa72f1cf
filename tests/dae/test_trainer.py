"""Training: resume bit for bit, locks, damage, NaN."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from memory import Interrupt, MemorySource, train_tiny
from safetensors.torch import load_file

from fiftyone_daebias.dae.checkpoint import load_model, read_facts
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.dae.run_folder import RunFolder
from fiftyone_daebias.errors import CheckpointError, TrainingError


def test_an_interrupted_run_equals_an_uninterrupted_one(tiny, tmp_path):
    source = MemorySource()
    torch.manual_seed(1)
    whole = train_tiny(source, tmp_path / "whole", *tiny)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    for after in (32, 48):
        with pytest.raises(KeyboardInterrupt):
            train_tiny(source, tmp_path / "parts", *tiny, progress=Interrupt(after))
    rest = train_tiny(source, tmp_path / "parts", *tiny)
    assert 0 < rest.resumed_at < rest.images == whole.images
    assert rest.checkpoint_hash == whole.checkpoint_hash
    a, b = (load_file(next((tmp_path / n).glob("state-*")) / "learner.safetensors") for n in ("whole", "parts"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert {k.split(".")[0] for k in a} == {"weights", "ema", "optimizer"}
    assert torch.equal(torch.get_rng_state(), state), "training moved the global generator"
    assert "already trained" in str(train_tiny(source, tmp_path / "parts", *tiny))


@pytest.mark.parametrize("interrupted", [1, 3])
def test_an_interrupted_evaluation_is_done_when_training_goes_on(tiny, tmp_path, monkeypatch, interrupted):
    """Also the last one, whose weights would else never be judged."""
    model, config = tiny[0], replace(tiny[1], images=96, save_every=32, patience=9)
    source, calls, real = MemorySource(), [], DaeLearner.evaluate
    whole = train_tiny(source, tmp_path / "whole", model, config)

    def evaluate(self, images):
        calls.append(1)
        if len(calls) == interrupted:
            raise KeyboardInterrupt
        return real(self, images)

    monkeypatch.setattr(DaeLearner, "evaluate", evaluate)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(source, tmp_path / "parts", model, config)
    rest = train_tiny(source, tmp_path / "parts", model, config)
    assert rest.images == whole.images and rest.checkpoint_hash == whole.checkpoint_hash
    assert rest.validation_loss == whole.validation_loss
    grids = [sorted(p.name for p in (tmp_path / n / "grids").iterdir()) for n in ("whole", "parts")]
    assert grids[0] == grids[1] and len(grids[0]) == 3
    assert "already trained" in str(train_tiny(source, tmp_path / "parts", model, config))


def test_a_run_interrupted_before_its_first_step_keeps_its_start(tiny, tmp_path, monkeypatch):
    model = replace(tiny[0], z_dim=16, components=8, sketch=True, evened=True)
    config = replace(tiny[1], images=32, save_every=32, patience=3)
    source, calls, real = MemorySource(), [], DaeLearner.step
    whole = train_tiny(source, tmp_path / "whole", model, config)

    def step(self, *args):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(DaeLearner, "step", step)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(source, tmp_path / "parts", model, config)
    rest = train_tiny(source, tmp_path / "parts", model, config)
    assert rest.checkpoint_hash == whole.checkpoint_hash and rest.validation_loss == whole.validation_loss


def test_a_run_that_is_killed_goes_on(tiny, tmp_path):
    source = MemorySource()
    code = f"""
import sys, os; sys.path.insert(0, {str(Path(__file__).parent)!r})
from memory import Interrupt, MemorySource, train_tiny
from fiftyone_daebias.dae.config import ModelConfig, TrainConfig
class Kill:
    left = 100
    def task(self, *a): return self
    def advance(self, n=1, note=""):
        self.left -= n
        if self.left <= 0: os.kill(os.getpid(), 9)
    def close(self): pass
    def say(self, m): pass
import json
m, t = json.loads(sys.argv[1])
train_tiny(MemorySource(), {str(tmp_path / "killed")!r}, ModelConfig.from_dict(m), TrainConfig(**t), progress=Kill())
"""
    arguments = json.dumps([tiny[0].to_dict(), tiny[1].to_dict()])
    out = subprocess.run([sys.executable, "-c", code, arguments], capture_output=True, text=True)
    assert out.returncode == -9, out.stderr
    result = train_tiny(source, tmp_path / "killed", *tiny)
    whole = train_tiny(source, tmp_path / "whole", *tiny)
    assert result.resumed_at == 64 and result.checkpoint_hash == whole.checkpoint_hash


def test_accumulation_and_batches_give_the_same_gradient(tiny, tmp_path):
    model, train = replace(tiny[0], dropout=0.0), replace(tiny[1], images=16)
    source = MemorySource()
    train_tiny(source, tmp_path / "one", model, train)
    train_tiny(source, tmp_path / "four", model, replace(train, accumulate=4))
    one, four = (load_model(tmp_path / n).state_dict() for n in ("one", "four"))
    for key in one:
        torch.testing.assert_close(one[key], four[key], atol=1e-3, rtol=0)


def test_training_lowers_the_loss_and_writes_metrics(trained):
    _, _, folder = trained
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["images"] == 4000 and lines[-1]["loss"] < 0.1


def test_two_processes_cannot_train_in_one_folder(tiny, tmp_path):
    with RunFolder(tmp_path).lock(), pytest.raises(CheckpointError, match="another process is training"):
        train_tiny(MemorySource(), tmp_path, *tiny)


def test_other_settings_do_not_overwrite_a_run(tiny, tmp_path):
    source = MemorySource()
    first = train_tiny(source, tmp_path, *tiny)
    with pytest.raises(CheckpointError, match="a run with other train"):
        train_tiny(source, tmp_path, tiny[0], replace(tiny[1], lr=1e-5))
    with pytest.raises(CheckpointError, match="a run with other data_hash"):
        train_tiny(MemorySource(seed=5), tmp_path, *tiny)
    assert read_facts(tmp_path)["sha256"] == first.checkpoint_hash


def test_nan_stops_and_keeps_the_last_good_state(tiny, tmp_path):
    source = MemorySource()
    good = train_tiny(source, tmp_path, tiny[0], tiny[1])
    source.volumes = [np.full_like(v, np.nan) for v in source.volumes]
    longer = replace(tiny[1], images=320)
    (tmp_path / "run.json").write_text(
        json.dumps({**json.loads((tmp_path / "run.json").read_text()), "train": longer.to_dict()})
    )
    with pytest.raises(TrainingError, match="the loss became nan at step 10; the last good state is kept"):
        train_tiny(source, tmp_path, tiny[0], longer)
    assert read_facts(tmp_path)["sha256"] == good.checkpoint_hash
    load_model(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "json", "newer"])
def test_damaged_checkpoints_are_named(damage, trained, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(trained[2], folder)
    weights, facts = folder / "model.safetensors", folder / "model.json"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
        expected = "missing or damaged"
    elif damage == "missing":
        facts.unlink()
        expected = "there is no checkpoint"
    elif damage == "json":
        facts.write_text("{")
        expected = "is damaged"
    elif damage == "newer":
        facts.write_text(facts.read_text().replace('"version": 1', '"version": 99'))
        expected = "version 99"
    else:
        raw = json.loads(facts.read_text())
        raw["config"]["z_dim"] = 16
        facts.write_text(json.dumps(raw))
        expected = "does not hold the weights"
    with pytest.raises(CheckpointError, match=expected):
        load_model(folder)
