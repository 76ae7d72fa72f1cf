"""Linear support vector machines in the primal, by Newton's method.

With more samples than dimensions a kernel matrix is the obstacle: its size is
the square of the cohort's. In the primal the squared hinge loss (the loss of
scikit-learn's ``LinearSVC``) and the squared ε-insensitive loss have a
generalised second derivative, so Newton's method with conjugate gradients
converges in a handful of passes over the data (Keerthi & DeCoste, JMLR 6,
2005), and each fit starts from the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EPSILON = 0.1


@dataclass(frozen=True)
class LinearFit:
    """w and b of a linear machine: the score of x is x·w + b."""

    w: np.ndarray
    b: float

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores of rows, (n,)."""
        return x @ self.w + self.b


def fit_linear(
    x: np.ndarray,
    y: np.ndarray,
    penalty: float,
    weights: np.ndarray,
    *,
    regression: bool = False,
    start: LinearFit | None = None,
    tolerance: float = 1e-3,
    max_steps: int = 30,
) -> LinearFit:
    """Minimises ½‖w‖² + penalty · Σᵢ weightsᵢ · loss(xᵢ·w + b, yᵢ); the intercept b is not penalised.

    Args:
        x: float32 (n, d)
        y: −1 and 1, or numbers of unit scale, (n,)
        penalty: C
        weights: (n,), at least 0
        regression: squared ε-insensitive loss (ε = 0.1) in place of the squared hinge
        start: where to begin
        tolerance: stop when the gradient has shrunk to this share of what it is at w = 0
        max_steps: Newton steps

    Returns:
        the minimum
    """
    n, d = x.shape
    y = y.astype(np.float32)
    cost = (penalty * weights).astype(np.float32)
    w: np.ndarray = np.zeros(d, np.float32) if start is None else start.w.astype(np.float32).copy()
    b = np.float32(0.0 if start is None else start.b)

    def residuals(scores):
        """Loss's derivative by the score over 2, and the rows that have a loss."""
        if regression:
            away = scores - y
            loss = np.sign(away) * np.maximum(np.abs(away) - EPSILON, 0)
        else:
            loss = -y * np.maximum(1 - y * scores, 0)
        return loss, loss != 0

    def value(w, loss):
        return 0.5 * float(w @ w) + float(cost @ (loss * loss))

    def gradient(w, loss):
        pull = 2 * cost * loss
        return w + pull @ x, float(pull.sum())

    at_zero, _ = residuals(np.zeros(n, np.float32))
    g0, gb0 = gradient(np.zeros(d, np.float32), at_zero)
    enough = tolerance * np.sqrt(float(g0 @ g0) + gb0 * gb0) + 1e-12
    scores = x @ w + b
    loss, active = residuals(scores)
    now = value(w, loss)
    for _ in range(max_steps):
        g, gb = gradient(w, loss)
        norm = np.sqrt(float(g @ g) + gb * gb)
        if norm <= enough:
            break
        rows = np.flatnonzero(active)
        part, c = (x, 2 * cost * active) if len(rows) > 0.7 * n else (x[rows], 2 * cost[rows])
        step, step_b = _newton_step(part, c, g, gb, tolerance=min(0.1, np.sqrt(norm / (enough / tolerance))))
        moved = x @ step + step_b
        rate = 1.0
        for _ in range(12):
            trial = scores + rate * moved
            loss, active = residuals(trial)
            then = value(w + rate * step, loss)
            if then <= now:
                break
            rate *= 0.5
        else:
            break
        w, b, scores = w + np.float32(rate) * step, b + np.float32(rate * step_b), trial
        if now - then <= 1e-7 * max(1.0, abs(now)):
            break
        now = then
    return LinearFit(w, float(b))


def _newton_step(x, c, g, gb, *, tolerance: float) -> tuple[np.ndarray, float]:
    """Solves (I + Xᵀ diag(c) X) s = −g for (s, s_b); b's own regulariser is a hair above 0.

    With few dimensions the matrix is formed and factored, otherwise conjugate gradients multiply by it.
    """
    d = x.shape[1]
    if d <= 768 or d <= len(x) // 16:
        scaled = x * c[:, None]
        a = np.empty((d + 1, d + 1), np.float64)
        a[:d, :d] = x.T @ scaled
        a[d, :d] = a[:d, d] = scaled.sum(axis=0)
        a[d, d] = float(c.sum())
        a[np.arange(d), np.arange(d)] += 1.0
        a[d, d] += 1e-6 + 1e-6 * a[d, d]
        s = np.linalg.solve(a, -np.append(g.astype(np.float64), gb))
        return s[:d].astype(np.float32), float(s[d])
    s, sb = np.zeros(d, np.float32), 0.0
    r, rb = -g.copy(), -gb
    total = max(float(c.sum()), 1e-12)
    p, pb = r.copy(), rb / total  # b is scaled by its own curvature
    rho = float(r @ r) + rb * rb / total
    first = rho
    for _ in range(80):
        t = c * (x @ p + pb)
        q, qb = p + t @ x, float(t.sum()) + 1e-6 * total * pb
        alpha = rho / max(float(p @ q) + pb * qb, 1e-30)
        s, sb = s + np.float32(alpha) * p, sb + alpha * pb
        r, rb = r - np.float32(alpha) * q, rb - alpha * qb
        fresh = float(r @ r) + rb * rb / total
        if fresh <= tolerance * tolerance * first:
            break
        p, pb = r + np.float32(fresh / rho) * p, rb / total + fresh / rho * pb
        rho = fresh
    return s, sb
