"""A small real cohort: radiographs of the demo, copied to a folder with a table of their own."""

import shutil
from pathlib import Path

import pandas as pd

COHORT = Path(__file__).resolve().parents[1] / "fiftyone_daebias" / "demo" / "cxr_nih64"


def copy_cohort(folder: Path, n_subjects: int = 60, per_subject: int = 1) -> tuple[Path, Path]:
    """Copies the first images of the first subjects; returns the image folder and the table."""
    frame = pd.read_csv(COHORT / "metadata.csv")
    frame = frame.groupby("subject_id", sort=False).head(per_subject).head(n_subjects * per_subject)
    images = folder / "images"
    images.mkdir(parents=True)
    for name in frame["filepath"]:
        shutil.copy(COHORT / name, images / Path(name).name)
    frame = frame[["image_id", "subject_id", "sex", "age", "view", "orig_pixel_spacing_mm"]]
    frame.to_csv(folder / "table.csv", index=False)
    return images, folder / "table.csv"
