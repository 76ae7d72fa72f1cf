"""The quality measures against cases computed by hand."""

import numpy as np
import pytest

from fiftyone_daebias.quality_control.measures import (
    MEASURES,
    foreground,
    otsu,
    slice_measures,
    vectors_of,
    volume_measures,
)


def named(values) -> dict:
    return dict(zip(MEASURES, values))


@pytest.fixture(scope="module")
def block():
    """A bright block of 1,000 and 1,400 on a background of 2 and 6, (40, 40): all moments are known."""
    image = np.where(np.indices((40, 40)).sum(axis=0) % 2, 2.0, 6.0)
    image[10:30, 12:28] = np.where(np.indices((20, 16)).sum(axis=0) % 2, 1000.0, 1400.0)
    return image


def test_measures_of_a_block_are_those_computed_by_hand(block):
    assert np.array_equal(np.argwhere(foreground(block)).min(axis=0), (10, 12))
    assert foreground(block).sum() == 20 * 16
    got = named(slice_measures(block))
    assert got["mean"] == 1200 and got["range"] == 400 and got["variance"] == 40_000
    assert got["cv"] == pytest.approx(100 * 200 / 1200)
    assert got["snr1"] == pytest.approx(200 / 2)
    # the first brightest pixel is the block's corner (10, 12): 5 × 5 around it holds 3 × 3 of the block, 1,400 on 5 of them
    patch = np.zeros((5, 5))
    patch[2:, 2:] = [[1400, 1000, 1400], [1000, 1400, 1000], [1400, 1000, 1400]]
    assert got["snr2"] == pytest.approx(patch.mean() / 2)
    assert got["snr3"] == pytest.approx(patch.mean() / patch.std()) and got["cvp"] == pytest.approx(1 / got["snr3"])
    # the background's first maximum is (0, 0): beyond the edge there are zeros
    back = np.zeros((5, 5))
    back[2:, 2:] = [[6, 2, 6], [2, 6, 2], [6, 2, 6]]
    assert got["snr4"] == pytest.approx(patch.mean() / back.std())
    assert got["cnr"] == pytest.approx((patch - back).mean() / back.std())
    assert got["cjv"] == pytest.approx((200 + 2) / (1200 - 4))
    assert got["fber"] == pytest.approx(np.median([1000**2, 1400**2]) / np.median([2**2, 6**2]))
    front = np.where(foreground(block), block, 0)
    neighbours = sum(np.roll(np.pad(front, 1), (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b)
    assert got["cpp"] == pytest.approx((front - neighbours[1:-1, 1:-1] / 8).mean())
    share = front[front > 0] / np.sqrt((front**2).sum())
    assert got["efc"] == pytest.approx(-(share * np.log(share)).sum() / (40 * np.log(40)))


def test_psnr_is_that_of_the_difference_to_the_median():
    image = np.zeros((41, 41))
    image[5:36, 5:36] = 100
    image[20, 20] = 150  # the only pixel that a 5 × 5 median changes, beside the 12 at the corners
    front = np.where(foreground(image), image, 0)
    rms = np.sqrt((50**2 + 4 * 3 * 100**2) / 41**2)
    assert np.array_equal(front, image)
    assert named(slice_measures(image))["psnr"] == pytest.approx(20 * np.log10(150 / rms))


def test_efc_is_one_for_equal_values_and_otsu_parts_two_heaps():
    flat = np.full((16, 16), 7.0)
    from fiftyone_daebias.quality_control.measures import _entropy_focus

    assert _entropy_focus(flat) == pytest.approx(1)
    assert 10 < otsu(np.r_[np.full(50, 10.0), np.full(50, 30.0)]) < 30 and otsu(flat) == 7


def test_noise_shading_and_blur_move_the_measures_the_right_way():
    rng = np.random.default_rng(0)
    body = np.zeros((64, 64))
    body[12:52, 12:52] = 400
    quiet, loud = (
        np.hypot(body + s * rng.standard_normal(body.shape), s * rng.standard_normal(body.shape)) for s in (8, 40)
    )
    a, b = named(slice_measures(quiet)), named(slice_measures(loud))
    assert a["snr1"] > 0 and a["psnr"] > b["psnr"] and a["snr2"] > 3 * b["snr2"] and a["cjv"] < b["cjv"]
    assert a["fber"] > 10 * b["fber"] and a["cvp"] < b["cvp"]


def test_slices_without_a_picture_are_left_out_and_gaps_are_filled():
    empty = np.zeros((20, 20))
    image = np.zeros((20, 20))
    image[5:15, 5:15] = np.random.default_rng(0).uniform(50, 90, (10, 10))
    assert np.isnan(slice_measures(empty)).all()
    both = volume_measures(np.stack([empty, image]))
    assert both[0] == pytest.approx(image[foreground(image)].mean())
    assert np.isnan(named(both)["fber"])  # the background is 0
    rows = np.ones((3, len(MEASURES)))
    rows[:, 3] = 1, np.nan, 3
    got = vectors_of(rows)
    assert got.dtype == np.float32 and np.isfinite(got).all() and got[1, 3] == 2
    rows[:, 3] = np.nan  # of pictures without background, say
    assert (vectors_of(rows)[:, 3] == 0).all()
