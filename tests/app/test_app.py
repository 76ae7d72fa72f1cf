"""A person in the App on an audited cohort: map, colour, lasso, tag, the audit panel in both themes."""

import time

import fiftyone as fo
import numpy as np
import pytest
from small_cohort import copy_cohort

from fiftyone_daebias import register, store


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Eighty radiographs, registered, embedded with a briefly trained model, probed, and with a tested cluster."""
    name = "app-cohort"
    register(name, *copy_cohort(tmp_path_factory.mktemp("app-cohort"), 80), keep=["image_id"])
    dataset = fo.load_dataset(name)
    dataset.daebias.train(preset="cpu-lite", images=640, progress=None)
    dataset.compute_dae_embeddings(progress=None)
    dataset.daebias.probe_all(n_permutations=99, n_bootstrap=100, repeats=1, predictions=True, progress=None)
    ids, points = store.load_map(dataset, "dae_map")
    middle = np.median(points[:, 0])
    east = dataset.select([i for i, p in zip(ids, points, strict=True) if p[0] > middle])
    east.daebias.name_cluster("east", coloured_by="nothing", progress=None)
    dataset.daebias.test_clusters(n_permutations=99, progress=None)
    yield dataset
    dataset.delete()


def until(condition, seconds=30):
    """Waits until a condition on the database holds."""
    for _ in range(4 * seconds):
        if condition():
            return
        time.sleep(0.25)
    raise AssertionError("it did not happen")


def test_lasso_in_the_embeddings_panel_becomes_a_tag_in_the_database(app, audited):
    app.open(audited.name)
    assert app.until_samples(lambda n: n == 80)
    app.open_map("dae_map")
    app.color_by("sex")
    app.screenshot("map-coloured-by-sex")
    n = app.lasso(0.5, 0.35, 0.3)
    assert 0 < n < 80
    app.start_operator("Tag the lassoed")
    app.screenshot("tag-form")
    assert f"{n} samples in the lasso" in app.dialog.inner_text()
    app.fill("Tag", "daebias:cluster:by-hand")
    app.execute()

    def tagged():
        audited.reload()
        return audited.count_sample_tags().get("daebias:cluster:by-hand")

    until(lambda: tagged() == n)


def test_the_operator_browser_lists_the_verbs_and_their_forms_open(app, audited):
    app.open(audited.name)
    app.page.keyboard.press("Backquote")
    app.page.get_by_placeholder("Search operations").fill("Cohort audit")
    app.page.get_by_text("Cohort audit: Probe a field").wait_for()
    text = app.page.locator("body").inner_text()
    for label in (
        "Register a cohort",
        "Train the diffusion autoencoder",
        "Compute DAE embeddings",
        "Probe every field",
    ):
        assert label in text
    app.screenshot("operator-browser")
    app.page.keyboard.press("Escape")
    app.start_operator("Probe a field")
    shown = app.dialog.inner_text()
    # only what can be probed is offered, what most people never touch is folded away, and the button waits for a field
    assert "Not offered" in shown and "image_id" in shown
    assert app.dialog.locator("[aria-expanded=false]").get_by_text("Advanced").count() == 1
    assert not app.dialog.get_by_role("button", name="Execute").last.is_enabled()
    app.choose("Metadata field", "sex")
    app.advanced()
    app.dialog.get_by_text("Permutations", exact=True).wait_for()
    app.fill("Permutations", "12")
    app.page.get_by_text("n_permutations must be at least 99").first.wait_for()
    app.screenshot("probe-form")


def test_the_panel_shows_an_audit_and_every_row_its_samples(app, audited):
    app.open(audited.name)
    app.open_map("dae_map")
    panel = app.open_audit()
    panel.get_by_text("q-values are corrected together").wait_for()
    app.screenshot("panel-findings-dark")
    app.audit_tab("Clusters")
    panel.locator("tr").filter(has_text="east").first.click()
    assert app.until_samples(lambda n: n == 40) == 40
    app.screenshot("panel-clusters-dark")
    # the map that is open shows the same samples
    app.open_panel("Embeddings")
    app.page.get_by_text("40 in view").wait_for()
    app.screenshot("panel-selection-on-the-map")
    app.open_audit()
    panel.get_by_role("button", name="All samples").first.click()
    assert app.until_samples(lambda n: n == 80) == 80
    app.audit_tab("Probes")
    panel.locator(".js-plotly-plot .point").first.wait_for()
    app.screenshot("panel-probes-dark")
    app.theme()
    app.screenshot("panel-probes-light")
    # a click on the plot opens the finding behind the point
    box = panel.locator(".js-plotly-plot .point").last.bounding_box()
    app.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    panel.get_by_role("button", name="Show its samples").wait_for()
    app.audit_tab("Runs")
    panel.get_by_text("embedding").first.wait_for()
    app.screenshot("panel-runs-light")
    app.audit_tab("Findings")
    app.screenshot("panel-findings-light")


def test_a_row_of_the_panel_opens_the_next_step_with_its_parameters(app, audited):
    app.open(audited.name)
    panel = app.open_audit()
    app.audit_tab("Clusters")
    row = panel.locator("tr").filter(has_text="east").first
    app.menu(row.get_by_role("button").last, "What is it? Test it")
    app.form()
    assert "east" in app.dialog.inner_text()
    app.screenshot("panel-next-step")
    app.execute()
    assert "east" in app.finish("What is it? Test clusters")
    app.screenshot("clusters-tested")


def test_deleting_a_run_asks_first_and_takes_what_belongs_to_it(app, audited):
    audited.reload()
    assert audited.has_field("probe_age") and audited.has_run("daebias_probe_age")
    app.open(audited.name)
    panel = app.open_audit()
    app.audit_tab("Runs")
    app.click(panel.locator("tr").filter(has_text="probe_age").first.get_by_role("button").last)
    app.form()
    app.dialog.get_by_text("this deletes daebias_probe_age (probe) with fields probe_age").wait_for()
    app.screenshot("delete-run-asks")
    assert not app.dialog.get_by_role("button", name="Execute").last.is_enabled()
    app.dialog.locator("input[type=checkbox]").last.check()
    app.execute()
    assert "deleted" in app.finish("List or delete runs")
    audited.reload()
    assert not audited.has_field("probe_age") and not audited.has_run("daebias_probe_age")
    assert audited.has_run("daebias_probe_sex")
