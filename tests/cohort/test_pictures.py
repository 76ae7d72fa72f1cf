"""Raster files as they come: pages, depths, white as 0, orientation, transparency, NaN."""

import fiftyone as fo
import numpy as np
import pytest
import tifffile
from PIL import Image

from fiftyone_daebias import register, schema
from fiftyone_daebias.cohort.raster import read_pages
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import CohortError

GREY = np.random.default_rng(0).integers(0, 250, (12, 17)).astype(np.uint8)


def test_pages_are_slices_and_thumbnails_are_none(tmp_path, dataset_name, daebias_home):
    pages = np.random.default_rng(1).integers(0, 4000, (14, 20, 16)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="minisblack")
    with tifffile.TiffWriter(tmp_path / "odd.tif") as file:
        for page in (pages[0], pages[1], pages[2, ::2, ::2]):
            file.write(page, photometric="minisblack", contiguous=False)
    array, notes = read_pages(tmp_path / "stack.tif")
    np.testing.assert_array_equal(array, pages)
    assert notes == ("14 pages were read as slices",)
    assert "1 of 3 pages have another size" in read_pages(tmp_path / "odd.tif")[1][0]
    report = register(dataset_name, tmp_path)
    sample = fo.load_dataset(dataset_name).match({"daebias_geometry.slices": 14}).first()
    assert report.images == 2 and sample[schema.MONTAGE_FIELD] and sample.filepath.endswith(".png")
    assert sorted(open_slices(fo.load_dataset(dataset_name)).n_slices(k) for k in range(2)) == [2, 14]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "float32", "uint32"])
@pytest.mark.parametrize("white", [False, True])
def test_white_as_zero_is_turned_in_any_depth(dtype, white, tmp_path):
    truth = GREY.astype(dtype) if dtype != "bool" else GREY > 120
    stored = truth
    if white:
        high = {"bool": 1, "uint8": 255, "uint16": 65535, "int16": -1, "float32": 0, "uint32": 2**32 - 1}[dtype]
        stored = ~truth if dtype == "bool" else (high - truth.astype(np.float64)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite" if white else "minisblack")
    np.testing.assert_array_equal(read_pages(tmp_path / "a.tif")[0][0], truth * 255 if dtype == "bool" else truth)


@pytest.mark.parametrize("kind", ["jpeg", "png", "tif", "lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_obeyed(kind, orientation, tmp_path):
    upright = np.zeros((40, 64), np.uint8)
    upright[:16, :24] = 200  # upper left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    path = tmp_path / f"a.{'tif' if kind == 'lzw' else kind}"
    if kind == "tif":
        tifffile.imwrite(path, stored, photometric="minisblack", extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        image = Image.fromarray(np.ascontiguousarray(stored))
        if kind == "lzw":
            image.save(path, compression="tiff_lzw", tiffinfo={274: orientation})
        else:
            image.save(path, exif=exif)
    got = read_pages(path)[0][0].astype(int)
    assert got.shape == upright.shape and np.abs(got - upright).mean() < 6


def test_deep_colour_keeps_its_depth(tmp_path):
    import cv2

    deep = np.random.default_rng(2).integers(0, 65535, (9, 11, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "planar.tif", deep.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    grey = (deep @ np.array([0.299, 0.587, 0.114])).round()
    for name in ("a.png", "a.tif", "planar.tif"):
        with pytest.raises(CohortError, match="is in colour"):
            read_pages(tmp_path / name)
        np.testing.assert_allclose(read_pages(tmp_path / name, to_grey=True)[0][0], grey, atol=1)
    same = np.repeat(deep[..., :1], 3, -1)
    cv2.imwrite(str(tmp_path / "same.png"), same)
    np.testing.assert_array_equal(read_pages(tmp_path / "same.png")[0][0], same[..., 0])


def test_what_is_transparent_is_black(tmp_path):
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:5] = 0
    Image.fromarray(np.stack([GREY] * 3 + [alpha], -1)).save(tmp_path / "rgba.png")
    Image.fromarray(np.stack([GREY, alpha], -1), "LA").save(tmp_path / "la.png")
    tifffile.imwrite(
        tmp_path / "rgba.tif", np.stack([GREY] * 3 + [alpha], -1), photometric="rgb", extrasamples=["unassalpha"]
    )
    for name in ("rgba.png", "la.png", "rgba.tif"):
        array, notes = read_pages(tmp_path / name)
        np.testing.assert_array_equal(array[0], np.where(alpha == 0, 0, GREY))
        assert notes == ("transparent pixels were set to black",)
    Image.fromarray(np.stack([GREY] * 3 + [np.full_like(GREY, 255)], -1)).save(tmp_path / "opaque.png")
    assert read_pages(tmp_path / "opaque.png")[1] == ()


def test_nan_in_float_tiff_and_channels_that_are_no_colour(tmp_path):
    values = GREY.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", values)
    array, notes = read_pages(tmp_path / "a.tif")
    lowest = values[np.isfinite(values)].min()
    np.testing.assert_array_equal(array[0], np.where(np.isfinite(values), values, lowest))
    assert notes == ("3 values that are not finite were set to the lowest",)
    tifffile.imwrite(tmp_path / "none.tif", np.full((5, 5), np.nan, np.float32))
    with pytest.raises(CohortError, match="no finite value"):
        read_pages(tmp_path / "none.tif")
    tifffile.imwrite(tmp_path / "four.tif", np.stack([GREY] * 4, -1), photometric="minisblack", planarconfig="contig")
    with pytest.raises(CohortError, match="4 channels"):
        read_pages(tmp_path / "four.tif")


def test_cmyk_and_palette_tiff(tmp_path):
    image = Image.fromarray(np.stack([GREY] * 3, -1))
    image.quantize(64).save(tmp_path / "p.tif")
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    assert np.abs(read_pages(tmp_path / "p.tif", to_grey=True)[0][0].astype(int) - GREY).mean() < 4
    np.testing.assert_allclose(read_pages(tmp_path / "cmyk.tif", to_grey=True)[0][0], GREY, atol=1)


def test_a_cut_stack_is_refused_or_its_missing_pages_are_said(tmp_path, capfd):
    pages = np.random.default_rng(1).integers(0, 4000, (8, 20, 16)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "whole.tif") as file:
        for page in pages:
            file.write(page, photometric="minisblack", contiguous=False)
    whole = (tmp_path / "whole.tif").read_bytes()
    for cut in range(200, len(whole), 397):
        (tmp_path / "cut.tif").write_bytes(whole[:cut])
        try:
            array, notes = read_pages(tmp_path / "cut.tif")
        except CohortError:
            continue
        np.testing.assert_array_equal(array, pages[: len(array)])
        assert len(array) < 8 and any("damaged" in n for n in notes)
    assert "Tiff" not in capfd.readouterr().err
