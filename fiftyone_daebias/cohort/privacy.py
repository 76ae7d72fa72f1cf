"""The verb ``privacy``: which identifying content do the files themselves carry?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..errors import CohortError
from ..parameters import ImageFolder
from ..progress import Progress, start
from .dicom.header import IDENTIFYING
from .dicom.scan import read_header
from .items import Item, find_items
from .load import Settings, read_item
from .unfetched import not_here

#: so many images are looked at for text in the corners
MOST_PICTURES = 400
#: size of a corner as a share of the image
CORNER = 0.25
_EMPTY = {"", "anonymous", "anonymized", "anonymised", "anon", "none", "unknown", "removed", "0", "00000000"}


@dataclass(frozen=True)
class PrivacyReport:
    """Identifying content of files; values are counted and never shown.

    Attributes:
        root: the folder
        files: files looked at
        dicom: DICOM files among them
        attributes: ``{header attribute: files in which it has a value}``
        private: ``{private creator: files}``
        burned_in: ``{value of BurnedInAnnotation: files}``, "not stated" where it is missing
        corners: ``{corner: share of the images that are bright and the same there}``, where text is probable
        names_in_paths: files whose path holds a part of their patient's name or id
    """

    root: str
    files: int
    dicom: int
    attributes: dict[str, int]
    private: dict[str, int]
    burned_in: dict[str, int]
    corners: dict[str, float]
    names_in_paths: int

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.files:,} files, {self.dicom:,} of them DICOM; values are counted here and never shown"]
        for name, n in sorted(self.attributes.items(), key=lambda i: -i[1]):
            lines.append(f"  {name}: {n:,} files")
        if self.private:
            names = ", ".join(f"{c} ({n:,})" for c, n in sorted(self.private.items(), key=lambda i: -i[1])[:8])
            lines.append(f"private elements by creator: {names}")
        if self.burned_in:
            lines.append("BurnedInAnnotation: " + ", ".join(f"{k} ({n:,})" for k, n in self.burned_in.items()))
        for corner, share in self.corners.items():
            lines.append(
                f"text is probable in the {corner} corner: the same bright strokes in {share:.0%} of the images"
            )
        if self.names_in_paths:
            lines.append(f"{self.names_in_paths:,} files have a part of their patient's name or id in their path")
        if len(lines) == 1:
            lines.append("no identifying content was found; that is no proof that there is none")
        return "\n".join(lines)


def privacy(images: ImageFolder, *, progress: Progress | None = None) -> PrivacyReport:
    """Lists what identifying content image files carry, so that their owner can act.

    Nothing is stored or changed, and no value is shown. Not a certified
    de-identification check: free text in allowed attributes, faces in head
    volumes and text away from the corners are not found.

    Args:
        images: folder with the images, or one image

    Returns:
        header attributes with values, private elements, the burned-in flag, and probable text in the corners

    Raises:
        CohortError: no images
    """
    root, items, skipped = find_items(Path(images).expanduser(), progress)
    attributes, private, burned = Counter(), Counter(), Counter()
    files = sorted({f for i in items for f in i.files} | set(skipped))
    named = dicom = 0
    words = {f: i.secrets for i in items for f in i.files}
    with start(progress, "looking at headers", len(files), "files") as task:
        for file in files:
            task.advance()
            if words.get(file) and any(w in file.casefold() for w in words[file]):
                named += 1
            if not_here(root / file):
                continue  # a pipe would wait for ever
            header, reason = read_header(root / file)
            if header is None and not reason.startswith("no image: "):
                continue
            dataset = header.dataset if header else _quiet(root / file)
            if dataset is None:
                continue
            dicom += 1
            for name in IDENTIFYING:
                if str(dataset.get(name) or "").strip().casefold() not in _EMPTY:
                    attributes[name] += 1
            for creator in {str(e.value) for e in dataset if e.tag.is_private_creator}:
                private[creator] += 1
            if header:
                burned[str(dataset.get("BurnedInAnnotation") or "not stated")] += 1
    corners = burned_in_text(root, items, progress)
    return PrivacyReport(str(root), len(files), dicom, dict(attributes), dict(private), dict(burned), corners, named)


def burned_in_text(root: Path, items: list[Item], progress: Progress | None = None) -> dict[str, float]:
    """Corners in which many images have thin bright strokes at the same place.

    In each corner, a pixel belongs to a stroke when it is among the brightest of its image and much brighter than
    what lies a few pixels around. Anatomy moves from image to image; burned-in text does not.
    """
    import cv2

    step = max(1, len(items) // MOST_PICTURES)
    votes: dict[str, list[np.ndarray]] = defaultdict(list)
    chosen = items[::step]
    with start(progress, "looking for text", len(chosen), "images") as task:
        for item in chosen:
            task.advance()
            try:
                array = read_item([root / f for f in item.files], item, Settings(to_grey=True)).array
            except (CohortError, OSError, ValueError):
                continue
            image = cv2.resize(np.asarray(array[len(array) // 2], np.float32), (256, 256), interpolation=cv2.INTER_AREA)
            low, high = np.percentile(image, [1, 99.9])
            if high <= low:
                continue
            image = np.clip((image - low) / (high - low), 0, 1)
            around = cv2.medianBlur((image * 255).astype(np.uint8), 15).astype(np.float32) / 255
            stroke = image - around > 0.35
            k = int(256 * CORNER)
            for name, part in (
                ("upper left", stroke[:k, :k]),
                ("upper right", stroke[:k, -k:]),
                ("lower left", stroke[-k:, :k]),
                ("lower right", stroke[-k:, -k:]),
            ):
                votes[name].append(part)
    out = {}
    for name, parts in votes.items():
        if len(parts) < 5:
            continue
        stack = np.stack(parts)
        often = stack.mean(axis=0) > 0.3
        if 6 <= often.sum() <= 0.25 * often.size:
            share = float((stack[:, often].mean(axis=1) > 0.5).mean())
            if share > 0.2:
                out[name] = share
    return out


def _quiet(path: Path):
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # it was named in the scan already
        return None
