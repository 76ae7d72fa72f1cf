"""Planting and testing on arrays: against what was worked out by hand, and with nothing planted."""

import numpy as np
import pytest

from fiftyone_daebias.detection_limits.cohort import Cohort, default_shares
from fiftyone_daebias.detection_limits.perturbation import (
    PIXELS,
    PerturbedSource,
    affected_subjects,
    permutations_for,
    reached,
    run_trial,
    wilson,
)
from fiftyone_daebias.detection_limits.regions import Places
from fiftyone_daebias.detection_limits.result import SensitivityRow, make_sentence
from fiftyone_daebias.phantoms.effects import EFFECTS


class Slices:
    """Three volumes in memory; the third is the first one's copy."""

    def __init__(self):
        rng = np.random.default_rng(0)
        first = rng.uniform(-1, 0.5, (4, 20, 12)).astype(np.float32)
        first[:, 5] = 1.0
        self.volumes, self.keys = [first, rng.uniform(-1, 1, (4, 20, 12)).astype(np.float32), first], ["a", "b", "a"]

    def n_slices(self, i):
        return len(self.volumes[i])

    def read(self, i, which=None):
        return self.volumes[i] if which is None else self.volumes[i][list(which)]


@pytest.fixture
def source():
    return Slices()


def spiked(source, name, strength, spacing=(1.0, 1.0), seed=3):
    return PerturbedSource(source, EFFECTS[name], strength, [spacing] * 3, seed)


def test_nothing_planted_is_the_picture_itself(source):
    for name in EFFECTS:
        np.testing.assert_array_equal(spiked(source, name, 0).read(0), source.volumes[0])


def test_a_shift_is_in_mm_and_a_volume_is_altered_as_a_whole(source):
    moved = spiked(source, "shift", 6, spacing=(2.0, 1.0)).read(0, [1, 2])
    assert moved.shape == (2, 20, 12) and moved.dtype == np.float32
    # the bright row 5 lies 6 mm, which is 3 rows, further down
    assert set(moved[0].argmax(axis=0)) == {8}
    np.testing.assert_allclose(moved[0, 8:], source.volumes[0][1, 5:17], atol=0.01)
    turned = spiked(source, "flip", 1).read(0, [0])
    np.testing.assert_allclose(turned[0], source.volumes[0][3], atol=1e-6)


def test_contrast_by_hand_and_always_within_the_scale(source):
    out = spiked(source, "contrast", 1.0).read(1)
    unit = (source.volumes[1] + 1) / 2
    np.testing.assert_allclose(out, 2 * (unit / unit.max()) ** 2 - 1, atol=1e-5)
    for name, effect in EFFECTS.items():
        for strength in effect.grades:
            altered = spiked(source, name, strength).read(1)
            assert altered.min() >= -1 - 1e-5 and abs(altered.max() - 1) < 1e-5, name


def test_what_is_drawn_depends_on_content_and_seed_and_not_on_place(source):
    a = spiked(source, "noise", 0.2)
    np.testing.assert_array_equal(a.read(0), a.read(2))
    assert np.abs(a.read(0) - spiked(source, "noise", 0.2, seed=4).read(0)).max() > 0.01
    black = Slices()
    black.volumes[0] = np.full((2, 8, 8), -1, np.float32)
    assert (spiked(black, "shift", 3).read(0) == -1).all()


def test_shares_and_permutations_by_hand():
    # 19 of 20: 0.7639 to 0.9911; 0 of 20: 0 to 0.1611 (Wilson 1927)
    assert wilson(19, 20) == pytest.approx((0.7639, 0.9911), abs=2e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=2e-4) and wilson(20, 20)[1] == pytest.approx(1)
    assert permutations_for(0.05) == 199 and permutations_for(0.05 / 10) == 799
    assert reached([2, 5, 10], [0.1, 0.85, 1.0]) == 5 and reached([2, 5, 10], [0.9, 0.5, 1.0]) == 10
    assert reached([2, 5], [1.0, 0.7]) is None


def test_shares_that_a_probe_can_test():
    assert default_shares(1000) == [0.02, 0.05, 0.1] and default_shares(100) == [0.02, 0.05, 0.1]
    assert default_shares(56) == [0.02, 0.05, 0.1, 0.2] and default_shares(35) == [0.02, 0.05, 0.1, 0.3]
    assert default_shares(21) == [0.02, 0.05, 0.1, 0.5]


def test_the_same_subjects_are_affected_whatever_is_planted():
    pool = np.array([f"s{k}" for k in range(40)])
    one, two = affected_subjects(pool, 10, 1, 0), affected_subjects(pool, 10, 1, 0)
    assert list(one) == list(two) and len(set(one)) == 10
    assert set(one) != set(affected_subjects(pool, 10, 1, 1))


def cohort(seed=0, n=120, per=2, d=12):
    rng = np.random.default_rng(seed)
    subjects = np.repeat([f"s{k:03d}" for k in range(n)], per)
    # images of one person are alike, which a test by images would take for an effect
    vectors = np.repeat(rng.standard_normal((n, d)), per, axis=0) + 0.3 * rng.standard_normal((n * per, d))
    return vectors.astype(np.float32), subjects


def test_nothing_planted_is_rarely_found_and_a_plant_is():
    vectors, subjects = cohort()
    pool, rows = np.unique(subjects), np.arange(len(subjects))
    settings = {"kernel": "rbf", "n_permutations": 199, "outliers": False}
    rng = np.random.default_rng(1)
    silent = [
        run_trial(vectors, vectors, rows, subjects, affected_subjects(pool, 15, 1, t), rng=rng, **settings).p
        for t in range(60)
    ]
    # 60 trials at 0.05: more than 8 has a probability below 0.01
    assert sum(p <= 0.05 for p in silent) <= 8 and 0.3 < np.median(silent) < 0.7
    moved = vectors + np.eye(12, dtype=np.float32)[3] * 2.5
    found = [
        run_trial(vectors, moved, rows, subjects, affected_subjects(pool, 15, 1, t), rng=rng, **settings).p
        for t in range(10)
    ]
    assert sum(p <= 0.05 for p in found) >= 9
    far = run_trial(
        vectors,
        vectors + 40,
        rows,
        subjects,
        affected_subjects(pool, 3, 1, 0),
        rng=rng,
        kernel="linear",
        n_permutations=199,
        outliers=True,
    )
    assert far.tagged > far.tagged_rest and far.tagged_rest < 0.1
    apart = run_trial(
        vectors,
        vectors + 9,
        rows,
        subjects,
        affected_subjects(pool, 20, 1, 0),
        rng=rng,
        kernel="linear",
        n_permutations=199,
        islands=True,
    )
    assert apart.island > 0.8 and np.isnan(apart.tagged)
    within = run_trial(
        vectors,
        vectors,
        rows,
        subjects,
        affected_subjects(pool, 20, 1, 0),
        rng=rng,
        kernel="linear",
        n_permutations=199,
        islands=True,
    )
    assert within.island < 0.3


def row(effect, strength, share, found, repeats=20, **more):
    return SensitivityRow(
        effect,
        strength,
        "mm",
        share,
        int(share * 200),
        200,
        repeats,
        found,
        found / repeats,
        wilson(found, repeats),
        **more,
    )


def test_the_sentence_names_the_smallest_strength_found_and_what_is_missed():
    rows = [
        row("none", 0, 0.1, 1),
        row("none", 0, 0.2, 0),
        row("shift", 2, 0.1, 3),
        row("shift", 5, 0.1, 17),
        row("shift", 10, 0.1, 20),
        row("noise", 1, 0.1, 4),
        row("shift", 2, 0.2, 20),
        SensitivityRow("shift", 2, "mm", 0.02, 4, 200, reason="2% of 200 subjects are 4"),
    ]
    text = make_sentence(rows)
    assert "In 10% of the subjects (20)" in text and "shift of 5 mm (85%, 95 % interval 64% to 95%)" in text
    assert "missed noise of 1 mm (20%)" in text and "raised 1 alarm in 40 trials" in text
    assert "No share" in make_sentence(rows[-1:])


class Volumes:
    """What is asked of a ``SliceSource``, of arrays in [0, 1]."""

    def __init__(self, volumes):
        self.volumes, self.keys = volumes, [f"volume {k}" for k in range(len(volumes))]

    def n_slices(self, i):
        return len(self.volumes[i])

    def read(self, i, which=None):
        volume = self.volumes[i] * 2 - 1
        return volume if which is None else volume[list(which)]


def test_a_letter_is_strange_in_its_place_and_a_trifle_is_not():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    volumes = []
    for _ in range(80):
        wide, high, cy, cx = rng.normal((24, 34, 48, 48), (2, 2, 3, 3))
        inside = 1 / (1 + np.exp(20 * (np.hypot((y - cy) / high, (x - cx) / wide) - 1)))
        volumes.append((0.05 + 0.9 * inside + rng.normal(0, 0.02, (4, 96, 96))).clip(0, 1).astype(np.float32))
    source = Volumes(volumes)
    subjects, rows = np.array([f"s{k}" for k in range(80)]), np.arange(30)
    vectors = np.array([v.mean(axis=0)[4::16, 4::16].ravel() for v in volumes])
    cohort = Cohort(source, np.arange(80), vectors, subjects, subjects[:30], rows, {}, 80, (0.05,))
    places = Places(cohort, SilentTask())
    shares = {}
    for strength in (0, 1, 12):
        spiked = PerturbedSource(source, EFFECTS["marker"], strength, [PIXELS] * 80, 0)
        shares[strength] = places.tagged(spiked, vectors[:30])
    assert shares[12] > 0.9 and shares[0] < 0.1 and shares[1] < 0.2


class SilentTask:
    def advance(self, n=1, note=""):
        pass
