"""The box around a strange place of a picture is drawn where it is, without anybody ticking a field."""

import io

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_daebias import register, schema, store

PLACE = [0.25, 0.375, 0.25, 0.125]


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    drawing = np.full((128, 128), 60, np.uint8)
    drawing[48:64, 32:64] = 255
    for k in range(12):
        Image.fromarray(drawing + (np.arange(128) == k)[:, None].astype(np.uint8) % 2).save(folder / f"{k}.png")
    register("app-boxes", folder, progress=None)
    dataset = fo.load_dataset("app-boxes")
    boxes = {i: ("strange", PLACE, 4.2) for i in store.sample_ids(dataset)}
    store.write_boxes(dataset, schema.LOCAL_PLACE_FIELD, boxes)
    store.arrange(dataset)
    yield dataset
    dataset.delete()


def ends(mask):
    """First and last row and column in which anything lies."""
    rows, columns = np.flatnonzero(mask.sum(1) > 3), np.flatnonzero(mask.sum(0) > 3)
    return np.array([rows[0], rows[-1], columns[0], columns[-1]])


def test_a_box_surrounds_the_place_it_was_stored_for(app, boxed):
    app.open(boxed.name)
    app.until_samples(lambda n: n == 12)
    app.open_sample()
    canvas = app.page.locator("#modal.modalon canvas").first
    for mode in ("dark", "light"):
        app.page.mouse.move(5, 5)
        app.page.wait_for_timeout(2_000)
        app.screenshot(f"box-{mode}")
        shown = np.array(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
        if mode == "dark":  # in the light theme what lies around the picture is white too
            square = ends((shown > 235).all(-1))
        # what is coloured around the square, below its top edge, where the label stands
        rows, columns = np.ogrid[: shown.shape[0], : shown.shape[1]]
        top, bottom, left, right = square
        near = (rows > top + 3) & (rows < bottom + 40) & (columns > left - 40) & (columns < right + 40)
        box = ends(near & (np.ptp(shown, axis=-1) > 20))
        assert abs(box[1:] - square[1:]).max() <= 6, (box, square)
        app.close_dialogs()
        app.page.keyboard.press("Escape")
        if mode == "dark":
            app.theme()
            app.open_sample()
