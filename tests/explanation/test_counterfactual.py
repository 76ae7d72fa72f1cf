"""Counterfactuals: the direction by hand, the decoded marker where it was planted, nothing where nothing is."""

import json

import fiftyone as fo
import numpy as np
import pytest
from planted_images import MARK, make_dataset, train_and_embed

from fiftyone_daebias import paths, schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.counterfactual.cam_overlap import overlap
from fiftyone_daebias.explanation.counterfactual.direction import check_gate, find_directions
from fiftyone_daebias.statistics.targets import Target


def target_of(values, kind="binary"):
    values = np.asarray(values)
    return Target("t", kind, np.arange(len(values)), values, ("0", "1") if kind == "binary" else ())


@pytest.fixture(scope="module")
def vectors():
    """Group 1 is shifted by 3 SDs along axis 2; axis 5 is mostly a copy of axis 2; scales differ wildly."""
    rng = np.random.default_rng(0)
    group = np.repeat(rng.permutation(200) % 2, 2)
    v = rng.normal(size=(400, 12))
    v[:, 2] += 3 * group
    v[:, 5] = v[:, 2] + 0.3 * rng.normal(size=400)
    return (v * np.logspace(-2, 2, 12)).astype(np.float32), group, np.repeat(np.arange(200), 2).astype(str)


@pytest.mark.parametrize("along", ["normal", "pattern"])
def test_one_step_raises_the_reading_by_one_sd(vectors, along):
    v, group, subjects = vectors
    found = find_directions(v, target_of(group), subjects, along=along)
    for h in (0, 1):
        other = found.half != h
        before, after = (found.read(x[other], h) for x in (v, v + 1.5 * found.steps[h]))
        np.testing.assert_allclose(after - before, 1.5, atol=1e-3)
        assert before.std() == pytest.approx(1, abs=1e-3)
        # one half, one subject
        assert not set(subjects[other]) & set(subjects[~other])
    steps = found.steps / v.std(axis=0)
    if along == "pattern":
        # by hand: the score is (mostly) axis 2, so one SD of it goes with one SD of axis 2 and nearly one of axis 5
        assert (steps[:, 2] > 0.9).all() and (steps[:, 5] > 0.85).all()
        assert np.abs(np.delete(steps, [2, 5], axis=1)).max() < 0.35
    assert found.agreement > 0.9


def test_a_number_has_a_direction_too_and_no_difference_has_none(vectors):
    v, group, subjects = vectors
    rng = np.random.default_rng(3)
    number = v[:, 7] / v[:, 7].std() + 0.2 * rng.normal(size=len(v))
    found = find_directions(v, target_of(number, "numeric"), subjects)
    steps = found.steps / v.std(axis=0)
    assert (steps[:, 7] > 0.9).all()
    at = {"n_permutations": 199, "seed": 1}
    assert check_gate(v, target_of(number, "numeric"), subjects, **at).open
    assert check_gate(v, target_of(group), subjects, **at).open
    shut = [not check_gate(v, target_of(np.repeat(rng.permutation(200) % 2, 2)), subjects, **at).open for _ in range(6)]
    assert sum(shut) >= 5
    with pytest.raises(InputError, match="along must be"):
        find_directions(v, target_of(group), subjects, along="sideways")


def test_overlap_by_hand():
    a = np.arange(100.0).reshape(10, 10)
    assert overlap(a, a) == (pytest.approx(1.0), 1.0)
    assert overlap(a, -a) == (pytest.approx(-1.0), 0.0)
    half = a.copy().ravel()
    half[90:95] = -1  # half of the strongest tenth is gone; the next five take its place
    assert overlap(a, half.reshape(10, 10))[1] == 0.5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    name = "test-explain-counterfactual"
    dataset = make_dataset(name, tmp_path_factory.mktemp("pictures"))
    train_and_embed(dataset)
    yield dataset
    fo.delete_dataset(name)


def test_the_marker_appears_where_it_was_planted(dataset):
    result = dataset.daebias.counterfactual(
        field="site", n_samples=24, n_permutations=199, n_bootstrap=200, progress=None
    )
    assert result.comparison == "site: B against A" and result.gate.open and result.gate.score > 0.9
    assert result.n_samples == result.n_subjects == 24
    assert result.response.rises and result.response.rise[1] > 1
    assert result.quality.explained > 0.5 and result.quality.code == "shared" and result.quality.code_sd > 1.4
    assert result.observed.cosine > 0.5 and result.observed.p <= 0.05
    config, stored = store.load_run(dataset, result.key)
    change = stored["difference_map"]
    at = tuple(slice(round(s.start * 0.8) + 1, round(s.stop * 0.8) - 1) for s in MARK)  # 40 px → 32 px
    inside = change[at].mean()
    rest = np.ones_like(change, bool)
    rest[slice(max(0, at[0].start - 4), at[0].stop + 4), slice(max(0, at[1].start - 4), at[1].stop + 4)] = False
    assert inside > 20 and inside > 2.5 * np.abs(change[rest]).mean()
    assert np.abs(change).argmax() in np.ravel_multi_index(
        np.mgrid[at[0].start - 2 : at[0].stop + 2, at[1].start - 2 : at[1].stop + 2].reshape(2, -1), change.shape
    )
    assert [f["name"] for f in stored["figures"]] == [f["name"] for f in result.figures] and len(result.figures) == 3
    for figure in stored["figures"]:
        assert (paths.figures_dir(dataset.name) / figure["png"]).stat().st_size > 5_000 and figure["caption"]
        json.dumps(figure["plotly"])
    text = str(result)
    assert "rises at every step" in text and "of their variance comes back" in text
    json.dumps(result.to_dict())
    again = dataset.daebias.counterfactual(
        field="site", value="B", n_samples=8, n_permutations=199, n_bootstrap=200, progress=None
    )
    assert again.comparison == "site B against the rest" and again.gate == result.gate
    assert again.agreement == result.agreement and again.distance == result.distance


def test_no_difference_no_picture(dataset):
    result = dataset.daebias.counterfactual(field="coin", n_permutations=199, n_bootstrap=200, progress=None)
    assert not result.gate.open and result.figures == () and "not better than chance" in result.reason
    assert "no counterfactual" in str(result)
    config, stored = store.load_run(dataset, schema.COUNTERFACTUAL_RUN_PREFIX + "coin")
    assert stored["figures"] == []


def test_the_own_code_is_kept_when_asked_for(dataset):
    result = dataset.daebias.counterfactual(
        tag=None, field="site", n_samples=8, code="own", steps=2, n_permutations=199, n_bootstrap=100, progress=None
    )
    assert result.quality.code == "own"


def test_bad_input_says_so(dataset):
    for at, message in (
        ({}, "exactly one of cluster, tag and field"),
        ({"field": "three"}, "has 3 values; name one"),
        ({"field": "nope"}, "does not exist"),
        ({"field": "site", "span": 0}, "span must be"),
        ({"field": "site", "n_samples": 2}, "n_samples must be"),
        ({"field": "site", "against": "A"}, "needs a value"),
        ({"field": "site", "vectors": "nope_embedding"}, "does not exist"),
        ({"field": "site", "code": "x", "n_permutations": 99, "n_bootstrap": 100}, "code must be"),
    ):
        with pytest.raises(InputError, match=message):
            dataset.daebias.counterfactual(**at, progress=None)
    store.write_vectors(dataset, "foreign_embedding", store.sample_ids(dataset), np.eye(len(dataset)))
    with pytest.raises(InputError, match="not made by 'daebias embed'"):
        dataset.daebias.counterfactual(field="site", vectors="foreign_embedding", progress=None)


def test_volumes_are_moved_slice_by_slice(tmp_path, dataset, dataset_name):
    import nibabel as nib
    import pandas as pd

    import fiftyone_daebias
    from fiftyone_daebias.dae.samples import trained_checkpoint
    from fiftyone_daebias.explanation.counterfactual.crop_geometry import square_of
    from fiftyone_daebias.explanation.embedded import open_embedding

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for k in range(40):
        volume = rng.normal(60, 8, (12, 30, 32))  # R, A, S: sagittal slices of 30 × 32 voxels
        volume[:, 6:24, 5:27] += 80
        if k % 2:
            volume[5:8, 22:27, 24:29] = 230  # anterior, superior, in three slices
        nib.Nifti1Image(volume.clip(0).astype(np.int16), np.diag([4.0, 2.0, 1.5, 1])).to_filename(
            tmp_path / "images" / f"v{k:02d}.nii.gz"
        )
        rows.append({"file": f"v{k:02d}.nii.gz", "site": "AB"[k % 2], "subject": f"p{k}"})
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    fiftyone_daebias.register(
        dataset_name, tmp_path / "images", table=tmp_path / "table.csv", subject="subject", plane="sagittal", workers=1
    )
    volumes = fo.load_dataset(dataset_name)
    volumes.compute_dae_embeddings(
        checkpoint=trained_checkpoint(dataset) or train_and_embed.__globals__["_trained"][0], progress=None
    )
    base = open_embedding(volumes, "dae_embedding")
    assert base.n_slices == 12 and base.vectors.shape == (40, 12 * 16)
    square = square_of(volumes, base.source, base.rows, base.crop)
    # rows run down from superior, columns back from anterior; the square is as wide as the shorter side
    assert square.letters == ("S", "I", "A", "P") and (square.height, square.width) == (30 * 1.5, 30 * 2.0)
    result = volumes.daebias.counterfactual(
        field="site", n_samples=8, n_permutations=99, n_bootstrap=100, progress=None
    )
    assert result.gate.open and result.response.rises
    _, stored = store.load_run(volumes, result.key)
    change = stored["difference_map"]
    assert change.shape == (32, 32)
    top, left = np.unravel_index(np.abs(change).argmax(), change.shape)
    assert top < 14 and left < 14  # superior and anterior
    assert "slice " in result.figures[0]["caption"] and "of 12" in result.figures[0]["caption"]
