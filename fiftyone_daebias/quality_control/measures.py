"""Classical measures of image quality, one vector a volume, as MRQy computes them.

Sadri et al., "MRQy: an open-source tool for quality control of MR imaging data", Medical Physics 47 (2020), table 1.
They are computed on every slice, on its foreground (f) and background (b), and averaged over the slices where they are
defined. Three slips of the published program are not repeated here: its 5 × 5 patch lies beside the brightest pixel
instead of around it, its PSNR compares the foreground with the median of a copy scaled to 1, and its EFC adds 10^16
instead of 10^−16 inside the logarithm.
"""

from __future__ import annotations

import numpy as np

MEASURES = (
    "mean",
    "range",
    "variance",
    "cv",
    "cpp",
    "psnr",
    "snr1",
    "snr2",
    "snr3",
    "snr4",
    "cnr",
    "cvp",
    "cjv",
    "efc",
    "fber",
)
#: what each is, for a sentence
MEANINGS = {
    "mean": "mean of the foreground",
    "range": "range of the foreground",
    "variance": "variance of the foreground",
    "cv": "coefficient of variation (cv: shading)",
    "cpp": "contrast per pixel (cpp)",
    "psnr": "peak signal-to-noise ratio (psnr)",
    "snr1": "signal-to-noise ratio (snr1)",
    "snr2": "signal-to-noise ratio of the brightest patch (snr2)",
    "snr3": "evenness of the brightest patch (snr3)",
    "snr4": "signal-to-noise ratio of the brightest patches (snr4)",
    "cnr": "contrast-to-noise ratio (cnr)",
    "cvp": "coefficient of variation of the brightest patch (cvp)",
    "cjv": "coefficient of joint variation (cjv: noise, shading)",
    "efc": "entropy focus criterion (efc: ghosts, blur)",
    "fber": "foreground-background energy ratio (fber)",
}
_PATCH = 5


def vectors_of(rows: np.ndarray) -> np.ndarray:
    """Measures of a cohort as vectors: float32 (n, 15), finite.

    What is not defined takes the cohort's median; those that spread over decades become logarithms; a measure that is
    defined nowhere (of pictures without background) is 0.

    Args:
        rows: measures (n, 15), NaN where they are not defined
    """
    rows = np.array(rows, float)
    for k, name in enumerate(MEASURES):
        if name in ("mean", "range", "variance", "snr1", "snr2", "snr3", "snr4", "cnr", "fber"):
            rows[:, k] = np.sign(rows[:, k]) * np.log1p(np.abs(rows[:, k]))
        known = np.isfinite(rows[:, k])
        rows[~known, k] = np.median(rows[known, k]) if known.any() else 0
    return rows.astype(np.float32)


def volume_measures(slices: np.ndarray) -> np.ndarray:
    """Measures of a volume: the mean over its slices, leaving out slices where one is not defined.

    Args:
        slices: (S, H, W), grey values of any scale, at least 0

    Returns:
        float (15,) in the order of :data:`MEASURES`; NaN where no slice defines a measure
    """
    each = np.array([slice_measures(s) for s in slices])
    known = np.isfinite(each)
    total = np.where(known, each, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(len(MEASURES), np.nan), where=known.any(axis=0))


def slice_measures(image: np.ndarray) -> np.ndarray:
    """Measures of one slice, float (15,); NaN where not defined.

    With F the picture outside of whose foreground is 0, f and b the values in fore- and background, P and Q the 5 × 5
    patches around the brightest pixels of F and of the background:

    mean, range, variance of f; cv = 100 · sd(f) / mean(f); cpp = mean of F after the filter that subtracts the mean of
    the eight neighbours; psnr = 20 · log10(max(F) / rms(F − median5(F))); snr1 = sd(f) / sd(b); snr2 = mean(P) / sd(b);
    snr3 = mean(P) / sd(P); snr4 = mean(P) / sd(Q); cnr = mean(P − Q) / sd(Q); cvp = sd(P) / mean(P);
    cjv = (sd(f) + sd(b)) / |mean(f) − mean(b)|; efc = entropy focus criterion of F (Atkinson et al. 1997), 1 for
    a picture of equal values; fber = median(f²) / median(b²).
    """
    import cv2

    image = np.asarray(image, np.float64)
    out = np.full(len(MEASURES), np.nan)
    mask = foreground(image)
    f, b = image[mask], image[~mask]
    if not len(f) or f.std() == 0:
        return out
    front = np.where(mask, image, 0)
    patch = _around_maximum(front)
    smooth = cv2.medianBlur(front.astype(np.float32), _PATCH)
    rms = np.sqrt(np.mean((front - smooth) ** 2))
    kernel_mean = _neighbour_mean(front)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[:4] = f.mean(), np.ptp(f), f.var(), 100 * f.std() / f.mean()
        out[4], out[5] = (front - kernel_mean).mean(), 20 * np.log10(front.max() / rms)
        out[8], out[11] = patch.mean() / patch.std(), patch.std() / patch.mean()
        out[13] = _entropy_focus(front)
        if len(b):
            back = _around_maximum(np.where(mask, 0, image))
            out[6], out[7], out[9] = f.std() / b.std(), patch.mean() / b.std(), patch.mean() / back.std()
            out[10] = (patch - back).mean() / back.std()
            out[12] = (f.std() + b.std()) / abs(f.mean() - b.mean())
            out[14] = np.median(f**2) / np.median(b**2)
    out[~np.isfinite(out)] = np.nan
    return out


def foreground(image: np.ndarray) -> np.ndarray:
    """The convex hull of what is bright, bool (H, W).

    Bright is above Otsu's threshold in a mixture of the picture and its histogram-equalised self, each weighted with
    the share of it that is above its own threshold.
    """
    import cv2

    equal = _equalised(image)
    share = [(image > otsu(image)).mean(), (equal > otsu(equal)).mean()]
    mixed = share[0] * image + share[1] * equal
    points = cv2.findNonZero((mixed > otsu(mixed)).astype(np.uint8))
    hull = np.zeros(image.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull > 0


def otsu(image: np.ndarray, bins: int = 256) -> float:
    """Otsu's threshold (1979): the upper edge of the darker class; the value itself if there is but one."""
    low, high = float(image.min()), float(image.max())
    if low == high:
        return low
    counts, edges = np.histogram(image, bins, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_below = np.cumsum(counts * centres) / below
        mean_above = (np.cumsum((counts * centres)[::-1]) / np.cumsum(counts[::-1]))[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(edges[1 + np.nanargmax(between)])


def _equalised(image: np.ndarray, bins: int = 256) -> np.ndarray:
    """Grey values replaced by the share of pixels below them, times 255."""
    counts, edges = np.histogram(image, bins)
    share = counts.cumsum() / image.size
    return np.interp(image, (edges[:-1] + edges[1:]) / 2, share) * 255


def _around_maximum(image: np.ndarray) -> np.ndarray:
    """The 5 × 5 patch around the (first) brightest pixel, with zeros beyond the edge."""
    half = _PATCH // 2
    row, column = np.unravel_index(np.argmax(image), image.shape)
    return np.pad(image, half)[row : row + _PATCH, column : column + _PATCH]


def _neighbour_mean(image: np.ndarray) -> np.ndarray:
    """Mean of the eight neighbours, zeros beyond the edge."""
    from scipy.ndimage import uniform_filter

    return (9 * uniform_filter(image, 3, mode="constant") - image) / 8


def _entropy_focus(image: np.ndarray) -> float:
    n = image.size
    largest = np.sqrt(n) * np.log(np.sqrt(n))
    share = image / np.sqrt((image**2).sum())
    return float(-np.sum(share * np.log(share + 1e-16)) / largest)
