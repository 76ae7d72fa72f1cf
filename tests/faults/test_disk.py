"""Full and read-only disks: the step stops with the path and what is needed, and nothing half is left."""

import contextlib
import subprocess

import numpy as np
import pytest
from faults.servers import environment, run
from PIL import Image

from fiftyone_daebias import atomic
from fiftyone_daebias.errors import DaebiasError, WriteError


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk of its own at a folder; only root may."""
    mounted = []

    def mount(name: str, kilobytes: int):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("disks cannot be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder) -> None:
    """Fills a disk."""
    with open(folder / "filler", "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 4096)


def read_only(folder) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def _figure(folder, monkeypatch):
    from matplotlib.figure import Figure

    from fiftyone_daebias.figures import save_figure

    monkeypatch.setenv("DAEBIAS_HOME", str(folder))
    save_figure("cohort", "curve", Figure(), "a curve")


def _preview(folder, monkeypatch):
    from fiftyone_daebias.cohort.previews import write_previews
    from fiftyone_daebias.cohort.volume import Volume, to_slices

    noise = np.random.default_rng(0).integers(0, 60_000, (1, 64, 64)).astype(np.uint16)
    write_previews(to_slices(Volume(noise), "auto", None), folder, "one")


def _cache(folder, monkeypatch):
    from fiftyone_daebias.cohort.slice_cache import SliceCache

    monkeypatch.setenv("DAEBIAS_CACHE_GB", "1")
    SliceCache(folder).add("key", np.zeros((8, 512, 512), np.float32))


def _checkpoint(folder, monkeypatch):
    import torch

    from fiftyone_daebias.dae.checkpoint import write_tensors

    write_tensors(folder / "model.safetensors", {"w": torch.zeros(500, 500)})


def _run_facts(folder, monkeypatch):
    from fiftyone_daebias.dae.checkpoint import write_json

    write_json(folder / "run.json", {"long": "x" * 50_000})


def _bundle(folder, monkeypatch):
    from fiftyone_daebias.sharing.archive import write_archive

    noise = np.random.default_rng(0).bytes(50_000)
    write_archive(folder / "bundle.zip", {"manifest.json": b"{}", "samples.json": b"[]", "maps.safetensors": noise})


def _grid(folder, monkeypatch):
    import torch

    from fiftyone_daebias.dae.grid import save_grid

    save_grid(folder / "grid.png", torch.rand(4, 1, 32, 32), torch.rand(4, 1, 32, 32), "held-out")


def _text(folder, monkeypatch):
    atomic.write_text(folder / "report.html", "x" * 50_000)


WRITERS = (_figure, _preview, _cache, _checkpoint, _run_facts, _bundle, _grid, _text)


@pytest.mark.parametrize("state", ["full", "read-only"])
@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__.strip("_"))
def test_every_kind_of_write_names_the_path_and_what_is_needed(disk, write, state, monkeypatch):
    folder = disk("disk", 200)
    if state == "full":
        fill(folder)
    else:
        read_only(folder)
    with pytest.raises(DaebiasError) as caught:
        write(folder, monkeypatch)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    assert "ree" in str(caught.value) if state == "full" else "ead-only" in str(caught.value)
    assert not [p for p in folder.rglob("*.part*")]


def test_what_was_there_before_stays_when_the_new_one_cannot_be_written(disk):
    folder = disk("disk", 100)
    atomic.write_text(folder / "file", "before")
    fill(folder)
    with pytest.raises(WriteError, match="No space left on device.*; free space there"):
        atomic.write_text(folder / "file", "x" * 20_000)
    assert (folder / "file").read_text() == "before"


def test_files_and_folders_are_for_their_owner_only(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    atomic.write_text(path, "text")
    assert [oct(p.stat().st_mode & 0o777) for p in (path, path.parent, path.parent.parent)] == [
        "0o600",
        "0o700",
        "0o700",
    ]


def test_a_disk_that_gets_full_while_previews_are_written_stops_the_registration(disk, dataset_name, tmp_path):
    home = tmp_path / "home"
    previews = disk("home/previews", 400)
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(7)
    for k in range(12):
        pixels = rng.integers(0, 60_000, (96, 96)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{k}.png")
    command = ["register", dataset_name, str(tmp_path / "images"), "--skip-unreadable", "--workers", "1", "--quiet"]
    code, out, err = run(command, environment(home))
    assert code == 2 and err.count("\n") == 1, out + err
    assert str(previews) in err and "No space left on device" in err and "free space" in err
    import fiftyone as fo

    assert dataset_name not in fo.list_datasets()
    subprocess.run(["umount", str(previews)], check=True)
    code, out, err = run(command, environment(home))
    assert code == 0 and "12 images" in out, err
