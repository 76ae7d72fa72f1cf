"""Tables made and damaged at random: read right, or refused in one line."""

import numpy as np
import pytest
from fuzzed_tables import fuzz_one


@pytest.mark.parametrize("seed", range(0, 120, 30))
def test_no_table_ends_in_a_traceback_or_in_wrong_numbers(seed, tmp_path, daebias_home):
    wrong = []
    for k in range(seed, seed + 30):
        outcome, why = fuzz_one(np.random.default_rng(k), tmp_path)
        if outcome not in ("read", "refused"):
            wrong.append((k, outcome, why))
    assert not wrong
