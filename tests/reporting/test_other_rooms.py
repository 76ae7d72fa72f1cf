"""Findings of explanations, counterfactuals, mitigation … : read from what their own rooms store."""

import pytest

import fiftyone_daebias.baselines.compare_result as compare_result
from fiftyone_daebias import schema, store
from fiftyone_daebias.findings.collect import collect_findings


@pytest.fixture(scope="module")
def dataset(cohort_maker):
    return cohort_maker("test-other-rooms", n_subjects=12)


def test_an_explanation_without_a_difference_is_not_found(dataset):
    tests = {"shift": {"p": 0.4, "p_adjusted": 0.8, "found": False}}
    summary = {
        "name": "cluster a against the rest",
        "sentences": ["no difference was found"],
        "found": False,
        "tests": tests,
        "n_subjects": [5, 7],
        "n_samples": [10, 14],
        "notes": ["few"],
    }
    store.save_run(dataset, schema.EXPLAIN_RUN_PREFIX + "a", {"cluster": "a"}, {"summary": summary, "figures": []})
    found = collect_findings(dataset).by_key("explain:a")
    assert found.verdict == "not found" and (found.n_subjects, found.n_samples) == (12, 24) and found.cluster == "a"
    assert found.sentence.startswith(
        "no difference was found. (p adjusted over the parts of the comparison: shift 0.8)"
    )
    assert found.selector.name == schema.TAG_CLUSTER + "a" and found.notes == ("few",)


def test_what_the_rooms_results_say_themselves(dataset):
    store.save_run(
        dataset,
        schema.LOCAL_RUN_PREFIX + "sex",
        {"field": "sex"},
        {"summary": {"field": "sex", "reading": "sex can be read inside the mask", "n_subjects": 12}, "figures": []},
    )
    found = collect_findings(dataset).by_key("local:sex")
    assert found.sentence == "sex can be read inside the mask." and (found.field, found.n_subjects) == ("sex", 12)
    store.save_run(
        dataset,
        schema.MITIGATION_RUN_PREFIX + "sex",
        {"field": "sex"},
        {"summary": {"field": "sex", "verdict": "it made no difference"}, "figures": []},
    )
    assert collect_findings(dataset).by_key("mitigation:sex").sentence == "it made no difference."
    store.save_run(
        dataset,
        schema.COUNTERFACTUAL_RUN_PREFIX + "sex",
        {},
        {"summary": {"comparison": "F against M", "reason": "the probe does not tell them apart", "figures": []}},
    )
    found = collect_findings(dataset).by_key("counterfactual:sex")
    assert (
        found.verdict == "not found" and "no images could be made: the probe does not tell them apart" in found.sentence
    )
    store.save_run(dataset, schema.SENSITIVITY_RUN, {}, {"rows": [], "sentence": "A shift of 2 mm would be found."})
    assert collect_findings(dataset).by_key("sensitivity").sentence == "A shift of 2 mm would be found."
    column = compare_result.Column("sex", "accuracy", ("F", "M"), 12, 24)
    cell = compare_result.Cell(0.9, (0.8, 1.0), (0.9,))
    row = compare_result.CompareRow("dae", "SVM on the embedding", 4, (1,), 10, 1.0, {"sex": cell})
    table = compare_result.CompareResult("dae", (column,), (row,), "plan", "machine", (), "k")
    store.save_run(dataset, schema.COMPARE_RUN, {}, {"table": table.to_dict(), "figures": []})
    assert table.sentences[0] in collect_findings(dataset).by_key("compare").sentence
