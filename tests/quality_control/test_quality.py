"""Image quality against metadata, on a real database: what was planted is named, and nothing else is."""

import json

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import phantom, register, schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.quality_control import stored
from fiftyone_daebias.quality_control.measures import MEASURES
from fiftyone_daebias.quality_control.quality import comparable

NAME = "test-quality"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """80 spines; site C's scanner is noisy."""
    folder = tmp_path_factory.mktemp("noisy")
    phantom(
        folder,
        subjects=80,
        plants=["noise:0.15:site=C"],
        format="nifti",
        regions=["neck", "lumbar"],
        matrix=64,
        workers=1,
        seed=2,
    )
    register(NAME, folder / "images", workers=1, progress=None)
    yield fo.load_dataset(NAME)
    fo.delete_dataset(NAME)


def test_the_noisy_site_is_named_with_its_measure_and_nothing_else(noisy):
    table = noisy.daebias.quality(fields=["site", "study_arm", "sex"], expected=["sex", "age"], progress=None)
    rows = {r.field: r for r in table.rows}
    site = rows["site"]
    assert table.by == "body_part" and site.verdict == "found" and site.group == "C" and site.n_subjects == 80
    assert site.measure in ("cjv", "snr1", "snr2", "snr4", "cnr", "fber", "psnr", "efc") and abs(site.effect) > 0.6
    assert "in C (median" in site.words and site.words in str(table)
    assert rows["study_arm"].verdict == "not found"
    found = collect_findings(noisy)
    finding = next(f for f in found.rows if f.key == "quality:site")
    assert finding.verdict == "found" and "Cliff's delta" in finding.sentence
    assert {f.verdict for f in found.rows if f.field == "study_arm"} == {"not found"}
    assert next(f for f in found.rows if f.key == "quality:sex").verdict in ("expected", "not found", "unconfirmed")
    json.dumps(table.to_dict(), allow_nan=False)


def test_measures_are_fields_that_are_not_probed_and_are_measured_once(noisy, monkeypatch):
    noisy.daebias.quality(fields=["site"], n_permutations=99, progress=None)
    assert noisy.count(schema.QUALITY_PREFIX + "snr1") == len(noisy) == 160
    assert not [f for f in store.metadata_fields(noisy) if f.startswith("daebias_quality")]
    measured = []
    monkeypatch.setattr(stored, "volume_measures", lambda v: measured.append(v) or np.ones(len(MEASURES)))
    noisy.daebias.quality(fields=["site"], n_permutations=99, progress=None)
    assert measured == []
    store.write_values(noisy, schema.QUALITY_OF_FIELD, {store.sample_ids(noisy)[0]: "another picture"})
    noisy.daebias.quality(fields=["site"], n_permutations=99, progress=None)
    assert len(measured) == 1


def test_all_measures_of_a_picture_are_written_at_once(noisy, monkeypatch):
    store.clear_field(noisy, schema.QUALITY_FIELD)
    written = []
    real = store.write_documents
    monkeypatch.setattr(stored, "_BATCH", 100)
    monkeypatch.setattr(store, "write_documents", lambda s, f, d: written.append(len(d)) or real(s, f, d))
    monkeypatch.setattr(store, "write_values", lambda *_, **__: written.append(None))
    ids, measures = stored.read_measures(noisy)
    assert written == [100, 60]
    for k, name in enumerate(MEASURES):
        kept = [np.nan if v is None else v for v in store.read_field(noisy, schema.QUALITY_PREFIX + name)]
        np.testing.assert_array_equal(kept, measures[:, k])


def test_an_interrupted_run_keeps_what_it_measured(noisy, monkeypatch):
    noisy.daebias.runs("delete", names=[schema.QUALITY_RUN], sure=True)
    assert not noisy.has_field(schema.QUALITY_PREFIX + "snr1")
    real, done = stored.volume_measures, []

    def stopped(volume):
        if len(done) == 100:
            raise KeyboardInterrupt
        done.append(1)
        return real(volume)

    monkeypatch.setattr(stored, "_BATCH", 40)
    monkeypatch.setattr(stored, "volume_measures", stopped)
    with pytest.raises(KeyboardInterrupt):
        noisy.daebias.quality(fields=["site"], n_permutations=99, progress=None)
    assert noisy.count(schema.QUALITY_OF_FIELD) == 80 and schema.QUALITY_RUN not in noisy.list_runs()
    done.clear()
    monkeypatch.setattr(stored, "volume_measures", lambda v: done.append(1) or real(v))
    noisy.daebias.quality(fields=["site"], n_permutations=99, progress=None)
    assert len(done) == 80


def test_bad_input(noisy):
    with pytest.raises(InputError, match="nope"):
        noisy.daebias.quality(fields=["nope"], progress=None)
    with pytest.raises(InputError, match="n_permutations must be at least 99"):
        noisy.daebias.quality(n_permutations=3, progress=None)


def test_measures_are_compared_within_parts_and_broken_images_do_not_decide():
    import pandas as pd

    rng = np.random.default_rng(0)
    raw = rng.normal(10, 1, (40, len(MEASURES)))
    raw[:20] += 5
    raw[3] = 1e9
    raw[:, 4] = np.nan
    z = comparable(raw, pd.Series(["a"] * 20 + ["b"] * 20))
    assert np.abs(z).max() == 5 and abs(np.median(z[:20, 0])) < 1e-6 and abs(np.median(z[20:, 0])) < 1e-6
    assert (z[:, 4] == 0).all()
