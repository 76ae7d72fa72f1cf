"""Shift, rotation and scale between groups; what the header says of it."""

import numpy as np
import planted
import pytest
from scipy import ndimage

from fiftyone_daebias.explanation.displacement import masked_ncc, measure_displacement, register
from fiftyone_daebias.explanation.grid import Frame, Grid, common_grid, frame_of, from_grid, to_grid
from fiftyone_daebias.explanation.headers import compare_positions

GRID = Grid((planted.ROWS, planted.COLUMNS), planted.MM, "mm", ("I", "P"))
EVERYWHERE = np.ones(GRID.shape, bool)


def cohort(n, seed, shading=0.0, noise=0.05, **change):
    """Bodies of many people; every second is changed."""
    rng = np.random.default_rng(seed)
    images = [planted.body(rng, **(change if k % 2 else {})) for k in range(n)]
    images = np.array(images) * (1 + shading * np.cos(np.linspace(-np.pi, np.pi, planted.ROWS)))[:, None]
    return (images + noise * rng.standard_normal(images.shape)).astype(np.float32), np.arange(n) % 2 == 1


def measured(images, labels, seed=0, n_permutations=99):
    return measure_displacement(
        images, labels, EVERYWHERE, GRID, n_permutations=n_permutations, n_bootstrap=60, rng=np.random.default_rng(seed)
    )


def test_correlation_over_the_overlap_against_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((9, 7)), rng.standard_normal((9, 7))
    correlation, overlap = masked_ncc(a, b)
    # b moved down by 2 and left by 1: a[2:, :-1] meets b[:-2, 1:]
    expected = np.corrcoef(a[2:, :-1].ravel(), b[:-2, 1:].ravel())[0, 1]
    assert correlation[8 + 2, 6 - 1] == pytest.approx(expected, abs=1e-6)
    assert overlap[8 + 2, 6 - 1] == pytest.approx(7 * 6 / 63)


@pytest.mark.parametrize("down, right, shading", [(-10, 0, 0.0), (43, 0, 0.0), (0, 8, 0.0), (-10, 0, 0.3)])
def test_a_shift_is_measured_to_two_mm_also_under_shading_of_the_coil(down, right, shading):
    images, labels = cohort(160, seed=3, down=down, right=right, shading=shading)
    # each subject's own position varies by 4 mm, so the groups differ by chance too
    still, _ = cohort(160, seed=3, shading=shading)
    chance = measured(still, labels, n_permutations=1).shift
    found = measured(images, labels)
    assert found.shift[0] - chance[0] == pytest.approx(down, abs=1.5)
    assert found.shift[1] - chance[1] == pytest.approx(right, abs=1.5)
    assert found.shift == pytest.approx((down, right), abs=2.5)
    assert found.shift_p <= 0.02 and found.moved == (down != 0, right != 0)
    assert found.shift_interval[0][0] - 0.5 <= down <= found.shift_interval[0][1] + 0.5
    assert found.similarity[1] > found.similarity[0] and found.explained > 0.1


def test_groups_without_a_difference_are_not_shifted():
    p = []
    for seed in range(8):
        images, labels = cohort(40, seed=seed + 20)
        found = measured(images, labels, n_permutations=39)
        p.append(found.p)
        assert abs(found.shift[0]) < 8 and abs(found.shift[1]) < 8
    assert np.mean(np.array(p) <= 0.05) <= 0.25 and np.mean(p) > 0.25


def test_rotation_and_scale_are_told_from_a_shift():
    images, labels = cohort(120, seed=5)
    turned = images.copy()
    # scipy turns the content anticlockwise for positive angles
    turned[labels] = ndimage.rotate(images[labels], 5.0, axes=(2, 1), reshape=False, order=1, mode="nearest")
    flat = register(*[np.mean(turned[g], axis=0) for g in (labels, ~labels)])
    found = measured(turned, labels)
    assert abs(found.rotation) == pytest.approx(5.0, abs=1.5) and found.turned and not found.scaled
    assert np.sign(found.rotation) == np.sign(flat.rotation)
    large = images.copy()
    zoom = ndimage.affine_transform(
        images[labels],
        [1, 1 / 1.08, 1 / 1.08],
        offset=[0, *((n - 1) / 2 * (1 - 1 / 1.08) for n in GRID.shape)],
        order=1,
        mode="nearest",
    )
    large[labels] = zoom
    found = measured(large, labels)
    assert found.scale == pytest.approx(1.08, abs=0.03) and found.scaled and not found.turned


def test_the_common_grid_keeps_positions_whatever_matrix_and_spacing():
    # a bright point 30 mm below and 24 mm right of the centre, in fields of different size and resolution
    frames = [
        Frame((120, 100), (1.0, 1.0), (1, 1)),
        Frame((121, 75), (2.0, 2.0), (2, 2)),
        Frame((90, 140), (3.0, 1.5), (3, 1.5)),
    ]
    grid = common_grid(
        frames, [{"plane": "sagittal", "axes_now": "LIP", "spacing_mm": [4, *f.spacing]} for f in frames], 64
    )
    places = []
    for frame in frames:
        y = (np.arange(frame.shape[0]) - (frame.shape[0] - 1) / 2) * frame.spacing[0]
        x = (np.arange(frame.shape[1]) - (frame.shape[1] - 1) / 2) * frame.spacing[1]
        image = np.exp(-((y[:, None] - 30) ** 2 + (x[None] - 24) ** 2) / (2 * 6.0**2)).astype(np.float32)
        on_grid = to_grid(image, frame, grid)
        rows, columns = np.indices(grid.shape)
        centre = [(on_grid * v).sum() / on_grid.sum() for v in (rows, columns)]
        places.append([(c - (n - 1) / 2) * grid.pixel for c, n in zip(centre, grid.shape)])
        back = from_grid(on_grid, frame, grid, 96)
        peak = np.unravel_index(back.argmax(), back.shape)
        mm = [(p - (n - 1) / 2) * e / n for p, n, e in zip(peak, back.shape, frame.extent)]
        assert mm == pytest.approx([30, 24], abs=1.5 * grid.pixel)
    assert np.array(places) == pytest.approx(np.array([[30, 24]] * 3), abs=0.5)
    assert grid.axes == ("I", "P") and grid.word(0, -3) == "superior" and grid.word(1, 3) == "posterior"


def test_what_the_cache_scaled_down_keeps_its_size_in_mm():
    frame = frame_of((512, 410), {"plane": "image", "shape": [1, 3000, 2400], "spacing_mm": [0.1, 0.1]})
    assert frame.extent == pytest.approx((300, 240), rel=0.002) and frame.voxel == (0.1, 0.1)
    volume = {
        "plane": "sagittal",
        "shape": [30, 1024, 768],
        "axes": "LPS",
        "axes_now": "LIP",
        "spacing_mm": [4, 0.5, 0.6],
    }
    # rows run along I: the file's third axis with 768 voxels; columns along P: its second with 1024
    assert frame_of((384, 512), volume).extent == pytest.approx((384, 614.4))
    assert frame_of((100, 50), None, longest=400).extent == (400, 200)


@pytest.mark.parametrize(
    "header, pixels, verdict",
    [
        ((0, 0, 10), (10, 0), "both moved"),
        ((0, 0, 0), (10, 0), "pixels only"),
        ((0, 0, 10), (0, 0), "header only"),
        ((0, 0, 0), (0, 0), "neither moved"),
        ((0, 0, 25), (10, 0), "both, by different amounts"),
    ],
)
def test_the_headers_position_is_held_against_the_pixels(header, pixels, verdict):
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2 == 1
    # a field of view 10 mm further superior shows the same anatomy 10 mm further down
    centres = rng.normal(0, 4, (80, 3)) + labels[:, None] * np.array(header)
    found = compare_positions(
        centres, labels, ("I", "P"), pixels, (pixels[0] != 0, False), ((pixels[0] - 1, pixels[0] + 1), (-1, 1)), rng=rng
    )
    assert found.agrees == (verdict, "neither moved")
    assert found.shift[0] == pytest.approx(-header[2], abs=2.5)
