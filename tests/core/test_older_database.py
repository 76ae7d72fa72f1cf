"""Runs as version 0.1.0 wrote them: listed as such, deleted with all that they made."""

from __future__ import annotations

import fiftyone as fo
import pytest

from fiftyone_daebias import schema
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.tidy import tidy

#: config of its runs: no version of the statistics, and nothing of what a run owns
FACTS = {"schema_version": 1, "versions": {"fiftyone_daebias": "0.1.0"}, "created": "2026-11-20T10:00:00+00:00"}
RUNS = {
    "daebias_disagreements_sex": ({"field": "sex", "by": None}, {"verdicts": []}),
    "daebias_probe_sex": (
        {
            "field": "sex",
            "vectors": "dae_embedding",
            "kernel": "rbf",
            "n_permutations": 99,
            "adjust_for": [],
            "seed": 51,
        },
        {
            "field": "sex",
            "vectors": "dae_embedding",
            "kernel": "rbf",
            "kind": "binary",
            "metric": "AUC",
            "score": 0.8,
            "interval": [0.7, 0.9],
            "chance": 0.5,
            "p": 0.01,
        },
    ),
}


@pytest.fixture
def dataset():
    made = fo.Dataset("test-older-database")
    try:
        made.add_samples([fo.Sample(f"/nowhere/{k}.png", sex="MF"[k % 2], subject_id=f"p{k}") for k in range(6)])
        made.set_values(schema.LOCKED_FIELD, ["exploration", "confirmation"] * 3)
        made.set_values("tags", [["daebias:variant:sex", "mine"], ["daebias:label-error:sex"], *([["mine"]] * 4)])
        for key, (config, summary) in RUNS.items():
            run = made.init_run()
            for name, value in {**FACTS, **config}.items():
                setattr(run, name, value)
            made.register_run(key, run)
            results = made.init_run_results(key)
            results.summary = summary
            made.save_run_results(key, results)
        yield made
    finally:
        fo.delete_dataset(made.name)


def test_runs_of_0_1_are_listed_read_and_deleted_without_a_trace(dataset):
    listed = dataset.daebias.runs()
    assert {r.key for r in listed.runs if r.outdated} == set(RUNS) and "made by an older version" in str(listed)
    (probe,) = collect_findings(dataset).of("probe")
    assert probe.verdict == "older version" and probe.next_step.verb == "probe"
    dataset.daebias.runs("delete", names=list(RUNS), sure=True)
    assert not dataset.list_runs() and dataset.count_sample_tags() == {"mine": 5}


def test_what_no_step_reads_any_more_goes(dataset):
    assert any(schema.LOCKED_FIELD in line for line in tidy(dataset)) and not dataset.has_field(schema.LOCKED_FIELD)
    assert dataset.count("sex") == 6
