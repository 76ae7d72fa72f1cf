"""The real App, served from this test run's database, driven in a real headless browser."""

from __future__ import annotations

import math
import os
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
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
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


@pytest.fixture(scope="session")
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
    """What a person does in the App, as methods."""

    def __init__(self, page, url: str):
        self.page, self.url = page, url

    def open(self, dataset: str) -> None:
        self.page.goto(f"{self.url}/datasets/{dataset}")
        self.page.wait_for_selector("[data-cy=fo-grid]", timeout=60_000)
        self.page.wait_for_timeout(2500)
        self.page.keyboard.press("Escape")  # the "Accelerate your workflow" popover swallows clicks
        self.page.wait_for_timeout(500)

    def open_panel(self, name: str) -> None:
        if not self.page.locator(f"[data-cy='panel-tab-{name.lower()}']").count():
            self.page.locator("[data-cy=new-panel-btn]").first.click()
            self.page.get_by_text(name, exact=True).first.click()
        self.page.wait_for_selector(f"[data-cy='panel-content-{name}']", timeout=30_000)
        self.page.wait_for_timeout(1500)

    def open_map(self, brain_key: str) -> None:
        self.open_panel("Embeddings")
        self.page.get_by_text(brain_key, exact=True).first.click()
        self.page.wait_for_selector(".emb-plot canvas", timeout=60_000)
        self.page.wait_for_timeout(2500)

    def color_by(self, field: str) -> None:
        self.page.get_by_label("Color by").click()
        self.page.locator("[role=option]").filter(has_text=field).first.click()
        self.page.wait_for_timeout(2000)

    def lasso(self, x: float, y: float, radius: float) -> int:
        """Draws a circle, in shares of the map's width and height; returns the number of samples left in the grid."""
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
        self.page.wait_for_timeout(3000)
        return self.samples_shown()

    def samples_shown(self) -> int:
        text = self.page.locator("[data-cy=entry-counts]").inner_text()
        return int(text.replace(",", "").split()[0])

    def start_operator(self, label: str) -> None:
        """Opens an operator's form from the operator browser."""
        self.page.keyboard.press("Backquote")
        self.page.wait_for_timeout(1000)
        self.page.keyboard.type(label)
        self.page.wait_for_timeout(1000)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("[role=dialog] >> text=Execute", timeout=30_000)
        self.page.wait_for_timeout(1500)

    def execute(self) -> None:
        self.page.locator("[role=dialog]").get_by_role("button", name="Execute").last.click()
        self.page.wait_for_timeout(1500)

    def screenshot(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture
def app(browser, app_url):
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    page = context.new_page()
    yield AppPage(page, app_url)
    context.close()
