"""NIfTI to slices, in whatever orientation it was stored."""

import itertools
import json

import nibabel as nib
import numpy as np
import pytest
from made import scene

from fiftyone_daebias.cohort.nifti import read_nifti, read_sidecar
from fiftyone_daebias.cohort.volume import to_slices
from fiftyone_daebias.errors import CohortError


def stored(volume, codes, spacing=(4.0, 1.5, 1.2)):
    """(slices to the left, rows down, columns to the back) as a NIfTI image whose axes run as ``codes`` say."""
    lip = nib.orientations.axcodes2ornt(("L", "I", "P"))
    moves = nib.orientations.ornt_transform(lip, nib.orientations.axcodes2ornt(codes))
    affine = np.diag([-spacing[0], -spacing[2], -spacing[1], 1.0])[:, [0, 2, 1, 3]]
    moved = nib.orientations.apply_orientation(volume, moves)
    return nib.Nifti1Image(moved, affine @ nib.orientations.inv_ornt_aff(moves, volume.shape))


@pytest.mark.parametrize(
    "codes", [tuple(c) for axes in itertools.permutations(("RL", "AP", "SI")) for c in itertools.product(*axes)]
)
def test_all_48_orientations_give_the_same_sagittal_slices(codes, tmp_path):
    volume = scene(6, 9, 7)
    path = tmp_path / "v.nii.gz"
    nib.save(stored(volume, codes), path)
    got = to_slices(read_nifti(path), "sagittal")
    np.testing.assert_array_equal(got.array, volume)
    assert got.spacing == pytest.approx((4.0, 1.5, 1.2), rel=1e-5)
    assert got.geometry["axes"] == "".join(codes)


def test_scaling_4d_and_auto_plane(tmp_path):
    volume = scene(6, 9, 7).astype(np.int16)
    image = stored(np.stack([volume, volume + 5], -1)[..., 0], ("L", "P", "I"))
    data = np.stack([np.asanyarray(image.dataobj), np.asanyarray(image.dataobj) + 5], -1)
    four = nib.Nifti1Image(data.astype(np.int16), image.affine)
    four.header.set_slope_inter(0.5, 3)
    path = tmp_path / "four.nii"
    nib.save(four, path)
    raw = nib.load(path)
    for k in (0, 1):
        got = read_nifti(path, volume=k)
        np.testing.assert_allclose(got.array, raw.get_fdata()[..., k], rtol=1e-6)
        assert f"volume {k} of 2" in got.notes[0]
    assert to_slices(read_nifti(path)).geometry["plane"] == "sagittal"  # 4 mm apart: that is how it was acquired
    with pytest.raises(CohortError, match="has 2 volumes, so there is no volume 7"):
        read_nifti(path, volume=7)


def test_resampling_keeps_the_field_of_view(tmp_path):
    path = tmp_path / "v.nii"
    nib.save(stored(scene(6, 30, 40), ("L", "I", "P")), path)
    got = to_slices(read_nifti(path), "sagittal", spacing=2.0)
    assert got.array.shape == (6, round(30 * 1.5 / 2), 24)
    assert got.spacing[1] * got.array.shape[1] == pytest.approx(45) and got.spacing[2] * 24 == pytest.approx(48)


def test_damage_and_missing_orientation(tmp_path):
    path = tmp_path / "v.nii.gz"
    nib.save(stored(scene(6, 9, 7), ("L", "I", "P")), path)
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CohortError, match="cannot be read as NIfTI"):
        read_nifti(cut)
    (tmp_path / "text.nii").write_text("not a volume")
    with pytest.raises(CohortError, match="cannot be read as NIfTI"):
        read_nifti(tmp_path / "text.nii")
    image = nib.Nifti1Image(scene(3, 4, 5).astype(np.float32), None)
    image.header.set_qform(None, 0)
    image.header.set_sform(None, 0)
    nib.save(image, tmp_path / "lost.nii")
    assert "left and right are unknown" in read_nifti(tmp_path / "lost.nii").notes[0]


def test_sidecar(tmp_path):
    (tmp_path / "v.json").write_text(
        json.dumps(
            {
                "EchoTime": 0.101,
                "Manufacturer": "Siemens",
                "PatientName": "Nobody",
                "MagneticFieldStrength": 3,
                "SoftwareVersions": ["a", "b"],
            }
        )
    )
    got, withheld = read_sidecar(tmp_path / "v.nii.gz")
    assert withheld == {} and got == {
        "echo_time": 101.0,
        "manufacturer": "Siemens",
        "field_strength": 3.0,
        "software": "a",
    }
    assert read_sidecar(tmp_path / "w.nii") == ({}, {})
