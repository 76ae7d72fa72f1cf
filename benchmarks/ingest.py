"""How fast are files read, beside a bare loop of ``pydicom.dcmread(...).pixel_array`` over the same files?

    python benchmarks/ingest.py [--quick] [--folder DICOM] [--out ingest.json]

Registering means: headers, series, geometry, decoding, the slice cache, PNG
previews and montages, and the database. Without ``--folder`` sagittal series
of 16 slices are written: one set uncompressed, one in JPEG 2000 (as archives
keep them). Peak memory is that of the largest process, for a cohort and for
one ten times as large. Every timing is a process of its own, with an empty
cache and an empty database entry.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

N_SLICES, SIDE = 16, 384

BARE = """
import resource, sys, time
from pathlib import Path
import pydicom
files = [p for p in Path(sys.argv[1]).rglob("*") if p.is_file()]
pydicom.dcmread(files[0]).pixel_array  # the decoders are imported
t = time.perf_counter()
for f in files:
    pydicom.dcmread(f).pixel_array
print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""

OURS = """
import resource, sys, time
import fiftyone as fo
from fiftyone_daebias import register
fo.list_datasets()  # the database is up
t = time.perf_counter()
report = register(sys.argv[2], sys.argv[1], workers=int(sys.argv[3]))
spent = time.perf_counter() - t
fo.delete_dataset(sys.argv[2])
most = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(spent, most / 1e3, report.images)
"""


def write_series(folder: Path, n_series: int, compressed: bool) -> None:
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    for n in range(n_series):
        series = generate_uid()
        for k in range(N_SLICES):
            body = 900 * np.exp(-((x - 0.5) ** 2 / 0.05 + (y - 0.4 - 0.01 * k) ** 2 / 0.2))
            pixels = np.clip(body * (1 + 0.3 * np.sin(30 * y + n)) + rng.normal(0, 15, x.shape), 0, 4095)
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            meta.MediaStorageSOPInstanceUID = generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
            d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
            d.SeriesInstanceUID, d.PatientID, d.Modality = series, f"patient{n}", "MR"
            d.Rows = d.Columns = SIDE
            d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
            d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
            d.ImagePositionPatient = [4.0 * k - 30, -100, 100]
            d.ImageOrientationPatient, d.PixelSpacing, d.InstanceNumber = [0, 1, 0, 0, 0, -1], [0.8, 0.8], k + 1
            d.PixelData = pixels.astype("<u2").tobytes()
            if compressed:
                try:
                    d.compress(JPEG2000Lossless, generate_instance_uid=False)
                except (RuntimeError, NotImplementedError):
                    d.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
            path = folder / f"s{n:04d}" / f"{rng.integers(1 << 40):x}"
            path.parent.mkdir(parents=True, exist_ok=True)
            d.save_as(path, enforce_file_format=True)


def run(code: str, *args: str) -> list[float]:
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"DAEBIAS_HOME": home, "OMP_NUM_THREADS": "1"}
        out = subprocess.run([sys.executable, "-c", code, *args], env=env, check=True, capture_output=True, text=True)
    return [float(v) for v in out.stdout.split("\n")[-2].split()]


def measure(folder: Path, label: str) -> dict:
    files = [p for p in folder.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files) / 1e6
    for p in files:
        p.read_bytes()  # the files are in the page cache for everybody
    row: dict = {"files": len(files), "MB": size}
    print(f"\n{label}: {len(files):,} files, {size:,.0f} MB")
    print(f"{'':24} {'seconds':>8} {'files/s':>8} {'MB/s':>7} {'of bare loop':>13} {'peak MB':>8}")
    seconds, peak = run(BARE, str(folder))[:2]
    row["bare loop"] = {"seconds": seconds, "peak MB": peak}
    print(f"{'bare loop':24} {seconds:8.1f} {len(files) / seconds:8.0f} {size / seconds:7.0f} {1:13.2f} {peak:8.0f}")
    for workers in (1, 2):
        spent, peak, _ = run(OURS, str(folder), f"ingest-{uuid.uuid4().hex[:8]}", str(workers))
        name = f"register, {workers} process" + "es" * (workers > 1)
        row[name] = {"seconds": spent, "peak MB": peak, "rate of bare loop": seconds / spent}
        rates = f"{len(files) / spent:8.0f} {size / spent:7.0f} {seconds / spent:13.2f}"
        print(f"{name:24} {spent:8.1f} {rates} {peak:8.0f}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the files")
    parser.add_argument("--folder", type=Path, help="measure these DICOM files instead")
    parser.add_argument("--out", default="ingest.json")
    args = parser.parse_args()
    rows = {}
    t = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if args.folder:
            rows[str(args.folder)] = measure(args.folder, str(args.folder))
        else:
            n = 6 if args.quick else 20
            for name, count, compressed in (
                ("JPEG 2000, small", n, True),
                ("JPEG 2000, 10 x", 10 * n, True),
                ("uncompressed", 5 * n, False),
            ):
                write_series(Path(folder) / name, count, compressed)
                rows[name] = measure(Path(folder) / name, name)
    print(f"\n{time.perf_counter() - t:.0f} s in all")
    with open(args.out, "w") as out:
        json.dump(rows, out, indent=1)


if __name__ == "__main__":
    main()
