"""Ways to scale vectors before a distance or a kernel reads them; none looks at a label.

A distance sees the few directions in which codes vary most. Which of them matter depends on the question (the sex of a
brain shows in directions of small variance, the age of a radiograph in those of large variance), so whoever has labels
chooses among :func:`scalings` by inner validation, for every embedding alike. Where no label can choose (maps,
neighbours, clusters), ``evened`` is the safest: see docs/embedding.md.

All functions take and return float32 (n, d). Rows of a result have mean 0 and mean squared norm 1, so that one
bandwidth or penalty means the same for each.
"""

from __future__ import annotations

import numpy as np

#: values (or directions) that vary less than this share of the one that varies most are left out as constant
CONSTANT = 1e-6


def own(matrix: np.ndarray) -> np.ndarray:
    """Every value by its own standard deviation over the rows; constant ones become 0."""
    centred = _centred(matrix)
    spread = centred.std(axis=0)
    kept = spread > CONSTANT * max(float(spread.max(initial=0.0)), 1e-30)
    return _unit(np.where(kept, centred / np.where(kept, spread, 1.0), 0.0))


def common(matrix: np.ndarray) -> np.ndarray:
    """All values by one number: right where values share a unit, as pixels and principal components do."""
    return _unit(_centred(matrix))


def whitened(matrix: np.ndarray, n_slices: int) -> np.ndarray:
    """Slice codes decorrelated over all slices of all volumes, then joined again.

    Every value is first divided by its own spread. The correlations are then shrunk towards none (Ledoit & Wolf, J.
    Multivar. Anal. 88:365, 2004), by as much as they are uncertain. Slices of a volume are alike, so the uncertainty is
    that of a sample of volumes, not of slices. A small cohort is decorrelated less, and noise is not blown up.

    Args:
        matrix: (n, n_slices · z), the slices' codes one after another; with ``n_slices`` 1, plain vectors
        n_slices: slices a volume

    Raises:
        ValueError: the vectors cannot be cut into so many slices
    """
    codes = _codes(matrix, n_slices)
    spread = codes.std(axis=(0, 1))
    kept = spread > CONSTANT * max(float(spread.max(initial=0.0)), 1e-30)
    codes = np.where(kept, codes / np.where(kept, spread, 1.0), 0.0)
    return _stretched(codes, shrunk_covariance(codes), 1.0)


def evened(matrix: np.ndarray, n_slices: int) -> np.ndarray:
    """Slice codes half-way to white: every principal direction is divided by the square root of its spread.

    Directions of much variance still count more, but do not drown the others.

    Args:
        matrix: as for :func:`whitened`
        n_slices: slices a volume

    Raises:
        ValueError: the vectors cannot be cut into so many slices
    """
    codes = _codes(matrix, n_slices)
    flat = codes.reshape(-1, codes.shape[2])
    return _stretched(codes, flat.T @ flat / max(len(flat), 1), 0.5)


def shrunk_covariance(codes: np.ndarray) -> np.ndarray:
    """Covariance of slice codes, shrunk towards a multiple of the identity; volumes are the independent units.

    Args:
        codes: (n, slices, z), their mean over everything subtracted

    Returns:
        (z, z)
    """
    n, slices, z = codes.shape
    flat = codes.reshape(-1, z)
    covariance = flat.T @ flat / len(flat)
    level = np.trace(covariance) / z
    apart = float(((covariance - level * np.eye(z)) ** 2).sum())
    # Σ‖Sᵢ − S‖² of the volumes' scatters Sᵢ, without making n matrices of z × z
    grams = np.einsum("nsz,ntz->nst", codes, codes) / slices
    noise = max(0.0, float((grams**2).sum() - n * (covariance**2).sum())) / n**2
    share = min(1.0, noise / apart) if apart > 0 else 0.0
    return (1 - share) * covariance + share * level * np.eye(z)


def scalings(matrix: np.ndarray, n_slices: int = 1) -> dict[str, np.ndarray]:
    """The ways to choose among, by name.

    Args:
        matrix: (n, n_slices · z)
        n_slices: codes that were joined to one vector; 1 where that is not known
    """
    return {
        "own": own(matrix),
        "common": common(matrix),
        "whitened": whitened(matrix, n_slices),
        "evened": evened(matrix, n_slices),
    }


def _codes(matrix: np.ndarray, n_slices: int) -> np.ndarray:
    """Centred slice codes, float64 (n, n_slices, z)."""
    n, d = matrix.shape
    if n_slices < 1 or d % n_slices:
        raise ValueError(f"vectors of {d} values are not {n_slices} codes of equal size")
    codes = np.asarray(matrix, np.float64).reshape(n, n_slices, d // n_slices)
    return codes - codes.mean(axis=(0, 1))


def _stretched(codes: np.ndarray, covariance: np.ndarray, power: float) -> np.ndarray:
    """Codes along the principal directions, each divided by its spread to a power, joined again."""
    values, axes = np.linalg.eigh(covariance)
    kept = values > CONSTANT**2 * max(float(values[-1]), 1e-30)
    turned = codes @ (axes[:, kept] * values[kept] ** (-power / 2))
    return _unit(_centred(turned.reshape(len(codes), -1)))


def _centred(matrix: np.ndarray) -> np.ndarray:
    matrix = np.asarray(matrix, np.float64)
    return matrix - matrix.mean(axis=0)


def _unit(centred: np.ndarray) -> np.ndarray:
    """Divided by the root of the mean squared norm of the rows."""
    size = np.sqrt((centred**2).sum(axis=1).mean())
    return (centred / max(float(size), 1e-30)).astype(np.float32)
