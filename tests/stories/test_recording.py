"""Checks without a model: a planted difference in recording is named, chance raises no alarm."""

import numpy as np
import pandas as pd

from fiftyone_daebias.stories.recording import recording_differences


def cohort(rng, n=200):
    return pd.DataFrame(
        {
            "site": rng.choice(["A", "B", "C"], n),
            "sex": rng.choice(["F", "M"], n),
            "age": rng.normal(60, 9, n).round(),
            "smoker": np.where(rng.random(n) < 0.4, rng.choice(["yes", "no"], n), None),
        }
    )


def test_chance_raises_no_alarm():
    rng = np.random.default_rng(0)
    alarms = sum(bool(recording_differences(cohort(rng), np.arange(200))) for _ in range(100))
    assert alarms <= 4  # a level of 1 % for all pairs together: more than 4 of 100 has probability 0.003


def test_a_field_of_one_site_and_codes_that_change_are_named():
    rng = np.random.default_rng(1)
    table = cohort(rng)
    table["tesla"] = np.where(table.site == "B", "3.0", None)
    table["grade"] = np.where(table.site == "C", rng.choice(["1", "2"], 200), rng.choice(["low", "high"], 200))
    got = {(r.field, r.kind): r for r in recording_differences(table, np.arange(200))}
    assert set(got) == {("tesla", "one group"), ("grade", "codes")}
    one, codes = got["tesla", "one group"], got["grade", "codes"]
    n = int((table.site == "B").sum())
    assert (one.by, one.group, one.n_inside, one.n_outside) == ("site", "B", n, 200 - n)
    assert (codes.by, codes.group) == ("site", "C")
    assert codes.examples[0] in ("1", "2") and codes.examples[1] in ("low", "high")


def test_images_of_one_person_count_once():
    table = pd.DataFrame({"site": ["A", "B"] * 60, "coil": ["x", None] * 60})
    assert recording_differences(table, np.repeat(np.arange(6), 20)) == []
