"""The plugin registers the same operators however it got onto the machine."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
REPORT = """
import json, fiftyone as fo, fiftyone.plugins as fop
from fiftyone.operators.registry import OperatorRegistry
registry = OperatorRegistry()
names = [o.name for o in registry.list_operators() if o.uri.startswith("@daebias/")]
import fiftyone_daebias
print("REPORT" + json.dumps({"errors": [str(e) for e in registry.list_errors()], "names": sorted(names),
                             "package": fiftyone_daebias.__file__}))
"""


def report(plugins_dir: Path, prelude: str = "", isolated: bool = False, **env) -> dict:
    arguments = [sys.executable, "-S"] if isolated else [sys.executable]
    # a checkout on the path would be found in place of the copy
    around = {k: v for k, v in os.environ.items() if not (isolated and k == "PYTHONPATH")}
    out = subprocess.run(
        [*arguments, "-c", prelude + REPORT],
        capture_output=True,
        text=True,
        cwd=plugins_dir,
        env={**around, "FIFTYONE_PLUGINS_DIR": str(plugins_dir), **env},
    )
    line = next((t for t in out.stdout.splitlines() if t.startswith("REPORT")), None)
    assert line, out.stdout + out.stderr
    return json.loads(line[len("REPORT") :])


def listed() -> list[str]:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    return sorted(manifest["operators"] + manifest.get("panels", []))


def test_a_linked_checkout_registers_everything_that_the_manifest_lists(tmp_path):
    (tmp_path / "fiftyone-daebias").symlink_to(ROOT, target_is_directory=True)
    got = report(tmp_path)
    assert got["errors"] == []
    assert got["names"] == listed()


def test_fiftyone_downloads_it_and_it_registers_the_same_without_an_installed_package(tmp_path):
    target, plugins = tmp_path / "served" / "some-folder", tmp_path / "plugins"
    target.mkdir(parents=True)
    plugins.mkdir()
    for part in ("fiftyone.yml", "operators", "models", "fiftyone_daebias"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__", "cxr_nih64"))
        else:
            shutil.copy(source, target)
    shutil.make_archive(str(tmp_path / "served" / "plugin"), "zip", target.parent, target.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        code = "import sys; from fiftyone.core.cli import main; sys.argv[0] = 'fiftyone'; main()"
        url = f"http://127.0.0.1:{server.server_port}/plugin.zip"
        env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)}
        subprocess.run([sys.executable, "-c", code, "plugins", "download", url], check=True, env=env)
    finally:
        server.shutdown()
    # Without site's .pth files an editable install is invisible, so only the copy can supply the package.
    site = sysconfig.get_paths()["purelib"]
    got = report(plugins, prelude=f"import sys; sys.path.append({site!r})\n", isolated=True)
    assert got["errors"] == []
    assert got["names"] == listed()
    assert Path(got["package"]).is_relative_to(plugins)


def test_a_wheel_holds_one_package_and_registers_the_same(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv*", "build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)], check=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True)
    tops = {p.name for p in site.iterdir() if not p.name.endswith(".dist-info") and p.name != "bin"}
    assert tops == {"fiftyone_daebias"}
    demo = site / "fiftyone_daebias" / "demo" / "cxr_nih64"
    assert (demo / "metadata.csv").is_file() and (demo / "SOURCES.md").is_file()
    assert len(list((demo / "images").glob("*.png"))) == 1000
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    link = "from fiftyone_daebias.plugin import link_plugin; link_plugin()\n"
    got = report(plugins, prelude=link, PYTHONPATH=str(site))
    assert got["errors"] == []
    assert got["names"] == listed()
    assert Path(got["package"]).is_relative_to(site)
    assert (plugins / "fiftyone-daebias").resolve() == site / "fiftyone_daebias" / "_plugin"


def test_linking_twice_is_harmless_and_a_stranger_in_the_way_is_named(tmp_path, monkeypatch):
    import fiftyone as fo

    from fiftyone_daebias.errors import DaebiasError
    from fiftyone_daebias.plugin import PARTS, link_plugin

    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path))
    (tmp_path / "fiftyone-daebias").symlink_to(ROOT, target_is_directory=True)  # as earlier versions did
    first = link_plugin()
    assert not first.is_symlink() and link_plugin() == first
    assert {p.name for p in first.iterdir()} == set(PARTS)
    assert (first / "operators" / "panel").resolve() == ROOT / "operators" / "panel"
    shutil.rmtree(first)
    (tmp_path / "fiftyone-daebias").mkdir()
    with pytest.raises(DaebiasError, match="exists but is not this plugin"):
        link_plugin()


SERVED = """
import json, os, sys
from pathlib import Path
from fiftyone_daebias.plugin import link_plugin
folder = link_plugin()
from starlette.testclient import TestClient
from fiftyone.server.app import app
client = TestClient(app, raise_server_exceptions=False)
root, got = Path(sys.argv[1]), {}
inside = [p.relative_to(root).as_posix() for p in root.rglob("*")
          if p.is_file() and not {".git", ".venv", "__pycache__"} & set(p.parts)]
inside += [".git/HEAD", ".git/config", ".git", "operators/../pyproject.toml", "operators/%2e%2e/README.md"]
for path in inside:
    got[path] = client.get(f"/plugins/fiftyone-daebias/{path}").status_code
print("REPORT" + json.dumps(got))
"""


def test_the_app_serves_the_plugins_files_and_nothing_else_of_a_checkout(tmp_path):
    out = subprocess.run(
        [sys.executable, "-c", SERVED, str(ROOT)],
        capture_output=True,
        text=True,
        env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(tmp_path)},
    )
    line = next((t for t in out.stdout.splitlines() if t.startswith("REPORT")), None)
    assert line, out.stdout + out.stderr
    got = json.loads(line[len("REPORT") :])
    served = {path for path, status in got.items() if status == 200}
    assert "fiftyone.yml" in served and "operators/__init__.py" in served
    assert {p for p in served if not p.startswith(("operators/", "models/"))} == {"fiftyone.yml"}
    assert len(got) > 300 and got["pyproject.toml"] == got[".git/HEAD"] == 404


def test_a_linked_checkout_of_links_registers_everything(tmp_path):
    got = report(tmp_path, prelude="from fiftyone_daebias.plugin import link_plugin; link_plugin()\n")
    assert got["errors"] == [] and got["names"] == listed()
