"""The slice cache and the split."""

import json
import pickle

import numpy as np
import pytest

from fiftyone_daebias.cohort.slice_cache import SliceCache
from fiftyone_daebias.cohort.slices import _in_plane
from fiftyone_daebias.cohort.split import split_subjects
from fiftyone_daebias.errors import StoreError


def test_cache_round_trip_across_processes_and_torn_writes(tmp_path):
    cache = SliceCache(tmp_path)
    rng = np.random.default_rng(0)
    arrays = {f"k{i}": rng.integers(0, 4000, (3, 5, 7)).astype(t) for i, t in enumerate(("uint8", "uint16", "float32"))}
    for key, array in arrays.items():
        cache.add(key, array)
    # a writer was killed: array bytes without a line, then half a line
    with open(cache.data, "ab") as data, open(cache.index, "ab") as index:
        data.write(b"junk")
        index.write(b'{"key": "torn", "off')
    again = SliceCache(tmp_path)
    again.add("after", arrays["k0"])
    for reader in (SliceCache(tmp_path), pickle.loads(pickle.dumps(cache))):
        assert "torn" not in reader
        for key, array in {**arrays, "after": arrays["k0"]}.items():
            got, entry = reader.read(key)
            np.testing.assert_array_equal(got, array)
            assert (entry.low, entry.high) == (array.min(), array.max())


def test_a_line_whose_array_is_not_there_is_not_believed(tmp_path):
    cache = SliceCache(tmp_path)
    cache.add("a", np.zeros((1, 2, 2), np.uint8))
    line = {"key": "b", "offset": 4, "shape": [1, 50, 50], "dtype": "|u1", "low": 0, "high": 0}
    with open(cache.index, "a") as index:
        index.write(json.dumps(line) + "\n")
    assert "b" not in SliceCache(tmp_path) and "a" in SliceCache(tmp_path)


def test_split_keeps_subjects_whole_and_shares_within_strata():
    rng = np.random.default_rng(1)
    subjects = [f"s{k}" for k in rng.integers(0, 400, 2000)]
    strata = [int(s[1:]) % 2 for s in subjects]
    sides = split_subjects(subjects, strata)
    by_subject = {}
    for s, side in zip(subjects, sides, strict=True):
        by_subject.setdefault(s, set()).add(side)
    assert all(len(v) == 1 for v in by_subject.values())
    for stratum in (0, 1):
        members = [next(iter(v)) for s, v in by_subject.items() if int(s[1:]) % 2 == stratum]
        for side, share in (("train", 0.8), ("val", 0.05), ("test", 0.15)):
            assert abs(members.count(side) / len(members) - share) < 0.01
    order = rng.permutation(2000)
    shuffled = split_subjects([subjects[k] for k in order], [strata[k] for k in order])
    assert [sides[k] for k in order] == shuffled


@pytest.mark.parametrize("n", [1, 2, 5, 19])
def test_small_cohorts_are_split_without_losing_anybody(n):
    sides = split_subjects([f"s{k}" for k in range(n)])
    assert len(sides) == n and set(sides) <= {"train", "val", "test"} and "train" in sides


def test_pruning_keeps_what_is_named_and_readers_go_on(tmp_path):
    cache = SliceCache(tmp_path)
    arrays = {k: np.full((2, 3, 4), n, np.int16) for n, k in enumerate("abc")}
    for key, array in arrays.items():
        cache.add(key, array)
    reader, stale = SliceCache(tmp_path), SliceCache(tmp_path)
    assert cache.prune({"a", "c"}) == arrays["b"].nbytes
    for key in "ac":
        np.testing.assert_array_equal(reader.read(key)[0], arrays[key])  # opened before, read after
    with pytest.raises(StoreError, match="pruned while it was read"):
        stale.read("b")
    cache.add("d", arrays["b"])
    again = SliceCache(tmp_path)
    assert sorted(again.keys()) == ["a", "c", "d"] and len(list(tmp_path.glob("*.bin"))) == 1
    np.testing.assert_array_equal(again.read("d")[0], arrays["b"])


def test_the_bound_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DAEBIAS_CACHE_GB", "0.001")
    cache = SliceCache(tmp_path)
    cache.add("a", np.zeros((1, 900, 1000), np.uint8))
    with pytest.raises(StoreError, match="reached its bound of 0.001 GB; run 'daebias cache"):
        cache.add("b", np.zeros((1, 900, 1000), np.uint8))
    assert SliceCache(tmp_path).keys() == ["a"]


def test_spacing_is_that_of_the_slices_as_they_lie_in_the_cache():
    geometry = {"spacing_mm": [0.5, 0.4], "matrix": [2000, 1000]}
    assert _in_plane(geometry, (1, 2000, 1000)) == (0.5, 0.4)
    assert _in_plane(geometry, (1, 500, 250)) == (
        2.0,
        1.6,
    )  # scaled down four times, so each pixel is four times as large
    assert _in_plane({"spacing_mm": [4, 0.5, 0.5], "resampled_mm": [1, 1]}, (3, 9, 9)) == (1.0, 1.0)
    assert _in_plane({}, (1, 9, 9)) is None
