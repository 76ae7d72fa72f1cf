"""What dead processes left is told from what living ones write; and the package without fcntl, as on Windows."""

import os
import subprocess
import sys

import pytest

from fiftyone_daebias import atomic, processes

WITHOUT = """
import sys, types
sys.modules["fcntl"] = None
import os
asked = []
def locking(handle, how, n):
    asked.append(how)
    os.lockf(handle, os.F_LOCK if how == 1 else os.F_TLOCK, n)
msvcrt = types.SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=locking)
import importlib, pkgutil, pathlib, fiftyone_daebias
for m in pkgutil.walk_packages(fiftyone_daebias.__path__, "fiftyone_daebias."):
    if "__main__" not in m.name and "_plugin" not in m.name:
        importlib.import_module(m.name)
from fiftyone_daebias.cohort.slice_cache import SliceCache
from fiftyone_daebias.dae.run_folder import RunFolder
import numpy as np
sys.modules["msvcrt"] = msvcrt  # only now: Python's own modules tell by it whether this is Windows
folder = pathlib.Path(sys.argv[1])
cache = SliceCache(folder / "cache")
cache.add("a", np.arange(6.0).reshape(1, 2, 3))
with RunFolder(folder / "run").lock():
    print(cache.read("a")[0].sum(), asked)
"""


def test_the_package_works_without_fcntl(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "15.0 [1, 2]", done.stderr[-2000:]


def test_half_files_of_the_dead_go_with_the_next_write_and_those_of_the_living_stay(tmp_path):
    if not processes.machine():
        pytest.skip("no process can be told to be gone here")
    code = "import os, sys; from fiftyone_daebias import atomic\nwith atomic.replacing(sys.argv[1]) as part:\n"
    code += "    part.write_text('half'); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    (dead,) = tmp_path.iterdir()
    living = tmp_path / f".b.txt.{processes.mark()}.7.part"
    elsewhere = tmp_path / f".b.txt.00000000-{os.getpid()}-1.7.part"
    theirs = tmp_path / ".something.else.part"
    for path in (living, elsewhere, theirs):
        path.write_text("half")
    atomic.write_text(tmp_path / "c.txt", "whole")
    assert not dead.exists() and living.exists() and elsewhere.exists() and theirs.exists()
    assert (tmp_path / "c.txt").read_text() == "whole"
