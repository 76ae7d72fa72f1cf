"""The t-SNE map."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fiftyone_daebias.embeddings import map as map_module
from fiftyone_daebias.embeddings.encode import centre_indices
from fiftyone_daebias.embeddings.map import fit_map, place, rebuild_map
from fiftyone_daebias.errors import InputError


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    return (rng.normal(size=(240, 30)) + 12 * np.eye(30)[labels]).astype(np.float32), labels


def test_map_keeps_groups_apart_and_is_the_same_for_the_same_seed(blobs):
    vectors, labels = blobs
    one, two = fit_map(vectors, seed=3), fit_map(vectors, seed=3)
    np.testing.assert_array_equal(one.points, two.points)
    assert one.perplexity == 50 and one.points.dtype == np.float32 and np.isfinite(one.kl_divergence)
    near = NearestNeighbors(n_neighbors=6).fit(one.points).kneighbors(return_distance=False)
    assert (labels[near] == labels[:, None]).mean() > 0.99


def test_new_points_land_among_their_like_and_old_ones_stay(blobs):
    vectors, labels = blobs
    fitted = fit_map(vectors[:210], seed=3)
    before = fitted.points.copy()
    placed = place(fitted, vectors[:210], vectors[210:])
    np.testing.assert_array_equal(fitted.points, before)
    near = NearestNeighbors(n_neighbors=5).fit(fitted.points).kneighbors(placed, return_distance=False)
    assert (labels[:210][near] == labels[210:, None]).mean() > 0.95


@pytest.mark.parametrize("n", [8, 20, 100])
def test_perplexity_is_lowered_with_a_note(n):
    fitted = fit_map(np.random.default_rng(0).normal(size=(n, 4)))
    assert fitted.perplexity < n / 3 and "lowered from 50" in fitted.notes[0]
    assert fitted.points.shape == (n, 2)


def test_vectors_shorter_than_the_pca_and_with_constant_parts():
    rng = np.random.default_rng(0)
    vectors = np.c_[rng.normal(size=(60, 2)), np.ones((60, 3))]
    assert fit_map(vectors, perplexity=10).n_pca == 2


@pytest.mark.parametrize(
    "vectors, message",
    [
        (np.zeros((5, 3)), "at least 8 vectors; got 5"),
        (np.ones((20, 3)), "all vectors are equal"),
        (np.r_[np.full((1, 3), np.nan), np.random.default_rng(0).normal(size=(19, 3))], r"1 vectors hold NaN.*row 0"),
        (np.zeros(9), "must be of shape"),
    ],
)
def test_bad_vectors_are_named(vectors, message):
    with pytest.raises(InputError, match=message):
        fit_map(vectors)


def test_centre_slices():
    assert centre_indices(15, 12) == list(range(1, 13))
    assert centre_indices(1, 1) == [0]
    with pytest.raises(InputError, match="of 9 slices has no 12 centre slices; pass n_slices=9"):
        centre_indices(9, 12)


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_do_not_make_the_map_collapse(copies):
    vectors = np.repeat(np.random.default_rng(3).normal(size=(30, 64)).astype(np.float32), copies, axis=0)
    fitted = fit_map(vectors)
    assert 0 <= fitted.kl_divergence < 1, "a divergence is not negative, and a map of pairs is an easy one"
    assert np.ptp(fitted.points) > 5
    apart = np.linalg.norm(fitted.points[:, None] - fitted.points[None], axis=2)
    same = np.arange(len(vectors)) // copies
    nearest = np.where(np.eye(len(vectors), dtype=bool), np.inf, apart).argmin(axis=1)
    assert (same[nearest] == same).mean() > 0.9, "copies lie beside one another"


def test_placing_looks_for_the_neighbours_of_the_new_alone(blobs, monkeypatch):
    vectors, _ = blobs
    fitted, asked, real = fit_map(vectors[:210], seed=3), [], NearestNeighbors.kneighbors

    def counted(self, X=None, *args, **kwargs):
        asked.append(self.n_samples_fit_ if X is None else len(X))
        return real(self, X, *args, **kwargs)

    monkeypatch.setattr(NearestNeighbors, "kneighbors", counted)
    place(fitted, vectors[:210], vectors[210:])
    assert asked == [30]


def test_a_stored_map_of_many_is_made_ready_from_a_draw(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(3_000, 20)).astype(np.float32) * np.arange(20, 0, -1)
    fitted, real = [], map_module._principal_components

    def counted(given, seed):
        fitted.append(len(given))
        return real(given, seed)

    monkeypatch.setattr(map_module, "_principal_components", counted)
    facts = {"perplexity": 50, "kl_divergence": 1.0, "seed": 3}
    ready = rebuild_map(vectors, np.zeros((3_000, 2)), facts)
    assert fitted == [map_module.ENOUGH]
    whole = real(vectors, 3)[1]
    # the same distances between projected vectors, by the first components at least
    seen = np.linalg.svd(ready.components[:10] @ whole[:12].T, compute_uv=False)
    assert seen.min() > 0.9


@pytest.mark.parametrize(("n", "d"), [(8, 3), (10, 4), (12, 200), (20, 50), (30, 30)])
def test_a_map_of_a_few_points_is_not_drawn_into_one_place(n, d):
    for seed in range(3):
        vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
        drawn = fit_map(vectors)
        assert drawn.kl_divergence > 0 and np.ptp(drawn.points, axis=0).min() > 0.1
        assert len(np.unique(drawn.points.round(3), axis=0)) == n
