"""The operators by URI, through the registry, on a real database: immediate and delegated."""

import asyncio

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from small_cohort import copy_cohort

from fiftyone_daebias import store
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin, registered_operators, registry_errors
from fiftyone_daebias.verbs import VERBS


def uri(name):
    return f"{PLUGIN_NAME}/{name}"


@pytest.fixture(scope="module", autouse=True)
def linked():
    link_plugin()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return copy_cohort(tmp_path_factory.mktemp("cohort"), 60)


def run(operator, dataset=None, view=None, /, **params):
    ctx = {"dataset": dataset, "params": params}
    if view is not None:
        ctx["view"] = view
    result = foo.execute_operator(uri(operator), ctx)
    if asyncio.isfuture(result) or asyncio.iscoroutine(result):
        result = asyncio.get_event_loop().run_until_complete(result)
    return result


def form(name, dataset, /, **params):
    return properties_of(name, dataset, params)


def properties_of(name, dataset, params):
    from fiftyone.operators.executor import ExecutionContext

    operator = foo.get_operator(uri(name))
    ctx = ExecutionContext(
        request_params={"dataset_name": dataset.name if dataset else None, "params": params}, operator_uri=uri(name)
    )
    return operator.resolve_input(ctx)


def test_the_registry_has_every_verb_and_no_errors():
    assert registry_errors() == []
    names = {u.rpartition("/")[2] for u in registered_operators()}
    assert {v.command.replace("-", "_") for v in VERBS if v.in_app} | {"tag_lasso"} <= names


def test_the_whole_line_by_operators(cohort, dataset_name, daebias_home):
    images, table = cohort
    out = run("register", name=dataset_name, images=str(images), table=str(table))
    assert "60 images of 60 subjects" in out.result["summary"]
    dataset = fo.load_dataset(dataset_name)
    assert run("train", dataset, preset="cpu-lite", images=64).result["result"]["images"] == 64
    assert run("embed", dataset).result["result"]["samples"] == 60
    probed = run("probe", dataset, field="sex", n_permutations=99).result["result"]
    assert probed["n_subjects"] == 60 and probed["metric"] == "AUC"
    assert "rows" in run("probe_all", dataset, fields=["sex", "age"], n_permutations=99).result["result"]
    assert run("tag", dataset).result["result"]["n_samples"] == 60
    dataset.reload()
    lassoed = dataset.limit(7)
    assert run("tag_lasso", dataset, lassoed, tag="daebias:cluster:odd").result["tagged"] == 7
    assert set(dataset.match_tags("daebias:cluster:odd").values("id")) == set(lassoed.values("id"))
    named = run("name_cluster", dataset, dataset.limit(15), name="corner", coloured_by="nothing", note="odd")
    assert [c["name"] for c in named.result["result"]["clusters"]] == ["corner"]
    assert (
        "suggested"
        not in run("suggest_clusters", dataset, resamples=1, min_size=10, opposite=False).result["summary"][:9]
    )
    assert run("test_clusters", dataset, names=["corner"], fields=["sex", "age"], n_permutations=99).result["result"][
        "rows"
    ]
    renamed = run("clusters", dataset, action="rename", cluster="corner", new_name="edge").result["summary"]
    assert renamed.startswith("renamed 'corner' to 'edge'")
    first = dataset.first().id
    assert len(run("similar", dataset, to=[first], k=4).result["result"]["sample_ids"]) == 4
    assert "no person has two samples" in run("reidentify", dataset, fields=["sex"]).result["summary"]
    with pytest.raises(Exception, match="no field with a date was found"):
        run("drift", dataset).raise_exceptions()
    properties = form("clusters", dataset).to_json()["type"]["properties"]
    assert "edge" in properties["cluster"]["type"]["values"] and "merge" in properties["action"]["type"]["values"]
    assert (
        form("name_cluster", dataset).to_json()["type"]["properties"]["coloured_by"]["type"]["values"][0] == "nothing"
    )


def test_forms_offer_the_datasets_own_fields_and_mark_what_is_required(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    properties = form("probe", dataset).to_json()["type"]["properties"]
    assert properties["field"]["required"]
    # what cannot be probed is not offered, and the form says so
    offered = set(properties["field"]["type"]["values"])
    assert {"sex", "age"} <= offered < set(store.metadata_fields(dataset)) and "image_id" not in offered
    assert "Not offered" in properties["field"]["view"]["description"]
    folded = properties["advanced"]["type"]["properties"]
    assert folded["kernel"]["type"]["values"] == ["rbf", "linear"]
    assert folded["n_permutations"]["default"] == 999
    empty = fo.Dataset(dataset_name + "-empty")
    assert form("train", empty).invalid


def test_what_a_form_acts_on_is_the_same_from_the_panel_and_from_the_operator_browser(
    cohort, dataset_name, daebias_home
):
    """A view that a click on a finding left is not acted on unawares; a lasso and ticked samples are."""
    from fiftyone.operators.executor import ExecutionContext, Executor

    from fiftyone_daebias import register, schema

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    ids = store.sample_ids(dataset)
    points = [[k % 10, k // 10] for k in range(60)]
    store.save_map(dataset, schema.map_key(), ids, points, schema.points_field())
    corners = [[-0.5, -0.5], [4.5, -0.5], [4.5, 9.5], [-0.5, 9.5], [-0.5, -0.5]]
    lasso = dataset.mongo([{"$match": {schema.points_field(): {"$geoWithin": {"$polygon": corners}}}}])
    part = dataset.match({"sex": "F"})

    def acts_on(command, view):
        request = {"dataset_name": dataset.name, "view": view._serialize()}
        panel = {"__method__": "open_verb", "panel_id": "p", "panel_state": {}, "verb": command}
        ctx = ExecutionContext(
            request_params={**request, "params": panel}, executor=Executor(), operator_uri=uri(schema.PANEL_NAME)
        )
        foo.get_operator(uri(schema.PANEL_NAME)).execute(ctx)
        asked = {r["operator_uri"]: r["params"] for r in ctx.executor.to_json()["requests"]}
        given = asked["prompt_user_for_operation"]["params"]
        operator, said = foo.get_operator(uri(command.replace("-", "_"))), []
        for params in (given, {}):
            ctx = ExecutionContext(request_params={**request, "params": params}, operator_uri=operator.uri)
            about = operator.resolve_input(ctx).to_json()["type"]["properties"]["about"]["default"]
            said.append(next(line for line in about.splitlines() if line.startswith("Acts on")).split(". ")[0])
        assert said[0] == said[1]
        return said[0].rstrip(".")

    assert acts_on("quality", dataset.view()) == "Acts on all 60 samples"
    assert acts_on("quality", part) == "Acts on all 60 samples"
    assert acts_on("quality", lasso) == "Acts on 30 of 60 samples in the lasso"
    assert acts_on("test-clusters", lasso) == "Acts on all 60 samples"
    assert acts_on("name-cluster", part) == f"Acts on {len(part)} of 60 samples"


def test_errors_are_one_clear_line(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    with pytest.raises(Exception, match="these samples have no embedding yet; run 'Compute DAE embeddings' first"):
        run("probe", dataset, field="sex").raise_exceptions()
    with pytest.raises(Exception, match="nothing is selected"):
        run("tag_lasso", dataset, tag="x").raise_exceptions()


def test_a_delegated_operator_runs_with_progress(cohort, dataset_name, daebias_home):
    from fiftyone.operators.delegated import DelegatedOperationService

    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    foo.execute_operator(
        uri("train"), {"dataset": dataset, "params": {"preset": "cpu-lite", "images": 64}}, request_delegation=True
    )
    service = DelegatedOperationService()
    service.execute_queued_operations(dataset_name=dataset_name)
    (done,) = [o for o in service.list_operations(dataset_name=dataset_name)]
    assert done.run_state == "completed", done.result.error if done.result else done
    assert done.result.result["result"]["images"] == 64
    assert done.status is not None and "images" in done.status.label


def streamed(name, dataset, **params):
    """Runs an operator as the App does; returns the messages of its generator."""
    from fiftyone.operators.executor import ExecutionContext, Executor

    request = {"dataset_name": dataset.name, "params": params, "prompt_id": "p", "view": []}
    ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=uri(name))
    return foo.get_operator(uri(name)).execute(ctx)


def test_an_operator_is_called_from_python_with_the_verbs_own_parameters(cohort, dataset_name, daebias_home):
    register = foo.get_operator(uri("register"))
    register(name=dataset_name, images=str(cohort[0]), table=str(cohort[1]))
    dataset = fo.load_dataset(dataset_name)
    tagged = foo.get_operator(uri("duplicates"))(dataset.limit(20)).result
    assert tagged["result"]["n_samples"] == 20
    with pytest.raises(TypeError, match="duplicates\\(\\) has no parameter 'treshold'; parameters: threshold"):
        foo.get_operator(uri("duplicates"))(dataset, treshold=1)
    with pytest.raises(TypeError, match="needs a dataset or view"):
        foo.get_operator(uri("duplicates"))()


def test_a_form_says_what_cannot_work_before_it_runs(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)

    def wrong(operator, **params):
        return properties_of(operator, dataset, params).error_message

    assert wrong("register", name="x", images="/nowhere") == "there is no file or folder /nowhere"
    assert wrong("train", preset="cpu-lite", images=-1) == "images must be at least 1; got -1"
    assert "no embedding yet" in wrong("probe", field="sex")
    assert "all 60 samples are selected" in wrong("name_cluster", name="everything")
    assert "no clusters yet" in wrong("test_clusters")
    assert wrong("clusters", action="rename", cluster="a") != ""
    assert "give either" in wrong("similar")
    assert not form("train", dataset, preset="cpu-lite", images=64).invalid
    # a folded parameter is read from its section, and one that a caller gives is its default there
    folded = form("train", dataset, batch_size=7).to_json()["type"]["properties"]["advanced"]["type"]["properties"]
    assert folded["batch_size"]["default"] == 7
    assert wrong("train", advanced={"batch_size": 0}) == "batch_size must be at least 1; got 0"


def test_in_the_app_progress_is_streamed_and_the_result_has_a_way_onward(
    cohort, dataset_name, daebias_home, monkeypatch
):
    import sys

    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    messages = [m.to_json() for m in streamed("duplicates", dataset)]
    assert [m["body"]["operator_uri"] for m in messages] == ["reload_dataset", "show_output"]
    assert "60 samples compared" in messages[-1]["body"]["params"]["results"]["summary"]
    # a run that takes longer opens a dialog with progress, and keeps its result there
    module = sys.modules[type(foo.get_operator(uri("duplicates"))).__mro__[1].__module__]
    monkeypatch.setattr(module, "PATIENCE", 0)
    messages = [m.to_json() for m in streamed("duplicates", dataset)]
    shown = [m["body"]["params"] for m in messages if m["body"]["operator_uri"] == "show_output"]
    assert "stop" in shown[0]["outputs"]["type"]["properties"]
    assert "60 samples compared" in shown[-1]["results"]["summary"]
    assert "next_train" in shown[-1]["outputs"]["type"]["properties"]["next"]["type"]["properties"]
    import json

    json.dumps(messages)


def test_a_run_stops_when_asked_and_an_error_is_one_line_in_the_app(cohort, dataset_name, daebias_home, monkeypatch):
    import sys

    from fiftyone_daebias import register

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    module = sys.modules[type(foo.get_operator(uri("train"))).__mro__[1].__module__]
    monkeypatch.setattr(module, "PATIENCE", 0)
    run = streamed("train", dataset, preset="cpu-lite", images=100_000)
    stopped = None
    for message in run:
        raw = message.to_json()
        button = raw["body"]["params"].get("outputs", {}).get("type", {}).get("properties", {}).get("stop")
        if button is not None:
            foo.execute_operator(uri("stop_run"), {"params": {"token": button["view"]["params"]["token"]}})
        stopped = raw
    assert "what was finished is kept" in stopped["body"]["params"]["results"]["notice"]
    last = list(streamed("train", dataset, preset="no-such-preset"))[-1].to_json()
    assert "no-such-preset" in str(last["body"])


def test_runs_are_listed_and_deleted_with_what_belongs_to_them(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register, schema
    from fiftyone_daebias.errors import InputError

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    assert dataset.daebias.runs(progress=None).runs == ()
    vectors = {
        str(i): [float(s == "M"), k % 7, k % 5]
        for k, (i, s) in enumerate(zip(dataset.values("id"), dataset.values("sex"), strict=True))
    }
    store.write_vectors(dataset, "dae_embedding", list(vectors), list(vectors.values()))
    dataset.daebias.probe("sex", n_permutations=99, n_bootstrap=100, repeats=1, predictions=True, progress=None)
    dataset.limit(12).daebias.name_cluster("some", coloured_by="nothing", progress=None)
    found = {r.key: r for r in dataset.daebias.runs(progress=None).runs}
    probe, cluster = found["daebias_probe_sex"], found["daebias_cluster_some"]
    assert (
        probe.fields == ("probe_sex", "probe_sex_truth")
        and probe.tags == ("daebias:opposite:sex",)
        and probe.size > 100
    )
    assert cluster.tags == ("daebias:cluster:some",) and cluster.views == ("cluster: some",)
    with pytest.raises(InputError, match="this deletes daebias_probe_sex \\(probe\\) with fields probe_sex.*set sure"):
        dataset.daebias.runs("delete", names=["daebias_probe_sex"], progress=None)
    asked = form("runs", dataset, action="delete", names=["daebias_probe_sex"]).error_message
    assert asked.startswith("this deletes daebias_probe_sex (probe) with fields probe_sex")
    assert not form("runs", dataset, action="delete", names=["daebias_probe_sex"], sure=True).invalid
    with pytest.raises(InputError, match="there is no run 'nothing'"):
        dataset.daebias.runs("delete", names=["nothing"], sure=True, progress=None)
    assert dataset.has_field("probe_sex")
    left = dataset.daebias.runs("delete", names=["daebias_probe_sex", "daebias_cluster_some"], sure=True, progress=None)
    assert not left.runs and left.done.startswith("deleted daebias_probe_sex")
    for name in ("probe_sex", "probe_sex_truth"):
        assert not dataset.has_field(name)
    assert not dataset.has_evaluation("probe_sex_eval") and not dataset.list_saved_views()
    assert not dataset.count_sample_tags() and not any(dataset.values(schema.CLUSTER_FIELD))
    assert "sex" in dataset.get_field_schema() and len(dataset) == 60


def test_an_estimate_comes_from_the_last_run_here_or_not_at_all(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import estimates, register
    from fiftyone_daebias.verbs import by_command

    register(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    verb = by_command("probe-all")
    assert estimates.estimate(verb, dataset, {}) is None
    estimates.remember(verb, dataset.limit(30), {"fields": ["sex"]}, 10.0)
    twice_the_fields = estimates.estimate(verb, dataset.limit(30), {"fields": ["sex", "age"]})
    assert twice_the_fields.seconds == pytest.approx(20.0)
    assert str(twice_the_fields) == (
        "takes about 20 seconds (the last time on this machine: 10 seconds for 30 samples)"
    )
    # 30 samples more: 2 ** 1.7 times as long
    assert estimates.estimate(verb, dataset, {"fields": ["sex"]}).seconds == pytest.approx(10 * 2**1.7)
    (estimates.paths.home() / "rates.json").write_text("{ damaged")
    assert estimates.estimate(verb, dataset, {}) is None
