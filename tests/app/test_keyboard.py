"""Without a mouse: into the audit panel, through its tabs, into a finding, its review, and a step from form to file."""

import re

import fiftyone as fo
import numpy as np
import pytest
from playwright.sync_api import TimeoutError
from small_cohort import copy_cohort

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.findings.review import read_reviews

NAME = "keys-alone"
FOCUSED = """() => {
    const e = document.activeElement
    if (e === document.body) return 'nothing'
    return [e.getAttribute('data-cy'), e.placeholder, e.value, e.innerText].filter(Boolean).join(' ').slice(0, 60)
}"""
IN_PANEL = "() => !!document.activeElement.closest(\"[data-cy='panel-content-cohort_audit']\")"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A cohort whose vectors tell the sex, with its story."""
    register(NAME, *copy_cohort(tmp_path_factory.mktemp("keys"), 60))
    dataset, rng = fo.load_dataset(NAME), np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8))
    vectors[:, 0] += [4.0 * (v == "F") for v in dataset.values("sex")]
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, schema.embedding_field(), ids, vectors)
    dataset.daebias.probe_all(fields=["sex", "age"], n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    dataset.daebias.story(n_permutations=99, progress=None)
    yield dataset
    dataset.delete()


class Keys:
    """A person who has a keyboard, and sees what has the focus."""

    def __init__(self, app):
        self.page = app.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def focused(self) -> str:
        return " ".join(self.page.evaluate(FOCUSED).split())

    def walk(self, name: str, key: str = "Tab", most: int = 40) -> None:
        """Presses a key until the focus is where that name stands."""
        passed = []
        for _ in range(most):
            if re.search(name, self.focused):
                return
            self.press(key)
            passed.append(self.focused)
            if passed[-1] == "Dismiss":  # FiftyOne's advertisement takes the focus when it likes
                self.press("Space")
                self.page.wait_for_timeout(500)
        raise AssertionError(f"{key} does not come to {name!r}, but to {passed}")

    def use(self, name: str, key: str = "Tab") -> None:
        """Walks to a button of the panel and presses it."""
        self.walk(name, key)
        assert self.page.evaluate(IN_PANEL)
        self.press("Space")

    def operator(self, label: str) -> None:
        """Starts an operator from the operator browser."""
        for _ in range(4):
            self.press("Backquote")
            try:
                self.page.get_by_placeholder("Search operations").wait_for(timeout=8_000)
                break
            except TimeoutError:
                if self.page.get_by_text("Accelerate your workflow").count():
                    self.walk("Dismiss")
                    self.press("Space")
        self.page.keyboard.type(label)
        self.page.get_by_text(f"Cohort audit: {label}").first.wait_for()
        self.press("Enter")

    def stays(self, name: str) -> None:
        """The focus is still there after the panel was drawn anew, also by its clock."""
        self.page.wait_for_timeout(7_000)
        assert re.search(name, self.focused), self.focused


def test_an_audit_is_read_and_reviewed_without_a_mouse(app, audited, tmp_path):
    keys, page = Keys(app), app.page
    app.open(NAME)
    keys.operator("Open the audit panel")
    panel = page.locator("[data-cy='panel-content-cohort_audit']")
    panel.get_by_text("sex can be read").first.wait_for()
    # the panel is the last thing on the page, so the way into it is backwards
    keys.use("^Findings", "Shift+Tab")
    panel.get_by_text("q-values are corrected together").wait_for()
    keys.stays("^Findings")
    app.screenshot("keyboard-tab")
    # the row's first button opens it
    keys.use("visibility")
    panel.get_by_role("button", name="Show its samples").wait_for()
    keys.stays("visibility")
    app.screenshot("keyboard-finding")
    keys.use("Close", "Shift+Tab")
    panel.get_by_role("button", name="Show its samples").wait_for(state="detached")
    # a button that is gone leaves the focus to what comes after it
    keys.press("Tab")
    assert page.evaluate(IN_PANEL), keys.focused
    keys.use("^Story", "Shift+Tab")
    panel.get_by_text("sex can be read").first.wait_for()
    keys.use("behind it")
    panel.get_by_role("button", name="Show its samples").wait_for()

    # a form that is left comes back to its button; one that is sent says what it did
    keys.use("rate_review Review")
    app.form()
    keys.press("Escape")
    page.wait_for_function(IN_PANEL)
    keys.use("rate_review Review")
    app.form()
    keys.walk("reviewed$")
    keys.press("ArrowDown")
    page.keyboard.type("confirmed")
    page.locator("[role=option]").filter(has_text="confirmed").wait_for()
    keys.press("ArrowDown", "Enter")
    keys.walk("confirmed$", most=1)
    keys.press("Tab")
    page.keyboard.type("seen without a mouse")
    page.wait_for_timeout(1500)  # a form is checked by the server while one types
    app.screenshot("keyboard-form")
    keys.press("Control+Enter")
    app.finish("Review a finding")
    audited.reload()
    (review,) = read_reviews(audited)
    assert (review.finding, review.status, review.note) == ("probe:sex", "confirmed", "seen without a mouse")
    # the panel stands as it stood, with the review in it, and the way into it is backwards again
    keys.press("Escape")
    panel.get_by_text("confirmed by").first.wait_for()
    keys.use("^Story", "Shift+Tab")
    panel.get_by_text("sex can be read").first.wait_for()

    keys.use("description Report")
    app.form()
    field = app.field("Output file")
    for _ in range(20):
        if field.evaluate("e => e === document.activeElement"):
            break
        keys.press("Tab")
    page.keyboard.type(str(tmp_path / "report.html"))
    page.wait_for_timeout(1500)
    keys.press("Control+Enter")
    app.finish("Write the report")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    keys.press("Escape")
    app.theme()
    app.screenshot("keyboard-end-light")
