"""The panel "Slices": what it draws of a volume, through the registry, on a real database."""

import base64
import json

import cv2
import fiftyone as fo
import fiftyone.operators as foo
import nibabel as nib
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

NAME, URI = "slices-cohort", f"{PLUGIN_NAME}/slices"


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Volumes of 14 slices, of which slice k has k bright columns."""
    link_plugin()
    folder = tmp_path_factory.mktemp("slices")
    for person in range(3):
        volume = np.zeros((14, 40, 30), np.int16)
        for k in range(14):
            volume[k, :, : k + 1] = 1000
        nib.save(nib.Nifti1Image(volume, np.diag([4.0, 2.0, 2.0, 1.0])), folder / f"p{person}.nii")
    register(NAME, folder)
    yield fo.load_dataset(NAME)
    fo.delete_dataset(NAME)


def event(method, dataset, sample=None, state=None, **params):
    request = {
        "dataset_name": dataset.name,
        "view": [],
        "current_sample": sample,
        "params": {"__method__": method, "panel_id": "s", "panel_state": dict(state or {}), **params},
    }
    ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=URI)
    foo.get_operator(URI).execute(ctx)
    asked = {r["operator_uri"]: r["params"] for r in json.loads(json.dumps(ctx.executor.to_json()))["requests"]}
    layout = asked["show_panel_output"]["output"]["type"]["properties"]
    both = layout.get("both", {"type": {"properties": {}}})["type"]["properties"]  # picture and geometry side by side
    return {**layout, **both}


def picture(layout):
    raw = base64.b64decode(layout["picture"]["default"].partition(",")[2])
    return cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)


def bright(layout):
    """Share of the picture that is bright."""
    return (picture(layout)[..., 0] > 128).mean()


def test_the_slider_shows_the_slice_and_the_window_is_kept(volumes):
    sample = volumes.first().id
    layout = event("on_load", volumes, sample)
    assert layout["title"]["default"] == "**Slice 8 of 14**" and layout["slice"]["type"]["max"] == 14
    first, last = (event("on_slice", volumes, sample, value=k) for k in (1, 14))
    assert first["title"]["default"] == "**Slice 1 of 14**"
    assert bright(first) > 8 * bright(last) > 0  # slices run from right to left
    # pixels are square in mm, whatever way the slices lie
    height, width = picture(first).shape[:2]
    assert max(height, width) == 560
    darker = event("on_brightness", volumes, sample, value=0)
    assert picture(darker).mean() < picture(layout).mean()
    again = event("on_load", volumes, volumes.last().id)  # another sample, the same window
    assert again["brightness"]["default"] == 0 and picture(again).mean() == pytest.approx(picture(darker).mean(), abs=1)
    assert event("on_usual", volumes, sample)["brightness"]["default"] == 50


def test_many_slices_at_once(volumes):
    layout = event("on_montage", volumes, volumes.first().id)
    assert layout["title"]["default"] == f"**Slices {', '.join(map(str, range(1, 15)))} of 14**"
    assert "slice" not in layout and layout["steps"]["type"]["properties"]["montage"]["view"]["label"] == "One slice"
    height, width = picture(layout).shape[:2]
    tile_height, tile_width = height // 3, width // 6  # 14 tiles, six side by side
    shown = picture(layout)[..., 0] > 128
    share = [
        shown[r * tile_height : (r + 1) * tile_height, c * tile_width : (c + 1) * tile_width].mean()
        for r in range(3)
        for c in range(6)
    ][:14]
    assert share == sorted(share, reverse=True) and share[0] > 8 * share[-1] > 0


def test_geometry_and_the_box_of_a_strange_place_are_shown(volumes):
    sample = volumes.first().id
    plain = event("on_load", volumes, sample)
    words = plain["geometry"]["default"]
    assert "| slices | 14 |" in words and "mm |" in words and "plane" in words
    store.write_boxes(volumes, schema.LOCAL_PLACE_FIELD, {sample: ("strange", [0.5, 0.5, 0.3, 0.3], 4.0)})
    boxed = picture(event("on_load", volumes, sample)).astype(int)
    orange = (boxed[..., 2] - boxed[..., 0]) > 100
    rows, columns = np.flatnonzero(orange.any(axis=1)), np.flatnonzero(orange.any(axis=0))
    height, width = orange.shape
    assert rows[0] / height == pytest.approx(0.5, abs=0.02) and columns[-1] / width == pytest.approx(0.8, abs=0.02)


def test_without_a_sample_it_says_what_to_do_and_a_lost_cache_is_named(volumes, monkeypatch, tmp_path):
    assert "Open a sample" in event("on_load", volumes)["none"]["default"]
    monkeypatch.setenv("DAEBIAS_HOME", str(tmp_path))
    assert "daebias register" in event("on_load", volumes, volumes.first().id)["wrong"]["default"]
