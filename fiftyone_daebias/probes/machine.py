"""One support vector machine for one question, on features or on a kernel matrix."""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVC, SVR

from ..statistics.scores import subject_weights, weighted_median
from ..statistics.targets import Target
from .design import Design
from .linear import fit_linear


class Machine:
    """Fits on some rows and scores others; linear fits start from the last one.

    Args:
        design: vectors of the target's rows
        target: what to predict
        subjects: subject of each row
    """

    def __init__(self, design: Design, target: Target, subjects: np.ndarray):
        self.design, self.target, self.subjects = design, target, subjects
        self._last: dict = {}

    def fit_predict(self, train: np.ndarray, test: np.ndarray, penalty: float, balanced: bool) -> np.ndarray:
        """Margins (len(test), n_classes), or values (len(test), 1)."""
        weights = subject_weights(self.subjects[train])
        if self.target.categorical:
            return self._classes(train, test, weights, penalty)
        return self._numbers(train, test, weights, penalty, balanced)

    def medians(self, train: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Median of the training rows, for each of ``rows``."""
        return np.full(len(rows), weighted_median(self.target.values[train], subject_weights(self.subjects[train])))

    def _classes(self, train, test, weights, penalty):
        codes, k = self.target.values[train], len(self.target.classes)
        out = np.full((len(test), k), -1.0)
        for c in np.unique(codes) if k > 2 else [1]:
            positive = codes == c
            if positive.all() or not positive.any():
                continue
            cost = weights * _equal_classes(positive, weights)
            out[:, c] = self._fit(train, test, np.where(positive, 1.0, -1.0), cost / cost.mean(), penalty, c)
        if k == 2:
            out[:, 0] = -out[:, 1]
        return out

    def _numbers(self, train, test, weights, penalty, balanced):
        values = self.target.values[train]
        if balanced:
            weights = range_weights(values, weights)
        centre = self.medians(train, train)
        spread = max(float(np.std(values - centre)), 1e-12)
        answer = self._fit(train, test, (values - centre) / spread, weights / weights.mean(), penalty, "value")
        return (answer * spread + self.medians(train, test))[:, None]

    def _fit(self, train, test, y, cost, penalty, key) -> np.ndarray:
        regression = not self.target.categorical
        if self.design.gram is None:
            x = self.design.features
            fit = fit_linear(x[train], y, penalty, cost, regression=regression, start=self._last.get(key))
            self._last[key] = fit
            return fit.scores(x[test])
        inner, cross = self.design.gram[np.ix_(train, train)], self.design.gram[np.ix_(test, train)]
        if regression:
            model = SVR(kernel="precomputed", C=penalty, epsilon=0.1, cache_size=500).fit(inner, y, sample_weight=cost)
            return model.predict(cross)
        model = SVC(kernel="precomputed", C=penalty, cache_size=500).fit(inner, y > 0, sample_weight=cost)
        return model.decision_function(cross)


def _equal_classes(positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Factors after which both sides weigh the same."""
    a, b = weights[positive].sum(), weights[~positive].sum()
    total = 1 / (1 / a + 1 / b)
    return np.where(positive, total / a, total / b)


def range_weights(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights under which every tenth of the value range (1st to 99th percentile) counts the same."""
    low, high = np.percentile(values, [1, 99])
    bins = np.clip(((values - low) / max(high - low, 1e-12) * 10).astype(int), 0, 9)
    weights = weights.copy()
    share = weights.sum() / 10
    for b in np.unique(bins):
        mine = bins == b
        # a tenth with hardly anybody in it is not blown up beyond ten times its share
        weights[mine] *= min(share / weights[mine].sum(), 10.0)
    return weights
