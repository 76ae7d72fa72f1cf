"""One correction, one verdict: terminal, dialog, panel, report and JSON say the same word of the same test."""

import json
import re

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from small_cohort import copy_cohort

from fiftyone_daebias import paths, register, schema, store
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.findings.finding import VERDICTS, Findings
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin
from fiftyone_daebias.reporting import facts as report_facts
from fiftyone_daebias.reporting.audit_result import Step, run_steps
from fiftyone_daebias.reporting.audit_steps import LINE
from fiftyone_daebias.reporting.glossary import GLOSSARY
from fiftyone_daebias.sharing.collect import Collector


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Sixty real radiographs with vectors that give sex away, three sites, years, and a group of the men."""
    link_plugin()
    name = "one-verdict-" + tmp_path_factory.mktemp("v").name
    register(name, *copy_cohort(tmp_path_factory.mktemp("cohort"), 60))
    dataset = fo.load_dataset(name)
    rng = np.random.default_rng(0)
    male = np.array([s == "M" for s in dataset.values("sex")])
    site = rng.integers(0, 3, 60)
    dataset.set_values("site", [f"S{k}" for k in site])
    dataset.set_values("acquisition_date_years", (2015 + 4 * rng.random(60)).tolist())
    vectors = np.column_stack([male * 3.0, np.zeros(60), (site == 1) * 1.0]) + rng.normal(size=(60, 3))
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), vectors)
    dataset.select([i for i, m in zip(store.sample_ids(dataset), male, strict=True) if m]).daebias.name_cluster(
        "men", coloured_by="nothing", progress=None
    )
    dataset.match({"sex": "F"}).daebias.name_cluster("women", coloured_by="sex", progress=None)
    yield dataset
    dataset.delete()


def words_of(result, key) -> dict[str, str]:
    rows = getattr(result, "rows", None)
    if isinstance(rows, dict):
        return {f"reidentify:{what}": result.verdicts[what] for what in rows}
    return {key(r): r.verdict for r in (rows if rows is not None else [result])}


STEPS = (
    ("case_mix", {"n_permutations": 199}, lambda r: f"case-mix:{r.field}:{r.over}"),
    ("quality", {"fields": ["sex", "age", "site"], "n_permutations": 199}, lambda r: f"quality:{r.field}"),
    (
        "probe_all",
        {"fields": ["sex", "age", "site"], "n_permutations": 199, "n_bootstrap": 100, "repeats": 1},
        lambda r: f"probe:{r.field}",
    ),
    ("probe", {"field": "sex", "n_permutations": 199, "n_bootstrap": 100, "repeats": 1}, lambda r: f"probe:{r.field}"),
    (
        "test_clusters",
        {"fields": ["sex", "age", "site"], "n_permutations": 199},
        lambda r: f"association:{r.cluster}:{r.field}",
    ),
    ("drift", {"n_permutations": 99}, lambda r: f"drift:{r.group}:{r.over}"),
    ("reidentify", {"n_bootstrap": 100}, None),
)


def test_every_step_prints_the_verdict_of_the_whole_dataset(cohort):
    tested = 0
    for name, parameters, key in STEPS:
        result = getattr(cohort.daebias, name)(**parameters, progress=None)
        found = collect_findings(cohort)
        words = words_of(result, key)
        assert words and words == {k: found.by_key(k).verdict for k in words}, name
        assert all(w in str(result) for w in words.values()), name
        # it says how many tests it was corrected with, and that more may come
        assert f"{found.n_tests:,} tests" in str(result) and "provisional" in str(result), name
        assert found.n_tests >= tested
        tested = found.n_tests
    assert found.by_key("probe:sex").verdict == found.by_key("association:men:sex").verdict == "found"
    assert {f.verdict for f in found.rows} <= set(VERDICTS)


def test_panel_report_and_bundle_say_the_same(cohort, tmp_path):
    found = {f.key: f for f in collect_findings(cohort).rows}
    # the panel
    uri = f"{PLUGIN_NAME}/{schema.PANEL_NAME}"
    for method in ("on_load", "read"):  # it says that it reads, then shows what it read
        params = {"__method__": method, "panel_id": "p", "panel_state": {"filter": "all", "tab": "findings"}}
        ctx = ExecutionContext(
            request_params={"dataset_name": cohort.name, "view": [], "params": params},
            executor=Executor(),
            operator_uri=uri,
        )
        foo.get_operator(uri).execute(ctx)
    asked = {r["operator_uri"]: r["params"] for r in json.loads(json.dumps(ctx.executor.to_json()))["requests"]}
    table = asked["show_panel_output"]["output"]["type"]["properties"]["findings_table"]["default"]
    shown = {r["id"]: r["verdict"].replace("\u00a0", " ")[2:] for r in table}
    assert len(shown) >= 10 and shown == {k: found[k].verdict for k in shown}
    # the report's own facts, and its page
    facts = report_facts.gather(cohort)
    probes = {f"probe:{r.field}": r for r in facts.probes if not r.reason}
    assert {k: r.verdict for k, r in probes.items()} == {k: found[k].verdict for k in probes}
    assert all(r.q == found[k].evidence.q for k, r in probes.items())
    for row in facts.tables["drift"]:
        key = f"drift:{row['group']}:{row['over']}"
        assert row["verdict"] == found[key].verdict and (not row["changes"] or found[key].verdict == "found")
    out = tmp_path / "report.html"
    cohort.daebias.report(out=out, progress=None)
    text = out.read_text(encoding="utf-8")
    assert f"{collect_findings(cohort).n_tests:,} tests" in text
    # JSON of the audit's findings, and the bundle that is shared
    contents = Collector(cohort, k=2, vectors=False, identity=False, notes=False, secret=None).contents()
    assert {f["key"]: f["verdict"] for f in contents.findings} == {
        f["key"]: found[f["key"]].verdict for f in contents.findings
    }
    rows = {f"association:{r['cluster']}:{r['field']}": r for r in contents.associations}
    assert rows and all(r["verdict"] == found[k].verdict for k, r in rows.items())
    assert all(r["q"] == pytest.approx(found[f"probe:{r['field']}"].evidence.q) for r in contents.probes)
    again = json.loads(json.dumps(collect_findings(cohort).to_dict()))
    assert {r["key"]: r["verdict"] for r in again["rows"]} == {k: f.verdict for k, f in found.items()}


#: words of a statistician's laboratory, for which a physician has no use
JARGON = (
    "not blind",
    "drawn blind",
    "decodable",
    "finds from",
    "resamples",
    "out-of-fold",
    "hat matrix",
    "null distribution",
)


def test_no_surface_speaks_jargon_or_shows_ids_and_paths(cohort, tmp_path):
    """Terminal, dialogs, panel and report; a verdict that is a term of ours comes with a sentence that says what it means."""
    out = tmp_path / "report.html"
    said = {name: str(getattr(cohort.daebias, name)(**parameters, progress=None)) for name, parameters, _ in STEPS}
    said |= {name: str(getattr(cohort.daebias, name)(progress=None)) for name in ("tag", "story")}
    said["clusters"] = str(cohort.daebias.clusters(progress=None))
    cohort.daebias.report(out=out, progress=None)
    # of the page what is read, not what it carries inside
    said["report"] = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", out.read_text(encoding="utf-8"), flags=re.S)
    said["findings"] = "\n".join(f"{f.title} {f.sentence} {' '.join(f.notes)}" for f in collect_findings(cohort).rows)
    ids = set(store.sample_ids(cohort))
    for surface, text in said.items():
        assert not [w for w in JARGON if w in text.lower()], surface
        assert not ids & set(re.findall(r"\b[0-9a-f]{24}\b", text)), surface
        assert str(paths.home()) not in text and str(tmp_path) not in text, surface
    built = [f for f in collect_findings(cohort).rows if f.verdict == "built in"]
    assert "association:women:sex" in [f.key for f in built]
    assert all("so a test means nothing" in f.sentence for f in built)
    # each verdict that is more than yes or no has an entry in the report's glossary
    told = {term for term, _ in GLOSSARY}
    assert {v for v in VERDICTS if v not in told} == {"shown", "not found", "not tested"}
    # errors of a number have the unit that its name says, wherever they are told
    assert re.search(r"MAE \d+\.\d+ years", said["probe_all"]) and re.search(r"off by [\d.]+ years", said["findings"])


def test_a_verdict_that_an_older_version_stored_is_told_in_todays_words(cohort):
    cohort.daebias.test_clusters(fields=["sex"], n_permutations=199, progress=None)
    config, results = store.load_run(cohort, schema.ASSOCIATION_RUN)
    rows = [
        {**r, "verdict": "not blind" if r["verdict"] == "built in" else r["verdict"]} for r in results["tests"]["rows"]
    ]
    store.save_run(cohort, schema.ASSOCIATION_RUN, config, {**results, "tests": {**results["tests"], "rows": rows}})
    found = collect_findings(cohort).by_key("association:women:sex")
    assert found.verdict == "built in" and "so a test means nothing" in found.sentence
    raw = json.loads(json.dumps(collect_findings(cohort).to_dict()).replace("built in", "not blind"))
    assert Findings.from_dict(raw).by_key("association:women:sex").verdict == "built in"


def test_the_dialog_prints_what_the_terminal_prints(cohort):
    operator = foo.get_operator(f"{PLUGIN_NAME}/case_mix")
    out = operator(cohort, n_permutations=199)
    result = getattr(out, "result", None)
    if result is None:
        import asyncio

        result = asyncio.get_event_loop().run_until_complete(out).result
    found = {f.key: f.verdict for f in collect_findings(cohort).rows}
    rows = result["result"]["rows"]
    assert rows and all(found[f"case-mix:{r['field']}:{r['over']}"] == r["verdict"] for r in rows)
    assert "provisional" in result["summary"] and all(r["verdict"] in result["summary"] for r in rows)


def test_runs_of_older_statistics_are_marked_and_not_counted(cohort):
    before = collect_findings(cohort)
    config, results = store.load_run(cohort, schema.CASE_MIX_RUN)
    assert config["statistics_version"] == schema.STATISTICS_VERSION
    n = sum(f.evidence.p == f.evidence.p for f in before.of("case-mix"))
    store.save_run(cohort, schema.CASE_MIX_RUN, {**config, "statistics_version": 1}, results)
    try:
        now = collect_findings(cohort)
        old = now.of("case-mix")
        assert n and now.n_tests == before.n_tests - n and f"{len(old)} results of an older version" in now.correction
        assert all(f.verdict == "older version" and f.next_step.verb == "case-mix" for f in old)
        assert all(np.isnan(f.evidence.q) and "daebias case-mix" in f.notes[0] for f in old)
        run = next(r for r in cohort.daebias.runs().runs if r.key == schema.CASE_MIX_RUN)
        assert run.outdated and "made by an older version" in str(cohort.daebias.runs())
        assert not next(r for r in cohort.daebias.runs().runs if r.key == schema.DRIFT_RUN).outdated
    finally:
        cohort.daebias.case_mix(n_permutations=199, progress=None)
    assert collect_findings(cohort).n_tests == before.n_tests


def test_a_step_of_older_statistics_runs_again_and_nothing_else(cohort):
    ran = []

    def step(name, version):
        return Step(name, name, lambda samples, progress=None: ran.append(name), {}, version=version)

    run_steps(cohort, [step("train-it", 0), step("test-it", 1)])
    run_steps(cohort, [step("train-it", 0), step("test-it", 1)])
    assert ran == ["train-it", "test-it"]
    run_steps(cohort, [step("train-it", 0), step("test-it", 2)])
    assert ran == ["train-it", "test-it", "test-it"]
    tests = {kind.name for kind in LINE if kind.tests}
    assert {
        "probe-all",
        "test-clusters",
        "drift",
        "quality",
        "case-mix",
        "reidentify",
    } <= tests and "train" not in tests
