"""Findings: corrected over everything tested, ranked, read from whatever has run, and nothing from nothing."""

import json
from dataclasses import replace
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_daebias import schema, store, verbs
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.collect import Findings, collect_findings, findings_stamp
from fiftyone_daebias.findings.finding import VERDICTS, Evidence, Finding, existing
from fiftyone_daebias.findings.multiplicity import HypothesisTest, settle
from fiftyone_daebias.probes.probe_findings import permutations_behind, probe_claims


def claim(key, p, within=float("nan"), family="probes"):
    finding = Finding(key, "probe", key, key, "", Evidence("AUC", 0.7, p=p))
    return HypothesisTest(finding, within, lambda raw, inside: f"{raw}{inside}", family)


def test_p_values_of_all_steps_are_corrected_together():
    # by hand, 4 tests: sorted p .01 .02 .03 .5 -> times 4/rank: .04 .04 .04 .5
    claims = [
        claim("a", 0.03),
        claim("b", 0.01, family="pairs"),
        claim("c", 0.5, family="pairs"),
        claim("d", 0.02),
        claim("e", float("nan")),
    ]
    out, n, said = settle(claims)
    assert n == 4 and "2 probes" in said and "2 pairs" in said
    assert [round(f.evidence.q, 6) for f in out[:4]] == [0.04, 0.04, 0.5, 0.04] and np.isnan(out[4].evidence.q)
    assert [f.verdict for f in out] == ["TrueTrue", "TrueTrue", "FalseFalse", "TrueTrue", "FalseFalse"]


def test_tests_within_strata_are_a_family_of_the_same_size():
    out, _, _ = settle([claim("a", 0.01, within=0.9), claim("b", 0.02)])
    # within: a .9, b its only p .02 -> b .04, a .9
    assert [round(f.evidence.q_within, 6) for f in out] == [0.9, 0.04]
    assert [f.verdict for f in out] == ["TrueFalse", "TrueTrue"]


def test_what_passes_alone_is_unconfirmed_among_few_tests_and_not_found_among_many(cohort_maker):
    dataset = cohort_maker("test-findings-pool", planted=False)
    summary = {
        "field": "site",
        "vectors": "v",
        "kind": "binary",
        "metric": "AUC",
        "score": 0.62,
        "interval": [0.55, 0.7],
        "chance": 0.5,
        "better": [0.05, 0.2],
        "p": 0.04,
        "q": 0.04,
        "n_subjects": 100,
        "n_samples": 200,
    }
    store.save_run(dataset, schema.PROBE_RUN_PREFIX + "site", {"field": "site", "by": ""}, {"summary": summary})
    assert collect_findings(dataset).by_key("probe:site").verdict == "found"
    for k in range(10):
        if k == 3:
            assert collect_findings(dataset).by_key("probe:site").verdict == "unconfirmed"  # q = .04 * 4
        none = {**summary, "field": f"f{k}", "p": 0.5, "q": 0.5, "better": [-0.1, 0.1]}
        store.save_run(dataset, schema.PROBE_RUN_PREFIX + f"f{k}", {"field": f"f{k}", "by": ""}, {"summary": none})
    found = collect_findings(dataset)
    assert found.n_tests == 11 and found.by_key("probe:site").verdict == "not found"
    assert found.by_key("probe:site").evidence.q == pytest.approx(0.44)


def test_too_few_permutations_are_said_and_are_no_absence():
    # 60 tests, one of them as strong as 999 permutations can say: q = .001 * 60 > .05
    strong = replace(
        claim("strong", 0.001), n_permutations=999, judge=lambda raw, within: "found" if raw else "not found"
    )
    out, n, _ = settle([strong, *(claim(f"n{k}", 0.5) for k in range(59))])
    assert n == 60 and out[0].verdict == "unconfirmed" and "n_permutations=1200 or more" in out[0].notes[0]
    # with enough of them it is found; and one that is not at their limit is not excused
    out, _, _ = settle(
        [
            replace(
                strong, finding=replace(strong.finding, evidence=Evidence("AUC", 0.9, p=1 / 1201)), n_permutations=1200
            ),
            *(claim(f"n{k}", 0.5) for k in range(59)),
        ]
    )
    assert out[0].verdict == "found" and out[0].notes == ()
    weak = replace(strong, finding=replace(strong.finding, evidence=Evidence("AUC", 0.6, p=0.004)))
    out, _, _ = settle([weak, *(claim(f"n{k}", 0.5) for k in range(59))])
    assert out[0].verdict == "not found" and out[0].notes == ()
    # within strata too: not told is not explained away
    inner = replace(
        claim("inner", 1e-5, within=0.001),
        n_permutations=999,
        judge=lambda raw, within: "found" if raw and within else "explained" if raw else "not found",
    )
    out, _, _ = settle([inner, *(claim(f"n{k}", 0.5) for k in range(59))])
    assert out[0].verdict == "unconfirmed"


@pytest.mark.parametrize(
    "p, n",
    [
        ([0.001, 0.034, 0.5], 999),
        ([0.005, 0.31], 199),
        ([1 / 3000, 0.25], 2999),
        ([float("nan")], 0),
        ([], 0),
        ([0.123456789], 0),
    ],
)
def test_permutations_are_read_off_the_p_values(p, n):
    assert permutations_behind(p) == n


def test_findings_of_the_planted_cohort(audited):
    dataset, result = audited
    found = collect_findings(dataset)
    # by chance weight's p-value is small in this cohort; its interval holds guessing
    assert found.by_key("probe:site").verdict == "found" and found.by_key("probe:weight").verdict == "unconfirmed"
    assert "would have been found with probability 0.8" in found.by_key("probe:weight").sentence
    claims = probe_claims(dataset)
    drawn = {c.finding.run_key: store.load_run(dataset, c.finding.run_key)[0]["n_permutations"] for c in claims}
    assert claims and all(c.n_permutations == drawn[c.finding.run_key] >= 99 for c in claims)
    assert found.of("association") and found.of("drift") and found.of("reidentify")
    assert found.by_key("probe:site").next_step.verb in {v.command for v in verbs.VERBS}
    order = [(VERDICTS.index(f.verdict), -f.evidence.strength) for f in found.rows]
    assert order == sorted(order) and all(0 <= f.evidence.strength <= 1 for f in found.rows)
    assert len({f.key for f in found.rows}) == len(found.rows)
    assert result.findings.n_tests == found.n_tests >= 4


def test_permutations_of_a_probe_are_stored_and_read_off_the_p_values_of_runs_without_them(audited):
    dataset, _ = audited
    copy = dataset.clone("test-findings-no-permutations")
    try:
        for key in store.list_runs(copy, schema.PROBE_RUN_PREFIX):
            config, results = store.load_run(copy, key)
            del config["n_permutations"]  # as versions up to 0.3 wrote it
            store.save_run(copy, key, config, results)
        stored, read = (
            {c.finding.key: c.n_permutations for c in probe_claims(d) if c.finding.evidence.p == c.finding.evidence.p}
            for d in (dataset, copy)
        )
        assert stored and stored == read and min(read.values()) >= 99
    finally:
        fo.delete_dataset(copy.name)


def test_selectors_look_samples_up_when_asked(audited):
    dataset, _ = audited
    found = collect_findings(dataset)
    opposite = found.of("opposite")[0]
    ids = opposite.selector.ids(dataset)
    assert len(ids) == opposite.n_samples and sorted(ids) == sorted(
        str(i) for i in dataset.match_tags(opposite.selector.name).values("id")
    )
    assert len(opposite.selector.view(dataset)) == len(ids)
    assert len(found.by_key("probe:site").selector.ids(dataset)) == 200


def test_findings_survive_json(audited):
    found = collect_findings(audited[0])
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = Findings.from_dict(json.loads(text))
    assert again.to_dict() == found.to_dict() and isinstance(again.rows[0].evidence.interval, tuple)


def test_an_unknown_key_names_its_neighbours(audited):
    with pytest.raises(InputError, match="there is no finding 'probe:sit'.*probe:site"):
        collect_findings(audited[0]).by_key("probe:sit")


def test_nothing_planted_nothing_claimed(cohort_maker, short):
    dataset = cohort_maker("test-findings-null", planted=False, seed=5)
    result = dataset.daebias.audit(config=short, skip=["report"], progress=None)
    claimed = [
        f.key for f in result.findings.rows if f.verdict == "found" and f.kind in ("probe", "association", "drift")
    ]
    assert claimed == [] and result.findings.n_tests >= 4


def test_an_unaudited_dataset_has_no_findings(cohort_maker):
    found = collect_findings(cohort_maker("test-findings-empty", n_subjects=12))
    assert found.rows == () and found.n_tests == 0 and "nothing was found" in str(found)
    with pytest.raises(InputError, match="daebias audit"):
        found.by_key("probe:site")


def test_the_stamp_changes_with_runs_and_tags_only(cohort_maker):
    dataset = cohort_maker("test-findings-stamp", n_subjects=12)
    first = findings_stamp(dataset)
    store.save_run(dataset, schema.AUDIT_RUN, {"passed": True}, {"steps": []})
    assert findings_stamp(dataset) == first
    dataset.limit(3).tag_samples("something else")
    assert findings_stamp(dataset) == first
    dataset.limit(3).tag_samples(schema.TAG_DUPLICATE)
    second = findings_stamp(dataset)
    assert second != first and collect_findings(dataset).stamp == second


def test_tags_are_counted_by_subject_and_synthetic_samples_are_not(cohort_maker):
    dataset = cohort_maker("test-findings-tags", n_subjects=12)
    dataset.limit(3).tag_samples(schema.TAG_LEAK)
    made = fo.Sample(filepath="/nowhere/made.png", subject_id="P000", tags=[schema.TAG_SYNTHETIC, schema.TAG_LEAK])
    dataset.add_sample(made)
    leak = collect_findings(dataset).by_key("leak")
    assert (leak.n_samples, leak.n_subjects, leak.verdict, leak.evidence.strength) == (3, 2, "found", 1.0)


def test_runs_of_rooms_it_does_not_know_speak_for_themselves(cohort_maker):
    dataset = cohort_maker("test-findings-runs", n_subjects=12)
    ids = store.sample_ids(dataset)[:4]
    figure = {"name": "mean", "title": "Mean images", "caption": "n = 4", "png": "mean.png", "plotly": None}
    store.save_run(
        dataset,
        schema.EXPLAIN_RUN_PREFIX + "a_b",
        {"comparison": "a against b"},
        {"sentence": "a is brighter", "figures": [figure, "junk"], "sample_ids": ids},
    )
    store.save_run(dataset, schema.SENSITIVITY_RUN, {}, {"summary": {"sentence": "0.4 SD would be found"}})
    found = collect_findings(dataset)
    explained = found.by_key("explain:a_b")
    assert explained.sentence == "a is brighter." and explained.verdict == "shown"
    assert [f["name"] for f in explained.figures] == ["mean"] and explained.selector.ids(dataset) == ids
    assert found.by_key("sensitivity").sentence == "0.4 SD would be found."


def test_next_steps_are_verbs_that_exist():
    assert existing("no-such-verb", "x") is None
    assert existing("probe", "x", field="site").params == {"field": "site"}


def test_findings_written_by_version_1_can_be_read():
    raw = json.loads((Path(__file__).parent / "findings_v1.json").read_text(encoding="utf-8"))
    found = Findings.from_dict(raw)
    assert found.to_dict() == raw
    view = found.by_key("probe:view")
    assert view.verdict == "found" and round(view.evidence.value, 3) == 0.948 and view.status == "confirmed"
    # a later version may add to it, an older one may lack something
    for row in raw["rows"]:
        row["new"] = 1
        del row["cluster"]
    assert Findings.from_dict(raw).by_key("probe:view").cluster == ""
