"""Decoding: measures of likeness, interpolation, and the report on held-out images."""

import math

import fiftyone as fo
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import store
from fiftyone_daebias.dae.interpolation import interpolate, slerp
from fiftyone_daebias.dae.reconstruction import FROM_BOTH, FROM_OTHER, FROM_Z, decode_held_out
from fiftyone_daebias.dae.ssim import mse, ssim
from fiftyone_daebias.demo.run import COHORT
from fiftyone_daebias.errors import CheckpointError, InputError
from fiftyone_daebias.figures import figure_path
from fiftyone_daebias.plugin import plugin_dir


def test_ssim_and_mse_agree_with_scikit_image_and_with_hand():
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (3, 1, 24, 31)).astype(np.float32)
    b = np.clip(a + rng.normal(0, 0.3, a.shape), -1, 1).astype(np.float32)
    got = ssim(torch.from_numpy(a), torch.from_numpy(b))
    for k in range(3):
        _, full = structural_similarity(
            a[k, 0], b[k, 0], data_range=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        assert got[k].item() == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-4)
    assert ssim(torch.from_numpy(a), torch.from_numpy(a)).tolist() == pytest.approx([1, 1, 1])
    assert mse(torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 0], [0, 1]]]])).item() == 0.5


def test_slerp_keeps_the_angle_and_the_length():
    a, b = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    a[..., 0], b[..., 1] = 2.0, 2.0
    third = slerp(a, b, 1 / 3).flatten().tolist()
    assert third == pytest.approx([2 * math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)])  # 30 of 90 degrees
    noise = torch.randn(2, 8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert slerp(*noise, 0.5).std().item() == pytest.approx(1, abs=0.05)  # still noise; a straight line gives 0.71
    torch.testing.assert_close(slerp(*noise, 0.0), noise[0])
    torch.testing.assert_close(slerp(*noise, 1.0), noise[1])
    torch.testing.assert_close(slerp(noise[0], noise[0], 0.3), noise[0])


def test_interpolation_goes_from_one_image_to_the_other(trained):
    model, source, _ = trained
    first, second = (torch.from_numpy(source.read(i))[None] for i in (0, 1))  # one of each class
    strip = interpolate(model, first, second, count=5, steps=20, invert_steps=50)
    assert strip.shape == (1, 5, 1, 16, 16)
    to_first = mse(strip[0], first.expand(5, -1, -1, -1))
    to_second = mse(strip[0], second.expand(5, -1, -1, -1))
    assert to_first.argmin() == 0 and to_second.argmin() == 4
    assert to_first[4] > 3 * to_first[0] and to_second[0] > 3 * to_second[4]
    with pytest.raises(InputError, match="count must be at least 2"):
        interpolate(model, first, second, count=1)


def test_a_strangers_z_sem_reconstructs_far_worse(trained):
    model, source, _ = trained
    held_out = torch.from_numpy(np.stack([source.read(i) for i in range(64) if source.splits[i] == "val"]))
    held_out = torch.cat([held_out, torch.from_numpy(np.stack([source.read(i) for i in (0, 2, 4)]))])
    found, drawn = decode_held_out(model, held_out, [5, 20], 20, seed=1)
    error = {key: mse(held_out, decoded).mean().item() for key, decoded in found.items()}
    assert set(error) == {(s, n) for s in (FROM_BOTH, FROM_Z, FROM_OTHER) for n in (5, 20)}
    for n in (5, 20):
        assert error[FROM_Z, n] < 0.3 * error[FROM_OTHER, n]
    assert drawn[FROM_Z].shape == held_out.shape


def test_the_report_on_held_out_radiographs(dataset_name, daebias_home):
    dataset = fo.Dataset(dataset_name)
    files = sorted((COHORT / "images").iterdir())[:40]
    dataset.add_samples([fo.Sample(filepath=str(f), patient_id=f"p{k // 2}") for k, f in enumerate(files)])
    with pytest.raises(InputError, match="there is no checkpoint for this dataset yet"):
        dataset.daebias.reconstruction(progress=None)
    settings = {"checkpoint": plugin_dir() / "models" / "dae-cxr-64", "images": 2, "progress": None}
    result = dataset.daebias.reconstruction(**settings, steps=[100], invert_steps=150)
    assert result.split == "test" and result.images == 2
    at_100 = {r.source: r for r in result.rows if r.steps == 100}
    # x_T holds what z_sem leaves out
    assert at_100[FROM_BOTH].ssim > at_100[FROM_Z].ssim > at_100[FROM_OTHER].ssim
    for row in result.rows:
        assert row.mse_low <= row.mse <= row.mse_high and row.ssim_low <= row.ssim <= row.ssim_high
    config, stored = store.load_run(dataset, "daebias_reconstruction")
    assert config["checkpoint_hash"] == result.checkpoint_hash and len(stored["sample_ids"]) == 2
    assert figure_path(dataset.name, stored["figures"][0]).stat().st_size > 5_000
    assert "another image's z_sem" in str(result)
    with pytest.raises(InputError, match="steps must be between 1 and 1000; got 0"):
        dataset.daebias.reconstruction(**settings, steps=[0])
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        dataset.daebias.reconstruction(checkpoint=daebias_home, progress=None)
