"""DICOM as it comes: constant UIDs, stripped positions, padding, NaN, odd ages and codes."""

import fiftyone as fo
import numpy as np
import pydicom
import pytest
from made import CR, scene, write_sagittal, write_slice
from pydicom.uid import generate_uid
from test_dicom import read

from fiftyone_daebias import register
from fiftyone_daebias.cohort.dicom.group import Plane, stacks
from fiftyone_daebias.cohort.dicom.values import metres_of, sexes_of, years_of
from fiftyone_daebias.cohort.items import find_items, look_through
from fiftyone_daebias.cohort.load import Settings, read_item

AXIAL = (1, 0, 0, 0, 1, 0)


def axial(folder, volume, **header):
    """An axial series with 2 mm between slices; ``at`` shifts it, ``names`` are file names."""
    at, names = header.pop("at", 0.0), header.pop("names", None)
    for k, pixels in enumerate(volume):
        write_slice(
            folder / (names[k] if names is not None else f"{k:03d}"),
            pixels,
            position=(0, 0, 2.0 * k + at),
            orientation=AXIAL,
            number=k + 1,
            **header,
        )


@pytest.mark.parametrize("case", ["positions between", "same positions"])
@pytest.mark.parametrize(
    "apart",
    [
        {"PatientID": "P{}"},
        {"PatientID": "same", "IssuerOfPatientID": "H{}"},
        {"PatientID": "ANON", "PatientName": "A^{}"},
        {"PatientID": "same", "PatientBirthDate": "195{}0101"},
        {"PatientID": "same", "PatientSex": "{}"},
    ],
)
def test_two_patients_under_one_series_uid_are_never_one_volume(case, apart, tmp_path):
    uid, study = generate_uid(), generate_uid()
    names = iter(np.random.default_rng(3).permutation(1000))
    for p, base in enumerate((0, 5000)):
        person = {k: v.format("MF"[p] if k == "PatientSex" else p) for k, v in apart.items()}
        axial(
            tmp_path,
            scene(seed=p) + base,
            series=uid,
            StudyInstanceUID=study,
            at=p if case == "positions between" else 0,
            names=[f"IM{next(names):04d}" for _ in range(14)],
            **person,
        )
    got, _ = read(tmp_path)
    assert [len(g.array) for g in got.values()] == [14, 14]
    medians = [np.median(g.array, axis=(1, 2)) for g in got.values()]
    assert all((m < 1000).all() or (m > 5000).all() for m in medians)
    assert any("several patients" in n for n in look_through(tmp_path).notes)


def test_two_studies_of_a_patient_are_two_volumes_unless_every_file_has_its_own(tmp_path):
    uid = generate_uid()
    for s in range(2):
        axial(
            tmp_path / "two" / str(s),
            scene(6, seed=s) + 3000 * s,
            series=uid,
            StudyInstanceUID=f"1.2.{s}",
            PatientID="P",
        )
    got, _ = read(tmp_path / "two")
    assert sorted(int(g.array.min()) // 3000 for g in got.values()) == [0, 1] and {
        len(g.array) for g in got.values()
    } == {6}
    axial(tmp_path / "each", scene(6), series=uid, PatientID="P")  # write_slice makes a study UID anew for each file
    found = look_through(tmp_path / "each")
    assert len(found.items) == 1 and "StudyInstanceUID of its own" in found.notes[0]


@pytest.mark.parametrize(
    "keyword, values",
    [
        ("SeriesNumber", ("2", "3")),
        ("SeriesDescription", ("soft tissue", "bone")),
        ("ConvolutionKernel", ("B30f", "B70f")),
        ("FrameOfReferenceUID", ("1.2.8", "1.2.9")),
    ],
)
def test_two_series_of_a_study_under_one_uid_are_two_volumes(keyword, values, tmp_path):
    uid = generate_uid()
    for s, value in enumerate(values):
        axial(
            tmp_path / str(s),
            scene(6, seed=s) + 3000 * s,
            series=uid,
            StudyInstanceUID="1.2.3",
            PatientID="P",
            at=s,
            **{keyword: value},
        )
    got, _ = read(tmp_path)
    assert sorted(int(g.array.min()) // 3000 for g in got.values()) == [0, 1] and {
        len(g.array) for g in got.values()
    } == {6}
    assert any("several series of a study" in n for n in look_through(tmp_path).notes)


def test_echo_times_and_orientations_within_rounding_are_one_volume_beyond_two(tmp_path):
    def planes(echoes, tilts):
        out = []
        for k in range(8):
            tilt = np.radians(tilts[k % len(tilts)])
            orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt)))
            out.append(
                Plane(
                    k,
                    None,
                    (0.0, 0.0, 3.0 * (k // 2) + 0.2 * (k % 2)),
                    orientation,
                    (1.0, 1.0),
                    (4, 4),
                    k + 1,
                    {"EchoTime": echoes[k % len(echoes)]},
                )
            )
        return out

    assert len(stacks(planes(["101", "101.0"], [0]))) == 1
    assert len(stacks(planes(["4.603", "4.605"], [0]))) == 1
    assert len(stacks(planes(["2.30", "2.46"], [0]))) == 2
    assert len(stacks(planes(["30"], [0, 0.4]))) == 1
    assert len(stacks(planes(["30"], [0, 3]))) == 2
    # a counter that differs for every image splits nothing
    assert len(stacks(planes([str(30 + 5 * k) for k in range(8)], [0]))) == 1


def test_missing_positions_are_placed_or_kept_together_by_number_and_said(tmp_path):
    uid, study, volume = generate_uid(), generate_uid(), scene()
    names = np.random.default_rng(0).permutation(14)
    for k, pixels in enumerate(volume):
        lost = {} if k in (4, 9) else {"position": (0, 0, 2.0 * k), "orientation": AXIAL}
        write_slice(
            tmp_path / "some" / f"{names[k]:02d}", pixels, number=k + 1, series=uid, StudyInstanceUID=study, **lost
        )
        write_slice(tmp_path / "all" / f"{names[k]:02d}", pixels, number=k + 1, series=uid, StudyInstanceUID=study)
        write_slice(tmp_path / "none" / f"{names[k]:02d}", pixels, number=1, series=uid, StudyInstanceUID=study)
        write_slice(
            tmp_path / "cr" / f"{names[k]:02d}", pixels, number=k + 1, series=uid, StudyInstanceUID=study, sop=CR
        )
    (some,) = read(tmp_path / "some")[0].values()
    assert "2 of 14 images of the series state no position: placed" in some.notes[0]
    np.testing.assert_array_equal(some.array, volume)
    (together,) = read(tmp_path / "all")[0].values()
    assert "14 files of one series state no position: kept together in the order" in together.notes[0]
    np.testing.assert_array_equal(together.array, volume)
    single = read(tmp_path / "none")[0]
    assert len(single) == 14 and all("kept as single images" in g.notes[0] for g in single.values())
    views = read(tmp_path / "cr")[0]  # a series of radiographs is a set of views
    assert len(views) == 14 and not any(g.notes for g in views.values())


def test_padding_and_its_range_become_the_lowest_of_the_others(tmp_path):
    pixels = np.array([[-2000, -1990, -1000, 40], [-2000, 300, -7, 2000]], np.int16)
    write_slice(
        tmp_path / "one", pixels, signed=True, sop=CR, RescaleSlope="1", RescaleIntercept="-24", PixelPaddingValue=-2000
    )
    write_slice(tmp_path / "range", pixels, signed=True, sop=CR, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1500)
    stored = np.array([[0, 4095, 100], [4095, 8, 2048]], np.uint16)
    write_slice(
        tmp_path / "mono1",
        stored,
        sop=CR,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
        PixelPaddingValue=0,
    )
    got, _ = read(tmp_path)
    np.testing.assert_array_equal(got["one"].array[0], [[-2014, -2014, -1024, 16], [-2014, 276, -31, 1976]])
    np.testing.assert_array_equal(got["range"].array[0], [[-1000, -1000, -1000, 40], [-1000, 300, -7, 2000]])
    np.testing.assert_array_equal(got["mono1"].array[0], [[0, 0, 3995], [0, 4087, 2047]])
    assert "2 padding pixels were set to the lowest of the others" in got["one"].notes


@pytest.mark.parametrize(
    "stored, allocated, signed", [(1, 8, 0), (8, 8, 0), (10, 16, 0), (16, 16, 0), (16, 16, 1), (12, 16, 1)]
)
def test_monochrome1_is_turned_in_any_depth(stored, allocated, signed, tmp_path):
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    pixels = np.random.default_rng(0).integers(low, high, (6, 8), endpoint=True)
    path = write_slice(tmp_path / "a", pixels, sop=CR, signed=bool(signed))
    d = pydicom.dcmread(path)
    d.PhotometricInterpretation, d.BitsStored, d.HighBit, d.BitsAllocated = "MONOCHROME1", stored, stored - 1, allocated
    d.PixelData = pixels.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
    d.save_as(path)
    np.testing.assert_array_equal(read(tmp_path)[0]["a"].array[0], low + high - pixels)


def test_a_table_of_grey_values_is_looked_up_before_white_as_zero_is_turned(tmp_path):
    pixels = np.array([[0, 1], [2, 3]], np.uint16)
    path = write_slice(
        tmp_path / "a", pixels, sop=CR, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11
    )
    d, table = pydicom.dcmread(path), pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "US"
    table.add_new((0x0028, 0x3006), "US", [100, 400, 900, 1600])
    d.ModalityLUTSequence = [table]
    d.save_as(path)
    np.testing.assert_array_equal(read(tmp_path)[0]["a"].array[0], 65535 - np.array([[100, 400], [900, 1600]]))


def with_floats(path, values, photometric="MONOCHROME2"):
    write_slice(path, np.zeros(values.shape))
    d = pydicom.dcmread(path)
    del d.PixelData
    d.FloatPixelData, d.BitsAllocated, d.PhotometricInterpretation = values.astype("<f4").tobytes(), 32, photometric
    for name in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(d, name)
    d.save_as(path)


def test_float_pixels_with_nan_and_infinite(tmp_path, dataset_name, daebias_home):
    values = np.arange(20, dtype=np.float32).reshape(4, 5) - 3.5
    holed = values.copy()
    holed[0, 0], holed[1, 1], holed[2, 2] = np.nan, np.inf, -np.inf
    with_floats(tmp_path / "a", holed)
    with_floats(tmp_path / "b", np.full((4, 5), np.nan))
    with_floats(tmp_path / "c", values, "MONOCHROME1")
    report = register(dataset_name, tmp_path)
    assert report.images == 2 and "no finite value" in report.skipped["b"]
    assert "a: 3 values that are not finite were set to the lowest" in report.notes, report.notes
    root, items, _ = find_items(tmp_path)
    arrays = {i.name: read_item([root / f for f in i.files], i, Settings()).array[0] for i in items if i.name != "b"}
    expected = holed.copy()
    expected[~np.isfinite(holed)] = holed[np.isfinite(holed)].min()
    np.testing.assert_array_equal(arrays["a"], expected)
    np.testing.assert_array_equal(arrays["c"], -values)


def test_a_rescale_that_is_no_number_leaves_the_file_out(tmp_path, dataset_name, daebias_home):
    write_slice(tmp_path / "good", scene()[0], RescaleSlope="2", RescaleIntercept="0")
    path = write_slice(tmp_path / "bad", scene()[1], RescaleSlope="888", RescaleIntercept="0")
    path.write_bytes(path.read_bytes().replace(b"888 ", b"nan "))
    report = register(dataset_name, tmp_path)
    assert report.images == 1 and "RescaleSlope nan" in report.skipped["bad"]


def test_overlays_in_unused_bits_are_no_grey_values(tmp_path):
    pixels = np.array([[1, 2000], [4095, 7]], np.uint16)
    path = write_slice(tmp_path / "a", pixels | 0x8000, sop=CR, BitsStored=12, HighBit=11)
    d = pydicom.dcmread(path)
    d.add_new((0x6000, 0x0010), "US", 2)
    d.add_new((0x6000, 0x0011), "US", 2)
    d.add_new((0x6000, 0x0100), "US", 16)
    d.add_new((0x6000, 0x0102), "US", 15)
    d.save_as(path)
    np.testing.assert_array_equal(read(tmp_path)[0]["a"].array[0], pixels)


@pytest.mark.parametrize(
    "text, years",
    [
        ("045Y", 45),
        ("45Y", 45),
        ("45 Y", 45),
        ("9M", 0.75),
        ("018M", 1.5),
        ("003W", 3 * 7 / 365.25),
        ("45.5", 45.5),
        ("45", 45),
        ("999Y", None),
        ("-1Y", None),
        ("0Y", 0),
        ("abc", None),
        ("121Y", None),
        ("", None),
        ("12 weeks", 84 / 365.25),
    ],
)
def test_ages(text, years):
    assert years_of(text) == (None if years is None else pytest.approx(years, abs=1e-6))


@pytest.mark.parametrize(
    "stated, sexes, note",
    [
        (["M", "F", None, "O"], ["M", "F", None, "O"], ""),
        (["m", "w", "d"], ["M", "F", "O"], "'W' read as F"),
        (["M", "K"], ["M", "F"], "'K' read as F"),
        (["1", "2", "0", "9"], ["M", "F", None, None], "ISO 5218"),
        (["0", "1"], [None, None], ""),
        (["H", "F"], ["M", "F"], "'H' read as M"),
        (["H", "M"], [None, None], "Spanish"),
        (["female", "Male", "U", "unknown"], ["F", "M", None, None], "'FEMALE' read as F"),
    ],
)
def test_sexes_by_the_codes_of_a_cohort(stated, sexes, note):
    got, notes = sexes_of(stated)
    assert got == sexes and note in " ".join(notes) and (note or not notes)


def test_ages_sizes_and_sexes_of_a_cohort(tmp_path, dataset_name, daebias_home):
    rows = [
        ("045Y", "", "M"),
        ("45 Y", "", "F"),
        ("9M", "", "w"),
        ("999Y", "", "?"),
        (None, "19000101", "M"),
        (None, "19000615", "F"),
        (None, "19760306", "F"),
    ]
    for k, (age, born, sex) in enumerate(rows):
        write_slice(
            tmp_path / f"{k}.dcm",
            scene()[0],
            sop=CR,
            PatientID=f"P{k}",
            PatientBirthDate=born,
            PatientSex=sex,
            AcquisitionDate="20210305",
            PatientSize="175" if k % 2 else "1.75",
            **({"PatientAge": age} if age else {}),
        )
    report = register(dataset_name, tmp_path)
    dataset = fo.load_dataset(dataset_name)
    assert dataset.values("age") == [45, 45, 0.75, None, None, None, 44]
    assert dataset.values("sex") == ["M", "F", "F", None, "M", "F", "F"]
    assert set(dataset.values("height")) == {1.75}
    text = str(report)
    assert "read as centimetres" in text and "'999Y' (3.dcm)" in text and "stands for not known" in text
    assert report.unusable["header sex"] == {"3.dcm": "?"}
    assert "1976" not in text and metres_of(0.02) is None


def test_a_patient_id_that_stands_for_anybody_makes_nobody_the_same(tmp_path, dataset_name, daebias_home):
    for k in range(4):
        write_sagittal(tmp_path / f"s{k}", scene(12, seed=k), PatientID="ANONYMOUS", StudyInstanceUID=f"1.2.{k // 2}")
    report = register(dataset_name, tmp_path)
    assert report.subjects == 2 and any("4 DICOM images name no patient" in n for n in report.notes)


def test_degenerate_geometry_ends_in_a_volume_or_a_line(tmp_path, dataset_name, daebias_home):
    uid = generate_uid()
    for k in range(4):
        write_slice(
            tmp_path / "slide" / f"{k}",
            scene()[k],
            position=(3.0 * k, 0, 0),
            orientation=AXIAL,
            number=k + 1,
            series=uid,
            StudyInstanceUID="1.2.3",
        )
        write_slice(
            tmp_path / "skew" / f"{k}",
            scene()[k],
            position=(0, 0, 3.0 * k),
            orientation=(1, 0, 0, 1, 0, 0),
            number=k + 1,
            series=uid + ".1",
            StudyInstanceUID="1.2.3",
        )
    report = register(dataset_name, tmp_path)
    text = " ".join(report.notes)
    assert report.images == 2 and "positions do not differ" in text and "state no position" in text


@pytest.mark.parametrize("patient, n", [({"PatientID": "P1"}, 1), ({"PatientID": "ANON"}, 14)])
def test_files_without_a_series_uid_are_one_volume_only_of_a_patient_that_is_named(patient, n, tmp_path):
    axial(tmp_path / "a", scene(), StudyInstanceUID="1.2.3", **patient)
    for path in (tmp_path / "a").iterdir():
        d = pydicom.dcmread(path)
        del d.SeriesInstanceUID
        d.save_as(path)
    found = look_through(tmp_path)
    assert len(found.items) == n and any("no SeriesInstanceUID" in note for note in found.notes) is (n == 1)


@pytest.mark.parametrize("case", ["positions between", "same positions"])
def test_people_without_a_name_under_constant_uids_are_told_apart_by_folder(case, tmp_path, dataset_name, daebias_home):
    root = tmp_path / "cohort"
    for p, base in enumerate((0, 5000)):
        axial(
            root / f"case{p}",
            scene(seed=p) + base,
            series="1.2.3",
            StudyInstanceUID="1.2.4",
            PatientID="ANONYMOUS",
            PatientName="",
            at=p if case == "positions between" else 0,
        )
    got, _ = read(root)
    assert [len(g.array) for g in got.values()] == [14, 14]
    assert sorted(int(g.array.min()) // 5000 for g in got.values()) == [0, 1]
    assert register(dataset_name, root).subjects == 2
    # one volume in folders of some files each is one still: their numbers go on
    for path in sorted((root / "case0").iterdir())[7:]:
        (root / "more").mkdir(exist_ok=True)
        path.rename(root / "more" / path.name)
    for path in (root / "case1").iterdir():
        path.unlink()
    assert [len(g.array) for g in read(root)[0].values()] == [14]
