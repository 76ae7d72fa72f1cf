"""Do sites see the same kind of people? On a real database."""

import json

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.collect import collect_findings


def make(name, share_of_men, seed=0, **more):
    """200 subjects of 2 samples each at sites A and B; scanner is the site once more."""
    rng = np.random.default_rng(seed)
    dataset = fo.Dataset(name)
    samples = []
    for k in range(200):
        site = "AB"[k % 2]
        sex = "M" if rng.random() < share_of_men[site] else "F"
        age, year = float(rng.normal(50, 10)), float(rng.uniform(2015, 2019))
        for n in range(2):
            samples.append(
                fo.Sample(
                    filepath=f"/nowhere/{k}-{n}.png",
                    subject_id=f"P{k}",
                    site=site,
                    scanner=f"scanner {site}",
                    sex=sex,
                    age=age,
                    arm="xy"[int(rng.random() < 0.5)],
                    acquisition_date_years=year,
                    **more,
                )
            )
    dataset.add_samples(samples)
    return dataset


def test_the_uneven_site_is_found_once_and_goes_into_the_findings(dataset_name):
    dataset = make(dataset_name, {"A": 0.5, "B": 0.85})
    mix = dataset.daebias.case_mix(progress=None)
    rows = {(r.field, r.over): r for r in mix.rows}
    assert set(rows) == {("sex", "site"), ("age", "site")}  # the scanner parts subjects as the site does
    sex = rows["sex", "site"]
    assert sex.verdict == "found" and sex.n_subjects == 200 and sex.effect > 0.2 and "there" in sex.words
    assert rows["age", "site"].verdict == "not found"
    assert "sex" in str(mix) and "adjust for" in str(mix)
    json.dumps(mix.to_dict(), allow_nan=False)
    found = {f.key: f for f in collect_findings(dataset).rows}
    assert found["case-mix:sex:site"].verdict == "found" and found["case-mix:age:site"].verdict == "not found"
    assert found["case-mix:sex:site"].next_step.params["adjust_for"] == ["sex"]


def test_even_sites_give_no_finding(dataset_name):
    p = []
    for seed in range(12):
        name = f"{dataset_name}-{seed}"
        dataset = make(name, {"A": 0.5, "B": 0.5}, seed)
        p += [r.p for r in dataset.daebias.case_mix(over=["site"], n_permutations=199, progress=None).rows]
    assert np.mean(np.array(p) <= 0.05) <= 0.2 and 0.3 < np.mean(p) < 0.7


def test_what_varies_within_people_is_no_property_of_theirs(dataset_name):
    dataset = make(dataset_name, {"A": 0.5, "B": 0.5})
    dataset.set_values("arm", ["x", "y"] * 200)
    row = next(r for r in dataset.daebias.case_mix(expected=["arm"], progress=None).rows if r.over == "site")
    assert row.verdict == "not tested" and "varies within subjects" in row.note


def test_bad_input(dataset_name):
    dataset = make(dataset_name, {"A": 0.5, "B": 0.5}, centre_of_mass=1.0)
    with pytest.raises(InputError, match="nope"):
        dataset.daebias.case_mix(over=["nope"], progress=None)
    for field in ("site", "scanner"):
        dataset.delete_sample_field(field)
    with pytest.raises(InputError, match=r"no field was found by its name for over"):
        dataset.daebias.case_mix(progress=None)
