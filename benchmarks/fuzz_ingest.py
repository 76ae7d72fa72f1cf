"""Does a damaged file ever stop a registration? Files are damaged at random; tracebacks and hangs are counted.

    python benchmarks/fuzz_ingest.py [--files 2000] [--seed 0] [--keep FOLDER] [--out fuzz.json]

Each file is a valid DICOM, NIfTI, PNG, JPEG, BMP or TIFF file with flipped,
cut, zeroed, repeated or inserted bytes, or with an odd value in one header
element. It is looked through and read as ``register`` does it. Right is: read,
or left out with a reason in one line. A traceback is any exception that is
not the package's own; a hang is more than 10 seconds.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

SECONDS = 10
#: odd values of header elements: (keyword, value)
ODD = [
    ("Rows", 0),
    ("Rows", 65535),
    ("Columns", 1),
    ("BitsAllocated", 1),
    ("BitsAllocated", 12),
    ("BitsStored", 0),
    ("BitsStored", 99),
    ("HighBit", 40),
    ("PixelRepresentation", 7),
    ("SamplesPerPixel", 3),
    ("SamplesPerPixel", 0),
    ("PhotometricInterpretation", "NONSENSE"),
    ("PhotometricInterpretation", "PALETTE COLOR"),
    ("PhotometricInterpretation", "YBR_FULL_422"),
    ("PhotometricInterpretation", ""),
    ("NumberOfFrames", "0"),
    ("NumberOfFrames", "-3"),
    ("NumberOfFrames", "2147483647"),
    ("NumberOfFrames", "2"),
    ("RescaleSlope", "0"),
    ("RescaleSlope", "1e300"),
    ("RescaleIntercept", "-1e300"),
    ("RescaleSlope", "nan"),
    ("PixelSpacing", ["0", "0"]),
    ("PixelSpacing", ["-1", "1"]),
    ("PixelSpacing", ["1"]),
    ("PixelSpacing", ["1e9", "1e-9"]),
    ("PixelSpacing", ["a", "b"]),
    ("ImagePositionPatient", ["0", "0"]),
    ("ImagePositionPatient", ["nan", "0", "0"]),
    ("ImagePositionPatient", ["1e30", "0", "0"]),
    ("ImageOrientationPatient", ["0"] * 6),
    ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"]),
    ("ImageOrientationPatient", ["nan"] * 6),
    ("SliceThickness", "0"),
    ("SliceThickness", "-5"),
    ("SliceThickness", "1e30"),
    ("InstanceNumber", "x"),
    ("InstanceNumber", "99999999999999999999"),
    ("EchoTime", "nan"),
    ("EchoTime", ["1", "2"]),
    ("PatientAge", "Y045"),
    ("PatientSize", "inf"),
    ("PatientWeight", "1e400"),
    ("PatientSex", "\\"),
    ("AcquisitionDate", "99999999"),
    ("AcquisitionDate", "20211301"),
    ("AcquisitionTime", "996199"),
    ("PatientBirthDate", "00000000"),
    ("ImageType", ["MOSAIC"]),
    ("ImageType", ""),
    ("WindowCenter", "nan"),
    ("WindowWidth", "-1"),
    ("WindowWidth", "0"),
    ("PixelPaddingValue", 0),
    ("SeriesInstanceUID", ""),
    ("SOPInstanceUID", ""),
    ("SOPClassUID", "1.2.3"),
    ("Modality", ["MR", "CT"]),
    ("PatientName", "^^^^"),
    ("ProtocolName", "\x00\x01\ud7ff"),
    ("StationName", "x" * 5000),
    ("SpecificCharacterSet", "ISO 2022 IR 999"),
    ("PlanarConfiguration", 9),
    ("Manufacturer", ["a"] * 300),
]


def seeds(folder: Path) -> dict[str, bytes]:
    """Valid files by name."""
    import cv2
    import nibabel as nib
    import pydicom
    import tifffile
    from PIL import Image
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 250, (24, 20)).astype(np.uint8)
    volume = rng.integers(0, 900, (10, 12, 8)).astype(np.int16)

    def dicom(path: Path, syntax=ExplicitVRLittleEndian, frames=0, floats=False) -> None:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
        d = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        d.SeriesInstanceUID, d.StudyInstanceUID, d.Modality = generate_uid(), generate_uid(), "MR"
        d.PatientID, d.PatientName, d.PatientAge, d.PatientSex = "P1", "Doe^Jane", "045Y", "F"
        d.Manufacturer, d.ProtocolName, d.EchoTime, d.AcquisitionDate = "ACME", "t2_tse_sag", "101", "20210305"
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 24, 20, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation, d.InstanceNumber = 16, 12, 11, 0, 1
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.RescaleSlope, d.RescaleIntercept = [1, 1], "2", "2", "-5"
        d.PixelPaddingValue, d.WindowCenter, d.WindowWidth = 0, "100", "200"
        pixels = np.stack([grey.astype(np.uint16) * 9] * max(1, frames))
        if frames:
            d.NumberOfFrames = frames
            shared, groups = Dataset(), []
            orientation, measures = Dataset(), Dataset()
            orientation.ImageOrientationPatient, measures.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
            shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
            for k in range(frames):
                frame, position = Dataset(), Dataset()
                position.ImagePositionPatient = [0, 0, 2 * k]
                frame.PlanePositionSequence = [position]
                groups.append(frame)
            d.SharedFunctionalGroupsSequence, d.PerFrameFunctionalGroupsSequence = [shared], groups
        if floats:
            d.BitsAllocated = 32
            del d.BitsStored, d.HighBit, d.PixelRepresentation, d.PixelPaddingValue
            d.FloatPixelData = pixels.astype("<f4").tobytes()
        else:
            d.PixelData = pixels.astype("<u2").tobytes()
        d.save_as(path)
        if syntax == RLELossless:
            d = pydicom.dcmread(path)
            d.compress(RLELossless)
            d.save_as(path)

    dicom(folder / "classic.dcm")
    dicom(folder / "implicit.dcm", ImplicitVRLittleEndian)
    dicom(folder / "rle.dcm", RLELossless)
    dicom(folder / "enhanced.dcm", frames=6)
    dicom(folder / "float.dcm", floats=True)
    image = nib.Nifti1Image(volume, np.diag([1, 1, 2, 1.0]))
    image.set_qform(np.diag([1, 1, 2, 1.0]), 1)
    for name in ("a.nii", "a.nii.gz"):
        nib.save(image, folder / name)
    nib.save(nib.Nifti1Image(np.stack([volume] * 3, -1).astype(np.float32), None), folder / "four.nii")
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(np.stack([grey] * 4, -1)).save(folder / "rgba.png")
    cv2.imwrite(str(folder / "deep.png"), np.stack([grey.astype(np.uint16) * 200] * 3, -1))
    Image.fromarray(grey).quantize(16).save(folder / "palette.png")
    Image.fromarray(grey).save(folder / "a.jpg")
    Image.fromarray(grey).save(folder / "a.bmp")
    tifffile.imwrite(folder / "pages.tif", np.stack([grey] * 3), photometric="minisblack")
    tifffile.imwrite(folder / "white.tif", grey.astype(np.uint16), photometric="miniswhite")
    tifffile.imwrite(folder / "float.tif", grey.astype(np.float32))
    Image.fromarray(grey).save(folder / "lzw.tif", compression="tiff_lzw")
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def damaged(name: str, good: bytes, rng: np.random.Generator) -> bytes:
    """One damaged version of a file."""
    if name.endswith(".dcm") and rng.random() < 0.4:
        return _odd_value(good, rng)
    packed = name.endswith(".gz") and rng.random() < 0.7
    data = bytearray(gzip.decompress(good) if packed else good)
    head = min(len(data), 700)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = int(rng.integers(8)), int(rng.integers(head if rng.random() < 0.8 else max(1, len(data))))
        at = min(at, max(0, len(data) - 1))
        if kind == 0:
            data[at : at + 1] = bytes([int(rng.integers(256))])
        elif kind == 1:
            for _ in range(16):
                data[int(rng.integers(max(1, len(data)))) :][:1] = b""
                if data:
                    data[int(rng.integers(len(data)))] = int(rng.integers(256))
        elif kind == 2:
            data = data[:at]
        elif kind == 3:
            n = int(rng.integers(1, 64))
            data[at : at + n] = bytes(n)
        elif kind == 4:
            data[at:at] = rng.bytes(int(rng.integers(1, 64)))
        elif kind == 5:
            odd = (0xFFFFFFFF, 0, 0x7FFFFFFF, 0x80000000, 0x7FC00000)
            data[at : at + 4] = odd[int(rng.integers(5))].to_bytes(4, "little")
        elif kind == 6:
            n = int(rng.integers(1, 200))
            data[at:at] = data[at : at + n]
        else:
            data[at : at + 2] = int(rng.integers(65536)).to_bytes(2, "little")
    return gzip.compress(bytes(data)) if packed else bytes(data)


def _odd_value(good: bytes, rng: np.random.Generator) -> bytes:
    import pydicom
    from pydicom import config

    d = pydicom.dcmread(io.BytesIO(good))
    with config.disable_value_validation():
        for _ in range(int(rng.integers(1, 4))):
            keyword, value = ODD[int(rng.integers(len(ODD)))]
            where = d
            if "PerFrameFunctionalGroupsSequence" in d and rng.random() < 0.3:
                where = d.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
            try:
                setattr(where, keyword, value)
            except Exception:  # a value that pydicom does not take at all
                continue
        out = io.BytesIO()
        try:
            d.save_as(out)
        except Exception:  # nor write
            return good[: len(good) // 2]
    return out.getvalue()


def _said(reason: str) -> tuple[str, str]:
    return ("left out", reason) if reason.isprintable() else ("TRACEBACK", f"a reason that is no line: {reason!r}")


def outcome(folder: Path, file: str, work: Path, seconds: int = SECONDS) -> tuple[str, str]:
    """What becomes of one file: ("read" | "left out" | "TRACEBACK" | "HANG", reason)."""
    import bson

    from fiftyone_daebias.cohort.items import look_through
    from fiftyone_daebias.cohort.load import Settings, load_item
    from fiftyone_daebias.errors import DaebiasError

    def ring(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        found = look_through(folder)
        reasons = [found.skipped[file]] if file in found.skipped else []
        for item in found.items:
            done = load_item(found.root, item, Settings(to_grey=True), work / "cache", work / "previews")
            header = {k: str(v) if hasattr(v, "year") else v for k, v in item.header.items()}
            bson.encode({"header": header, "geometry": done.geometry, "name": item.name, "notes": list(done.notes)})
            if "TimeoutError" in done.error:
                return "HANG", item.name
            reasons += [done.error] if done.error else []
        return _said(reasons[0]) if reasons else ("read", "")
    except DaebiasError as error:
        return _said(str(error))
    except TimeoutError:
        return "HANG", traceback.format_exc()
    except BaseException:
        return "TRACEBACK", traceback.format_exc()
    finally:
        signal.alarm(0)


def fuzz(n: int, seed: int = 0, keep: Path | None = None) -> dict:
    """Damages and reads ``n`` files; ``{"outcomes": counts, "by_file": …, "faults": [(file, reason)]}``."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    counts, by_file, faults, slowest = Counter(), Counter(), [], 0.0
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "seeds").mkdir()
        good = seeds(work / "seeds")
        names = list(good)
        for name in names:  # what is whole is read; imports take their time here
            (work / "whole" / name).mkdir(parents=True)
            (work / "whole" / name / name).write_bytes(good[name])
            what, reason = outcome(work / "whole" / name, name, work, seconds=120)
            if what != "read":
                raise SystemExit(f"the undamaged {name} is not read: {reason}")
        for k in range(n):
            name = names[k % len(names)]
            folder = work / "one"
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(damaged(name, good[name], rng))
            started = time.perf_counter()
            what, reason = outcome(folder, name, work)
            spent = time.perf_counter() - started
            slowest = max(slowest, spent)
            if spent > SECONDS:
                what, reason = "HANG", f"{spent:.1f} s: {reason}"
            counts[what] += 1
            by_file[f"{name}: {what}"] += 1
            if what in ("TRACEBACK", "HANG"):
                faults.append((name, reason))
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{k:05d}-{name}").write_bytes((folder / name).read_bytes())
            (folder / name).unlink()
    return {
        "files": n,
        "seed": seed,
        "outcomes": dict(counts),
        "by_file": dict(sorted(by_file.items())),
        "slowest_s": round(slowest, 2),
        "faults": faults,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for files that lead to a traceback or hang")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = fuzz(given.files, given.seed, given.keep)
    print(
        f"{result['files']} damaged files: "
        + ", ".join(f"{k} {v}" for k, v in sorted(result["outcomes"].items()))
        + f"; slowest {result['slowest_s']} s"
    )
    for name, reason in result["faults"][:20]:
        print(f"--- {name}\n{reason}")
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
