"""The follow-up classifier, its maps, and the checks of the maps."""

import threading
import time

import numpy as np
import pytest
import torch
from scipy import ndimage

from fiftyone_daebias.errors import Cancelled, InputError
from fiftyone_daebias.explanation.classifier import (
    Recipe,
    converged,
    cross_fit,
    make_network,
    score_against_chance,
    spread,
    to_inputs,
)
from fiftyone_daebias.explanation.faithfulness import check, choose_layer
from fiftyone_daebias.explanation.gradcam import METHODS, layers_of, raw_maps
from fiftyone_daebias.progress import SilentProgress

SIDE = 48
RECIPE = Recipe(steps=40, batch_size=12, check_every=10, patience=3)


def pictures(n, seed, marked):
    """Smooth random pictures, a slice a subject; every second has a mark in its upper right corner if ``marked``."""
    rng = np.random.default_rng(seed)
    images = 0.5 + 1.2 * ndimage.gaussian_filter(rng.standard_normal((n, SIDE, SIDE)), (0, 4, 4), mode="wrap")
    labels = np.arange(n) % 2 == 1
    if marked:
        images[labels, 4:9, 36:44] += 0.9
    return images[:, None].astype(np.float16), labels, np.array([f"s{k}" for k in range(n)])


@pytest.fixture(scope="module")
def trained():
    stack, labels, subjects = pictures(60, 0, True)
    result, networks = cross_fit(stack, labels, subjects, ["train"] * 60, RECIPE, n_permutations=199, n_bootstrap=199)
    return stack, labels, subjects, result, networks


def test_it_tells_marked_pictures_apart_on_subjects_it_has_not_seen(trained):
    _, labels, subjects, result, networks = trained
    assert result.auc > 0.9 and result.tells_apart and result.p <= 0.01
    assert result.n_subjects == (30, 30) and "3 folds" in result.held_out and len(networks) == 3
    assert np.isfinite(result.scores).all() and set(result.fold) == {0, 1, 2}


def test_a_stored_test_split_is_held_out_where_it_is_large_enough():
    stack, labels, subjects = pictures(96, 1, True)
    splits = ["test" if k < 44 else "train" for k in range(96)]
    result, networks = cross_fit(stack, labels, subjects, splits, Recipe(steps=2), n_permutations=19, n_bootstrap=19)
    assert result.held_out == "the stored test split" and len(networks) == 1
    assert (result.fold[:44] == 0).all() and (result.fold[44:] == -1).all() and np.isnan(result.scores[44:]).all()


def test_nothing_is_told_apart_where_nothing_differs_and_too_few_are_not_tried():
    stack, labels, subjects = pictures(48, 2, False)
    recipe = Recipe(steps=10, batch_size=12, check_every=5)
    result, _ = cross_fit(stack, labels, subjects, ["train"] * 48, recipe, n_permutations=99)
    assert not result.tells_apart and result.interval[0] <= 0.5
    few, networks = cross_fit(stack[:16], labels[:16], subjects[:16], ["train"] * 16, RECIPE)
    assert "at least 12 subjects" in few.reason and not networks and not few.tells_apart


def test_subjects_are_the_units_of_the_held_out_test():
    # 10 subjects whose 50 copies each agree: the p-value is that of 10, not of 500
    names = np.repeat([f"s{k}" for k in range(10)], 50)
    labels = np.repeat([k < 5 for k in range(10)], 50)
    scores = np.repeat([9, 8, 7, 2, 1, 6, 5, 4, 3, 0], 50).astype(float)
    auc, _, p = score_against_chance(scores, labels, names, np.zeros(500, int), 499, 99, np.random.default_rng(0))
    assert auc == pytest.approx((5 + 5 + 5 + 1 + 1) / 25) and p > 0.1


def test_mean_maps_lie_on_the_mark_and_are_faithful(trained):
    stack, labels, subjects, result, networks = trained
    rows = np.flatnonzero(result.fold == 0)
    layer = choose_layer(networks[0], RECIPE, stack, np.flatnonzero(result.fold != 0)[:8], labels, "gradcam")
    signs = np.where(labels[rows], 1, -1)
    maps = raw_maps(networks[0], layers_of(networks[0], "resnet10")[layer], stack, rows, "slices", "gradcam", signs)
    mean = maps[labels[rows]].mean(axis=(0, 1))
    assert mean[:16, 30:].mean() > 3 * mean[24:, :24].mean()
    peak = np.unravel_index(mean.argmax(), mean.shape)
    assert peak[0] < 16 and peak[1] > 30
    found = check(networks, RECIPE, layer, stack, rows, result.fold, labels, maps, "gradcam", n_bootstrap=199)
    assert found.faithful and found.deletion > found.deletion_random and found.n == len(rows)
    assert -1 <= found.alike <= 1
    # the same maps mirrored mark the wrong corner: the check says so
    wrong = check(
        networks,
        RECIPE,
        layer,
        stack,
        rows,
        result.fold,
        labels,
        maps[..., ::-1, ::-1].copy(),
        "gradcam",
        n_bootstrap=199,
    )
    assert wrong.gain < found.gain and not wrong.faithful


def test_maps_are_raw_and_known_by_hand(trained):
    stack, *_, networks = trained
    network = networks[0]
    layer = layers_of(network, "resnet10")["layer4[-1]"]
    kept = {}
    handle = layer.register_forward_hook(lambda m, i, o: kept.update(a=o))
    out = network(to_inputs(stack, np.array([1]), "slices"))
    gradient = torch.autograd.grad(out[0, 1] - out[0, 0], kept["a"])[0]
    handle.remove()
    by_hand = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * kept["a"]).sum(dim=1))[0].detach().numpy()
    maps = raw_maps(network, layer, stack, np.array([1]), "slices", "gradcam")
    assert maps.max() == pytest.approx(by_hand.max(), rel=0.05)
    for method in METHODS:
        assert raw_maps(network, layer, stack, np.array([0, 1]), "slices", method).shape == (2, 1, SIDE, SIDE)
    with pytest.raises(InputError, match="cam must be one of"):
        raw_maps(network, layer, stack, np.array([0]), "slices", "scorecam")


@pytest.mark.parametrize("architecture", ["resnet10", "resnet34", "densenet121"])
def test_every_architecture_takes_slices_as_channels_and_keeps_the_random_state(architecture):
    recipe = Recipe(architecture=architecture, inputs="channels")
    before = torch.random.get_rng_state()
    network = make_network(recipe, 3, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    stack = np.zeros((2, 3, 64, 64), np.float16)
    assert network.eval()(to_inputs(stack, np.array([0, 1]), "channels")).shape == (2, 2)
    for layer in layers_of(network, architecture).values():
        assert raw_maps(network, layer, stack, np.array([0]), "channels").shape == (1, 1, 64, 64)


@pytest.mark.parametrize(
    "fits, before, now, done",
    [
        (15, float("inf"), 0.9, False),  # right about all it is shown, but its batch statistics have not settled
        (30, 0.2, 0.4, False),
        (60, 0.9, 0.3, False),  # what is watched still falls
        (60, 0.2, 0.19, True),  # nothing left to learn from
        (60, 0.2, 0.4, True),
        (0, 0.5, 0.6, False),  # still learning: patience decides
        (0, 0.2, 0.02, True),  # nothing left to learn
    ],
)
def test_training_stops_where_nothing_is_left_to_learn(fits, before, now, done):
    assert converged(fits, before, now) is done


def test_few_slices_are_evenly_spread():
    assert spread(12, 3).tolist() == [2, 6, 10] and spread(3, 3).tolist() == [0, 1, 2]
    assert spread(5, 0).tolist() == [0, 1, 2, 3, 4] and spread(1, 3).tolist() == [0]


def test_a_bad_recipe_says_so():
    for at, message in (
        ({"architecture": "vgg"}, "architecture must be"),
        ({"inputs": "volume"}, "inputs must be"),
        ({"batch_size": 1}, "batch_size at least 2"),
    ):
        with pytest.raises(InputError, match=message):
            Recipe(**at)


def test_trainings_that_share_the_cores_all_stop_when_one_is_stopped(monkeypatch):
    monkeypatch.setenv("DAEBIAS_WORKERS", "3")

    class Stops(SilentProgress):
        left = 6

        def task(self, label, total, unit):
            return self

        def advance(self, n=1, note=""):
            self.left -= n
            if self.left <= 0:
                raise Cancelled("stop")

        def close(self):
            pass

    rng = np.random.default_rng(0)
    stack, labels = rng.random((48, 1, 32, 32)).astype(np.float16), np.arange(48) % 2 == 0
    subjects, splits = np.array([f"s{k}" for k in range(48)]), ["train"] * 48
    before = torch.get_num_threads()
    with pytest.raises(Cancelled):
        cross_fit(stack, labels, subjects, splits, Recipe(steps=10_000), progress=Stops())
    until = time.monotonic() + 60
    while any(t.name.startswith("daebias-shared") for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [t for t in threading.enumerate() if t.name.startswith("daebias-shared")]
    assert torch.get_num_threads() == before
