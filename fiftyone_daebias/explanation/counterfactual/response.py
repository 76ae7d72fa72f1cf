"""What probes read from decoded images along the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...statistics.scores import percentile_interval
from .difference_maps import Shown
from .direction import Directions


@dataclass(frozen=True)
class Response:
    """Readings of the decoded images, as changes from the unmoved decoded image, in SDs of the reading.

    A sample is moved along the direction found in the other half of the subjects. "Independent" readings are those of
    the probe of its own half, which shares no training subject with that direction; "own" readings those of the probe
    whose direction it is.

    Attributes:
        amounts: how far, SDs
        mean: mean independent reading at each amount
        low: lower end of its 95 % subject-bootstrap interval
        high: upper end
        own: mean own reading
        moved: mean independent reading of the moved codes, before decoding
        monotone: whether the mean independent reading rises at every step
        sure: share of bootstrap draws in which it does
        samples_monotone: share of samples whose own curve rises at every step
        rise: mean change of the independent reading from one end to the other, with its interval
        kept: share of the moved codes' rise that is left after decoding and encoding again
        readings: independent readings, (samples, amounts)
    """

    amounts: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    own: tuple[float, ...]
    moved: tuple[float, ...]
    monotone: bool
    sure: float
    samples_monotone: float
    rise: tuple[float, float, float]
    kept: float
    readings: np.ndarray = field(repr=False)

    @property
    def rises(self) -> bool:
        """Whether the mean reading rises at every step, in at least 95 % of the bootstrap draws."""
        return self.monotone and self.sure >= 0.95

    def __str__(self) -> str:
        verdict = (
            "rises at every step"
            if self.rises
            else "rises at every step, but not surely"
            if self.monotone
            else "does NOT rise at every step"
        )
        falls = [
            f"{a:+g} to {b:+g}"
            for a, b, c, d in zip(self.amounts, self.amounts[1:], self.mean, self.mean[1:], strict=False)
            if d <= c
        ]
        where = f" (falls from {', '.join(falls)} SD)" if falls else ""
        change, low, high = self.rise
        return (
            f"the probe of other subjects' reading of the decoded images {verdict}{where}, in {self.sure:.0%} of the "
            f"bootstrap draws and for {self.samples_monotone:.0%} of single samples; from end to end by {change:.2f} "
            f"SD [{low:.2f}, {high:.2f}], {self.kept:.0%} of what the moved codes say before decoding"
        )


def read_responses(
    directions: Directions, shown: Shown, vectors: np.ndarray, *, n_bootstrap: int, rng: np.random.Generator
) -> Response:
    """Reads the decoded images with both probes.

    Args:
        directions: the two directions and probes
        shown: moved samples; one a subject
        vectors: embeddings of the samples before moving, (n, d)
        n_bootstrap: bootstrap draws over samples
        rng: random generator
    """
    middle = len(shown.amounts) // 2
    independent = directions.read(shown.vectors, shown.half)
    own = directions.read(shown.vectors, 1 - shown.half)
    codes = vectors[:, None] + shown.amounts[None, :, None] * directions.steps[1 - shown.half][:, None]
    moved = directions.read(codes, shown.half)
    change, own, moved = (r - r[:, [middle]] for r in (independent, own, moved))
    draws = rng.integers(0, len(change), (n_bootstrap, len(change)))
    curves = change[draws].mean(axis=1)
    mean = change.mean(axis=0)
    bands = [percentile_interval(c) for c in curves.T]
    slope = [np.polyfit(shown.amounts, r.mean(axis=0), 1)[0] for r in (change, moved)]
    return Response(
        tuple(map(float, shown.amounts)),
        tuple(map(float, mean)),
        tuple(b[0] for b in bands),
        tuple(b[1] for b in bands),
        tuple(map(float, own.mean(axis=0))),
        tuple(map(float, moved.mean(axis=0))),
        bool((np.diff(mean) > 0).all()),
        float((np.diff(curves, axis=1) > 0).all(axis=1).mean()),
        float((np.diff(change, axis=1) > 0).all(axis=1).mean()),
        (float(mean[-1] - mean[0]), *percentile_interval(curves[:, -1] - curves[:, 0])),
        float(slope[0] / slope[1]) if abs(slope[1]) > 1e-9 else float("nan"),
        independent,
    )
