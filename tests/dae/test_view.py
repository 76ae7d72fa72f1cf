"""Which part of a slice a model sees."""

import numpy as np
import pytest
import torch

from fiftyone_daebias.dae.batches import TrainingBatches, fixed_crop
from fiftyone_daebias.dae.config import RunConfig
from fiftyone_daebias.dae.view import WHOLE, padded, square_side


class Tall:
    """Two tall slices with a bright mark at each end."""

    def __init__(self):
        self.slices = np.full((2, 40, 20), -0.5, np.float32)
        self.slices[:, :2] = self.slices[:, -2:] = 1.0

    def n_slices(self, i):
        return 2

    def read(self, i, which):
        return self.slices[which]


def test_the_whole_slice_is_seen_in_the_middle_of_background():
    slices = Tall().slices
    square = padded(slices)
    assert square.shape == (2, 40, 40)
    np.testing.assert_array_equal(square[:, :, 10:30], slices)
    assert (square[:, :, :10] == -1).all() and (square[:, :, 30:] == -1).all()
    seen = fixed_crop(slices, 20, WHOLE)
    assert seen.shape == (2, 1, 20, 20) and seen[0, 0, 0, 10] > 0.5 and seen[0, 0, -1, 10] > 0.5
    assert fixed_crop(slices, 20, 0.9).max() < 0  # the crop of the shorter side has neither end
    assert padded(slices[:, :20]) is not None and padded(slices[:, :20]).shape == (2, 20, 20)


@pytest.mark.parametrize(
    "shape, crop, side",
    [((40, 20), 0.9, 18), ((40, 20), 1.0, 20), ((40, 20), WHOLE, 40), ((20, 40), WHOLE, 40), ((1, 3), 0.1, 1)],
)
def test_side_of_the_square(shape, crop, side):
    assert square_side(shape, crop) == side


def test_training_sees_squares_between_the_crop_and_the_whole():
    batches = TrainingBatches(Tall(), [0, 1], 20, 64, 0.5, seed=3, whole=True)
    batch = batches.batch(0)
    assert batch.shape == (64, 1, 20, 20)
    torch.testing.assert_close(batch, batches.batch(0))
    torch.testing.assert_close(batch[8:24], batches.batch(0, slice(8, 24)))
    # smaller squares show the slice larger, so the share of background differs from image to image
    shares = (batch < -0.9).float().mean(dim=(1, 2, 3))
    assert shares.std() > 0.03
    everything = TrainingBatches(Tall(), [0, 1], 20, 4, 1.0, seed=3, whole=True).batch(0)
    torch.testing.assert_close(everything, fixed_crop(Tall().slices[[0, 0, 0, 0]], 20, WHOLE))


def test_a_recipe_says_what_is_embedded():
    assert RunConfig(crop=0.9).view == 0.9 and RunConfig(crop=0.9, whole=True).view == WHOLE
