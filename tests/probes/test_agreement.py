"""The paper's arithmetic."""

import numpy as np
import pytest

from fiftyone_daebias.probes.agreement import agreement, expected_together


def test_the_papers_numbers():
    """Graf et al. 2024: 411, 347 and 211 of 11,186 misclassified; 141 in two regions and 34 in three."""
    once, twice, thrice = expected_together(11_186, (411, 347, 211))
    assert twice == pytest.approx(26.3, abs=0.1)
    assert thrice == pytest.approx(0.2405, abs=0.001)
    counts = {(1, 1, 1): 34, (1, 1, 0): 70, (1, 0, 1): 31, (0, 1, 1): 40}
    singles = [411 - 34 - 70 - 31, 347 - 34 - 70 - 40, 211 - 34 - 31 - 40]
    rows = [list(pattern) for pattern, n in counts.items() for _ in range(n)]
    for k, n in enumerate(singles):
        rows += [[int(j == k) for j in range(3)]] * n
    rows += [[0, 0, 0]] * (11_186 - len(rows))
    got = agreement(np.array(rows, float), ("neck", "chest", "lumbar"))
    assert got.n_opposite == (411, 347, 211) and got.observed[1:] == (141, 34)
    assert got.expected[1] == pytest.approx(twice) and got.expected[2] == pytest.approx(thrice)
    assert got.p[1] < 1e-60 and got.p[2] < 1e-50


def test_the_p_value_is_exact_and_holds_its_level_with_missing_regions():
    rng = np.random.default_rng(0)
    small = 0
    for _ in range(400):
        grid = (rng.random((300, 3)) < [0.2, 0.1, 0.15]).astype(float)
        grid[rng.random((300, 3)) < 0.2] = np.nan
        small += agreement(grid, ("a", "b", "c")).p[1] <= 0.05
    assert small <= 30  # 5 % of 400 is 20; the test is conservative since counts are discrete
    together = np.repeat(rng.random(300) < 0.1, 3).reshape(300, 3).astype(float)
    assert agreement(together, ("a", "b", "c")).p[2] < 1e-10


def test_two_regions_by_hand():
    grid = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], float)
    got = agreement(grid, ("a", "b"))
    # rates 1/2 and 1/4: both 1/8, exactly one 1/8 · 3 + 1/8 = 1/2
    assert got.expected == pytest.approx((4 * 0.5, 4 * 0.125))
    assert got.p[1] == pytest.approx(1 - 0.875**4)


def test_it_is_said_to_be_no_evidence():
    grid = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], float)
    text = str(agreement(grid, ("a", "b")))
    assert "expected under independence 0.5" in text and "says nothing of labels" in text and "p for" not in text
