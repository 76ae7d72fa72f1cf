"""What a probe sees of the vectors: standardised features, or a kernel matrix of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..embeddings.scaling import common, own, scalings

#: above this many samples the RBF kernel is approximated by landmarks, since its matrix is n × n
MOST_EXACT = 12_000
LANDMARKS = 1_000
#: a probe works on the kernel matrix itself up to so many samples, and on so many features of it above
MOST_DUAL, FEWEST_FEATURES, MOST_FEATURES = 600, 256, 1_000
#: longer codes are not decorrelated: the covariance has the square of so many entries
MOST_WHITENED = 1_024
#: scalings whose distances between so many samples correlate by more are one
MOST_COMPARED, ALIKE = 60, 0.9995


@dataclass(frozen=True)
class Design:
    """Vectors made ready for support vector machines and for the permutation test.

    Attributes:
        kind: "linear" or "rbf"
        features: float32 (n, d), standardised and divided by √d, so that a row's squared norm is about 1
        gram: float32 (n, n) RBF kernel; ``None`` when the features are used as they are (linear kernel), or when
            they are landmark features of the RBF kernel
    """

    kind: str
    features: np.ndarray
    gram: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: np.ndarray) -> Design:
        """The same for some rows."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        return Design(self.kind, self.features[rows], None if self.gram is None else self.gram[np.ix_(rows, rows)])


def make_design(vectors: np.ndarray, kind: str = "rbf") -> Design:
    """Standardises vectors and computes the kernel.

    "linear" is Z·Zᵀ/d; "rbf" is exp(−‖z − z'‖² / (2·d)), scikit-learn's "scale" up to a factor of 2, exact up to
    :data:`MOST_EXACT` samples and by :data:`LANDMARKS` landmarks (Nyström; Williams & Seeger, NIPS 2000) above.

    Args:
        vectors: (n, d), finite, not all equal
        kind: "linear" or "rbf"
    """
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
    used = spread > 1e-8 * max(1e-30, float(spread.max()))
    z = ((vectors[:, used] - mean[used]) / spread[used]).astype(np.float32)
    z /= np.float32(np.sqrt(z.shape[1]))
    if kind == "linear":
        return Design(kind, z)
    if len(z) <= MOST_EXACT:
        return Design(kind, z, rbf(z, z))
    # Which samples serve as landmarks depends on their order only: the same data give the same features.
    landmarks = z[np.random.default_rng(0).choice(len(z), LANDMARKS, replace=False)]
    values, axes = np.linalg.eigh(rbf(landmarks, landmarks).astype(np.float64))
    kept = values > 1e-6 * values[-1]
    root = (axes[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    return Design(kind, rbf(z, landmarks) @ root)


def probe_designs(vectors: np.ndarray, kind: str = "rbf", n_slices: int = 1) -> list[Design]:
    """The same vectors in the scalings among which a probe's inner validation chooses.

    Kernels of more than :data:`MOST_DUAL` samples become features: the leading
    eigenvectors of the kernel, or of :data:`LANDMARKS` landmarks. No label is
    looked at.

    Args:
        vectors: (n, d), finite, not all equal
        kind: "linear" or "rbf"
        n_slices: slice codes that each vector joins
    """
    if vectors.shape[1] // n_slices > MOST_WHITENED:
        scaled = [own(vectors), common(vectors)]
    else:
        scaled = list(scalings(vectors, n_slices).values())
    return [_design(z, kind) for z in _distinct(scaled)]


def _distinct(scaled: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Scalings that differ: of decorrelated vectors, for example, own spreads and whitening are the same."""
    kept: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    for z in scaled:
        some = z[:: max(1, len(z) // MOST_COMPARED)][:MOST_COMPARED]
        apart = np.linalg.norm(some[:, None] - some[None], axis=2)[np.triu_indices(len(some), 1)]
        if not any(np.corrcoef(apart, other)[0, 1] > ALIKE for other in seen):
            kept.append(z)
            seen.append(apart)
    return kept


def _design(z: np.ndarray, kind: str) -> Design:
    """A design of vectors whose mean squared norm is 1."""
    if kind == "linear":
        return Design(kind, z)
    if len(z) <= MOST_DUAL:
        return Design(kind, z, rbf(z, z))
    kept = int(np.clip(z.shape[1], FEWEST_FEATURES, MOST_FEATURES))
    if len(z) <= 4 * MOST_DUAL:
        values, axes = eigh(rbf(z, z), subset_by_index=[len(z) - kept, len(z) - 1])
        return Design(kind, (axes * np.sqrt(np.maximum(values, 0))).astype(np.float32))
    if z.shape[1] >= MOST_FEATURES // 2:
        # so many values of so small a bandwidth make the kernel all but linear, and landmarks would miss most of it
        return Design(kind, z if z.shape[1] <= MOST_FEATURES else _leading(z, MOST_FEATURES))
    landmarks = z[np.random.default_rng(0).choice(len(z), LANDMARKS, replace=False)]
    values, axes = eigh(rbf(landmarks, landmarks), subset_by_index=[LANDMARKS - kept, LANDMARKS - 1])
    used = values > 1e-6 * values[-1]
    return Design(kind, rbf(z, landmarks) @ (axes[:, used] / np.sqrt(values[used])).astype(np.float32))


def _leading(z: np.ndarray, n: int) -> np.ndarray:
    """The first principal components of rows, (n_rows, n)."""
    inner = (z.T @ z).astype(np.float64)
    axes = eigh(inner, subset_by_index=[len(inner) - n, len(inner) - 1])[1]
    return z @ axes.astype(np.float32)


def rbf(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """exp(−‖a − b‖²/2) of features that are already divided by √d, float32 (n, m)."""
    gram = a @ b.T
    gram *= 2.0
    gram -= np.einsum("ij,ij->i", a, a)[:, None]
    gram -= np.einsum("ij,ij->i", b, b)[None, :]
    np.minimum(gram, 0.0, out=gram)
    gram /= 2.0
    return np.exp(gram, out=gram)
