"""Cohorts as slice arrays, for benchmarks that run without a database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fiftyone_daebias.cohort.slices import to_unit
from fiftyone_daebias.cohort.split import split_subjects

#: fields that are asked, and the field of the subject, by cohort
FIELDS = {
    "ixi": ("sex", "age", "height_cm", "weight_kg", "site"),
    "nih": ("sex", "age", "view", "orig_pixel_spacing_mm"),
    "busbra": ("device", "pathology", "side"),
    "phantom": ("sex", "age", "height", "weight", "site"),
}


@dataclass(frozen=True)
class Slices:
    """A cohort in memory; reads as a ``SliceSource`` does.

    Attributes:
        name: of the cohort
        volumes: (S, H, W) each, the values of the files
        subjects: subject of each
        table: fields, one row a volume
        n_embedded: centre slices that are embedded
    """

    name: str
    volumes: list[np.ndarray]
    subjects: list[str]
    table: pd.DataFrame
    n_embedded: int

    def __post_init__(self):
        digest = hashlib.sha256()
        for v in self.volumes:
            digest.update(np.ascontiguousarray(v).tobytes())
        object.__setattr__(self, "data_hash", digest.hexdigest())
        object.__setattr__(self, "sample_ids", [f"{k:024x}" for k in range(len(self.volumes))])
        object.__setattr__(self, "splits", split_subjects(self.subjects))
        object.__setattr__(self, "ranges", [(float(v.min()), float(v.max())) for v in self.volumes])
        object.__setattr__(self, "spacing", [None] * len(self.volumes))

    def __len__(self) -> int:
        return len(self.volumes)

    def n_slices(self, i: int) -> int:
        return len(self.volumes[i])

    def read(self, i: int, which=None) -> np.ndarray:
        values = self.volumes[i] if which is None else self.volumes[i][list(which)]
        return to_unit(values, *self.ranges[i])

    def save(self, path: Path) -> None:
        flat = np.concatenate([v.ravel() for v in self.volumes])
        np.savez(
            path,
            flat=flat,
            shapes=np.array([v.shape for v in self.volumes]),
            subjects=np.array(self.subjects),
            table=json.dumps(self.table.to_dict("list")),
            n_embedded=self.n_embedded,
        )

    @classmethod
    def load(cls, path: Path, name: str) -> Slices:
        with np.load(path) as f:
            flat, shapes = f["flat"], f["shapes"]
            cuts = np.cumsum(shapes.prod(axis=1))[:-1]
            volumes = [part.reshape(s) for part, s in zip(np.split(flat, cuts), shapes, strict=True)]
            table = pd.DataFrame(json.loads(str(f["table"])))
            return cls(name, volumes, [str(s) for s in f["subjects"]], table, int(f["n_embedded"]))


def open_cohort(name: str, data: Path | None, cache: Path, subjects: int = 1000) -> Slices:
    """A cohort by name: ixi, nih, busbra, phantom or dataset:NAME; read once, then from the cache folder.

    Args:
        name: of the cohort
        data: folder with ixi_tiny/ and busbra_us/; the radiographs come with the package
        cache: where slice arrays are kept
        subjects: people of the phantom
    """
    if name.startswith("dataset:"):
        return _dataset(name)
    path = cache / (f"{name}{subjects}.npz" if name == "phantom" else f"{name}.npz")
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        if name in ("ixi", "busbra") and data is None:
            raise SystemExit(f"{name}: pass --data FOLDER, which holds {'ixi_tiny' if name == 'ixi' else 'busbra_us'}/")
        made = {"ixi": _ixi, "nih": _nih, "busbra": _busbra, "phantom": lambda _: _phantom(subjects)}[name](data)
        made.save(path)
    return Slices.load(path, name)


def _ixi(data: Path) -> Slices:
    """Sagittal slices; all are trained on, the 12 in the middle embed."""
    from fiftyone_daebias.cohort.nifti import read_nifti
    from fiftyone_daebias.cohort.volume import to_slices

    table = pd.read_csv(data / "ixi_tiny" / "metadata.csv")
    volumes, kept = [], []
    for k, row in table.iterrows():
        slices = to_slices(read_nifti(data / "ixi_tiny" / row["image"]), "sagittal", None).array
        if len(slices) >= 12:
            volumes.append(_grey8(slices))
            kept.append(k)
    table = table.loc[kept].reset_index(drop=True)
    for column in ("height_cm", "weight_kg"):  # a few rows hold 0 or a slip of the pen
        values = pd.to_numeric(table[column], errors="coerce")
        low, high = (130, 215) if column == "height_cm" else (35, 160)
        table[column] = values.where(values.between(low, high))
    return Slices("ixi", volumes, list(table["subject"]), table[list(FIELDS["ixi"])], 12)


def _nih(data: Path | None) -> Slices:
    import fiftyone_daebias.demo.run as demo

    table = pd.read_csv(demo.COHORT / "metadata.csv")
    return _pictures("nih", demo.COHORT, table, "filepath", "subject_id")


def _busbra(data: Path) -> Slices:
    folder = data / "busbra_us"
    return _pictures("busbra", folder, pd.read_csv(folder / "metadata.csv"), "image", "subject")


def _pictures(name: str, folder: Path, table: pd.DataFrame, path: str, subject: str) -> Slices:
    from fiftyone_daebias.cohort.raster import read_raster

    volumes = [read_raster(folder / p, True) for p in table[path]]
    return Slices(name, volumes, [str(s) for s in table[subject]], table[list(FIELDS[name])], 1)


def _phantom(subjects: int) -> Slices:
    """Necks of people of whom sites and dates tell nothing; 80 rows and columns."""
    from fiftyone_daebias.phantoms.plan import make_plan
    from fiftyone_daebias.phantoms.scan import acquire

    plan = make_plan(subjects, [], ["A", "B", "C", "D"], ["neck"], 51)
    volumes, rows = [], []
    for person in plan.people:
        values = acquire(plan.scans[person.name][0], 51, 80).values
        first = (len(values) - 12) // 2
        volumes.append(_grey8(values[first : first + 12]))
        rows.append(
            {
                "sex": person.sex,
                "age": float(person.age),
                "height": person.height,
                "weight": person.weight,
                "site": person.site,
            }
        )
    return Slices("phantom", volumes, [p.name for p in plan.people], pd.DataFrame(rows), 12)


def _dataset(name: str) -> Slices:
    """Any registered dataset."""
    import fiftyone as fo

    from fiftyone_daebias import store
    from fiftyone_daebias.baselines.train_baseline import default_fields
    from fiftyone_daebias.cohort.slices import open_slices
    from fiftyone_daebias.embeddings.embed import _slice_count

    samples = fo.load_dataset(name.partition(":")[2])
    source = open_slices(samples)
    n_slices, short = _slice_count(source, None)
    rows = [i for i, s in enumerate(source.sample_ids) if s not in set(short)]
    table = store.read_table(samples, default_fields(samples)).reindex([source.sample_ids[i] for i in rows])
    volumes = [source.cache.read(source.keys[i])[0] for i in rows]
    return Slices(name, volumes, [source.subjects[i] for i in rows], table.reset_index(drop=True), n_slices)


def _grey8(slices: np.ndarray) -> np.ndarray:
    """256 grey levels between 0 (or the lowest value) and the highest: what fits a cache file."""
    unit = (to_unit(slices, float(slices.min()), float(slices.max())) + 1) / 2
    return np.rint(unit * 255).astype(np.uint8)
