"""Real DICOM and NIfTI files, made for the tests: small, but written by pydicom and nibabel as scanners' are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR = "1.2.840.10008.5.1.4.1.1.4"
CR = "1.2.840.10008.5.1.4.1.1.1"


def scene(n=14, height=24, width=20, seed=0) -> np.ndarray:
    """A volume (slices, rows, columns) in which no flip or swap is a symmetry; uint16."""
    rng = np.random.default_rng(seed)
    k, i, j = np.meshgrid(np.arange(n), np.arange(height), np.arange(width), indexing="ij")
    return (20 * k + 7 * i + 3 * j + rng.integers(0, 40, (n, height, width))).astype(np.uint16)


def write_slice(
    path: Path,
    pixels: np.ndarray,
    *,
    position=None,
    orientation=None,
    spacing=(1.0, 1.0),
    series=None,
    number=1,
    sop=MR,
    signed=False,
    **header,
) -> Path:
    """One classic single-frame file; further keywords are header attributes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    d.SOPClassUID, d.SOPInstanceUID = sop, meta.MediaStorageSOPInstanceUID
    d.SeriesInstanceUID = series or generate_uid()
    d.StudyInstanceUID = generate_uid()
    d.Modality = "MR" if sop == MR else "CR"
    d.Rows, d.Columns = pixels.shape
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, int(signed)
    d.InstanceNumber = number
    if position is not None:
        d.ImagePositionPatient, d.ImageOrientationPatient = [float(v) for v in position], list(map(float, orientation))
    if spacing is not None:
        d.PixelSpacing = list(map(float, spacing))
    for name, value in header.items():
        setattr(d, name, value)
    d.PixelData = np.ascontiguousarray(pixels.astype("<i2" if signed else "<u2")).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    d.save_as(path, enforce_file_format=True)
    return path


def write_sagittal(folder: Path, volume: np.ndarray, *, step=4.0, order=None, skip=(), **header) -> str:
    """A sagittal series: slices from right (x = −26) to left, rows down, columns to the back; shuffled file names.

    ``volume`` is (slices, rows, columns) as the package must give it back.
    """
    series = header.pop("series", generate_uid())
    names = np.random.default_rng(1).permutation(len(volume)) if order is None else order
    for k, pixels in enumerate(volume):
        if k in skip:
            continue
        write_slice(
            folder / f"{names[k]:03d}",
            pixels,
            position=(-26 + step * k, -100.0, 80.0),
            orientation=(0, 1, 0, 0, 0, -1),
            spacing=(1.5, 1.2),
            series=series,
            number=int(names[k]) + 1,
            **header,
        )
    return series


PERSON = {
    "PatientName": "Musterfrau^Erika",
    "PatientID": "HOSP-4711-99",
    "PatientBirthDate": "19640812",
    "PatientAddress": "Heidestrasse 17, Koeln",
    "ReferringPhysicianName": "Quacksalber^Theodor",
    "PatientComments": "asked for Dr. Zebedaeus",
    "AccessionNumber": "ACC0815007",
    "PatientSex": "F",
    "PatientAge": "045Y",
    "PatientWeight": "61.5",
    "PatientSize": "1.68",
    "Manufacturer": "ACME",
    "EchoTime": "101",
    "ProtocolName": "t2_tse_sag",
    "StationName": "MRMUSTERFRAU",
    "AcquisitionDate": "20210305",
    "AcquisitionTime": "143000",
}


def read_header(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)
