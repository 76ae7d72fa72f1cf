"""The verb ``phantom``: a cohort whose hidden properties are known."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import CohortError, InputError
from ..parallel import workers as all_workers
from ..parameters import Matrix, Seed, Subjects, Workers
from ..progress import Progress, start
from ..remote import in_processes
from ..rendering import Rendered, Table
from .frame import REGIONS
from .people import Person
from .plan import Plan, make_plan
from .plants import KINDS
from .scan import Scan, acquire, moved_mm
from .spine import make_spine
from .write import write_dicom, write_nifti

#: version of the phantom: another one draws other bytes from the same seed
VERSION = 1
TRUTH = "truth.json"


@dataclass(frozen=True)
class PhantomReport(Rendered):
    """What was written.

    Attributes:
        images: folder to register
        truth: the file with what was planted; outside of ``images``
        subjects: participants, copies under a second id included
        volumes: volumes
        plants: (as written, subjects affected, volumes affected) for each plant
        new_subjects: written by this call; the others were there already
        seconds: how long this call took
    """

    images: str
    truth: str
    subjects: int
    volumes: int
    plants: tuple[tuple[str, int, int], ...]
    new_subjects: int
    seconds: float

    def to_dict(self) -> dict:
        return {**self.__dict__, "plants": [list(p) for p in self.plants]}

    def parts(self) -> list[str | Table]:
        lines: list[str | Table] = [
            f"{self.volumes:,} volumes of {self.subjects:,} subjects in {self.images}; {self.new_subjects:,} subjects "
            f"new in {self.seconds:.1f} s"
        ]
        if self.plants:
            rows = [(t, f"{s:,}", f"{v:,}") for t, s, v in self.plants]
            lines.append(Table.of([("planted", "subjects", "volumes"), *rows]))
        else:
            lines.append("nothing was planted")
        return [*lines, f"what was planted is in {self.truth}; next: daebias register NAME {self.images}"]


def phantom(
    out: Path,
    *,
    subjects: Subjects = 200,
    plants: list[str] | None = None,
    format: Literal["dicom", "nifti"] = "dicom",
    regions: list[str] | None = None,
    sites: list[str] | None = None,
    matrix: Matrix = 160,
    workers: Workers | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> PhantomReport:
    """Draws a cohort of T2-weighted spine MR in which everything that can be found is known.

    Bodies are crude but not nonsense: vertebrae, discs, cord, CSF, fat, muscle
    and skull base depend smoothly on sex, age, height and weight. What is
    planted is written to a truth file beside the images. Without plants,
    sites, dates and further fields have nothing to do with the pictures. Run
    again with the same settings it goes on where it was interrupted.

    Args:
        out: folder to write to; gets "images" (to be registered) and truth.json
        subjects: participants
        plants: what to plant, each as KIND[:STRENGTH][:CONDITIONS][:SHARE], such as shift:43:site=C,region=neck or
            headrest:12:site=B,after=2015-06-01 or marker:10::2%. Kinds: shift (mm), headrest (degrees), twin, label,
            shading, te (ms), contrast, noise, spacing, lost-slice, flip, marker (mm), duplicate, sampling, nothing.
            Conditions: site, region, sex, handedness, study_arm, after, before. Default: nothing
        format: real DICOM series, or NIfTI with BIDS sidecars
        regions: neck, chest and lumbar, or some of them; default: all
        sites: names of the sites, with weights if they differ: A=2; default: A B C D
        matrix: rows and columns of a slice
        workers: processes; the files do not depend on it; default: as many as there are cores
        seed: seed of everything

    Returns:
        what was written and what was planted

    Raises:
        InputError: a setting out of its range, or a plant that cannot be read
        CohortError: the folder holds something else
    """
    if subjects < 1 or subjects > 99_999:
        raise InputError(f"subjects must be between 1 and 99,999; got {subjects}")
    if not 48 <= matrix <= 512:
        raise InputError(f"matrix must be between 48 and 512; got {matrix}")
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1; got {workers}")
    if seed < 0:
        raise InputError(f"seed must be at least 0; got {seed}")
    if format not in ("dicom", "nifti"):
        raise InputError(f"format must be 'dicom' or 'nifti'; got {format!r}")
    began = time.perf_counter()
    names = list(sites or ["A", "B", "C", "D"])
    parts = list(regions or REGIONS)
    plan = make_plan(subjects, list(plants or []), names, parts, seed)
    settings = {
        "version": VERSION,
        "subjects": subjects,
        "plants": list(plants or []),
        "format": format,
        "regions": parts,
        "sites": names,
        "matrix": matrix,
        "seed": seed,
    }
    root = Path(out).expanduser().resolve()
    _prepare(root, settings)
    images = root / "images"
    jobs = [
        (images, p, plan.scans[p.name], seed, matrix, format) for p in plan.people if not (images / p.name).exists()
    ]
    with start(progress, "drawing", len(jobs), "subjects") as task:
        for _ in _drawn(jobs, workers):
            task.advance()
    _write_table(images / "participants.tsv", plan, format)
    truth = root / TRUTH
    truth.write_text(json.dumps(truth_of(plan, settings), indent=1) + "\n")
    planted = tuple((p.text, len({m for m, _ in a}), len(a)) for p, a in zip(plan.plants, plan.affected, strict=True))
    return PhantomReport(
        str(images),
        str(truth),
        len(plan.people),
        sum(map(len, plan.scans.values())),
        planted,
        len(jobs),
        time.perf_counter() - began,
    )


def truth_of(plan: Plan, settings: dict) -> dict:
    """What was planted, as JSON: settings, plants with the volumes they show in, and the true facts of everybody."""
    return {
        "phantom": settings,
        "plants": [
            {**p.to_dict(), "what": KINDS[p.kind][4], "volumes": [list(v) for v in a]}
            for p, a in zip(plan.plants, plan.affected, strict=True)
        ],
        "people": {
            p.name: {
                "sex": p.sex,
                "age": p.age,
                "site": p.site,
                "date": p.date.isoformat(),
                "body": p.number,
                "maleness": p.maleness,
                "copy_of": p.copy_of,
            }
            for p in plan.people
        },
        # how far each field of view lies behind and towards the head of its usual place on the body
        "moved_mm": {
            p.name: {s.region: [round(v, 3) for v in moved_mm(s, plan.seed)] for s in plan.scans[p.name]}
            for p in plan.people
        },
    }


def _prepare(root: Path, settings: dict) -> None:
    """Makes the folder, or finds that it was begun with the same settings."""
    begun = root / ".phantom.json"
    if begun.is_file():
        if json.loads(begun.read_text()) != settings:
            raise CohortError(f"{root} holds a phantom with other settings; give another folder, or delete it")
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CohortError(f"{root} exists and is not an empty folder; give another one")
    (root / "images").mkdir(parents=True)
    begun.write_text(json.dumps(settings))


def draw_person(images: Path, person: Person, scans: list[Scan], seed: int, matrix: int, format: str) -> str:
    """Draws and writes all volumes of one participant; what a worker process runs."""
    import cv2

    cv2.setNumThreads(1)
    partial = images.parent / f".{person.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    spine = make_spine(person.build(seed))
    for scan in scans:
        picture = acquire(scan, seed, matrix, spine)
        if format == "dicom":
            write_dicom(partial / scan.region, scan, picture, seed)
        else:
            write_nifti(partial / "anat" / f"{person.name}_acq-{scan.region}_T2w", scan, picture)
    os.replace(partial, images / person.name)
    return person.name


def _drawn(jobs: list[tuple], workers: int | None) -> Iterator[str]:
    n = min(workers or min(8, all_workers()), max(1, len(jobs) // 4))
    yield from (draw_person(*job) for job in jobs) if n == 1 else in_processes(n, draw_person, jobs)


def _write_table(path: Path, plan: Plan, format: str) -> None:
    """participants.tsv; the date of the scan stands in DICOM headers, and here where there are none."""
    columns = ["participant_id", "sex", "age", "height", "weight", "site", "handedness", "study_arm"]
    columns += ["acquisition_date"] if format == "nifti" else []
    lines = ["\t".join(columns)]
    for p in plan.people:
        facts = {
            "participant_id": p.name,
            "sex": p.stated("sex"),
            "age": p.age,
            "height": f"{p.height:.1f}",
            "weight": f"{p.weight:.1f}",
            "site": p.site,
            "handedness": p.handedness,
            "study_arm": p.study_arm,
            "acquisition_date": p.date.isoformat(),
        }
        lines.append("\t".join(str(facts[c]) for c in columns))
    path.write_text("\n".join(lines) + "\n")


def digest(folder: Path) -> str:
    """Hash over names and bytes of all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
