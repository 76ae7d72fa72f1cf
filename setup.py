"""Puts the plugin (fiftyone.yml, operators/, models/) inside the installed package.

FiftyOne wants a plugin to be a folder with ``fiftyone.yml`` at its root, while
a wheel should add one importable name to site-packages. So a build copies the
plugin's folder to ``fiftyone_daebias/_plugin``; an editable install uses the
checkout itself (see ``fiftyone_daebias.plugin.plugin_dir``).
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PARTS = ("fiftyone.yml", "operators", "models")


class BuildWithPlugin(build_py):
    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "fiftyone_daebias" / "_plugin"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target / part)


setup(cmdclass={"build_py": BuildWithPlugin})
