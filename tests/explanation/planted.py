"""Planted cohorts as real NIfTI files: bodies with a spine, in sagittal slices, with something wrong in one group."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

#: rows (superior to inferior), columns (anterior to posterior), spacing in mm
ROWS, COLUMNS, MM = 96, 72, 3.0


def body(rng: np.random.Generator, down: float = 0.0, right: float = 0.0, marker: bool = False) -> np.ndarray:
    """One sagittal slice (ROWS, COLUMNS): trunk, skin fat, a curved spine with discs, of a person of their own size."""
    y, x = np.meshgrid(
        (np.arange(ROWS) - (ROWS - 1) / 2) * MM - down,
        (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * MM - right,
        indexing="ij",
    )
    size = rng.normal(1, 0.06)
    own_y, own_x = rng.normal(0, 4, 2)
    y, x = (y - own_y) / size, (x - own_x) / size
    back = 55 + 12 * np.sin((y + 20) / 55) + rng.normal(0, 2)
    front = -60 - 15 * np.exp(-(((y - 40) / 60) ** 2)) + rng.normal(0, 6)
    trunk = (x < back) & (x > front)
    image = 0.45 * trunk + 0.4 * ((x > back - 9) & trunk) + 0.3 * ((x < front + 12) & trunk)
    middle = back - 38
    period = 33 + rng.normal(0, 1.5)
    phase = (y + rng.normal(0, 3)) % period
    column = np.abs(x - middle) < 15
    image = np.where(column & trunk, np.where(phase < 8, 0.95, 0.35), image)
    image = np.where((np.abs(x - middle - 20) < 4) & trunk, 0.9, image)
    sacrum = ((x - middle - 8) / 22) ** 2 + ((y - 95) / 26) ** 2 < 1
    image = np.where(sacrum, 0.25, image)
    image = ndimage.gaussian_filter(image, 0.7)
    if marker:
        image[6:12, 58:66] += 0.8
    return image


def write_cohort(
    folder: Path,
    n: int = 60,
    *,
    down: float = 0.0,
    right: float = 0.0,
    marker: bool = False,
    header: bool = False,
    noise: float = 0.05,
    slices: int = 3,
    gain: float = 1.0,
    seed: int = 0,
) -> Path:
    """Writes one volume a subject; the odd subjects are of group B, whose pictures are changed.

    Args:
        folder: where to write
        n: subjects
        down: mm by which group B's anatomy lies further down (inferior)
        right: mm by which it lies further to the right (posterior)
        marker: a bright mark in group B's upper posterior corner
        header: whether the header's position moves with it, so that the anatomy stays where it was in the scanner
        noise: standard deviation of the noise
        slices: slices of a volume
        gain: factor on group B's grey values
        seed: seed

    Returns:
        the table
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for k in range(n):
        moved = k % 2 == 1
        one = body(rng, down if moved else 0, right if moved else 0, marker and moved)
        volume = np.stack([one] * slices) + noise * rng.standard_normal((slices, ROWS, COLUMNS))
        volume = np.clip(volume * 1000 * (gain if moved else 1), 0, None).astype(np.int16)
        # (slice, row, column) runs to left, inferior, posterior: voxel axes (L, I, P)
        affine = np.array([[-4.0, 0, 0, 0], [0, 0, -MM, 0], [0, -MM, 0, 0], [0, 0, 0, 1]])
        centre = np.array([rng.normal(0, 2), rng.normal(0, 3), rng.normal(0, 3)])
        if moved and header:
            centre += [0, right, down]  # the field lies further anterior or superior, so the content further down
        affine[:3, 3] = centre - affine[:3, :3] @ ((np.array([slices, ROWS, COLUMNS]) - 1) / 2)
        nib.save(nib.Nifti1Image(volume, affine), folder / "images" / f"p{k:03d}.nii")
        side = {"SoftwareVersions": "v2" if moved else "v1", "EchoTime": 0.1 + 0.002 * rng.standard_normal()}
        (folder / "images" / f"p{k:03d}.json").write_text(json.dumps(side))
        rows.append(
            {
                "image_id": f"p{k:03d}",
                "subject_id": f"S{k}",
                "group": "B" if moved else "A",
                "arm": ("x", "y")[k // 2 % 2],
                "age": round(float(rng.normal(50, 10)), 1),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"
