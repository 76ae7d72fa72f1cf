"""Regions, adjustment, subgroups and disagreements on a real database."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.stored import stored_probes

REGIONS = ("neck", "chest", "lumbar")
N = 90


@pytest.fixture(scope="module")
def dataset():
    """90 subjects in three regions; four have the wrong sex in the table, four look it in the neck only."""
    rng = np.random.default_rng(3)
    dataset = fo.Dataset("regions-of-probes")
    sex = np.arange(N) % 2
    site = np.where(rng.random(N) < 0.85, sex, 1 - sex)  # site goes with sex, and nothing in the pixels tells it
    samples, vectors = [], []
    for k in range(N):
        for r, region in enumerate(REGIONS):
            looks = 1 - sex[k] if k < 4 or 4 <= k < 8 and r == 0 else sex[k]
            v = rng.normal(size=10)
            v[0] += 6 * looks
            v[5 + r] += 8
            if 30 <= k < 50:
                v[0] = 3 + rng.normal(0, 4)  # these twenty are served worse
            vectors.append(v)
            samples.append(fo.Sample(
                filepath=f"/nowhere/{k}-{region}.png", subject_id=f"s{k:02d}", region=region, sex="FM"[sex[k]],
                site=f"site{site[k]}", height=float(150 + 20 * sex[k] + rng.normal(0, 3)), blurred=30 <= k < 50,
                daebias_split="train" if k < 55 else "val" if k < 65 else "test",
            ))
    dataset.add_samples(samples)
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), np.array(vectors, np.float32))
    del samples  # FiftyOne reloads every sample that is in memory at each write
    yield dataset
    dataset.delete()


def test_by_region_adjusted_and_on_the_split(dataset):
    table = dataset.probe_all(
        fields=["sex", "site"], by="region", adjust_for=["sex"], n_permutations=199, n_bootstrap=200, repeats=1,
        progress=None,
    )
    rows = {(r.field, r.group): r for r in table.rows}
    assert set(rows) == {(f, g) for f in ("sex", "site") for g in ("", *(f"region={r}" for r in REGIONS))}
    site = rows["site", ""]
    assert site.decodable and site.score > 0.65
    assert not site.adjusted.decodable and 0.35 < site.adjusted.score < 0.65 and site.adjusted.kept == 1
    assert rows["sex", ""].adjusted.reason == "the field is among those adjusted for"
    assert rows["sex", ""].holdout.n_subjects == 25 and rows["sex", ""].holdout.accuracy > 0.6
    assert 0.55 < rows["sex", ""].detectable < 0.75
    text = str(table)
    assert "given sex: is the field still in the image" in text and "site [region=neck]" in text
    again = {r.field: r for r in stored_probes(dataset).rows if not r.reason}
    assert again["site"] == site
    assert dataset.has_field("probe_sex_by_region") and dataset.has_evaluation("probe_sex_eval")
    metrics = dataset.load_evaluation_results("probe_sex_eval").metrics()
    assert metrics["accuracy"] > 0.8


def test_label_errors_and_variants_are_told_apart(dataset):
    if not dataset.has_field("probe_sex_by_region"):
        dataset.probe_all(fields=["sex"], by="region", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    got = dataset.disagreements("sex", by="region", progress=None)
    kinds = {v.subject: v.kind for v in got.verdicts}
    errors = [f"s{k:02d}" for k in range(4) if kinds.get(f"s{k:02d}") == "label error"]
    assert len(errors) >= 3, kinds
    assert sum(kinds.get(f"s{k:02d}") == "variant" for k in range(4, 8)) >= 3, kinds
    assert not any(kinds.get(f"s{k:02d}") == "label error" for k in range(4, 30))
    assert got.agreement.observed[2] >= 3 * got.agreement.expected[2] and got.agreement.p[2] < 0.05
    tagged = dataset.match_tags("daebias:label-error:sex")
    assert set(errors) <= set(tagged.values("subject_id")) and len(tagged) % 3 == 0
    assert "expected under independence" in str(got)
    config, results = store.load_run(dataset, schema.DISAGREEMENT_RUN_PREFIX + "sex")
    assert config["by"] == "region" and results["summary"]["verdicts"]
    with pytest.raises(InputError, match="has not been probed"):
        dataset.disagreements("site2", progress=None)


def test_the_group_that_is_served_worse_is_named(dataset):
    got = dataset.subgroups("sex", by=["blurred", "site"], n_permutations=199, n_bootstrap=200, repeats=1, progress=None)
    gap = next(g for g in got.gaps if g.by == "blurred")
    assert gap.groups[0].group == "True" and gap.gap > 0 and gap.p < 0.2
    assert gap.groups[0].score < gap.groups[1].score
    assert all(0 <= g.p <= 1 for g in got.gaps if not g.reason) and "blurred" in str(got)


def test_transfer_across_regions(dataset):
    got = dataset.transfer("sex", "region", n_bootstrap=100, repeats=1, kernel="linear", progress=None)
    assert got.groups == ("chest", "lumbar", "neck")
    scores = np.array(got.scores)
    assert scores.shape == (3, 3) and scores.min() > 0.7  # the same axis tells the sex in every region
    assert "trained in" in str(got)


def test_several_vector_fields_a_brain_run_and_levels(dataset):
    rng = np.random.default_rng(0)
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, "noise", ids, rng.normal(size=(len(ids), 4)))
    both = dataset.probe("sex", vectors=["dae_embedding", "noise"], n_permutations=99, n_bootstrap=100, repeats=1,
                         progress=None)
    assert both.vectors == "dae_embedding+noise" and both.score > 0.8
    store.save_map(dataset, "m", ids, rng.normal(size=(len(ids), 2)), "m_points")
    on_map = dataset.probe("sex", vectors="m", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert on_map.score < 0.7
    first = np.array(dataset.values("dae_embedding"))[:, 0]
    dataset.set_values("grade", [int(v) for v in np.digitize(first, [2.0, 5.0])])
    level = dataset.probe("grade", scale="ordinal", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert level.metric == "C" and level.kind == "ordinal" and level.score > 0.75 and level.chance == 0.5
    with pytest.raises(InputError, match="holds no numbers"):
        dataset.probe("sex", scale="ordinal", progress=None)
    with pytest.raises(InputError, match="cannot be adjusted for itself"):
        dataset.probe("sex", adjust_for=["sex"], progress=None)
