"""Scoring against the truth, by hand-computed cases."""

import numpy as np
import pytest

from fiftyone_daebias.phantoms.places import difference_map, localisation_error
from fiftyone_daebias.phantoms.score import average_precision, related_fields, score_audit


def test_average_precision_by_hand_and_with_ties():
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3, 2, 1]), truth) == pytest.approx((1 + 2 / 3) / 2)
    # all equal: two halves in every place; the expectation over orders is close to the share of true ones and above
    assert average_precision(np.zeros(4), truth) == pytest.approx(0.5)
    assert np.isnan(average_precision(np.zeros(3), np.zeros(3, bool)))


@pytest.fixture
def audited():
    """40 people, neck and lumbar; 10 at site C with a shifted neck."""
    people = [f"sub-{k:05d}" for k in range(40)]
    volumes = {f"{p}-{r}": (p, r) for p in people for r in ("neck", "lumbar")}
    site = {p: "C" if k < 10 else "AB"[k % 2] for k, p in enumerate(people)}
    table = {
        "site": [site[p] for p, _ in volumes.values()],
        "station": [f"M{site[p]}" for p, _ in volumes.values()],
        "arm": [str(k // 2 % 3) for k in range(80)],
    }
    plant = {
        "text": "shift:43:site=C,region=neck",
        "kind": "shift",
        "strength": 43.0,
        "regions": ["neck"],
        "fields": ["site"],
        "where": {"site": "C"},
        "volumes": [[p, "neck"] for p in people[:10]],
    }
    return {"plants": [plant]}, volumes, table


def test_findings_are_told_apart_and_groups_and_rankings_scored(audited):
    truth, volumes, table = audited
    moved = [i for i, (p, r) in volumes.items() if r == "neck" and int(p[4:]) < 10]
    groups = {"island": moved[:8] + ["sub-00030-neck", "sub-00031-neck"], "crowd": list(volumes)}
    ranking = {i: 1.0 * (i in moved[:5]) for i in volumes}
    findings = [(f"probe:{f}", f, ()) for f in ("site", "station", "sex", "arm")] + [("drift:x", "header_age", ())]
    got = score_audit(truth, volumes, table, findings, groups, {"outliers": ranking}, np.random.default_rng(0))
    assert got.true == ("probe:site", "probe:station", "probe:sex")
    assert got.false == ("probe:arm", "drift:x") and got.false_rate == pytest.approx(2 / 5)
    (plant,) = got.plants
    assert plant.found and plant.by == ("field site", "field station", "group island")
    assert (plant.precision, plant.recall, plant.share, plant.n) == (0.8, 0.8, 0.25, 10)
    assert plant.ap > 0.5 and plant.p10 >= 0.5 and plant.ap_by_chance < 0.45


def test_nothing_found_scores_nothing_and_a_null_cohort_has_only_false_findings(audited):
    truth, volumes, table = audited
    got = score_audit(truth, volumes, table, [], {}, {}, np.random.default_rng(0))
    assert not got.plants[0].found and np.isnan(got.plants[0].ap) and got.false_rate == 0
    got = score_audit({"plants": []}, volumes, table, [("probe:site", "site", ())], {}, {}, np.random.default_rng(0))
    assert got.plants == () and got.false == ("probe:site",) and got.false_rate == 1


def test_nothing_is_left_out_of_the_false_findings(audited):
    truth, volumes, table = audited
    said = [
        ("disagreements:sex:label-error", "sex", ()),
        ("disagreements:site:label-error", "site", ()),
        ("duplicates", "", ()),
        ("outliers", "", ()),
        ("reidentify:subject", "", ()),
        ("probe:age", "age", ()),
    ]
    got = score_audit(truth, volumes, table, said, {}, {}, np.random.default_rng(0))
    # the site of a shifted scanner is told by the picture, and yet nobody's site is written down wrongly
    assert got.false == ("disagreements:sex:label-error", "disagreements:site:label-error", "duplicates", "outliers")
    assert got.true == ("reidentify:subject", "probe:age")
    wrong = {
        "text": "label:1::10%",
        "kind": "label",
        "strength": 1.0,
        "regions": ["neck", "lumbar"],
        "fields": ["sex"],
        "where": {},
        "volumes": [[f"sub-{k:05d}", "neck"] for k in range(4)],
    }
    got = score_audit({"plants": [wrong]}, volumes, table, said[:1], {}, {}, np.random.default_rng(0))
    assert got.true == ("disagreements:sex:label-error",) and got.plants[0].by == ("field sex",)


def test_fields_that_go_with_a_plant_are_found_by_subject(audited):
    truth, volumes, table = audited
    people = np.array([p for p, _ in volumes.values()])
    inside = np.array([list(v) in truth["plants"][0]["volumes"] for v in volumes.values()])
    assert related_fields(table, inside, people) == pytest.approx({"site": 1.0, "station": 1.0})


def test_a_finding_is_credited_to_the_plant_it_goes_with_most(audited):
    truth, volumes, table = audited
    people = sorted({p for p, _ in volumes.values()})
    late = [p for k, p in enumerate(people) if k >= 10 and k % 4 == 0]  # some of site A
    other = {
        "text": "headrest:14:site=A,after=2016-01-01",
        "kind": "headrest",
        "strength": 14.0,
        "regions": ["neck"],
        "fields": ["site", "date"],
        "where": {"site": "A", "after": "2016-01-01"},
        "volumes": [[p, "neck"] for p in late],
    }
    truth = {"plants": [*truth["plants"], other]}

    def credited(*findings):
        got = score_audit(truth, volumes, table, findings, {}, {}, np.random.default_rng(0))
        return [p.by for p in got.plants], got.false

    # the site can be told because of C, wholly planted; that is no discovery of the plant at A
    assert credited(("probe:site", "site", ())) == ([("field site",), ()], ())
    assert credited(("drift:A, neck", "date", ("A", "neck"))) == ([(), ("field date",)], ())
    # a change over time at another site, or in another region, goes with neither
    assert credited(("drift:B, neck", "date", ("B", "neck"))) == ([(), ()], ("drift:B, neck",))
    assert credited(("drift:A, lumbar", "date", ("A", "lumbar"))) == ([(), ()], ("drift:A, lumbar",))


def test_a_marker_shows_where_it_was_burned_in_and_errors_are_in_mm():
    settings = {
        "subjects": 8,
        "plants": ["marker:20::50%", "label:1::50%"],
        "sites": ["A"],
        "regions": ["neck"],
        "seed": 1,
    }
    shown = difference_map(settings, 0, "neck")
    rows, columns = np.nonzero(shown > 0.5)
    assert rows.max() < 10 and columns.max() < 10  # 20 of 240 mm, in the upper left
    assert difference_map(settings, 1, "neck") is None  # a wrong label changes no picture
    pixel = 240 / 64
    found = np.zeros((120, 120))
    found[10, 10] = -3.0
    assert localisation_error(found, 2.0, shown, pixel) < pixel
    found[10, 10], found[60, 10] = 0, 1
    far = localisation_error(found, 2.0, shown, pixel)
    assert far == pytest.approx((60 - 59.5) * 2 - (rows.max() - 31.5) * pixel, abs=4)
