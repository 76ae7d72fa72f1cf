"""Which files become samples: globs, BIDS, masks, links, archives, files that were not fetched; and how that is told."""

import os
import zipfile

import fiftyone as fo
import nibabel as nib
import numpy as np
import pytest
from made import scene, write_sagittal, write_slice
from PIL import Image

from fiftyone_daebias import register, verbs
from fiftyone_daebias.cli import main
from fiftyone_daebias.cohort.items import look_through
from fiftyone_daebias.cohort.left_out import label_word, matches, n_labels, told
from fiftyone_daebias.cohort.nifti import read_nifti
from fiftyone_daebias.cohort.privacy import privacy
from fiftyone_daebias.errors import CohortError, InputError

MM = np.diag([1.0, 1, 2, 1])


def nifti(path, data, affine=MM):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


@pytest.fixture
def bids(tmp_path, daebias_home):
    """Three subjects: T1w, bold, dwi, a field map, and derivatives with a label map and a mask each."""
    for s in range(3):
        volume = scene(24, 20, 14, seed=s).astype(np.int16)
        labels = (volume > 200).astype(np.uint8)
        for name, data in (
            ("anat/sub-0{}_T1w", volume),
            ("func/sub-0{}_task-rest_bold", np.stack([volume + 1] * 3, -1)),
            ("dwi/sub-0{}_dwi", np.stack([volume + 2] * 3, -1)),
            ("fmap/sub-0{}_phasediff", volume + 3),
            ("anat/sub-0{}_space-orig_dseg", labels),
        ):
            nifti(tmp_path / f"sub-0{s}" / f"{name.format(s)}.nii.gz", data)
        nifti(tmp_path / "derivatives" / "fmriprep" / f"sub-0{s}" / "anat" / f"sub-0{s}_desc-brain_mask.nii.gz", labels)
        nifti(
            tmp_path / "derivatives" / "fmriprep" / f"sub-0{s}" / "anat" / f"sub-0{s}_desc-preproc_T1w.nii.gz", volume
        )
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-00\t30\nsub-01\t40\nsub-02\t50\n")
    return tmp_path


def test_derivatives_masks_and_field_maps_are_counted_and_left_out(bids, dataset_name):
    report = register(dataset_name, bids)
    assert (report.images, report.subjects) == (9, 3)
    assert fo.load_dataset(dataset_name).count_values("bids_suffix") == {"T1w": 3, "bold": 3, "dwi": 3}
    text = str(report)
    for line in (
        "left out: 12 files",
        "3: BIDS derivatives, mask (first: derivatives/fmriprep/sub-00",
        "3: BIDS derivatives, T1w (first",
        "3: a mask or label map by its BIDS suffix, dseg (first: sub-00",
        "3: a field map, phasediff (first",
    ):
        assert line in text
    assert "BIDS suffix: T1w 3" in text and "include=" in text


@pytest.mark.parametrize(
    "arguments, n",
    [
        (["--include", "*_T1w.nii.gz"], 3),
        (["--include", "*_T1w.nii.gz", "*_bold.nii.gz"], 6),
        (["--exclude", "func", "dwi"], 3),
        (["--exclude", "sub-00/*"], 6),
        (["--include", "derivatives/*preproc*"], 3),
        (["--include", "*_dseg.nii.gz"], 3),
        (["--include", "sub-01"], 3),
    ],
)
def test_include_and_exclude_on_the_command_line(arguments, n, bids, dataset_name, capsys):
    assert main(["register", dataset_name, str(bids), *arguments, "--quiet"]) == 0
    assert len(fo.load_dataset(dataset_name)) == n


def test_globs_that_match_nothing_say_so_and_the_form_knows_them(bids, dataset_name, capsys):
    assert main(["register", dataset_name, str(bids), "--include", "*_T9w.nii.gz", "--quiet"]) == 2
    assert "include *_T9w.nii.gz matches none of" in capsys.readouterr().err
    with pytest.raises(InputError, match="matches none"):
        look_through(bids, "nothing")
    assert len(look_through(bids, "*_bold.nii.gz").items) == 3
    with pytest.raises(CohortError, match="no images in .*21 files were left out; 21: in exclude"):
        look_through(bids, ["sub-*"], ["sub-*"])
    known = {p.name: p for p in verbs.parameters(verbs.by_command("register").load())}
    assert known["include"].kind is list and "globs" in known["include"].help and known["exclude"].default is None


@pytest.mark.parametrize(
    "pattern, file, hit",
    [
        ("*_T1w.nii.gz", "a/b/sub-1_T1w.nii.gz", True),
        ("a/*", "a/b/c.png", True),
        ("a", "a/b/c.png", True),
        ("a/", "a/c.png", True),
        ("./a", "a/c.png", True),
        ("b/*", "a/b/c.png", False),
        ("**/c.png", "c.png", True),
        ("c?.png", "a/c1.png", True),
        ("*.dcm", "a/c1.png", False),
        ("b", "a/b/c.png", True),
    ],
)
def test_globs(pattern, file, hit):
    assert matches(file, [pattern]) is hit


def test_masks_beside_images_are_known_by_name_and_content(tmp_path, dataset_name, daebias_home):
    rng = np.random.default_rng(0)
    for k in range(4):
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        pixels = rng.integers(0, 255, (32, 40)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{k}.png")
        disc = np.hypot(*np.mgrid[-80:80, -100:100]) < 30 + 9 * k
        Image.fromarray((disc * 255).astype(np.uint8)).save(tmp_path / "masks" / f"{k}.jpg")
        Image.fromarray(pixels).save(tmp_path / "images" / f"masked-patient_{k}.png")
    nifti(tmp_path / "v_seg.nii.gz", (scene(14) > 100).astype(np.uint8))
    nifti(tmp_path / "grey_mask.nii.gz", scene(14).astype(np.int16))  # named like a mask, but an image
    nifti(tmp_path / "unnamed.nii.gz", (scene(14) > 150).astype(np.uint8) * 3)
    report = register(dataset_name, tmp_path)
    assert report.images == 10 and sorted(report.skipped) == [*(f"masks/{k}.jpg" for k in range(4)), "v_seg.nii.gz"]
    assert "4: a mask or label map by its name (masks) and its" in str(report)
    assert "unnamed.nii.gz: it holds 2 values only: a mask or label map?" in report.notes
    again = register(dataset_name + "-2", tmp_path, include=["masks/*"])
    assert again.images == 4


def test_label_words_and_label_maps():
    assert label_word("a/b_seg.nii.gz") == "seg" and label_word("labelsTr/x_001.nii.gz") == "labelsTr"
    assert label_word("unmasked/segmental.png") == "" and label_word("x_mask.png", ["*_mask.png"]) == ""
    rng = np.random.default_rng(0)
    assert n_labels(rng.integers(0, 5, (4, 9, 9))) == 5 and n_labels(np.zeros((1, 5, 5), np.float32)) == 1
    dark = np.clip(rng.exponential(8, (4, 99, 99)), 0, 255).astype(np.uint8)
    dark[0, 0, 0] = 255
    assert n_labels(rng.integers(0, 200, (4, 99, 99))) == 0 and n_labels(dark) == 0
    assert n_labels(rng.random((1, 5, 5))) == 0


def test_what_was_not_fetched_is_left_out_and_counted_with_the_command(bids, dataset_name):
    for s, what in ((1, "annex"), (2, "lfs")):
        path = bids / f"sub-0{s}" / "anat" / f"sub-0{s}_T1w.nii.gz"
        path.unlink()
        if what == "annex":
            os.symlink("../../.git/annex/objects/xx/MD5E-s1--a.nii.gz", path)
        else:
            path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    (bids / "sub-00" / "anat" / "sub-00_T2w.nii.gz").write_text("/annex/objects/MD5E-s1--b.nii.gz\n")
    os.symlink("nowhere.nii.gz", bids / "gone.nii.gz")
    report = register(dataset_name, bids, include=["*_T?w.nii.gz", "gone*"], exclude=["derivatives"])
    assert report.images == 1
    text = str(report)
    assert "2: content not fetched (git-annex): run 'datalad get .'" in text and "run 'git lfs pull'" in text
    assert "gone.nii.gz: a link to a file that is not there" in text
    # what a person must act on comes before what is left out as asked
    assert text.index("not fetched") < text.index("in exclude")
    (bids / "participants.tsv").unlink()
    os.symlink(".git/annex/objects/yy/MD5E-s2--p.tsv", bids / "participants.tsv")
    report = register(dataset_name + "-2", bids, include=["*_bold.nii.gz"])
    assert any("participants.tsv was not read" in n and "datalad get" in n for n in report.notes) and report.images == 3
    with pytest.raises(CohortError, match="not fetched"):
        register(dataset_name + "-3", bids, bids / "sub-02" / "anat" / "sub-02_T1w.nii.gz")


def test_linked_folders_are_read_once_and_pipes_never(tmp_path, dataset_name, daebias_home):
    root, other = tmp_path / "cohort", tmp_path / "elsewhere"
    write_slice(root / "a.dcm", scene()[0], PatientID="P1")
    write_slice(other / "b.dcm", scene()[1], PatientID="P2")
    os.symlink(other, root / "linked")
    os.symlink(root, root / "loop")
    os.symlink(root, other / "back")
    os.mkfifo(root / "pipe")
    found = look_through(root)
    assert [i.name for i in found.items] == ["a.dcm", "linked/b.dcm"]
    assert "back into the cohort" in found.skipped["loop"] and found.skipped["pipe"] == "not a regular file"
    assert "linked/back" in found.skipped
    assert privacy(root).dicom == 2


def test_archives_are_named(tmp_path):
    for k in range(3):
        write_slice(tmp_path / f"{k}.dcm", scene()[k], PatientID="P")
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        archive.write(tmp_path / "0.dcm")
    (tmp_path / "broken.zip").write_bytes(b"PK no")
    (tmp_path / "x.dcm.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "stim.tsv.gz").write_bytes(b"\x1f\x8b")
    skipped = look_through(tmp_path).skipped
    assert skipped["case.zip"] == "an archive of 1 files: unpack it to have them read"
    assert "cannot be opened" in skipped["broken.zip"] and "compressed image" in skipped["x.dcm.gz"]
    assert "stim.tsv.gz" not in skipped


def test_told_groups_reasons_by_urgency():
    skipped = {f"m{k}": "a mask or label map by its BIDS suffix, dseg" for k in range(5)} | {
        "b/x.dcm": "x.dcm: pixels cannot be decoded (ValueError: 12 bytes)",
        "y.dcm": "y.dcm: pixels cannot be decoded (ValueError: 99 bytes)",
        "z.nii": "content not fetched (git-annex): run it",
        "q": "copy of r",
        "s": "copy of t",
    }
    lines = told(skipped)
    assert [line.strip().partition(":")[0] for line in lines] == ["z.nii", "2", "2", "5"]


def test_a_table_with_a_row_a_file_joins_volumes(tmp_path, dataset_name, daebias_home):
    lines = ["path,instance,subject,group"]
    for s in range(3):
        write_sagittal(tmp_path / "img" / f"s{s}", scene(13, seed=s), PatientID=f"P{s}")
        lines += [f"s{s}/{f.name},{f.name},S{s},{'ab'[s % 2]}" for f in sorted((tmp_path / "img" / f"s{s}").iterdir())]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    report = register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    assert "39 of 39 rows" in report.join and not report.rows_without_file and not report.duplicate_rows
    dataset = fo.load_dataset(dataset_name)
    assert dataset.values("group") == ["a", "b", "a"] and not dataset.has_field("instance")
    assert any("a row a file" in n and "path, instance" in n for n in report.notes)


@pytest.mark.parametrize(
    "unit, factor, size, note",
    [
        ("micron", 1e-3, 1500.0, "micron"),
        ("meter", 1e3, 0.0015, "meter"),
        ("mm", 1, 1.5, None),
        ("unknown", 1, 1.5, None),
        ("meter", 1, 1.5, "taken as mm"),
    ],
)
def test_spatial_units(unit, factor, size, note, tmp_path):
    image = nib.Nifti1Image(scene(14).astype(np.int16), np.diag([size, size, size, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "v.nii")
    got = read_nifti(tmp_path / "v.nii")
    np.testing.assert_allclose(np.linalg.norm(got.affine[:3, :3], axis=0), size * factor, rtol=1e-5)
    assert (note in got.notes[0]) if note else not got.notes


@pytest.mark.parametrize(
    "qform, sform, note, axes",
    [
        (
            (1, 1, 2),
            (-1, 1, 2),
            "qform (RAS) and sform (LAS) contradict one another: left and right are in doubt",
            "LAS",
        ),
        ((1, 1, 2), (1, 1, 3), "state other voxel sizes", "RAS"),
        ((1, 1, 2), (1, 1, 2), None, "RAS"),
        ((1, 1, 2), (0, 0, 0), "its sform cannot be inverted: the qform is used", "RAS"),
    ],
)
def test_qform_against_sform(qform, sform, note, axes, tmp_path):
    image = nib.Nifti1Image(scene(14).astype(np.int16), MM)
    image.set_qform(np.diag([*map(float, qform), 1]), 1)
    image.set_sform(np.diag([*map(float, sform), 1]), 2)
    nib.save(image, tmp_path / "v.nii")
    got = read_nifti(tmp_path / "v.nii")
    assert "".join(nib.aff2axcodes(got.affine)) == axes
    assert note in got.notes[0] if note else not got.notes
