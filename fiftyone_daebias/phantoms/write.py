"""Writing a volume as a DICOM series or as NIfTI with its sidecar: valid, and the same to the byte every time."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np

from .frame import REGIONS
from .scan import STEP_MM, THICK_MM, TR, Picture, Scan

_BODY_PART = {"neck": "CSPINE", "chest": "TSPINE", "lumbar": "LSPINE"}
_MR = "1.2.840.10008.5.1.4.1.1.4"
_MAKER, _MODEL = "Phantom Imaging", "Spin 15"


def write_dicom(folder: Path, scan: Scan, picture: Picture, seed: int) -> None:
    """Writes a series of single-frame MR images into a folder."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    person, region = scan.person, scan.region
    folder.mkdir(parents=True)
    identity = (seed, person.name, person.number)
    day, number = person.date.strftime("%Y%m%d"), list(REGIONS).index(region) + 1
    time = f"{person.hour:02d}{7 * number:02d}00"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = pydicom.uid.UID(_MR), ExplicitVRLittleEndian
    d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    d.SOPClassUID, d.Modality, d.ImageType = pydicom.uid.UID(_MR), "MR", ["ORIGINAL", "PRIMARY", "M"]
    d.SpecificCharacterSet = "ISO_IR 100"
    d.StudyInstanceUID, d.SeriesInstanceUID = _uid("study", *identity), _uid("series", *identity, region)
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = _uid("frame", *identity, region), ""
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = day
    d.StudyTime, d.SeriesTime, d.AcquisitionTime, d.ContentTime = f"{person.hour:02d}0000", time, time, time
    d.StudyID, d.SeriesNumber, d.AcquisitionNumber, d.AccessionNumber = "1", number, 1, ""
    # the id of the picture archive is not the participant's
    d.PatientID = "DB" + hashlib.sha256(repr(identity).encode()).hexdigest()[:10].upper()
    d.PatientName, d.PatientBirthDate = f"Phantom^{d.PatientID}", ""
    d.PatientSex, d.PatientAge = person.stated("sex"), f"{person.age:03d}Y"
    d.PatientSize, d.PatientWeight = f"{person.height / 100:.3f}", f"{person.weight:.1f}"
    d.ReferringPhysicianName, d.InstitutionName, d.StationName = "", f"Site {person.site}", scan.station
    d.Manufacturer, d.ManufacturerModelName, d.SoftwareVersions = _MAKER, _MODEL, scan.software
    d.DeviceSerialNumber = f"{1000 + number_of(scan.station)}"
    d.MagneticFieldStrength, d.BodyPartExamined, d.PatientPosition = "1.5", _BODY_PART[region], "HFS"
    d.ProtocolName = d.SeriesDescription = f"t2_tse_sag_{region}"
    d.ScanningSequence, d.SequenceVariant, d.ScanOptions, d.MRAcquisitionType = "SE", "SK", "", "2D"
    d.SliceThickness, d.SpacingBetweenSlices = f"{THICK_MM:g}", f"{STEP_MM:g}"
    d.RepetitionTime, d.EchoTime, d.EchoTrainLength, d.FlipAngle = f"{TR:g}", f"{scan.te:g}", 17, "150"
    d.PixelBandwidth, d.ReceiveCoilName, d.Laterality = "191", "Spine 24", ""
    _, row, column = picture.spacing
    n, d.Rows, d.Columns = picture.values.shape
    d.PixelSpacing = [f"{row:.5g}", f"{column:.5g}"]
    d.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    top = int(np.quantile(picture.values[:, ::3, ::3], 0.995))
    d.WindowCenter, d.WindowWidth = f"{top / 2:.0f}", f"{max(top, 1)}"
    d.BurnedInAnnotation = "NO"
    x, y, z = picture.origin
    for k in range(n):
        uid = _uid("image", *identity, region, k)
        d.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = uid
        d.InstanceNumber, d.SliceLocation = k + 1, f"{x + k * STEP_MM:.4f}"
        d.ImagePositionPatient = [f"{x + k * STEP_MM:.4f}", f"{y:.4f}", f"{z:.4f}"]
        d.PixelData = picture.values[k].astype("<u2").tobytes()
        d.save_as(folder / f"IM{k + 1:04d}.dcm", enforce_file_format=True)


def number_of(station: str) -> int:
    """The number in a station's name."""
    return int("".join(c for c in station if c.isdigit()) or 0)


def write_nifti(stem: Path, scan: Scan, picture: Picture) -> None:
    """Writes ``stem.nii.gz`` and the BIDS sidecar ``stem.json``."""
    import nibabel as nib

    slice_mm, row, column = picture.spacing
    x, y, z = picture.origin
    affine = np.zeros((4, 4))  # (columns, rows, slices) to RAS+
    affine[:, 0], affine[:, 1], affine[:, 2] = (0, -column, 0, 0), (0, 0, -row, 0), (-slice_mm, 0, 0, 0)
    affine[:, 3] = (-x, -y, z, 1)
    image = nib.Nifti1Image(np.ascontiguousarray(picture.values.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm", "sec")
    stem.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{stem}.nii.gz", "wb") as stream, gzip.GzipFile("", "wb", 1, stream, mtime=0) as packed:
        packed.write(image.to_bytes())
    sidecar = {
        "Modality": "MR",
        "Manufacturer": _MAKER,
        "ManufacturersModelName": _MODEL,
        "MagneticFieldStrength": 1.5,
        "SoftwareVersions": scan.software,
        "StationName": scan.station,
        "InstitutionName": f"Site {scan.person.site}",
        "BodyPartExamined": _BODY_PART[scan.region],
        "ProtocolName": f"t2_tse_sag_{scan.region}",
        "SeriesDescription": f"t2_tse_sag_{scan.region}",
        "EchoTime": scan.te / 1000,
        "RepetitionTime": TR / 1000,
        "EchoTrainLength": 17,
        "FlipAngle": 150,
        "PixelBandwidth": 191,
        "ReceiveCoilName": "Spine 24",
        "SliceThickness": THICK_MM,
        "PatientPosition": "HFS",
    }
    Path(f"{stem}.json").write_text(json.dumps(sidecar, indent=1) + "\n")


def _uid(*parts) -> str:
    """A UID from its parts, of the kind made of a UUID (2.25.…)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:16], 'big')}"
