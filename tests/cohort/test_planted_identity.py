"""What identifies people, planted wherever files carry it, is found nowhere afterwards: database, home, previews."""

import json

import fiftyone as fo
import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from fiftyone.core.odm import get_db_conn
from made import PERSON, scene, write_sagittal, write_slice
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import register
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import InputError

#: where each marker is planted; "Hans" and "Erika" are names as people have them, the rest nobody's
MARKERS = (
    "musterfrau",
    "erika",
    "hosp-4711",
    "19640812",
    "1964-08-12",
    "heidestr",
    "quacksalber",
    "zebedaeus",
    "acc0815007",
    "schneider",
    "hans",
    "wagner_otto",
    "12.05.1958",
    "19580512",
    "kowalska",
    "brunhilde",
    "fritz",
    "giovanni",
    "pesel",
    "schulze",
    "helmut",
)


def database() -> bytes:
    """Every document of the database, as text and bytes."""
    out = []
    db = get_db_conn()
    for name in db.list_collection_names():
        for document in db[name].find():
            out.append(json.dumps(document, default=lambda v: v.decode("latin-1") if isinstance(v, bytes) else str(v)))
    return "\n".join(out).encode("utf-8", "replace").lower()


def home(folder) -> bytes:
    """Names and content of every file."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts).lower()


@pytest.fixture
def cohort(tmp_path, daebias_home):
    root = tmp_path / "cohort"
    for k in range(3):
        person = PERSON | {
            "PatientID": f"HOSP-4711-{k}",
            "SeriesDescription": "LWS Schneider Hans",
            "BodyPartExamined": "KNEE",
            "ImageComments": "see Kowalska",
            "StudyInstanceUID": f"1.2.3.{k}",
            "AdditionalPatientHistory": "Brunhilde",
            "ProtocolName": ("t2_tse_sag", "Frau Schulze 19640812", "geb. 12.08.1964")[k],
        }
        write_sagittal(root / "dicom" / f"case{k}", scene(13, seed=k), **person)
    write_sagittal(root / "dicom" / "Wagner_Otto_19580512", scene(13, seed=7), PatientID="X1", BodyPartExamined="Fritz")
    stacked = scene(6, seed=8)
    for name in ("Helmut Schulze", "other"):  # the label that tells volumes of one series apart is somebody's name
        for k, pixels in enumerate(stacked):
            write_slice(
                root / "dicom" / "stacks" / f"{name[:2]}{k}",
                pixels,
                position=(0, 0, 3.0 * k),
                orientation=(1, 0, 0, 0, 1, 0),
                series="1.2.3.4",
                number=k,
                PatientID="X2",
                StackID=name[:16],
                StudyInstanceUID="1.2.3.9",
            )
    image = nib.Nifti1Image(scene(14).astype(np.int16), np.diag([1.0, 1, 2, 1]))
    image.header["descrip"], image.header["db_name"] = b"Giovanni PESEL", b"Brunhilde"
    path = root / "nifti" / "Schneider, Hans 12.05.1958" / "scan.nii.gz"
    path.parent.mkdir(parents=True)
    nib.save(image, path)
    (path.parent / "scan.json").write_text(
        json.dumps(
            {
                "ProtocolName": "T1 Hans Schneider",
                "SeriesDescription": "geb 12.05.1958",
                "PatientName": "Schneider^Hans",
                "StationName": "Frau Kowalska",
                "BodyPartExamined": "Fritz",
                "EchoTime": 0.1,
            }
        )
    )
    (root / "png").mkdir()
    text = PngInfo()
    text.add_text("Comment", "Patient Giovanni")
    rng = np.random.default_rng(0)
    for name in ("Helmut_Schulze_1", "scan_2", "IM-19580512"):
        Image.fromarray(rng.integers(0, 255, (40, 30)).astype(np.uint8)).save(
            root / "png" / f"{name}.png", pnginfo=text
        )
    tifffile.imwrite(
        root / "png" / "plain.tif",
        rng.integers(0, 999, (40, 30)).astype(np.uint16),
        photometric="minisblack",
        description="Fritz Giovanni",
    )
    return root


def test_markers_are_found_nowhere(cohort, dataset_name, daebias_home):
    planted = b"\n".join(
        [
            *(str(p.relative_to(cohort)).encode() for p in cohort.rglob("*")),
            *(p.read_bytes() for p in cohort.rglob("*") if p.is_file()),
        ]
    ).lower()
    everywhere = planted + b"\n".join(bytes(nib.load(p).header.binaryblock) for p in cohort.rglob("*.nii.gz")).lower()
    assert [m for m in MARKERS if m.encode() not in everywhere and m not in ("1964-08-12",)] == []
    report = register(dataset_name, cohort)
    dataset = fo.load_dataset(dataset_name)
    assert report.images == len(dataset) == 11
    dataset.daebias.duplicates(progress=None)
    stored = database() + home(daebias_home)
    assert b"t2_tse_sag" in stored and b"scan_2.png" in stored  # what is harmless is there, so the search can find
    assert {m: stored.count(m.encode()) for m in MARKERS if m.encode() in stored} == {}
    withheld = report.unusable
    assert {"header protocol", "header series_description", "header body_part"} <= set(withheld)
    # a picture whose name is not stored has a preview instead, and its slices
    hidden = [s for s in dataset if str(s["daebias_source"]).startswith("hidden:")]
    assert len(hidden) >= 4 and all(str(daebias_home) in s.filepath and Image.open(s.filepath) for s in hidden)
    assert len(open_slices(dataset)) == 11
    again = register(dataset_name, cohort)
    assert (again.added, again.updated) == (0, 0)
    for path in (daebias_home / "cache").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="run 'daebias register' on its files again"):
        open_slices(dataset.select([s.id for s in hidden]))


def test_a_burned_out_header_still_hides_its_person_by_the_path(tmp_path, dataset_name, daebias_home):
    """The path repeats what the header says, in a form no list of names knows."""
    write_slice(tmp_path / "d" / "Xyqwbert_a.dcm", scene()[0], PatientID="Q-1", PatientName="Xyqwbert^Zz")
    register(dataset_name, tmp_path / "d")
    assert b"xyqwbert" not in database() + home(daebias_home)
    assert pydicom.dcmread(tmp_path / "d" / "Xyqwbert_a.dcm").PatientID == "Q-1"
