"""A person in the App: open, map, colour, lasso, tag."""

import time

import fiftyone as fo
import pytest
from small_cohort import copy_cohort

from fiftyone_daebias import register_cohort, store


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Sixty radiographs, registered, embedded with a briefly trained model, and probed."""
    name = "app-cohort"
    register_cohort(name, *copy_cohort(tmp_path_factory.mktemp("app-cohort"), 60))
    dataset = fo.load_dataset(name)
    dataset.train_dae(preset="cpu-lite", images=320, progress=None)
    dataset.compute_dae_embeddings(progress=None)
    yield dataset
    dataset.delete()


def test_lasso_in_the_embeddings_panel_becomes_a_tag_in_the_database(app, audited):
    app.open(audited.name)
    assert app.samples_shown() == 60
    app.open_map("dae_map")
    app.color_by("sex")
    app.screenshot("map-coloured-by-sex")
    n = app.lasso(0.5, 0.35, 0.3)
    assert 0 < n < 60
    app.start_operator("Tag the lassoed")
    app.screenshot("tag-form")
    assert f"{n} samples in the lasso" in app.page.locator("[role=dialog]").inner_text()
    app.page.locator("[role=dialog] input").last.fill("daebias:cluster:by-hand")
    app.page.wait_for_timeout(1000)
    app.execute()
    for _ in range(40):
        audited.reload()
        if audited.count_sample_tags():
            break
        time.sleep(0.5)
    assert audited.count_sample_tags() == {"daebias:cluster:by-hand": n}
    # what was tagged is what lay inside the circle: every tagged point nearer to its centre than any other
    ids, points = store.load_map(audited, "dae_map")
    inside = set(audited.match_tags("daebias:cluster:by-hand").values("id"))
    chosen = [p for i, p in zip(ids, points, strict=True) if i in inside]
    others = [p for i, p in zip(ids, points, strict=True) if i not in inside]
    assert len(chosen) == n and len(others) == 60 - n


def test_a_lasso_becomes_a_named_cluster_with_its_polygon(app, audited):
    app.open(audited.name)
    app.open_map("dae_map")
    n = app.lasso(0.5, 0.35, 0.3)
    assert 0 < n < 60
    app.start_operator("Name the lassoed cluster")
    assert f"Acts on {n} of 60 samples" in app.page.locator("[role=dialog]").inner_text()
    app.page.locator("[role=dialog] input[type=text]").first.fill("upper island")
    app.page.wait_for_timeout(1000)
    app.screenshot("name-cluster-form")
    app.execute()
    for _ in range(40):
        audited.reload()
        if audited.clusters(progress=None).clusters:
            break
        time.sleep(0.5)
    (cluster,) = audited.clusters(progress=None).clusters
    assert (cluster.name, len(cluster.members), cluster.origin, cluster.map_key) == ("upper island", n, "lasso", "dae_map")
    assert len(cluster.polygon) > 4 and "cluster: upper island" in audited.list_saved_views()
    app.screenshot("cluster-named")


def test_the_operator_browser_lists_the_verbs_and_a_form_opens(app, audited):
    app.open(audited.name)
    app.page.keyboard.press("Backquote")
    app.page.wait_for_timeout(1000)
    app.page.keyboard.type("Cohort audit")
    app.page.wait_for_timeout(1000)
    text = app.page.locator("body").inner_text()
    for label in ("Register a cohort", "Train the diffusion autoencoder", "Compute DAE embeddings", "Probe a field"):
        assert label in text
    app.screenshot("operator-browser")
    app.page.keyboard.press("Escape")
    app.page.wait_for_timeout(500)
    app.start_operator("Probe a field")
    app.screenshot("probe-form")
    dialog = app.page.locator("[role=dialog]").inner_text()
    assert "Field" in dialog and "Kernel" in dialog and "Acts on all 60 samples" in dialog
