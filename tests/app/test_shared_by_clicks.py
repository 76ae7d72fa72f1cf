"""By clicks: what one person found and shared, a second one sees and reviews; volumes slice by slice."""

import contextlib
import re

import fiftyone as fo
import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import TimeoutError
from small_cohort import copy_cohort

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.findings.review import read_reviews
from fiftyone_daebias.stories.story import read_stories
from fiftyone_daebias.stories.wording import headline

OWNER, MATE, VOLUMES = "share-owner", "share-mate", "share-volumes"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cohort whose vectors tell the sex, with its stories; and a second person's copy that knows of nothing."""
    folder = tmp_path_factory.mktemp("two")
    files = copy_cohort(folder, 60)
    register(OWNER, *files)
    register(MATE, *files)
    owner, rng = fo.load_dataset(OWNER), np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8))
    vectors[:, 0] += [4.0 * (v == "F") for v in owner.values("sex")]
    ids = store.sample_ids(owner)
    store.write_vectors(owner, schema.embedding_field(), ids, vectors)
    store.save_map(owner, schema.map_key(), ids, vectors[:, :2].astype(float), schema.points_field())
    owner.daebias.probe_all(fields=["sex", "age"], n_permutations=199, n_bootstrap=100, repeats=1, progress=None)
    owner.daebias.story(n_permutations=99, progress=None)
    yield owner, fo.load_dataset(MATE), folder
    for name in (OWNER, MATE):
        fo.delete_dataset(name)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Volumes of 14 slices, of which slice k has k bright columns."""
    folder = tmp_path_factory.mktemp("volumes")
    for person in range(3):
        volume = np.zeros((14, 40, 30), np.int16)
        for k in range(14):
            volume[k, :, : k + 1] = 1000
        nib.save(nib.Nifti1Image(volume, np.diag([4.0, 2.0, 2.0, 1.0])), folder / f"p{person}.nii")
    register(VOLUMES, folder)
    yield fo.load_dataset(VOLUMES)
    fo.delete_dataset(VOLUMES)


def test_a_second_person_sees_the_stories_that_were_shared(app, two):
    owner, mate, folder = two
    want = [headline(s) for s in read_stories(owner).rows]
    app.open(OWNER)
    panel = app.open_audit()
    for line in want:
        panel.get_by_text(line).first.wait_for()
    # a review, from the story's card
    app.click(panel.get_by_role("button", name="Review").first)
    app.form()
    app.choose("What you think of it", "confirmed")
    app.execute()
    app.finish("Review a finding")
    app.close_dialogs()
    owner.reload()
    assert [(r.finding, r.status) for r in read_reviews(owner)] == [("probe:sex", "confirmed")]
    panel.get_by_text(want[0]).first.wait_for()  # the stories stand
    app.start_operator("Share the audit")
    app.fill("Output file", str(folder / "bundle.zip"))
    app.execute()
    app.finish("Share the audit")
    app.close_dialogs()

    app.open(MATE)
    panel = app.open_audit()
    panel.get_by_role("button", name="Look for copies and leaks").wait_for()
    assert not panel.get_by_text(want[0]).count()
    app.start_operator("Import a shared audit")
    app.fill("Bundle", str(folder / "bundle.zip"))
    app.execute()
    assert f"the sender's story: {want[0]}" in app.finish("Import a shared audit").replace("\\", "")
    app.close_dialogs()
    panel.get_by_text("Shared by somebody who did not sign it").wait_for()
    for line in want:
        panel.get_by_text(line).first.wait_for()
    app.screenshot("shared-stories-dark")
    app.click(panel.get_by_role("button", name="Samples with sex").first)
    assert app.until_samples(lambda n: n == 60) == 60
    app.theme()
    panel.get_by_text(want[0]).first.wait_for()
    app.screenshot("shared-stories-light")
    mate.reload()
    assert [(r.finding, r.status) for r in read_reviews(mate)] == [("probe:sex", "confirmed")]


def test_a_volume_is_looked_through_slice_by_slice(app, volumes):
    app.open(VOLUMES)
    app.open_sample()
    app.page.locator("[data-cy='panel-tab-slices']").click()
    panel = app.page.locator("[data-cy='panel-content-slices']")
    panel.get_by_text("Slice 8 of 14").wait_for()
    assert "mm" in panel.inner_text() and "plane" in panel.inner_text()
    app.screenshot("slices")
    panel.get_by_role("slider").first.focus()
    app.page.keyboard.press("ArrowRight")
    panel.get_by_text("Slice 9 of 14").wait_for()
    further = panel.get_by_text(re.compile(r"Slice 1[0-4] of 14"))
    following = panel.get_by_role("button", name="Next")
    for k in range(6):  # a click upon a button that is being drawn anew is lost, or counts when the next has come
        app.page.wait_for_timeout(1500)
        if k % 2:
            following.focus()
            app.page.keyboard.press("Space")
        else:
            app.click(following)
        with contextlib.suppress(TimeoutError):
            further.wait_for(timeout=12_000)
            break
    assert further.count()
    shown = panel.locator("img").first.get_attribute("src")
    panel.get_by_role("slider").nth(1).focus()  # brightness
    app.page.keyboard.press("End")
    app.page.wait_for_function(
        "was => document.querySelector(\"[data-cy='panel-content-slices'] img\").src !== was", arg=shown
    )
    app.click(panel.get_by_role("button", name="Many slices"))
    panel.get_by_text("Slices 1, 2, 3").wait_for()
    app.screenshot("slices-many")
    app.page.keyboard.press("Escape")
    # another visit: the window is as it was left
    app.open(VOLUMES)
    app.open_sample()
    app.page.locator("[data-cy='panel-tab-slices']").click()
    panel.get_by_text("Slice 8 of 14").wait_for()
    assert panel.get_by_role("slider").nth(1).get_attribute("aria-valuenow") == "100"
