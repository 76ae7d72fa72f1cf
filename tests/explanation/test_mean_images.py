"""Mean pictures, their significant difference, edges of the body, and numbers of appearance."""

import numpy as np
import planted
import pytest
from scipy import ndimage, stats

from fiftyone_daebias.explanation.appearance import appearance_of, compare_table, noise_of, sharpness_of
from fiftyone_daebias.explanation.grid import Frame, Grid
from fiftyone_daebias.explanation.mean_images import body_mask, by_subject, compare_edges, compare_means

GRID = Grid((planted.ROWS, planted.COLUMNS), planted.MM, "mm", ("I", "P"))


def bodies(n, seed, noise=0.05, **change):
    rng = np.random.default_rng(seed)
    images = np.array([planted.body(rng, **(change if k % 2 else {})) for k in range(n)])
    return (images + noise * rng.standard_normal(images.shape)).astype(np.float32), np.arange(n) % 2 == 1


def test_t_is_that_of_scipy_and_only_the_planted_mark_lights_up():
    images, labels = bodies(40, seed=1, marker=True)
    valid = np.ones(GRID.shape, bool)
    found = compare_means(images, labels, valid, n_permutations=199, smooth=0, rng=np.random.default_rng(0))
    expected = stats.ttest_ind(images[labels], images[~labels], axis=0).statistic
    assert found.t == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert found.p == pytest.approx(1 / 200)
    mark = np.zeros(GRID.shape, bool)
    mark[5:13, 57:67] = True
    assert (found.significant & mark).sum() >= 40 and not (found.significant & ~mark).any()
    assert found.difference[8, 62] == pytest.approx(0.8, abs=0.05)


def test_no_pixel_lights_up_where_nothing_differs():
    hits = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        images = ndimage.gaussian_filter(rng.standard_normal((24, 16, 16)), (0, 1, 1)).astype(np.float32)
        found = compare_means(
            images, rng.permutation(np.arange(24) < 9), np.ones((16, 16), bool), n_permutations=99, rng=rng
        )
        hits.append(found.share > 0)
        assert (found.p <= 0.05) >= (found.share > 0) or found.p <= 0.06
    assert np.mean(hits) <= 0.2


def test_pictures_that_are_all_the_same_differ_nowhere():
    found = compare_means(
        np.full((12, 8, 8), 0.3, np.float32),
        np.arange(12) < 6,
        np.ones((8, 8), bool),
        n_permutations=99,
        rng=np.random.default_rng(0),
    )
    assert not found.significant.any() and found.share == 0 and found.p == 1 and found.to_dict()["threshold"] is None


def test_a_subject_counts_once():
    images = np.array([[[1.0]], [[3.0]], [[10.0]]], np.float32)
    mean, labels, names = by_subject(images, np.array([True, True, False]), np.array(["a", "a", "b"]))
    assert mean.ravel().tolist() == [2.0, 10.0] and labels.tolist() == [True, False] and names == ["a", "b"]


def test_the_bodys_edge_is_found_in_mm_and_named():
    mask = body_mask(bodies(1, seed=0)[0][0])
    assert 0.3 < mask.mean() < 0.8
    images, labels = bodies(60, seed=4, right=9)
    back = compare_edges(images, labels, GRID, "posterior", rng=np.random.default_rng(0))
    assert back.side == "right" and back.name == "posterior"
    assert back.interval[0] - 1 <= 9 <= back.interval[1] + 1 and back.difference == pytest.approx(9, abs=3)
    # the planted back lies 55 ± 12 mm behind the centre, the shift and each person's size aside
    assert 40 < np.nanmean(back.lines[~labels]) < 70
    assert compare_edges(images, labels, GRID, "auto", rng=np.random.default_rng(0)).side in ("left", "right")
    still, labels = bodies(60, seed=5)
    lo, hi = compare_edges(still, labels, GRID, "posterior", rng=np.random.default_rng(0)).interval
    assert lo < 1.5 and hi > -1.5
    assert (
        compare_edges(np.zeros((6, 20, 20), np.float32), np.arange(6) < 3, GRID, rng=np.random.default_rng(0)) is None
    )


def test_noise_and_sharpness_are_those_that_were_put_in():
    rng = np.random.default_rng(0)
    scene = planted.body(rng)
    for sd in (0.02, 0.1):
        assert noise_of(scene + 0.3 + sd * rng.standard_normal(scene.shape)) == pytest.approx(sd, rel=0.25)
    noisy = scene + 0.05 * rng.standard_normal(scene.shape)
    soft = ndimage.gaussian_filter(scene, 1.5) + 0.05 * rng.standard_normal(scene.shape)
    assert sharpness_of(noisy, noise_of(noisy)) > 1.5 * sharpness_of(soft, noise_of(soft))


def test_a_gain_is_seen_in_raw_values_and_a_spacing_in_mm():
    rng = np.random.default_rng(2)
    rows = []
    labels = np.arange(40) % 2 == 1
    for moved in labels:
        image = np.clip(planted.body(rng) + 0.05 * rng.standard_normal(GRID.shape), 0, None).astype(np.float32)[None]
        gain, mm = (1500, 0.9) if moved else (1000, 0.8)
        geometry = {"plane": "sagittal", "spacing_mm": [4.0, mm, mm], "slices": 12}
        rows.append(appearance_of(image * gain, image, Frame(GRID.shape, (mm, mm), (mm, mm)), geometry))
    columns = {n: (n, "", np.array([r[n] for r in rows]), ()) for n in rows[0]}
    found = {c.name: c for c in compare_table(columns, labels, np.arange(40).astype(str), n_permutations=499, seed=0)}
    assert found["grey_high"].found and found["grey_high"].inside / found["grey_high"].outside == pytest.approx(
        1.5, abs=0.05
    )
    assert found["row_spacing"].found and found["row_spacing"].inside == pytest.approx(0.9)
    assert not found["brightness"].found and not found["noise"].found
    assert "slice_spacing" not in found and "slices" not in found  # the same in all
