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


def form(name, dataset, **params):
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
    assert "suggested" not in run("suggest_clusters", dataset, resamples=1, min_size=10, opposite=False).result["summary"][:9]
    assert run("test_clusters", dataset, names=["corner"], fields=["sex", "age"], n_permutations=99).result["result"]["rows"]
    renamed = run("clusters", dataset, action="rename", cluster="corner", new_name="edge").result["summary"]
    assert renamed.startswith("renamed 'corner' to 'edge'")
    first = dataset.first().id
    assert len(run("similar", dataset, to=[first], k=4).result["result"]["sample_ids"]) == 4
    assert "no person has two samples" in run("reidentify", dataset, fields=["sex"]).result["summary"]
    with pytest.raises(Exception, match="no field with a date was found"):
        run("drift", dataset).raise_exceptions()
    properties = form("clusters", dataset).to_json()["type"]["properties"]
    assert "edge" in properties["cluster"]["type"]["values"] and "merge" in properties["action"]["type"]["values"]
    assert form("name_cluster", dataset).to_json()["type"]["properties"]["coloured_by"]["type"]["values"][0] == "nothing"


def test_forms_offer_the_datasets_own_fields_and_mark_what_is_required(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register_cohort

    register_cohort(dataset_name, *cohort)
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


def test_errors_are_one_clear_line(cohort, dataset_name, daebias_home):
    from fiftyone_daebias import register_cohort

    register_cohort(dataset_name, *cohort)
    dataset = fo.load_dataset(dataset_name)
    with pytest.raises(Exception, match="these samples have no embedding yet; run 'Compute DAE embeddings' first"):
        run("probe", dataset, field="sex").raise_exceptions()
    with pytest.raises(Exception, match="nothing is selected"):
        run("tag_lasso", dataset, tag="x").raise_exceptions()


def test_a_delegated_operator_runs_with_progress(cohort, dataset_name, daebias_home):
    from fiftyone.operators.delegated import DelegatedOperationService

    from fiftyone_daebias import register_cohort

    register_cohort(dataset_name, *cohort)
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
