"""Odd files: nothing hangs, nothing grows without bound, and one bad file never ends a registration told to skip."""

import gzip
import os
import socket
import struct
import zipfile
import zlib

import numpy as np
import pytest
from faults.servers import environment, run
from PIL import Image

from fiftyone_daebias.cohort.bounds import check_workbook
from fiftyone_daebias.cohort.dicom.scan import read_header
from fiftyone_daebias.cohort.nifti import read_nifti
from fiftyone_daebias.errors import CohortError


def test_a_folder_of_odd_things_is_registered_without_them(tmp_path, dataset_name):
    images = tmp_path / "images"
    images.mkdir()
    for k in range(5):
        pixels = np.random.default_rng(k).integers(0, 255, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{k}.png")
    (images / "broken.png").symlink_to(tmp_path / "gone.png")
    (images / "circle.png").symlink_to(images / "circle.png")
    (images / "loop").symlink_to(images)
    (images / "device.png").symlink_to("/dev/zero")
    (images / "empty.png").touch()
    (images / "half.png").write_bytes((images / "0.png").read_bytes()[:60])
    os.mkfifo(images / "pipe.png")
    os.mkfifo(images / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(images)
        listener.bind("socket.png")
        os.chdir(tmp_path)
    with open(os.fsencode(images) + b"/caf\xe9.png", "wb") as stream:
        stream.write((images / "0.png").read_bytes())
    command = ["register", dataset_name, str(images), "--skip-unreadable", "--workers", "1", "--quiet", "--json"]
    code, out, err = run(command, environment(tmp_path / "home"), 90)
    assert code == 0, err
    assert '"images": 5,' in out and "Traceback" not in err
    for name in ("broken.png", "circle.png", "device.png", "pipe.png", "socket.png", "half.png", "empty.png"):
        assert name in out, name


def bomb(path, shape=(2048, 2048, 1500)):
    """A few megabytes that claim, and hold, gigabytes of zeros."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(bytes(header))
        stream.write(bytes(64 << 20))


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    bomb(tmp_path / "bomb.nii.gz")
    assert (tmp_path / "bomb.nii.gz").stat().st_size < 1 << 20
    with pytest.raises(CohortError, match="says that it holds"):
        read_nifti(tmp_path / "bomb.nii.gz")


def test_a_plain_volume_of_zeros_is_read(tmp_path):
    bomb(tmp_path / "mask.nii.gz", (128, 128, 64))
    assert read_nifti(tmp_path / "mask.nii.gz").array.shape == (128, 128, 64)


def test_a_deflated_dicom_bomb_stops_where_no_image_would_go_on(tmp_path):
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    honest = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    honest.SOPClassUID, honest.Rows, honest.Columns = meta.MediaStorageSOPClassUID, 16, 16
    honest.PixelData = bytes(512)
    honest["PixelData"].VR = "OW"
    honest.BitsAllocated, honest.SamplesPerPixel = 16, 1
    pydicom.dcmwrite(tmp_path / "honest.dcm", honest, enforce_file_format=True)
    header, reason = read_header(tmp_path / "honest.dcm")
    assert header is not None, reason
    raw = (tmp_path / "honest.dcm").read_bytes()
    start = 144 + int.from_bytes(raw[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(deflate.compress(bytes(16 << 20)) for _ in range(20)) + deflate.flush()
    (tmp_path / "bomb.dcm").write_bytes(raw[:start] + packed)
    header, reason = read_header(tmp_path / "bomb.dcm")
    assert header is None and "grows to more than" in reason


def test_a_workbook_that_would_grow_without_bound_is_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(80):
                sheet.write(bytes(1 << 20))
    with pytest.raises(CohortError, match="would grow to"):
        check_workbook(tmp_path / "bomb.xlsx")
    import pandas as pd

    pd.DataFrame({"file": [f"{k}.png" for k in range(500)], "sex": ["F"] * 500}).to_excel(tmp_path / "t.xlsx")
    check_workbook(tmp_path / "t.xlsx")
