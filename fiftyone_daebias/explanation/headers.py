"""Which fields of header and table changed between two groups, and does the header's position say what pixels say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..statistics.paired import drawn_again, shuffled_labels, within_pairs
from ..statistics.scores import percentile_interval
from ..statistics.targets import make_target

#: patient axes of an axis code: (axis of RAS+, sign)
_AXIS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
#: fields that say again what position and spacing say
GEOMETRY_FIELDS = (
    "centre_right_mm",
    "centre_anterior_mm",
    "centre_superior_mm",
    "pixel_spacing_mm",
    "slice_spacing_mm",
    "matrix_rows",
    "matrix_columns",
    "n_slices",
    "plane",
    "orientation",
)
#: shifts that differ by less than this many mm say the same
TOLERANCE = 3.0


def field_columns(
    table: dict[str, Sequence[object]],
    subjects: np.ndarray,
    leave_out: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, str, np.ndarray, tuple[str, ...]]]:
    """Metadata fields as columns of :func:`~fiftyone_daebias.explanation.appearance.compare_table`.

    Args:
        table: ``{field: values}``, one value a sample
        subjects: subject of each sample
        leave_out: fields that drew the groups
        units: ``{field: unit}`` where they are stated
    """
    out = {}
    for name, values in table.items():
        if name in leave_out or name in {f"{f}_years" for f in leave_out}:
            continue
        try:
            target = make_target(name, values, list(subjects), unit=(units or {}).get(name, ""))
        except ValueError:
            continue  # one value, an id, or too few subjects: nothing that can be compared
        if target.categorical:
            column = np.full(len(values), -1)
            column[target.rows] = target.values
        else:
            column = np.full(len(values), np.nan)
            column[target.rows] = target.values
        if target.kind == "date" and f"{name}_years" in table:
            continue  # the same again as a number of years
        out[name] = (
            name.replace("_", " "),
            "" if target.quantity.date else target.quantity.unit,
            column,
            target.classes,
        )
    return out


def field_centre(path: str | Path) -> np.ndarray | None:
    """Centre of the field of view in the scanner's coordinates, from the file's own header.

    Of a DICOM file only the coordinates within its plane are known: one slice does not say where the stack's middle is.

    Args:
        path: a NIfTI or DICOM file; "#n" after a DICOM path is ignored

    Returns:
        RAS+ mm (3,), NaN across the plane of a DICOM slice; ``None`` where the header states no position
    """
    name = str(path).partition("#")[0]
    if not Path(name).is_file():
        return None
    if name.endswith((".nii", ".nii.gz")):
        import nibabel as nib

        image = nib.load(name)
        header = image.header
        if "qform_code" in header and not int(header["qform_code"]) and not int(header["sform_code"]):
            return None
        middle = (np.array(image.shape[:3]) - 1) / 2
        return image.affine[:3, :3] @ middle + image.affine[:3, 3]
    from ..cohort.dicom.frames import planes_of
    from ..cohort.dicom.scan import read_header

    found, _ = read_header(Path(name))
    if found is None:
        return None
    plane = next(iter(planes_of(0, found.dataset)), None)
    if plane is None or plane.position is None or plane.orientation is None or plane.spacing is None:
        return None
    along_row, along_column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
    lps = (
        np.array(plane.position)
        + along_row * plane.spacing[1] * (plane.shape[1] - 1) / 2
        + along_column * plane.spacing[0] * (plane.shape[0] - 1) / 2
    )
    ras = lps * [-1, -1, 1]
    normal = np.abs(np.cross(along_row, along_column))
    ras[int(np.argmax(normal))] = np.nan
    return ras


@dataclass(frozen=True)
class HeaderShift:
    """Where the header says the field of view lies, and how that fits what the pixels show.

    Attributes:
        shift: difference of the field's centre along rows and columns, first less second group, mm
        interval: 95 % subject-bootstrap interval of each
        p: permutation p-value of the length of the shift
        expected: how the picture's content should then lie, if the persons lay alike: the opposite
        agrees: for rows and columns: "both moved", "neither moved", "pixels only", "header only" or "both, by different
            amounts"
        n_subjects: subjects with a position, of both groups
    """

    shift: tuple[float, float]
    interval: tuple[tuple[float, float], tuple[float, float]]
    p: float
    expected: tuple[float, float]
    agrees: tuple[str, str]
    n_subjects: tuple[int, int]

    def to_dict(self) -> dict:
        return asdict(self)


def compare_positions(
    centres: np.ndarray,
    labels: np.ndarray,
    axes: tuple[str, str],
    pixel_shift: tuple[float, float],
    pixel_moved: tuple[bool, bool],
    pixel_interval: tuple[tuple[float, float], tuple[float, float]],
    *,
    pairs: np.ndarray | None = None,
    n_permutations: int = 1999,
    n_bootstrap: int = 499,
    rng: np.random.Generator,
) -> HeaderShift | None:
    """Compares the header's positions of two groups, and both with the shift of the pixels.

    Args:
        centres: (n, 3) RAS+ mm, one a subject; NaN where unknown
        labels: whether each subject is in the first group, bool (n,)
        axes: axis codes of rows and columns
        pixel_shift: (down, right) shift of the pictures' content, mm
        pixel_moved: whether each is significant
        pixel_interval: its interval
        pairs: subject of each row, ints from 0, where every subject is in both groups
        n_permutations: permutations of the subjects
        n_bootstrap: draws of the subjects
        rng: random generator

    Returns:
        the comparison; ``None`` with fewer than 3 subjects with a position on a side
    """
    picked = np.stack([centres[:, _AXIS[c][0]] * _AXIS[c][1] for c in axes], axis=1)
    known = np.isfinite(picked).all(axis=1)
    if pairs is not None:
        known &= ~np.isin(pairs, pairs[~known])
    values, side = picked[known], labels[known]
    if min(side.sum(), (~side).sum()) < 3:
        return None
    whose = None if pairs is None else np.unique(pairs[known], return_inverse=True)[1]
    values = within_pairs(values, whose)
    # medians: a single mis-stated position must not look like a shift of all
    shift = np.median(values[side], axis=0) - np.median(values[~side], axis=0)
    boot = np.empty((n_bootstrap, 2))
    for b in range(n_bootstrap):
        drawn = drawn_again(side, whose, rng).astype(int)
        sides = [np.repeat(values[g], drawn[g], axis=0) for g in (side, ~side)]
        boot[b] = np.median(sides[0], axis=0) - np.median(sides[1], axis=0)
    interval = tuple(percentile_interval(boot[:, k]) for k in (0, 1))
    ranks = np.argsort(np.argsort(values, axis=0), axis=0) / max(len(values) - 1, 1) - 0.5
    ranks[:, np.ptp(values, axis=0) < 1e-6] = 0
    sides = np.vstack([side, shuffled_labels(side, whose, n_permutations, rng)])
    gaps = np.abs((sides - side.mean()) @ ranks).max(axis=1)
    p = float(np.mean(np.round(gaps, 9) >= np.round(gaps[0], 9)))
    agrees = []
    for k in (0, 1):
        header = p <= 0.05 and abs(shift[k]) >= 1.0 and not interval[k][0] <= 0 <= interval[k][1]
        apart = pixel_shift[k] + shift[k]
        slack = max(TOLERANCE, 0.5 * (pixel_interval[k][1] - pixel_interval[k][0]))
        if header and pixel_moved[k]:
            agrees.append("both moved" if abs(apart) <= slack else "both, by different amounts")
        elif header or pixel_moved[k]:
            agrees.append("header only" if header else "pixels only")
        else:
            agrees.append("neither moved")
    return HeaderShift(
        tuple(map(float, shift)),
        interval,
        p,
        tuple(float(-v) for v in shift),
        tuple(agrees),
        (int(side.sum()), int((~side).sum())),
    )
