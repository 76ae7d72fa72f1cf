"""The real App, served from this test run's database, driven in a real headless browser."""

from __future__ import annotations

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

#: the Embeddings panel draws with WebGL, which a machine without a GPU must do in software
CHROMIUM_FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTEFACTS = Path(__file__).resolve().parents[2] / "test-artefacts"


def find_chromium() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    return None


@pytest.fixture(scope="module")
def browser():
    # not for the whole session: Playwright keeps an event loop running in this thread, in which no operator can run
    executable = find_chromium()
    if executable is None:
        reason = "no Chromium on PATH; install Debian's package 'chromium' to drive the App"
        if os.environ.get("DAEBIAS_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def app_url(tmp_path_factory):
    """Address of an App server of its own, in a process of its own, on this run's database."""
    import fiftyone as fo

    from fiftyone_daebias.plugin import link_plugin

    link_plugin()
    fo.list_datasets()  # starts the database that the server will join
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "server.log"
    code = f"import fiftyone as fo; fo.launch_app(port={port}, remote=True).wait(-1)"
    with open(log, "w") as out:
        server = subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=2)
            break
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.5)
    else:
        server.kill()
    if server.poll() is not None:
        pytest.fail(f"the App did not start:\n{log.read_text()[-3000:]}")
    yield url
    server.terminate()
    server.wait(20)


class AppPage:
    """What a person does in the App, as methods. Each waits for what it brought about, not for time to pass."""

    def __init__(self, page, url: str):
        self.page, self.url = page, url
        page.set_default_timeout(60_000)
        # the popover "Accelerate your workflow" swallows clicks, and comes when it likes
        page.add_locator_handler(
            page.get_by_text("Accelerate your workflow"),
            lambda: page.get_by_text("Dismiss", exact=True).last.dispatch_event("click"),
            no_wait_after=True,
        )

    def open(self, dataset: str) -> None:
        # a server that has only just started may send its pages back to the list of datasets once
        for _ in range(3):
            self.page.goto(f"{self.url}/datasets/{dataset}")
            try:
                self.page.wait_for_function(
                    "() => !!document.querySelector('[data-cy=entry-counts]')?.innerText.match(/[0-9]/)", timeout=20_000
                )
                self.page.wait_for_timeout(2000)  # it does so after it has shown the dataset
                if self.page.locator("[data-cy=entry-counts]").count():
                    break
            except Exception:
                continue

    def open_sample(self) -> None:
        """Opens the first sample of the grid."""
        looker, modal = self.page.locator("[data-cy=looker]").first, self.page.locator("#modal.modalon")
        for _ in range(20):
            looker.wait_for()
            box = looker.bounding_box()
            self.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6)
            self.page.wait_for_timeout(1500)
            if modal.count():
                return
        raise AssertionError("the sample does not open")

    def open_panel(self, name: str, key: str = "") -> None:
        tab = self.page.locator(f"[data-cy='panel-tab-{(key or name).lower()}']")
        if not tab.count():
            self.page.locator("[data-cy=new-panel-btn]").last.click()
            self.page.get_by_text(name, exact=True).first.click()
        else:
            tab.first.click()
        self.page.wait_for_selector(f"[data-cy='panel-content-{key or name}']")

    def open_audit(self):
        """Opens the audit panel; returns its contents."""
        self.open_panel("Cohort audit", "cohort_audit")
        panel = self.page.locator("[data-cy='panel-content-cohort_audit']")
        panel.get_by_role("button").first.wait_for()
        return panel

    def audit_tab(self, name: str) -> None:
        """Opens a tab of the audit panel, and waits until the server has drawn it."""
        panel = self.page.locator("[data-cy='panel-content-cohort_audit']")
        tab = panel.get_by_role("button", name=re.compile(rf"^{name}( \(\d+\))?$")).first
        with self.page.expect_response(
            lambda r: "operators/execute" in r.url and "cohort_audit" in r.request.post_data
        ):
            tab.click()
        self.page.wait_for_timeout(500)

    def click(self, locator) -> None:
        """Clicks what the panel may draw anew at any moment, since a busy machine never shows it at rest."""
        from playwright.sync_api import TimeoutError as TooLate

        for _ in range(4):
            try:
                locator.click(timeout=15_000)
                return
            except TooLate:
                self.page.wait_for_timeout(500)
        locator.evaluate("element => element.click()")

    def menu(self, button, item: str) -> None:
        """Opens a menu and chooses from it; a panel that is just being drawn again closes its menus."""
        from playwright.sync_api import TimeoutError as TooLate

        entry = self.page.get_by_text(item)
        for _ in range(6):
            button.click()
            try:
                entry.click(timeout=10_000)
                return
            except TooLate:
                self.page.keyboard.press("Escape")
        raise AssertionError(f"no menu offers {item!r}")

    def open_map(self, brain_key: str) -> None:
        self.open_panel("Embeddings")
        if not self.page.locator(".emb-plot canvas").count():
            self.page.get_by_text(brain_key, exact=True).first.click()
        self.page.wait_for_selector(".emb-plot canvas")
        self.page.get_by_text("points").first.wait_for()
        self.page.wait_for_timeout(1000)  # the canvas tells nobody when it has drawn its points

    def color_by(self, field: str) -> None:
        self.page.get_by_label("Color by").click()
        self.page.locator("[role=option]").filter(has_text=field).first.click()
        self.page.wait_for_timeout(1000)

    def lasso(self, x: float, y: float, radius: float) -> int:
        """Draws a circle, in shares of the map's width and height; returns the number of samples left in the grid."""
        before = self.samples_shown()
        self.page.locator(".emb-mode-segment").nth(1).click()
        box = self.page.locator(".emb-plot canvas").bounding_box()
        side = min(box["width"], box["height"])
        cx, cy, r = box["x"] + x * box["width"], box["y"] + y * box["height"], radius * side
        mouse = self.page.mouse
        mouse.move(cx + r, cy)
        mouse.down()
        for k in range(1, 37):
            angle = 2 * math.pi * k / 36
            mouse.move(cx + r * math.cos(angle), cy + r * math.sin(angle))
            self.page.wait_for_timeout(15)
        mouse.up()
        return self.until_samples(lambda n: n != before)

    def samples_shown(self) -> int:
        text = self.page.locator("[data-cy=entry-counts]").inner_text()
        digits = text.replace(",", "").split()
        return int(digits[0]) if digits and digits[0].isdigit() else -1

    def until_samples(self, holds) -> int:
        """Waits until the number of samples in the grid is as wanted; returns it."""
        for _ in range(120):
            n = self.samples_shown()
            if n >= 0 and holds(n):
                return n
            self.page.wait_for_timeout(250)
        raise AssertionError(f"the grid still shows {self.samples_shown()} samples")

    @property
    def dialog(self):
        """The dialog on top."""
        return self.page.locator("[role=dialog]").last

    def start_operator(self, label: str, button: str = "Execute") -> None:
        """Opens an operator's form from the operator browser."""
        self.page.keyboard.press("Backquote")
        box = self.page.get_by_placeholder("Search operations")
        box.wait_for()
        box.fill(label)
        self.page.get_by_text(f"Cohort audit: {label}").first.wait_for()
        self.page.keyboard.press("Enter")
        self.form(button)

    def form(self, button: str = "Execute") -> None:
        """Waits for a form that can be filled in."""
        self.dialog.get_by_role("button", name=button).first.wait_for()
        self.dialog.get_by_text("Cancel").last.wait_for()

    def fill(self, label: str, value: str) -> None:
        """Types into the field with that label."""
        field = self.field(label)
        field.click()
        field.fill(value)
        field.press("Tab")

    def choose(self, label: str, value: str) -> None:
        """Picks one of a field's choices."""
        field = self.field(label)
        field.click()
        field.fill(value)
        self.page.locator("[role=option]").filter(has_text=value).first.click()

    def field(self, label: str):
        """The input below a label."""
        return self.dialog.get_by_text(label, exact=True).first.locator("xpath=ancestor::div[.//input][1]//input").first

    def advanced(self) -> None:
        """Opens the folded section of a form."""
        self.dialog.get_by_text("Advanced", exact=True).click()

    def execute(self, button: str = "Execute") -> None:
        """Runs the operator; waits until its form is complete, and until it has begun."""
        button = self.dialog.get_by_role("button", name=button).last
        for _ in range(120):
            if button.is_enabled():
                break
            self.page.wait_for_timeout(250)
        button.click()

    def finish(self, label: str, timeout: float = 120) -> str:
        """Waits for an operator's result; returns its text."""
        result = self.page.locator("[role=dialog]").filter(
            has=self.page.get_by_role("button", name=re.compile("Open the (audit panel|dataset)"))
        )
        wrong = self.page.get_by_text("This could not be done")
        result.or_(wrong).last.wait_for(timeout=timeout * 1000)
        if wrong.count():
            raise AssertionError(self.dialog.inner_text())
        return result.last.inner_text()

    def screens(self) -> float:
        """How many screens tall the dialog on top is, with what can be scrolled to."""
        height = self.dialog.evaluate("d => Math.max(...[d, ...d.querySelectorAll('*')].map(e => e.scrollHeight))")
        return height / self.page.viewport_size["height"]

    def press(self, name: str) -> None:
        """Presses a button of the dialog on top."""
        self.dialog.get_by_role("button", name=name).last.click()

    def close_dialogs(self) -> None:
        for _ in range(4):
            if not self.page.locator("[role=dialog]").count():
                return
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(400)

    def theme(self) -> None:
        """Changes from dark to light, or back."""
        self.page.locator("[data-testid=LightModeIcon], [data-testid=DarkModeIcon]").first.click()
        self.page.wait_for_timeout(500)

    def screenshot(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture
def app(browser, app_url):
    context = browser.new_context(viewport={"width": 1700, "height": 1000})
    page = context.new_page()
    yield AppPage(page, app_url)
    context.close()
