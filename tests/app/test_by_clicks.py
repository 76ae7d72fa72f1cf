"""By clicks alone, from no dataset: register, train, embed, lasso, name, test, explain, report, share."""

import fiftyone as fo
import pytest
from small_cohort import copy_cohort

from fiftyone_daebias.verbs import VERBS

NAME = "by-clicks"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by-clicks")
    yield copy_cohort(folder, 60)
    if fo.dataset_exists(NAME):
        fo.delete_dataset(NAME)


def test_a_whole_audit_by_clicks_alone(app, app_url, files, tmp_path):
    images, table = files
    known = {v.command for v in VERBS}
    app.page.goto(app_url)
    app.page.get_by_text("browse operations").wait_for()
    app.screenshot("clicks-1-no-dataset")
    app.start_operator("Register a cohort")
    app.fill("Name", NAME)
    app.fill("Images", str(images))
    app.fill("Metadata table", str(table))
    app.screenshot("clicks-2-register")
    app.execute()
    assert "60 images of 60 subjects" in app.finish("Register a cohort")
    assert app.screens() <= 2
    app.screenshot("clicks-3-registered")
    dataset = fo.load_dataset(NAME)

    app.press("Open the dataset")
    assert app.until_samples(lambda n: n == 60) == 60
    app.close_dialogs()
    panel = app.open_audit()
    app.screenshot("clicks-3-panel-offers-to-start")
    panel.get_by_role("button", name="Look for copies and leaks").wait_for()
    app.start_operator("Train the diffusion autoencoder")
    app.fill("Images to see in all", "128")
    app.execute()
    assert "128 images" in app.finish("Train the diffusion autoencoder")
    assert app.screens() <= 2
    app.press("Compute DAE embeddings")
    app.form()
    made = app.page.locator("[data-cy='sidebar-field-dae_embedding']")
    assert not made.count()
    app.page.evaluate("window.loadedOnce = true")
    app.execute()
    assert "60 vectors" in app.finish("Compute DAE embeddings")
    assert app.screens() <= 2
    made.wait_for(state="attached")  # new fields are in the sidebar without loading the page again
    assert app.page.evaluate("window.loadedOnce")
    app.screenshot("clicks-4-embedded")
    app.press("Open the audit panel")
    app.close_dialogs()

    app.open_map("dae_map")
    app.color_by("sex")
    n = app.lasso(0.5, 0.35, 0.3)
    assert 0 < n < 60
    app.start_operator("Name the lassoed cluster")
    assert f"Acts on {n} of 60 samples in the lasso" in app.dialog.inner_text()
    app.fill("Name", "upper island")
    # what coloured the map is known, and may be corrected
    assert app.field("The map was coloured by").input_value() == "sex"
    app.choose("The map was coloured by", "nothing")
    app.screenshot("clicks-5-name-cluster")
    app.execute()
    app.finish("Name the lassoed cluster")
    assert app.screens() <= 2
    dataset.reload()
    (cluster,) = dataset.daebias.clusters(progress=None).clusters
    assert (cluster.name, len(cluster.members), cluster.origin, cluster.map_key) == (
        "upper island",
        n,
        "lasso",
        "dae_map",
    )
    assert len(cluster.polygon) > 4 and cluster.coloured_by == "nothing"

    app.press("What is it? Test clusters")
    app.form()
    app.advanced()
    app.fill("Permutations", "99")
    app.execute()
    assert "upper island" in app.finish("What is it? Test clusters")
    assert app.screens() <= 2
    app.screenshot("clicks-6-tested")
    app.close_dialogs()

    if "explain" in known:
        app.start_operator("Explain a difference")
        app.choose("Cluster", "upper island")
        app.advanced()
        app.fill("Steps", "10")
        app.fill("Permutations", "99")
        app.execute()
        app.finish("Explain a difference")
        app.screenshot("clicks-7-explained")
        app.close_dialogs()
        panel = app.open_audit()
        app.audit_tab("Explained")
        panel.locator("img").first.wait_for()
        assert panel.locator("img").first.evaluate("i => i.naturalWidth") > 100
        app.screenshot("clicks-8-panel-explained")
    app.start_operator("Tell what was found by its causes")
    app.execute()
    app.finish("Tell what was found by its causes")
    app.close_dialogs()
    panel = app.open_audit()
    app.audit_tab("Story")
    app.screenshot("clicks-9-stories")
    if "report" in known:
        app.start_operator("Write the report")
        app.fill("Output file", str(tmp_path / "report.html"))
        app.execute()
        app.finish("Write the report")
        app.screenshot("clicks-9-report")
        link = app.page.locator(
            "[role=dialog] a[href*='report.html'], [role=dialog] button:has-text('report.html')"
        ).last
        assert "report.html" in link.inner_text()
        app.close_dialogs()
    if "share" in known:
        app.start_operator("Share the audit")
        app.fill("Output file", str(tmp_path / "bundle.zip"))
        app.execute()
        app.finish("Share the audit")
        app.screenshot("clicks-10-shared")
        assert (tmp_path / "bundle.zip").exists()
        app.close_dialogs()
