"""Regions, adjustment, subgroups and disagreements on a real database."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.probes.label_findings import judge_every_label
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
            samples.append(
                fo.Sample(
                    filepath=f"/nowhere/{k}-{region}.png",
                    subject_id=f"s{k:02d}",
                    region=region,
                    sex="FM"[sex[k]],
                    site=f"site{site[k]}",
                    height=float(150 + 20 * sex[k] + rng.normal(0, 3)),
                    blurred=30 <= k < 50,
                    daebias_split="train" if k < 55 else "val" if k < 65 else "test",
                )
            )
    dataset.add_samples(samples)
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), np.array(vectors, np.float32))
    del samples  # FiftyOne reloads every sample that is in memory at each write
    yield dataset
    dataset.delete()


def test_by_region_adjusted_and_on_the_split(dataset):
    table = dataset.daebias.probe_all(
        fields=["sex", "site"],
        by="region",
        adjust_for=["sex"],
        predictions=True,
        n_permutations=199,
        n_bootstrap=200,
        repeats=1,
        progress=None,
    )
    rows = {(r.field, r.group): r for r in table.rows}
    assert set(rows) == {(f, g) for f in ("sex", "site") for g in ("", *(f"region={r}" for r in REGIONS))}
    site = rows["site", ""]
    assert site.decodable and site.score > 0.65
    assert not site.adjusted.decodable and site.adjusted.interval[0] < 0.5 and site.adjusted.kept == 1
    assert rows["sex", ""].adjusted.reason == "the field is among those adjusted for"
    assert rows["sex", ""].holdout.n_subjects == 25 and rows["sex", ""].holdout.accuracy > 0.6
    assert 0.55 < rows["sex", ""].detectable < 0.75
    text = str(table)
    assert "given sex: is the field still in the image" in text and "site [region=neck]" in text
    again = {r.field: r for r in stored_probes(dataset).rows if not r.reason}
    assert again["site"].score == site.score and again["site"].adjusted.p == site.adjusted.p
    assert dataset.has_field("probe_sex_by_region") and dataset.has_evaluation("probe_sex_eval")
    metrics = dataset.load_evaluation_results("probe_sex_eval").metrics()
    assert metrics["accuracy"] > 0.8


def test_a_probe_that_may_be_weak_says_nothing_of_single_samples(dataset):
    """Twenty people served badly make the sex of everybody uncertain: nobody is spoken of, whoever is misclassified."""
    store.tag(dataset, store.sample_ids(dataset)[:3], "daebias:variant:sex")
    dataset.daebias.probe_all(fields=["sex"], by="region", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    dataset.daebias.probe("site", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    got = dataset.daebias.disagreements("site", by="region", progress=None)
    assert got.reason and not got.verdicts and got.p is None and "verdicts: none" in str(got)
    # tags of earlier versions go too
    dataset.daebias.disagreements("sex", by="region", progress=None)
    tags = dataset.count_sample_tags()
    assert not [t for t in tags if t.endswith(":site") or t == "daebias:variant:sex"]
    config, results = store.load_run(dataset, schema.DISAGREEMENT_RUN_PREFIX + "site")
    assert config["by"] == "region" and results["summary"]["reason"] == got.reason
    with pytest.raises(InputError, match="has not been probed"):
        dataset.daebias.disagreements("site2", progress=None)


@pytest.fixture(scope="module")
def told():
    """150 people, whose pictures tell the sex well in two regions; six carry the wrong one, three of them with a header.

    The sixth to ninth look like the other sex in the neck only.
    """
    rng = np.random.default_rng(5)
    dataset = fo.Dataset("labels-and-images")
    samples, vectors = [], []
    for k in range(150):
        sex = k % 2
        for r, region in enumerate(("chest", "neck")):
            looks = 1 - sex if k < 6 or 6 <= k < 9 and region == "neck" else sex
            v = rng.normal(size=8)
            v[0] += 5 * looks
            v[4 + r] += 6
            vectors.append(v)
            samples.append(
                fo.Sample(
                    filepath=f"/nowhere/{k}-{region}.png",
                    subject_id=f"s{k:03d}",
                    region=region,
                    sex="FM"[sex],
                    header_sex="FM"[1 - sex] if k < 3 else "FM"[sex] if k > 5 else None,
                    file_mode="AB"[looks],
                )
            )
    dataset.add_samples(samples)
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), np.array(vectors, np.float32))
    del samples
    dataset.daebias.probe_all(
        fields=["sex", "file_mode"], n_permutations=199, n_bootstrap=200, repeats=1, progress=None
    )
    yield dataset
    dataset.delete()


def test_labels_that_images_contradict_are_listed_with_an_error_rate(told):
    got = told.daebias.disagreements("sex", progress=None)
    assert got.p <= 0.05 and got.false_share <= 0.1 and got.n_subjects == 150
    listed = {v.subject: v for v in got.verdicts if v.kind == "contradicted"}
    wrong = {f"s{k:03d}" for k in range(6)}
    assert len(listed) == got.n_listed and len(wrong & set(listed)) >= 5 and len(set(listed) - wrong) <= 1
    # who looks so in one region only is described, not claimed
    assert all(v.kind == "ambiguous" for v in got.verdicts if v.subject in ("s006", "s007", "s008"))
    assert all(
        "says" in listed[s].evidence and s < "s003" or "left open" in listed[s].evidence for s in wrong & set(listed)
    )
    tagged = told.match_tags("daebias:label-error:sex")
    assert set(tagged.values("subject_id")) == set(listed) and len(tagged) == 2 * len(listed)
    text = str(got)
    assert "expected false share" in text and "ambiguous to the probe" in text and "not claimed" in text
    assert told.daebias.disagreements("sex", progress=None) == got
    run = next(r for r in told.daebias.runs().runs if r.key == schema.DISAGREEMENT_RUN_PREFIX + "sex")
    assert "daebias:label-error:sex" in run.tags  # they go with the run
    with pytest.raises(InputError, match="most_false"):
        told.daebias.disagreements("sex", most_false=0.9, progress=None)


def test_agreement_across_regions_is_shown_and_is_no_finding(told):
    told.daebias.probe_all(fields=["sex"], by="region", n_permutations=199, n_bootstrap=200, repeats=1, progress=None)
    got = told.daebias.disagreements("sex", by="region", progress=None)
    assert got.agreement.observed[1] >= 5 > got.agreement.expected[1] and "says nothing of labels" in str(got)
    found = collect_findings(told)
    shown = next(f for f in found.rows if f.key == "agreement:sex")
    assert shown.verdict == "shown" and np.isnan(shown.evidence.p) and "share their anatomy" in shown.sentence
    claim = next(f for f in found.rows if f.key == "disagreements:sex:label-error")
    assert claim.verdict == "found" and claim.evidence.p <= 0.05 and "expected to be ordinary" in claim.sentence
    assert claim.n_subjects == got.n_listed and not [f for f in found.rows if "ambiguous" in f.key]


def test_a_fact_of_the_file_is_no_label(told):
    row = next(f for f in collect_findings(told).rows if f.key == "probe:file_mode")
    assert row.verdict == "found" and row.next_step.verb != "disagreements"
    tags = told.count_sample_tags()
    assert "daebias:opposite:sex" in tags and "daebias:opposite:file_mode" not in tags
    said = judge_every_label(told)
    assert said.startswith("sex: ") and "file_mode" not in said


def test_the_group_that_is_served_worse_is_named(dataset):
    got = dataset.daebias.subgroups(
        "sex", by=["blurred", "site"], n_permutations=199, n_bootstrap=200, repeats=1, progress=None
    )
    gap = next(g for g in got.gaps if g.by == "blurred")
    assert gap.groups[0].group == "True" and gap.gap > 0 and gap.p < 0.2
    assert gap.groups[0].score < gap.groups[1].score
    assert all(0 <= g.p <= 1 for g in got.gaps if not g.reason) and "blurred" in str(got)


def test_transfer_across_regions(dataset):
    got = dataset.daebias.transfer("sex", "region", n_bootstrap=100, repeats=1, kernel="linear", progress=None)
    assert got.groups == ("chest", "lumbar", "neck")
    scores = np.array(got.scores)
    assert scores.shape == (3, 3) and scores.min() > 0.7  # the same axis tells the sex in every region
    assert "trained in" in str(got)


def test_several_vector_fields_a_brain_run_and_levels(dataset):
    rng = np.random.default_rng(0)
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, "noise", ids, rng.normal(size=(len(ids), 4)))
    both = dataset.daebias.probe(
        "sex", vectors=["dae_embedding", "noise"], n_permutations=99, n_bootstrap=100, repeats=1, progress=None
    )
    assert both.vectors == "dae_embedding+noise" and both.score > 0.8
    store.save_map(dataset, "m", ids, rng.normal(size=(len(ids), 2)), "m_points")
    on_map = dataset.daebias.probe("sex", vectors="m", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert on_map.score < 0.7
    first = np.array(dataset.values("dae_embedding"))[:, 0]
    dataset.set_values("grade", [int(v) for v in np.digitize(first, [2.0, 5.0])])
    level = dataset.daebias.probe(
        "grade", scale="ordinal", n_permutations=99, n_bootstrap=100, repeats=1, progress=None
    )
    assert level.metric == "C" and level.kind == "ordinal" and level.score > 0.75 and level.chance == 0.5
    with pytest.raises(InputError, match="holds no numbers"):
        dataset.daebias.probe("sex", scale="ordinal", progress=None)
    with pytest.raises(InputError, match="cannot be adjusted for itself"):
        dataset.daebias.probe("sex", adjust_for=["sex"], progress=None)
