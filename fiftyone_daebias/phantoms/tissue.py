"""Signal of tissues in a T2-weighted turbo spin echo: proton density times exp(−TE / T2)."""

from __future__ import annotations

import numpy as np

#: {tissue: (proton density relative to CSF, T2 in ms as a turbo spin echo at 1.5 T shows it)}; fat is bright there
TISSUES = {
    "air": (0.0, 1.0),
    "bone": (0.15, 20.0),
    "marrow": (0.72, 98.0),
    "nucleus": (0.95, 150.0),
    "worn nucleus": (0.75, 58.0),
    "annulus": (0.6, 36.0),
    "ligament": (0.4, 28.0),
    "csf": (1.0, 1200.0),
    "cord": (0.8, 90.0),
    "root": (0.75, 85.0),
    "fat": (0.95, 148.0),
    "muscle": (0.8, 47.0),
    "skin": (0.6, 48.0),
    "blood": (0.6, 30.0),
    "slow blood": (0.9, 90.0),
    "grey matter": (0.85, 98.0),
    "white matter": (0.74, 82.0),
    "liver": (0.75, 46.0),
    "lung": (0.1, 35.0),
    "bowel wall": (0.75, 65.0),
    "bowel fluid": (0.95, 300.0),
    "heart": (0.8, 55.0),
    "gland": (0.85, 85.0),
    "cartilage": (0.6, 50.0),
    "urine": (1.0, 1000.0),
}


def signals(te: float, age: float, marrow: float) -> dict[str, float]:
    """Signal of every tissue.

    Args:
        te: effective echo time, ms
        age: years: marrow turns to fat
        marrow: the person's own share of it, standard normal

    Returns:
        ``{tissue: signal}``, CSF near 1
    """
    out = {name: float(pd * np.exp(-te / t2)) for name, (pd, t2) in TISSUES.items()}
    fatty = np.clip(0.22 + 0.006 * (age - 47) + 0.07 * marrow, 0, 0.8)
    out["marrow"] = float((1 - fatty) * out["marrow"] + fatty * out["fat"])
    return out
