"""Siemens mosaics: many slices in one image."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom

from ...errors import CohortError
from ..volume import Volume


def is_mosaic(dataset: pydicom.Dataset) -> bool:
    """Whether an image holds the tiles of a Siemens mosaic."""
    kind = dataset.get("ImageType") or []
    return "MOSAIC" in [str(v).upper() for v in kind]


def read_mosaic(path: Path) -> Volume:
    """Takes a mosaic apart (nibabel's reader of the Siemens CSA header).

    Raises:
        CohortError: no CSA header, or tiles that do not fit
    """
    from nibabel.nicom.dicomwrappers import wrapper_from_data

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            wrapped = wrapper_from_data(dataset)
            if not getattr(wrapped, "is_mosaic", False):
                raise ValueError("no CSA header with the number of tiles")
            array, affine = np.asarray(wrapped.get_data()), wrapped.affine
    except Exception as error:  # nibabel raises several kinds
        text = " ".join(str(error).split())[:150]
        raise CohortError(f"{path.name}: the mosaic cannot be taken apart ({text})") from error
    if array.dtype.kind == "f" and np.array_equal(array, np.round(array)) and np.abs(array).max() < 32767:
        array = array.astype(np.int16)
    return Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
