"""DICOM to slices: grey values to the last one, order by position, volumes told apart."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from made import CR, scene, write_sagittal, write_slice
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless, RLELossless

from fiftyone_daebias.cohort.items import find_items
from fiftyone_daebias.cohort.load import Settings, read_item
from fiftyone_daebias.errors import CohortError


def read(folder, **settings):
    root, items, skipped = find_items(Path(folder))
    return {i.name: read_item([root / f for f in i.files], i, Settings(**settings)) for i in items}, skipped


def test_a_sagittal_series_is_sorted_by_position_and_oriented(tmp_path):
    volume = scene()
    write_sagittal(tmp_path / "s", volume)
    ((name, got),) = read(tmp_path)[0].items()
    assert got.geometry["plane"] == "sagittal" and got.geometry["axes_now"] == "LIP"
    assert got.spacing == pytest.approx((4.0, 1.5, 1.2))
    np.testing.assert_array_equal(got.array, volume)
    axial = read(tmp_path, plane="axial")[0][name]
    # from inferior to superior, anterior on top, the patient's right on the left
    np.testing.assert_array_equal(axial.array, volume.transpose(1, 2, 0)[::-1])
    coronal = read(tmp_path, plane="coronal")[0][name]
    np.testing.assert_array_equal(coronal.array, volume.transpose(2, 1, 0))


def test_missing_and_uneven_slices_are_reported(tmp_path):
    write_sagittal(tmp_path, scene(), skip=(5, 6))
    (got,) = read(tmp_path)[0].values()
    assert got.notes == ("missing slices: 2 after slice 7 (usual distance 4 mm)",)
    assert got.spacing[0] == pytest.approx(4.0)


def test_one_series_several_volumes(tmp_path):
    from pydicom.uid import generate_uid

    uid = generate_uid()
    for echo, te in enumerate((10, 90)):
        write_sagittal(tmp_path / f"e{echo}", scene(6) + 100 * echo, series=uid, EchoTime=str(te))
    write_sagittal(tmp_path / "rep", scene(6) + 500, series=uid, EchoTime="90", AcquisitionNumber=2)
    write_slice(tmp_path / "loc", np.ones((8, 8)), position=(0, 0, 0), orientation=(1, 0, 0, 0, 1, 0), series=uid)
    got, _ = read(tmp_path)
    root, items, _ = find_items(tmp_path)
    assert sorted(len(g.array) for g in got.values()) == [1, 6, 6, 6]
    assert {i.header.get("echo_time") for i in items} == {10.0, 90.0, None}
    assert sorted(int(g.array.min()) for g in got.values())[1:] == [int(scene(6).min()) + a for a in (0, 100, 500)]


def test_rescale_signs_and_monochrome1(tmp_path):
    pixels = np.array([[-1000, 0, 5], [300, -7, 2000]], np.int16)
    write_slice(tmp_path / "ct", pixels, signed=True, RescaleSlope="2", RescaleIntercept="-10", sop=CR)
    stored = np.array([[0, 1, 4095], [7, 8, 2048]], np.uint16)
    write_slice(tmp_path / "mono", stored, sop=CR, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    fraction = write_slice(tmp_path / "pet", stored, sop=CR, RescaleSlope="0.25", RescaleIntercept="1")
    assert fraction.exists()
    got, _ = read(tmp_path)
    np.testing.assert_array_equal(got["ct"].array[0], pixels.astype(int) * 2 - 10)
    np.testing.assert_array_equal(got["mono"].array[0], 4095 - stored.astype(int))
    np.testing.assert_allclose(got["pet"].array[0], stored * 0.25 + 1)


@pytest.mark.parametrize("syntax", ["big", "deflated", "rle", "j2k", "bare"])
def test_transfer_syntaxes_give_the_same_grey_values(syntax, tmp_path):
    source = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    truth = source.pixel_array
    path = tmp_path / "file"
    if syntax == "big":
        path.write_bytes(Path(get_testdata_file("MR_small_bigendian.dcm")).read_bytes())
    elif syntax == "deflated":
        source.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        source.save_as(path)
    elif syntax == "rle":
        path.write_bytes(Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes())
    elif syntax == "j2k":
        path.write_bytes(Path(get_testdata_file("MR_small_jp2klossless.dcm")).read_bytes())
    else:  # no preamble, no file meta: the data set alone
        bare = pydicom.Dataset()
        bare.update({e.tag: e for e in source})
        bare.save_as(path, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    assert {ExplicitVRBigEndian, RLELossless, JPEG2000Lossless}
    (got,) = read(tmp_path)[0].values()
    upright = truth if got.geometry["axes"] == "LPS" else None
    if upright is None:
        assert sorted(got.array.ravel()) == sorted(truth.ravel())
    else:
        np.testing.assert_array_equal(got.array[0], truth)


def write_enhanced(path: Path, volumes: list[np.ndarray]) -> None:
    """An enhanced file with one temporal position a volume; frames shuffled, rescale stated per frame."""
    from pydicom.dataset import Dataset

    n, height, width = volumes[0].shape
    write_slice(path, volumes[0][0], spacing=None)
    d = pydicom.dcmread(path)
    order = [(t, k) for t in range(len(volumes)) for k in range(n)]
    np.random.default_rng(0).shuffle(order)
    shared, groups = Dataset(), []
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    measures.PixelSpacing, measures.SliceThickness = [1.5, 1.2], 4
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    for t, k in order:
        frame, position, content, values = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-26 + 4 * k, -100, 80]
        content.DimensionIndexValues, content.TemporalPositionIndex, content.StackID = [1, k + 1, t + 1], t + 1, "1"
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2, 10 * t, "US"
        frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
        frame.PixelValueTransformationSequence = [values]
        groups.append(frame)
    d.SharedFunctionalGroupsSequence, d.PerFrameFunctionalGroupsSequence = [shared], groups
    d.NumberOfFrames = len(order)
    d.PixelData = np.stack([volumes[t][k] for t, k in order]).astype("<u2").tobytes()
    d.save_as(path)


def test_enhanced_multi_frame(tmp_path):
    volumes = [scene(6, seed=t) for t in range(3)]
    write_enhanced(tmp_path / "e.dcm", volumes)
    got, _ = read(tmp_path)
    assert sorted(got) == ["e.dcm#1", "e.dcm#2", "e.dcm#3"]
    found = sorted(
        (g.array for g in got.values()),
        key=lambda a: [np.array_equal(a, v * 2 + 10 * t) for t, v in enumerate(volumes)].index(True),
    )
    for t, (array, truth) in enumerate(zip(found, volumes, strict=True)):
        np.testing.assert_array_equal(array, truth * 2 + 10 * t)


def test_what_is_no_image_is_named(tmp_path):
    for name in ("rtstruct.dcm", "waveform_ecg.dcm", "reportsi.dcm", "rtplan.dcm"):
        (tmp_path / name).write_bytes(Path(get_testdata_file(name)).read_bytes())
    (tmp_path / "DICOMDIR").write_bytes(Path(get_testdata_file("DICOMDIR")).read_bytes())
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x99" * 50)
    with pytest.raises(CohortError, match="no images in"):
        find_items(tmp_path)
    write_slice(tmp_path / "one.dcm", scene()[0])
    _, items, skipped = find_items(tmp_path)
    assert [i.name for i in items] == ["one.dcm"] and len(skipped) == 6
    assert "Structure Set" in skipped["rtstruct.dcm"] and "index" in skipped["DICOMDIR"]


def test_truncated_pixels_and_colour_say_so(tmp_path):
    path = write_slice(tmp_path / "cut", scene()[0])
    path.write_bytes(path.read_bytes()[:-200])
    root, items, _ = find_items(tmp_path)
    with pytest.raises(CohortError, match="cut: pixels cannot be decoded"):
        read_item([root / f for f in items[0].files], items[0], Settings())
    folder = tmp_path / "colour"
    rgb = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    path = write_slice(folder / "us", rgb[..., 0])
    d = pydicom.dcmread(path)
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PlanarConfiguration = 3, "RGB", 0
    d.BitsAllocated = d.BitsStored = 8
    d.HighBit, d.PixelData = 7, rgb.tobytes()
    d.save_as(path)
    with pytest.raises(CohortError, match="is in colour"):
        read(folder)
    np.testing.assert_allclose(read(folder, to_grey=True)[0]["us"].array[0], rgb @ [0.299, 0.587, 0.114], atol=0.51)
