"""Images whose header does not say where they lie: placed or kept together by their InstanceNumber, where it allows.

De-identification sometimes strips ImagePositionPatient and ImageOrientationPatient from all files of a series, or from
some. What was done is said in a note.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .group import Plane

#: modalities whose series are stacks of slices; a series of radiographs or ultrasound is a set of views
STACKED = ("MR", "CT", "PT")


def place(planes: list[Plane]) -> tuple[list[Plane], tuple[str, ...]]:
    """Gives a place to images without one, where the other images' positions are linear in their InstanceNumber.

    Returns:
        the planes, some now with a place, and what was done in words
    """
    lost = [p for p in planes if not p.has_place]
    known = [p for p in planes if p.has_place]
    numbers = [p.number for p in planes]
    if not lost or len(known) < 3 or len(set(numbers)) < len(numbers) or any(p.frame is not None for p in planes):
        return planes, ()
    first = known[0]
    if any(p.shape != first.shape for p in planes) or any(
        not np.allclose(p.orientation, first.orientation, atol=0.02) for p in known
    ):
        return planes, ()
    at, where = np.array([p.number for p in known], float), np.array([p.position for p in known])
    design = np.stack([at, np.ones_like(at)], 1)
    line, *_ = np.linalg.lstsq(design, where, rcond=None)
    step = np.linalg.norm(line[0])
    if step < 1e-3 or np.abs(design @ line - where).max() > 0.05 * step:
        return planes, ()
    out = [
        p
        if p.has_place
        else replace(
            p,
            position=tuple(map(float, line[0] * p.number + line[1])),
            orientation=first.orientation,
            spacing=p.spacing or first.spacing,
        )
        for p in planes
    ]
    note = f"{len(lost)} of {len(planes)} images of the series state no position: placed by their InstanceNumber"
    return out, (note,)


def gather(planes: list[Plane], modality: str, echoes: dict[str, str]) -> list[tuple[list[Plane], tuple[str, ...]]]:
    """Images without a place as volumes: frames of one file, slices of one series by number, else one by one.

    Args:
        planes: planes without a place
        modality: DICOM modality of the series
        echoes: echo times that are one, as :func:`group._echoes` has them

    Returns:
        ``[(planes in order, notes)]``
    """
    out: list[tuple[list[Plane], tuple[str, ...]]] = []
    files: dict[tuple, list[Plane]] = defaultdict(list)
    slices: dict[tuple, list[Plane]] = defaultdict(list)
    for p in planes:
        if p.frame is not None:
            files[(p.shape, p.file)].append(p)
        else:
            echo = str(p.facts.get("EchoTime", ""))
            slices[(p.shape, p.spacing, echoes.get(echo, echo), str(p.facts.get("ImageType", "")))].append(p)
    out += [(sorted(members, key=lambda p: p.number), ()) for members in files.values()]
    for members in slices.values():
        n, numbers = len(members), {p.number for p in members}
        if modality not in STACKED or n == 1:
            out += [([p], ()) for p in members]
        elif len(numbers) == n and max(numbers) - min(numbers) < 2 * n:
            out.append(
                (
                    sorted(members, key=lambda p: p.number),
                    (
                        f"{n} files of one series state no position: kept together in the order of their InstanceNumber"
                        "; distances and sides are unknown",
                    ),
                )
            )
        else:
            out += [
                (
                    [p],
                    (
                        f"{n} files of one series state no position, and their InstanceNumber does not order them: "
                        "kept as single images",
                    ),
                )
                for p in members
            ]
    return out
