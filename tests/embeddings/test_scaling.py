"""Ways to scale vectors."""

import numpy as np
import pytest

from fiftyone_daebias import schema, store
from fiftyone_daebias.embeddings.joined import joined_slices
from fiftyone_daebias.embeddings.scaling import common, evened, own, scalings, shrunk_covariance, whitened


def codes(n=400, slices=3, z=8, seed=0):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(z, z)) * np.geomspace(2, 0.7, z)[:, None]
    return (rng.normal(size=(n, slices, z)) @ mix + 5).reshape(n, -1).astype(np.float32)


def test_rows_are_centred_and_of_mean_square_one():
    for name, scaled in scalings(codes(), 3).items():
        assert scaled.dtype == np.float32 and scaled.shape == (400, 24), name
        assert np.abs(scaled.mean(axis=0)).max() < 1e-5, name
        assert (scaled.astype(float) ** 2).sum(axis=1).mean() == pytest.approx(1, abs=1e-4), name


def test_each_does_what_it_says():
    x = codes()
    assert own(x).std(axis=0) == pytest.approx(np.full(24, 24**-0.5), rel=1e-3)
    ratio = common(x).std(axis=0) / x.std(axis=0)
    assert ratio == pytest.approx(np.full(24, ratio[0]), rel=1e-3)
    flat = whitened(x, 3).reshape(-1, 8).astype(float)
    covariance = flat.T @ flat / len(flat) * 24
    assert np.abs(covariance - np.eye(8)).max() < 0.35


def test_evening_is_half_way_to_white():
    x = codes(n=4000)
    y = evened(x, 3).astype(float)
    flat = y.reshape(-1, 8)
    covariance = flat.T @ flat / len(flat)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3 * covariance.max()
    before = np.linalg.eigvalsh(np.cov((x.reshape(-1, 8) - x.reshape(-1, 8).mean(0)).T, bias=True))
    after = np.linalg.eigvalsh(covariance)
    assert np.log(after / after[-1]) == pytest.approx(np.log(before / before[-1]) / 2, abs=1e-3)


def test_whitening_does_not_depend_on_units_nor_much_on_how_codes_were_mixed():
    x = codes(n=4000)
    one = whitened(x, 3)[:50]
    units = np.tile(np.geomspace(0.01, 100, 8), 3).astype(np.float32)
    two = whitened(x * units, 3)[:50]
    np.testing.assert_allclose(one, two, atol=1e-3)
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    three = whitened((x.reshape(-1, 8) @ turned).reshape(4000, -1), 3)[:50]
    assert np.corrcoef((one @ one.T).ravel(), (three @ three.T).ravel())[0, 1] > 0.95


def test_a_small_cohort_is_shrunk_more_and_repeated_slices_are_no_evidence():
    def share(x):
        x = x - x.mean(axis=(0, 1))
        raw = np.cov(x.reshape(-1, x.shape[2]).T, bias=True)
        got = shrunk_covariance(x)
        return 1 - got[0, 1] / raw[0, 1]

    rng = np.random.default_rng(0)
    mix = rng.normal(size=(40, 40)) * np.geomspace(3, 0.3, 40)[:, None]
    few, many = (rng.normal(size=(n, 1, 40)) @ mix for n in (25, 2000))
    assert share(few) > 0.05 > share(many) > 0
    assert share(np.repeat(few, 12, axis=1)) == pytest.approx(share(few), rel=1e-6)


def test_constant_values_and_equal_rows_do_no_harm():
    x = codes()
    x[:, 4] = 7
    assert not own(x)[:, 4].any()
    for scaled in scalings(x, 3).values():
        assert np.isfinite(scaled).all()
    for scaled in scalings(np.ones((5, 6), np.float32), 2).values():
        assert np.isfinite(scaled).all() and not scaled.any()


def test_vectors_that_are_no_slices_are_refused():
    with pytest.raises(ValueError, match="24 values are not 5 codes"):
        whitened(codes(), 5)


def test_how_many_slices_a_stored_vector_joins(dataset_name):
    import fiftyone as fo

    dataset = fo.Dataset(dataset_name)
    dataset.add_sample(fo.Sample(filepath="a.png"))
    assert joined_slices(dataset, "dae_embedding") == joined_slices(dataset, "mine") == 1
    store.save_run(dataset, schema.provenance_key("beta-vae"), {"n_slices": 12, "pool": "concat"})
    assert joined_slices(dataset, schema.embedding_field("beta-vae")) == 12
    store.save_run(dataset, schema.provenance_key("beta-vae"), {"n_slices": 12, "pool": "mean"})
    assert joined_slices(dataset, schema.embedding_field("beta-vae")) == 1
