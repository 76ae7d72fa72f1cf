"""The whole line: one configuration, checked whole, resumed step by step, usable as a gate."""

import json

import fiftyone as fo
import pytest
import yaml
from small_cohort import copy_cohort

from fiftyone_daebias import schema, store
from fiftyone_daebias.cli import main
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.reporting.audit_config import AuditConfig
from fiftyone_daebias.reporting.audit_steps import LINE

DONE, SAME, NOT, OFF = "done", "unchanged", "not possible", "off"


def outcomes(result):
    return {s.name: s.outcome for s in result.steps}


def ran(result):
    return {s.name for s in result.steps if s.outcome == DONE}


def with_step(config, name, **values):
    steps = {**config["steps"], name: {**(config["steps"].get(name) or {}), **values}}
    return {**config, "steps": steps}


@pytest.fixture
def cohort(cohort_maker, dataset_name):
    return cohort_maker(dataset_name, n_subjects=60)


def test_nothing_is_computed_twice_and_only_what_depends_on_a_change(cohort, short, tmp_path):
    def audit(config, **options):
        return cohort.daebias.audit(config=config, out=tmp_path / "audit.html", progress=None, **options)

    first = audit(short)
    assert ran(first) == {
        "case-mix",
        "probe-all",
        "disagreements",
        "suggest-clusters",
        "test-clusters",
        "drift",
        "reidentify",
        "tag",
        "story",
        "report",
    }
    times = store.run_times(cohort)
    page = (tmp_path / "audit.html").read_bytes()
    again = audit(short)
    assert ran(again) == set() and outcomes(again)["probe-all"] == SAME
    del times[schema.AUDIT_RUN]
    assert {k: v for k, v in store.run_times(cohort).items() if k != schema.AUDIT_RUN} == times
    assert (tmp_path / "audit.html").read_bytes() == page
    assert str(again.findings) == str(first.findings)

    # a parameter of one step: that step, and the report
    assert ran(audit(with_step(short, "drift", n_permutations=119))) == {"drift", "story", "report"}
    changed = with_step(short, "drift", n_permutations=119)
    # a run that was deleted comes back, and what builds on it with it
    store.delete_run(cohort, schema.PROBE_RUN_PREFIX + "sex")
    assert "probe-all" in ran(audit(changed)) and schema.PROBE_RUN_PREFIX + "sex" in store.list_runs(cohort)
    assert ran(audit(changed)) == set()
    # the metadata: everything that reads metadata, not what reads only vectors
    sample = cohort.first()
    sample["sex"] = "F" if sample["sex"] == "M" else "M"
    sample.save()
    now = outcomes(audit(changed))
    assert now["tag"] == SAME
    assert {now[s] for s in ("probe-all", "disagreements", "test-clusters", "drift", "reidentify")} == {DONE}
    # somebody accepts a cluster: it is tested again, but nothing is proposed anew
    name = cohort.daebias.clusters().clusters[0].name
    cohort.daebias.clusters("accept", cluster=name, new_name="mine")
    now = outcomes(audit(changed))
    assert now["suggest-clusters"] == SAME and now["test-clusters"] == DONE and now["probe-all"] == SAME
    # a report that was deleted is written again
    (tmp_path / "audit.html").unlink()
    assert ran(audit(changed)) == {"report"} and (tmp_path / "audit.html").exists()


def test_without_a_name_the_report_goes_home(cohort, daebias_home):
    config = {"steps": {s.name: False for s in LINE if s.name not in ("register", "report")}}
    result = cohort.daebias.audit(config=config, progress=None)
    assert result.report == str(daebias_home.resolve() / "reports" / cohort.name / "audit.html")
    assert "Nothing has been computed on this dataset yet" in open(result.report).read()
    assert ran(cohort.daebias.audit(config=config, progress=None)) == set()


def test_what_is_not_possible_is_said_and_the_audit_goes_on(cohort, short):
    cohort.delete_sample_field("acquisition_date_years")
    result = cohort.daebias.audit(config=short, skip=["report"], progress=None)
    steps = {s.name: s for s in result.steps}
    assert steps["drift"].outcome == NOT and "no field with a date was found" in steps["drift"].summary
    assert steps["reidentify"].outcome == DONE and steps["train"].outcome == OFF
    assert "drift: not possible here: no field with a date" in str(result)
    stored = store.load_run(cohort, schema.AUDIT_RUN)[1]["steps"]
    assert [s["outcome"] for s in stored] == [s.outcome for s in result.steps if s.name != "report"]


def test_vectors_of_somebody_else_without_a_map(cohort, short):
    cohort.delete_brain_run(schema.map_key())
    ids, vectors = store.read_vectors(cohort, schema.embedding_field())
    store.write_vectors(cohort, "theirs", ids, vectors[:, :8])
    store.clear_field(cohort, schema.embedding_field())
    result = cohort.daebias.audit(config={**short, "vectors": "theirs"}, skip=["report"], progress=None)
    steps = {s.name: s for s in result.steps}
    assert steps["suggest-clusters"].outcome == NOT and "has no map 'dae_map'" in steps["suggest-clusters"].summary
    assert steps["probe-all"].outcome == steps["drift"].outcome == steps["tag"].outcome == DONE


def test_a_cancelled_audit_stops_and_keeps_what_is_done(cohort, short):
    from fiftyone_daebias.errors import Cancelled
    from fiftyone_daebias.progress import CallbackProgress

    def stop_at_drift(share, text):
        if text.startswith("drift"):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cohort.daebias.audit(config=short, skip=["report"], progress=CallbackProgress(stop_at_drift))
    now = outcomes(cohort.daebias.audit(config=short, skip=["report"], progress=None))
    assert now["probe-all"] == SAME and now["drift"] == DONE


def test_an_interrupted_audit_goes_on_where_it_was(cohort, short, monkeypatch):
    import fiftyone_daebias.clustering.drift as timeline

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(timeline, "change_points", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cohort.daebias.audit(config=short, skip=["report"], progress=None)
    result = outcomes(cohort.daebias.audit(config=short, skip=["report"], progress=None))
    assert result["probe-all"] == result["test-clusters"] == SAME and result["drift"] == result["reidentify"] == DONE


def test_without_vectors_the_audit_says_so_once_for_each_step(dataset_name):
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples([fo.Sample(filepath=f"/nowhere/{k}.png", site="AB"[k % 2]) for k in range(30)])
    config = {"steps": {"duplicates": False, "train": False, "embed": False}}
    result = dataset.daebias.audit(config=config, skip=["report"], progress=None)
    assert outcomes(result)["probe-all"] == NOT and result.findings.rows == ()


BAD = [
    ({"datset": "x"}, "unknown key 'datset'; did you mean 'dataset'?"),
    ({"steps": {"probe_alll": {}}}, "unknown step 'probe_alll'; did you mean 'probe-all'?"),
    ({"steps": {"drift": {"permutations": 9}}}, r"config: steps.drift: unknown key 'permutations'.*n_permutations"),
    ({"steps": {"drift": {"n_permutations": "many"}}}, "steps.drift.n_permutations must be a whole number; got 'many'"),
    ({"steps": {"drift": {"n_permutations": 9.5}}}, "must be a whole number"),
    ({"steps": {"drift": 7}}, "must be true, false or a mapping"),
    ({"steps": {"suggest-clusters": {"space": "moon"}}}, "must be one of map, embedding; got 'moon'"),
    ({"steps": {"suggest-clusters": {"opposite": "yes please"}}}, "must be true or false"),
    ({"steps": {"register": {"table": "t.csv"}}}, "steps.register: images must be given"),
    ({"steps": ["drift"]}, "steps must be a mapping"),
    ({"seed": True}, "seed must be a whole number"),
    ({"expected": {"a": 1}}, r"expected\[0\] must be a text"),
    ([], "must be a mapping"),
]


@pytest.mark.parametrize("raw, message", BAD, ids=lambda v: str(v)[:30])
def test_a_wrong_configuration_is_one_clear_error(raw, message):
    if isinstance(raw, list):
        with pytest.raises(InputError, match=message):
            AuditConfig._from(raw, "config", None)
    else:
        with pytest.raises(InputError, match=message):
            AuditConfig.read(raw)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "is no YAML"),
        ("dataset: a\ndataset: b", "key 'dataset' is given twice"),
        ("!!python/object:os.system x", "is no YAML"),
        ("? [a]\n: 1", "is no YAML"),
        ("- 1", "must be a mapping"),
    ],
)
def test_a_wrong_file_is_one_clear_error(text, message, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        AuditConfig.read(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="No such file"):
        AuditConfig.read(tmp_path / "none.yaml")


def test_the_effective_configuration_can_be_written_and_read_again(cohort, short, tmp_path):
    out = cohort.daebias.audit(
        config={**short, "expected": "sex"},
        by="site",
        fail_on=["sex.auc>0.9"],
        skip=["tag"],
        write_config=tmp_path / "w.yaml",
        progress=None,
    )
    assert out.written.endswith("w.yaml") and schema.AUDIT_RUN not in store.list_runs(cohort)
    config = AuditConfig.read(tmp_path / "w.yaml")
    assert config.dataset == cohort.name and config.fail_on == ("sex.auc>0.9",) and config.steps["tag"] is None
    raw = yaml.safe_load((tmp_path / "w.yaml").read_text())
    assert raw["steps"]["probe-all"]["n_permutations"] == 199 and raw["steps"]["train"] is False
    assert list(raw["steps"]) == [s.name for s in LINE]
    assert config.parameters("probe-all")["adjust_for"] == ["sex"] == config.parameters("test-clusters")["expected"]
    assert config.parameters("drift")["by"] == ["site"] and config.parameters("probe-all")["by"] == "site"
    (tmp_path / "again.yaml").write_text(config.to_yaml())
    assert AuditConfig.read(tmp_path / "again.yaml").to_dict() == config.to_dict()


def test_there_are_permutations_enough_for_all_tests_unless_a_number_is_given(cohort, tmp_path):
    cohort.daebias.audit(
        config={"steps": {"drift": {"n_permutations": 99}}}, write_config=tmp_path / "w.yaml", progress=None
    )
    steps = yaml.safe_load((tmp_path / "w.yaml").read_text())["steps"]
    # 4 fields, with 8 clusters 36 tests: 720 permutations would do, the defaults are more
    assert steps["probe-all"]["n_permutations"] == 999 and steps["test-clusters"]["n_permutations"] == 1999
    assert steps["drift"]["n_permutations"] == 99
    for k in range(20):
        store.write_values(cohort, f"extra_{k}", {i: float(k) for i in store.sample_ids(cohort)}, "float")
    cohort.daebias.audit(write_config=tmp_path / "w.yaml", progress=None)
    # 24 fields: 216 tests need 4,320
    steps = yaml.safe_load((tmp_path / "w.yaml").read_text())["steps"]
    assert [steps[s]["n_permutations"] for s in ("probe-all", "test-clusters", "drift")] == [4999, 4999, 4999]


def test_names_that_do_not_exist_stop_the_audit_before_it_starts(cohort, short):
    for options, message in (
        ({"expected": ["sexx"]}, "field 'sexx' does not exist"),
        ({"fail_on": ["sit.auc>0.6"]}, "there is no field 'sit'; did you mean 'site'"),
        ({"skip": ["embedding"]}, "skip: unknown step 'embedding'"),
        ({"subject_field": "who"}, "subject field 'who' does not exist"),
        ({"out": "/nowhere/at/all.html"}, "there is no folder /nowhere/at"),
    ):
        with pytest.raises(InputError, match=message):
            cohort.daebias.audit(config=short, progress=None, **options)
    assert not store.list_runs(cohort, "daebias_")


def test_exit_codes(cohort, short, tmp_path, capsys):
    config = tmp_path / "gate.yaml"
    config.write_text(yaml.safe_dump({"dataset": cohort.name, **short}))
    words = ["audit", str(config), "--skip", "report", "--quiet"]
    assert main([*words, "--json", "--fail-on", "site.auc>0.6", "leak.subjects>0"]) == 1
    got = json.loads(capsys.readouterr().out)
    assert got["passed"] is False and [g["failed"] for g in got["gates"]] == [True, False]
    assert {s["name"] for s in got["steps"]} == {s.name for s in LINE} - {"register"}
    assert main([*words, "--fail-on", "site.auc>0.9999"]) == 0
    assert "passed: site.auc>0.9999" in capsys.readouterr().out
    assert main([*words, "--fail-on", "site.mae>1"]) == 2
    assert "has no metric 'mae'; metrics: auc" in capsys.readouterr().err
    assert main([*words, "--fail-on", "nonsense"]) == 2 and "is no condition" in capsys.readouterr().err
    config.write_text("steps: {}")
    assert main(["audit", str(config)]) == 2 and "name of the dataset is missing" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "no.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_from_files_to_report_by_one_yaml(dataset_name, daebias_home, tmp_path, capsys):
    copy_cohort(tmp_path, 40)
    (tmp_path / "audit.yaml").write_text(f"""
dataset: {dataset_name}
expected: sex
steps:
  register: {{images: images, table: table.csv, subject: subject_id}}
  train: {{images: 64}}
  probe-all: {{n_permutations: 99, n_bootstrap: 100, repeats: 1}}
  suggest-clusters: {{resamples: 0}}
  test-clusters: {{n_permutations: 99}}
  explain: false
  report: {{out: audit.html}}
""")
    assert main(["audit", str(tmp_path / "audit.yaml"), "--json", "--quiet"]) == 0
    got = json.loads(capsys.readouterr().out)
    steps = {s["name"]: s["outcome"] for s in got["steps"]}
    assert steps["train"] == steps["embed"] == steps["duplicates"] == steps["report"] == DONE
    assert steps["drift"] == NOT and got["report"] == str(tmp_path / "audit.html")
    assert "<h1>Audit of" in (tmp_path / "audit.html").read_text()
    assert json.loads((tmp_path / "audit.json").read_text())["cohort"]["n_subjects"] == 40
    assert main(["audit", str(tmp_path / "audit.yaml"), "--json", "--quiet"]) == 0
    again = {s["name"]: s["outcome"] for s in json.loads(capsys.readouterr().out)["steps"]}
    assert {k for k, v in again.items() if v == DONE} == set()


def test_by_operators_on_a_real_database(cohort, short, tmp_path):
    import asyncio

    import fiftyone.operators as foo

    from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

    def run(name, **params):
        result = foo.execute_operator(f"{PLUGIN_NAME}/{name}", {"dataset": cohort, "params": params})
        if asyncio.isfuture(result) or asyncio.iscoroutine(result):
            result = asyncio.get_event_loop().run_until_complete(result)
        return result

    link_plugin()
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(short))
    done = run("audit", config=str(tmp_path / "c.yaml"), out=str(tmp_path / "a.html"), fail_on=["site.auc>0.6"])
    assert done.result["result"]["passed"] is False and (tmp_path / "a.html").exists()
    done = run("review", finding="probe:site", status="confirmed", author="Ana", note="known")
    assert done.result["result"]["reviews"][0]["author"] == "Ana"
    done = run("report", out=str(tmp_path / "b.html"), title="Mine")
    assert "confirmed" in (tmp_path / "b.html").read_text() and done.result["result"]["size"] > 10_000


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("Erika Muster"), MemoryError(), RecursionError("deep"), KeyError("x")]
)
def test_a_step_that_fails_is_recorded_with_its_reason_and_the_audit_goes_on(
    cohort, short, tmp_path, monkeypatch, daebias_home, capsys, error
):
    import fiftyone_daebias.clustering.drift as timeline

    def broken(*args, **kwargs):
        raise error

    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"dataset": cohort.name, **short}))
    words = ["audit", str(config), "--quiet", "--out", str(tmp_path / "a.html"), "--json"]
    with monkeypatch.context() as patch:
        patch.setattr(timeline, "change_points", broken)
        assert main(words) == 3
        got = json.loads(capsys.readouterr().out)
        assert main([*words, "--fail-on", "site.auc>0.6"]) == 1, "a condition that failed says more"
        capsys.readouterr()
    steps = {s["name"]: s for s in got["steps"]}
    assert steps["drift"]["outcome"] == "failed"
    assert steps["drift"]["summary"].startswith(f"{type(error).__name__} in clustering/drift.py, line ")
    assert steps["reidentify"]["outcome"] == steps["report"]["outcome"] == DONE
    log = daebias_home / "logs" / f"audit-{cohort.name}.log"
    assert str(log) in steps["drift"]["summary"] and "Traceback" in log.read_text() and "broken" in log.read_text()
    page = (tmp_path / "a.html").read_text()
    assert "Not done: look for changes over time: the step FAILED" in page and "Erika" not in page
    assert main(words) == 0, "the next run does what failed"
    assert {s["name"]: s["outcome"] for s in json.loads(capsys.readouterr().out)["steps"]}["drift"] == DONE


def test_what_builds_on_a_step_that_failed_is_left_out_and_the_rest_goes_on(dataset_name, tmp_path, daebias_home):
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples([fo.Sample(filepath=f"/nowhere/{k}.png", site="AB"[k % 2]) for k in range(30)])
    result = dataset.daebias.audit(skip=["report"], progress=None)
    steps = {s.name: s for s in result.steps}
    assert (
        steps["train"].outcome == "failed" and "/nowhere/0.png of this dataset does not exist" in steps["train"].summary
    )
    assert steps["embed"].outcome == NOT and "builds on 'train', which failed" in steps["embed"].summary
    assert steps["probe-all"].outcome == steps["reidentify"].outcome == NOT and result.exit_code == 3
