"""The audit panel's events through the registry, on a real database."""

import json

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, Executor
from small_cohort import copy_cohort

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.figures import figure_path, save_figure
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

URI = f"{PLUGIN_NAME}/{schema.PANEL_NAME}"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Sixty radiographs whose "embedding" gives their sex away; probed, with a tested cluster of the men."""
    link_plugin()
    register("panel-cohort", *copy_cohort(tmp_path_factory.mktemp("panel"), 60))
    dataset = fo.load_dataset("panel-cohort")
    rng = np.random.default_rng(0)
    male = np.array([s == "M" for s in dataset.values("sex")])
    vectors = np.column_stack([male * 3.0, np.zeros(60)]) + rng.normal(size=(60, 2))
    ids = [str(i) for i in dataset.values("id")]
    store.write_vectors(dataset, "dae_embedding", ids, vectors)
    dataset.daebias.probe_all(fields=["sex", "age"], n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    dataset.select([i for i, m in zip(ids, male, strict=True) if m]).daebias.name_cluster(
        "men", coloured_by="nothing", progress=None
    )
    dataset.daebias.test_clusters(fields=["sex", "age"], n_permutations=99, progress=None)
    yield dataset
    dataset.delete()


def event(method, dataset, state=None, **params):
    """Runs an event as the App does; returns what it asks the App to do, ``{operator: params}``, and the layout."""
    request = {
        "dataset_name": dataset.name,
        "view": [],
        "params": {"__method__": method, "panel_id": "p", "panel_state": dict(state or {}), **params},
    }
    ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=URI)
    foo.get_operator(URI).execute(ctx)
    raw = json.loads(json.dumps(ctx.executor.to_json()))
    asked = {r["operator_uri"]: r["params"] for r in raw["requests"]}
    layout = asked.get("show_panel_output", {}).get("output", {}).get("type", {}).get("properties", {})
    if "reading" in layout:  # the panel says that it reads, and at once asks to be shown what it read
        return event(layout["then"]["view"]["on_timeout"].rpartition("#")[2], dataset, state, **params)
    return asked, layout


def rows(layout, name):
    return layout[name]["default"]


def test_an_unaudited_dataset_is_offered_a_start(tmp_path):
    link_plugin()
    register("panel-fresh", *copy_cohort(tmp_path, 20))
    dataset = fo.load_dataset("panel-fresh")
    try:
        _, layout = event("on_load", dataset)
        told = layout["stages"]["default"]
        assert "☑ Register" in told and "☐ Train" in told
        # every step of the audit, with what it answers, also those that find copies, contaminations and strangers
        assert "☐ Look for copies and leaks: *is a picture there twice" in told
        assert (
            "☐ Tag outliers" in told
            and "☐ Measure image quality" in told
            and "☐ Check files and pictures" in told
            and told.count("☐") == 16
        )
        asked, _ = event("open_verb", dataset, verb="train")
        prompt = asked["prompt_user_for_operation"]
        assert prompt["operator_uri"] == f"{PLUGIN_NAME}/train" and prompt["params"]["view_target"] == "DATASET"
    finally:
        dataset.delete()
    empty = fo.Dataset("panel-empty")
    try:
        _, layout = event("on_load", empty)
        assert "☐ Register" in layout["stages"]["default"]
    finally:
        empty.delete()


def test_findings_are_ranked_and_a_row_selects_its_samples(audited):
    _, layout = event("on_load", audited)
    table = rows(layout, "findings_table")
    assert {"association:men:sex", "probe:sex"} <= {r["id"] for r in table}
    assert table[0]["verdict"].startswith("●")
    k = [r["id"] for r in table].index("association:men:sex")
    asked, layout = event("choose_row", audited, {"tab": "findings"}, row=k)
    view = fo.DatasetView._build(audited, asked["set_view"]["view"])
    assert set(view.values("sex")) == {"M"}
    # never a list of samples, however many there are
    assert len(json.dumps(asked["set_view"])) < 1000
    assert "men" in layout["detail"]["type"]["properties"]["detail_text"]["default"]


def test_every_tab_renders_and_sends_no_samples(audited):
    for tab in ("findings", "probes", "clusters", "time", "explain", "sensitivity", "runs"):
        asked, layout = event("refresh", audited, {"tab": tab})
        assert len(layout) > 1
        assert audited.first().id not in json.dumps(asked)
    _, layout = event("refresh", audited, {"tab": "probes"})
    spec = layout["probe_plot"]["view"]
    points = {i: x for trace in spec["data"] for i, x in zip(trace["ids"], trace["x"], strict=True)}
    probe = next(r for r in rows(layout, "probes_table") if r["what"] == "sex")
    auc = float(probe["effect"].split()[0].partition("\u00a0")[2] or probe["effect"].split("\u00a0")[1].split()[0])
    assert points["probe:sex"] == pytest.approx(2 * auc - 1, abs=0.003)
    (cluster,) = rows(event("refresh", audited, {"tab": "clusters"})[1], "clusters_table")
    assert cluster["what"] == "men" and cluster["common"].startswith("sex (V")


def test_between_clicks_the_panel_shows_what_others_did_and_otherwise_rests(audited):
    asked, layout = event("refresh", audited)
    clock, seen = layout["clock"]["view"], asked["patch_panel_state"]["state"]
    assert clock["on_interval"].endswith("#tick") and clock["interval"] == 6000
    assert event("tick", audited, seen) == ({}, {})
    # a step that somebody scheduled in the operator browser
    foo.execute_operator(f"{PLUGIN_NAME}/quality", {"dataset": audited}, request_delegation=True)
    service = DelegatedOperationService()
    try:
        asked, layout = event("tick", audited, seen)
        (run,) = rows(layout, "background_table")
        assert run["label"] == "Measure image quality" and layout["clock"]["view"]["interval"] == 3000
    finally:
        service.delete_for_dataset(audited._doc.id)
    # it is gone: what it made is fetched
    asked, layout = event("tick", audited, asked["patch_panel_state"]["state"])
    assert "reload_dataset" in asked and "background_table" not in layout


def test_a_panel_that_must_read_first_says_so(audited):
    def layout(method):
        params = {"__method__": method, "panel_id": "p", "panel_state": {"tab": "probes"}}
        request = {"dataset_name": audited.name, "view": [], "params": params}
        ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=URI)
        foo.get_operator(URI).execute(ctx)
        (shown,) = [r for r in ctx.executor.to_json()["requests"] if r["operator_uri"] == "show_panel_output"]
        return set(shown["params"]["output"]["type"]["properties"])

    audited.limit(1).tag_samples("daebias:outlier")  # changes what may be found
    try:
        first, then = layout("on_load"), layout("read")
    finally:
        audited.untag_samples("daebias:outlier")
    assert "reading" in first and "tabs" not in first  # no old content under any title
    assert {"tabs", "probes_table"} <= then and "reading" not in then
    # what is shown already stays until it is replaced, and so does the focus in it
    audited.limit(2).tag_samples("daebias:outlier")
    try:
        assert {"tabs", "probes_table"} <= layout("refresh")
    finally:
        audited.untag_samples("daebias:outlier")


def test_a_list_that_tells_its_default_draws_nothing_anew(audited):
    state = {"tab": "findings", "filter": "all", "more": 1}
    assert event("on_filter", audited, state, value="all") == ({}, {})
    assert "findings_table" in event("on_filter", audited, state, value="found")[1]


def test_a_click_goes_on_with_the_parameters_of_its_row(audited):
    asked, _ = event("cluster_step", audited, {"tab": "clusters"}, row=0, event="similar")
    prompt = asked["prompt_user_for_operation"]
    assert prompt["operator_uri"].endswith("/similar") and prompt["params"]["cluster"] == "men"
    asked, layout = event("choose_point", audited, {"tab": "probes"}, id="probe:sex")
    assert "set_view" in asked and "detail" in layout
    runs = rows(event("refresh", audited, {"tab": "runs"})[1], "runs_table")
    k = [r["key"] for r in runs].index("probe_age")
    asked, _ = event("delete_run", audited, {"tab": "runs"}, row=k)
    assert asked["prompt_user_for_operation"]["params"]["names"] == ["daebias_probe_age"]
    # a row that is not there any more does nothing
    asked, _ = event("choose_row", audited, {"tab": "findings"}, row=999)
    assert set(asked) <= {"show_panel_output", "patch_panel_state"}


def test_figures_come_with_the_panel(audited):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([1, 2])
    described = save_figure(audited.name, "some figure", figure, "A figure", "n = 2")
    import sys

    from fiftyone.operators import types

    module = sys.modules[type(foo.get_operator(URI)).__module__.rpartition(".")[0] + ".figures"]
    section = types.Object()
    module.add_figures(section, audited.name, (described, {**described, "png": "gone.png"}))
    properties = section.to_json()["properties"]
    assert properties["figure_0"]["default"].startswith("data:image/png;base64,iVBOR")
    assert "is not on this machine" in properties["figure_missing_1"]["default"]
    figure_path(audited.name, described).unlink()


def test_the_first_screen_is_the_stories_and_a_click_goes_on(audited):
    audited.daebias.story(n_permutations=99, progress=None)
    asked, layout = event("on_load", audited)
    card = layout["story_0"]["type"]["properties"]
    text = card["story_text_0"]["view"]["description"] if "view" in card["story_text_0"] else ""
    assert "sex" in json.dumps(card) and "Next:" in json.dumps(card), text
    assert audited.first().id not in json.dumps(asked)
    asked, _ = event("story_step", audited, {"tab": "story"}, story="story:sex", step="pairs")
    view = fo.DatasetView._build(audited, asked["set_view"]["view"])
    sexes = view.values("sex")
    assert sexes[0::2] == [sexes[0]] * (len(sexes) // 2) and sexes[1::2] == [sexes[1]] * (len(sexes) // 2)
    assert len(set(view.values("subject_id"))) == len(sexes) and sexes[0] != sexes[1]
    asked, _ = event("story_step", audited, {"tab": "story"}, story="story:sex", step="view")
    assert "story sex" in audited.list_saved_views() and f"{audited.name}: story sex" in audited.list_workspaces()
    assert "?view=story-sex&workspace=" in json.dumps(asked["notify"])
    asked, layout = event("story_step", audited, {"tab": "story"}, story="story:sex", step="findings")
    assert "findings_table" in layout and "detail" in layout
    asked, _ = event("story_step", audited, {"tab": "story"}, story="story:gone", step="samples")
    assert "no longer there" in json.dumps(asked["notify"])
