"""Registering again reads what is new or has changed, and nothing else."""

import os
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_daebias import register, schema
from fiftyone_daebias.cohort import load, slice_cache, slices, stamps
from fiftyone_daebias.cohort.slice_cache import SliceCache
from fiftyone_daebias.cohort.slices import open_slices


def picture(path: Path, seed: int) -> Path:
    """Of one size in bytes, whatever it shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 24), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def cohort(tmp_path, daebias_home, monkeypatch):
    """Twelve images that are taken for older than the grain of their times."""
    monkeypatch.setattr(stamps, "GRAIN", 0)
    for k in range(12):
        picture(tmp_path / "images" / f"im{k:02d}.bmp", k)
    return tmp_path / "images"


@pytest.fixture
def seen(monkeypatch):
    """Names of the files of which a checksum was taken, and of the items that were decoded."""
    out = {"checksums": [], "decoded": []}

    def key(path, *settings):
        out["checksums"] += [Path(p).name for p in (path if isinstance(path, list) else [path])]
        return slice_cache.file_key(path, *settings)

    def read(paths, item, settings):
        out["decoded"].append(item.name)
        return real(paths, item, settings)

    real = load.read_item
    monkeypatch.setattr(load, "file_key", key)
    monkeypatch.setattr(slices, "file_key", key)
    monkeypatch.setattr(load, "read_item", read)
    return out


def read_by(seen, call) -> tuple[list[str], list[str]]:
    seen["checksums"].clear()
    seen["decoded"].clear()
    call()
    return sorted(seen["checksums"]), sorted(seen["decoded"])


def test_extending_reads_the_new_files_alone(cohort, dataset_name, seen):
    checksums, decoded = read_by(seen, lambda: register(dataset_name, cohort))
    assert len(checksums) == len(decoded) == 12
    assert read_by(seen, lambda: register(dataset_name, cohort)) == ([], [])
    new = [picture(cohort / f"new{k}.bmp", 50 + k).name for k in range(2)]
    assert read_by(seen, lambda: register(dataset_name, cohort)) == (new, new)
    dataset = fo.load_dataset(dataset_name)
    assert len(dataset) == len(set(dataset.values(schema.CACHE_FIELD))) == 14


def test_a_change_is_seen_by_its_time_and_where_that_was_set_back(cohort, dataset_name, seen):
    register(dataset_name, cohort)
    before = (cohort / "im03.bmp").stat()
    picture(cohort / "im03.bmp", 99)
    os.utime(cohort / "im03.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    picture(cohort / "im05.bmp", 98)
    changed = ["im03.bmp", "im05.bmp"] if os.name == "posix" else ["im05.bmp"]
    now = (cohort / "im03.bmp").stat()
    assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    reports = []
    assert read_by(seen, lambda: reports.append(register(dataset_name, cohort))) == (changed, changed)
    assert reports[0].updated == len(changed) and reports[0].added == 0


def test_all_contents_can_be_checked(cohort, dataset_name, seen):
    register(dataset_name, cohort)
    checksums, decoded = read_by(seen, lambda: register(dataset_name, cohort, check_contents=True))
    assert len(checksums) == 12 and not decoded


def test_a_file_just_written_is_not_taken_for_unchanged(cohort, dataset_name, seen, monkeypatch):
    monkeypatch.setattr(stamps, "GRAIN", 60)
    register(dataset_name, cohort)
    checksums, decoded = read_by(seen, lambda: register(dataset_name, cohort))
    assert len(checksums) == 12 and not decoded


def test_another_reading_has_other_stamps(cohort, dataset_name, seen):
    register(dataset_name, cohort)
    checksums, _ = read_by(seen, lambda: register(dataset_name, cohort, to_grey=True))
    assert len(checksums) == 12


def test_what_the_cache_lost_is_decoded_again(cohort, dataset_name, seen, daebias_home):
    register(dataset_name, cohort)
    for path in (Path(daebias_home) / "cache").glob("slices-*"):
        path.unlink()
    _, decoded = read_by(seen, lambda: register(dataset_name, cohort))
    assert len(decoded) == 12 and len(open_slices(fo.load_dataset(dataset_name))) == 12


def test_a_dataset_of_somebody_else_is_read_once(cohort, dataset_name, seen):
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples([fo.Sample(filepath=str(p)) for p in sorted(cohort.iterdir())])
    checksums, _ = read_by(seen, lambda: open_slices(dataset))
    assert len(checksums) == 12
    assert read_by(seen, lambda: open_slices(dataset))[0] == []
    picture(cohort / "im07.bmp", 70)
    assert read_by(seen, lambda: open_slices(dataset))[0] == ["im07.bmp"]


def test_no_path_is_stored_torn_lines_are_passed_over_and_pruning_forgets(cohort, dataset_name):
    register(dataset_name, cohort)
    folder = SliceCache().folder
    path = folder / "stamps-v1.txt"
    assert "im0" not in path.read_text() and len(path.read_text().split()) == 24
    keep = set(fo.load_dataset(dataset_name).values(schema.CACHE_FIELD)[:5])
    with open(path, "a") as stream:
        stream.write("0123abc")  # a writer was killed
    again = stamps.Stamps(folder)
    again.put("f" * 32, "e" * 64)
    again.save()
    assert stamps.Stamps(folder).get("f" * 32) == "e" * 64
    again.prune(keep)
    assert len(path.read_text().split()) == 10 and stamps.Stamps(folder).get("f" * 32) is None
