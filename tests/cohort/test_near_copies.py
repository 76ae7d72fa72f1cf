"""What is a copy, and what only shares a frame, a mask or an overlay with others."""

import cv2
import numpy as np
import pytest

from fiftyone_daebias.cohort.near_copies import near_groups, picture

N = 120


def people(rng):
    """Drawings of different people: (n, 96, 96), 0 to 255."""
    coarse = rng.standard_normal((N, 5, 5))
    return np.stack([128 + 25 * cv2.resize(c, (96, 96), interpolation=cv2.INTER_CUBIC) for c in coarse])


def copy_of(image):
    """Brightened, with another gamma, in whole grey values."""
    return np.round(20 + 230 * np.clip(image / 255, 0, 1) ** 0.7)


def framed(images):
    images[:, :14], images[:, -14:] = 255, 255
    images[:, :, :14], images[:, :, -14:] = 255, 255
    return images


def sector(images):
    y, x = np.mgrid[:96, :96]
    images[:, (np.hypot(y, x - 48) > 80) | (abs(x - 48) > 0.5 * y + 10)] = 0
    return images


def lettered(images):
    for image in images:
        for row in (18, 40, 62, 84):
            cv2.putText(image, "WARD 7", (2, row), cv2.FONT_HERSHEY_SIMPLEX, 0.75, 255, 3)
    return images


@pytest.mark.parametrize("shared", [framed, sector, lettered])
def test_what_many_images_share_makes_no_copies_and_copies_among_them_are_found(shared):
    rng = np.random.default_rng(0)
    images = people(rng)
    images[:60] = shared(images[:60])
    copies = {3: 110, 7: 111, 80: 112, 90: 113}
    for original, copy in copies.items():
        images[copy] = copy_of(images[original])
    pictures = np.stack([picture(i.astype(np.float32)) for i in images])
    alike = pictures[:60] @ pictures[:60].T
    assert (alike[np.triu_indices(60, 1)] > 0.9).sum() > 5  # the correlation alone calls these copies
    found = near_groups(pictures, np.arange(N).astype(str), 0.9, set())
    assert sorted(map(sorted, found)) == sorted([a, b] for a, b in copies.items())


def test_copies_under_up_to_ten_subjects_and_in_tiny_cohorts_are_found():
    rng = np.random.default_rng(1)
    images = people(rng)
    images[:10] = images[0] + rng.normal(0, 0.5, (10, 96, 96))
    pictures = np.stack([picture(i.astype(np.float32)) for i in images])
    names = np.arange(N).astype(str)
    assert near_groups(pictures, names, 0.9, set()) == [list(range(10))]
    assert near_groups(pictures[:12:9], names[:12:9], 0.9, set()) == [[0, 1]]
    assert near_groups(pictures, names, 0.9, {0, 1}) == [list(range(2, 10))]
    assert near_groups(pictures[:2], np.array(["A", "A"]), 0.9, set()) == []
