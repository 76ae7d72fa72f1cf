"""What lies in a run folder: older layouts, full disks, failing devices, early stopping."""

import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from memory import MemorySource, train_tiny
from PIL import Image

from fiftyone_daebias.dae import trainer
from fiftyone_daebias.dae.checkpoint import load_model, read_facts
from fiftyone_daebias.dae.config import ModelConfig, TrainConfig
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.dae.run_folder import RunFolder, is_complete
from fiftyone_daebias.dae.train import settings
from fiftyone_daebias.errors import CheckpointError, TrainingError


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_of_version_1_goes_on(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "run_v1", folder)
    old = json.loads((folder / "run.json").read_text())
    model, config = ModelConfig.from_dict(old["model"]), TrainConfig(**old["train"])
    assert config.to_dict() == old["train"] and model.to_dict() == old["model"]  # so its folder is found again
    before = load_model(folder).state_dict()
    source = MemorySource(n=16)
    source.data_hash = old["data_hash"]
    result = train_tiny(source, folder, model, config)
    assert (result.resumed_at, result.images) == (64, 128)
    assert json.loads((folder / "state.json").read_text())["version"] == 2
    after = load_model(folder).state_dict()
    moved = max((after[k] - before[k]).abs().max().item() for k in before)
    assert 0 < moved < 0.05  # it went on from there and did not begin anew


def test_an_evaluation_leaves_a_line_of_metrics_and_a_picture(tiny, tmp_path):
    train_tiny(MemorySource(), tmp_path, *tiny)
    found = lines(tmp_path)
    assert [line["images"] for line in found] == [64, 128, 160]
    for line in found:
        assert line["images_per_second"] > 0 and 0 <= line["reconstruction_mse"] and line["reconstruction_ssim"] <= 1
        grid = Image.open(tmp_path / "grids" / f"{line['images']:09d}.png")
        assert grid.size == (110 + 6 * 132, 28 + 3 * 132)  # six held-out images
    # a process killed after its line but before its state trains that stretch again: the line is written once
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"images": 999, "loss": 1}\n{"ima')
    train_tiny(MemorySource(), tmp_path, *tiny)
    assert lines(tmp_path) == found


class Worsening(DaeLearner):
    """A real learner whose held-out reconstruction is stated to get better twice and then worse."""

    stated = iter(())

    def evaluate(self, images):
        return {**super().evaluate(images), "reconstruction_mse": next(self.stated)}


def test_training_stops_when_held_out_images_get_no_better_and_keeps_the_best(tiny, tmp_path):
    config = replace(tiny[1], images=1600, save_every=64, patience=3)
    learner = Worsening(tiny[0], config)
    learner.stated = iter([0.5, 0.3, 0.4, 0.4, 0.35, 0.1])
    result = trainer.train(MemorySource(), tmp_path, learner, config)
    assert result.images == 320 and "stopped at 320 of 1,600 images" in result.stopped and "0.3000" in str(result)
    assert read_facts(tmp_path)["images"] == 128  # the best weights are those of the second evaluation
    assert is_complete(tmp_path, config)
    again = train_tiny(MemorySource(), tmp_path, tiny[0], config)
    assert again.images == 320 and again.checkpoint_hash == result.checkpoint_hash


def test_a_gain_too_small_to_matter_stops_training_too_and_is_kept_all_the_same(tiny, tmp_path):
    config = replace(tiny[1], images=1600, save_every=64, patience=2, least_gain=0.1)
    learner = Worsening(tiny[0], config)
    # many small gains add up to one that counts (0.39 is more than a tenth below 0.5); then 0.38 and 0.37 do not
    learner.stated = iter([0.5, 0.46, 0.39, 0.38, 0.37, 0.1])
    result = trainer.train(MemorySource(), tmp_path, learner, config)
    assert result.images == 320 and "was not better than 0.3900 by 10 % in the last 2 evaluations" in result.stopped
    assert read_facts(tmp_path)["images"] == 320  # 0.37 is the best there was
    assert is_complete(tmp_path, config)


def test_training_has_to_better_what_the_start_decodes_already(tiny, tmp_path):
    model = replace(tiny[0], z_dim=16, components=8, sketch=True)
    config = replace(tiny[1], images=1600, save_every=64, patience=1, least_gain=0.02)
    learner = Worsening(model, config)
    learner.stated = iter([0.50, 0.495, 0.1])  # before the first step, after the first evaluation
    result = trainer.train(MemorySource(), tmp_path, learner, config)
    assert result.images == 64 and "not better than 0.5000 by 2 % in the last evaluation" in result.stopped
    assert read_facts(tmp_path)["images"] == 64  # what is kept has been trained


def test_who_says_how_many_images_is_not_stopped_before_and_the_cpu_preset_stops_by_itself():
    assert settings("cpu-lite")[1].patience == 2 and settings("cpu-lite")[1].least_gain == 0.05
    assert settings("cpu-lite", images=100)[1].patience == 0
    assert settings("cpu-lite", images=100, patience=2)[1].patience == 2


class Failing(DaeLearner):
    """A real learner whose device fails at a step."""

    error, at = None, 5

    def step(self, batch, step):
        if step == self.at:
            raise self.error
        return super().step(batch, step)


@pytest.mark.parametrize(
    "error, message",
    [
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "out of memory on cpu with batch_size=16, accumulate=1; pass a larger accumulate",
        ),
        (
            RuntimeError("CUDA error: an illegal memory access"),
            "the device cpu failed .*the last good state is kept in",
        ),
    ],
)
def test_a_failing_device_is_named_and_the_run_goes_on_afterwards(error, message, tiny, tmp_path):
    learner = Failing(*tiny)
    learner.error = error
    with pytest.raises(TrainingError, match=message):
        trainer.train(MemorySource(), tmp_path, learner, tiny[1])
    load_model(tmp_path)
    assert train_tiny(MemorySource(), tmp_path, *tiny).resumed_at == 64


def test_memory_that_really_runs_out_is_named(tiny, tmp_path):
    class Huge(DaeLearner):
        def step(self, batch, step):
            torch.empty(1 << 50, dtype=torch.uint8)

    with pytest.raises(TrainingError, match="out of memory on cpu with batch_size=16"):
        trainer.train(MemorySource(), tmp_path, Huge(*tiny), tiny[1])


@pytest.mark.parametrize("room", [60_000, 200_000])
def test_a_full_disk_keeps_the_last_good_state(room, tiny, tmp_path):
    """No file may grow over a limit: training fails at the weights or at the state."""
    source = MemorySource()
    train_tiny(source, tmp_path, *tiny)
    good = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    longer = replace(tiny[1], images=320)
    (tmp_path / "run.json").write_text(
        json.dumps({**json.loads((tmp_path / "run.json").read_text()), "train": longer.to_dict()})
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(CheckpointError, match="(could not write|cannot be written).*free "):
            train_tiny(source, tmp_path, tiny[0], longer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    load_model(tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    state = next(p for p in good if p.name == "learner.safetensors")
    assert (tmp_path / state).read_bytes() == good[state]
    assert train_tiny(source, tmp_path, tiny[0], longer).resumed_at == 160


def test_a_writer_killed_between_its_two_files_is_mended(tiny, tmp_path):
    train_tiny(MemorySource(), tmp_path, *tiny)
    facts = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json.part").write_text(facts)
    (tmp_path / "model.json").write_text(facts.replace(json.loads(facts)["sha256"], "0" * 64))
    load_model(tmp_path)
    assert (tmp_path / "model.json").read_text() == facts


def test_a_damaged_state_and_a_newer_one_are_named(tiny, tmp_path):
    train_tiny(MemorySource(), tmp_path, *tiny)
    state = next(tmp_path.glob("state-*")) / "learner.safetensors"
    whole = state.read_bytes()
    state.write_bytes(whole[:-50])
    with pytest.raises(CheckpointError, match="the state in .* is damaged .*delete that folder"):
        train_tiny(MemorySource(), tmp_path, *tiny)
    state.write_bytes(whole)
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "version": 99}))
    with pytest.raises(CheckpointError, match="newer version .99"):
        train_tiny(MemorySource(), tmp_path, *tiny)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tiny, tmp_path):
    os.chmod(tmp_path, 0o500)
    with pytest.raises(CheckpointError, match="could not write to"):
        train_tiny(MemorySource(), tmp_path / "run", *tiny)


def test_learners_take_up_their_own_state(tiny):
    one, two = DaeLearner(*tiny), DaeLearner(*tiny, seed=3)
    batch = torch.from_numpy(np.stack([MemorySource(n=4).read(i) for i in range(4)]))
    for step in range(3):
        one.step(batch, step)
    two.load_state({k: v.clone() for k, v in one.state().items()})
    two.seed = one.seed
    one.step(batch, 3)
    two.step(batch, 3)
    a, b = one.state(), two.state()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_lock_is_free_again_when_its_holder_ends(tmp_path):
    with RunFolder(tmp_path).lock():
        with pytest.raises(CheckpointError, match="another process is training"):
            with RunFolder(tmp_path).lock():
                pass
    with RunFolder(tmp_path).lock():
        pass
