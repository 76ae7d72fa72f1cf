"""The phantom: what is drawn, what is planted, and that it comes back through the real ingest."""

import datetime
import functools
import json
import shutil

import fiftyone as fo
import numpy as np
import pytest
from scipy import ndimage

from fiftyone_daebias import register
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import CohortError, InputError
from fiftyone_daebias.phantoms import frame
from fiftyone_daebias.phantoms.draw import FieldOfView, draw_region
from fiftyone_daebias.phantoms.effects import EFFECTS
from fiftyone_daebias.phantoms.people import make_people, make_sites
from fiftyone_daebias.phantoms.phantom import digest, phantom
from fiftyone_daebias.phantoms.plan import make_plan
from fiftyone_daebias.phantoms.plants import parse_plant
from fiftyone_daebias.phantoms.spine import AT, STEP, make_spine

REGIONS = ["neck", "chest", "lumbar"]


@pytest.fixture(scope="module")
def volume():
    """A smooth positive volume (14, 60, 50) with one bright block at rows 20–23, columns 30–33."""
    array = 500 + 100 * ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((14, 60, 50)), (0, 3, 3))
    array[:, 20:24, 30:34] = 3000
    return array.astype(np.float32)


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_of_no_strength_change_nothing_and_others_keep_the_contract(name, volume):
    before = volume.copy()
    same = EFFECTS[name](volume, (2.0, 1.0), 0, np.random.default_rng(0))
    assert np.array_equal(same, volume) and same is not volume
    for strength in EFFECTS[name].grades:
        got = EFFECTS[name](volume, (2.0, 1.0), strength, np.random.default_rng(0))
        assert got.shape == volume.shape and got.dtype == np.float32 and got.min() >= 0 and np.isfinite(got).all()
        assert not np.array_equal(got, volume)
    assert np.array_equal(volume, before)


def test_effects_have_their_units(volume):
    rng, mm = np.random.default_rng(0), (2.0, 1.0)
    moved = EFFECTS["shift"](volume, mm, 10, rng)  # 10 mm are 5 rows; towards the head moves the picture down
    assert np.allclose(ndimage.center_of_mass(moved[3] > 2000), (26.5, 31.5))
    assert np.allclose(moved[:, 5:], volume[:, :-5], atol=1)
    turned = EFFECTS["rotation"](volume, mm, 90, rng)
    # the block lies 16 mm above and 7 mm right of the centre; anticlockwise it goes 16 mm to the left and 7 mm up
    assert turned[3, 26, 8] > 2000  # and not the other way round
    assert turned[3, 33, 40] < 1000
    assert np.allclose(EFFECTS["contrast"](volume, mm, 0.5, rng), 3000 * (volume / 3000) ** 1.5, rtol=1e-5)
    gain = EFFECTS["shading"](volume, mm, 0.4, rng) / volume
    assert gain[0, 0, 0] == pytest.approx(0.8) and gain[0, 0, -1] == pytest.approx(1.2)
    field = np.log(EFFECTS["bias_field"](volume, mm, 0.1, rng) / volume)
    assert field.std() == pytest.approx(0.1, rel=0.02)
    flat = np.full((8, 64, 64), 1000, np.float32)
    noisy = EFFECTS["noise"](flat + (np.arange(64) % 2), mm, 0.2, rng)
    assert noisy.std() == pytest.approx(200, rel=0.03)
    assert noisy.mean() == pytest.approx(1000 + 200**2 / 2000, rel=0.01)  # Rician bias at high SNR: σ²/2A
    letter = EFFECTS["marker"](np.pad(flat, 20), (2.0, 1.0), 24, rng)[20] - np.pad(flat, 20)[20]
    rows = np.flatnonzero(letter.any(axis=1))
    assert (rows[-1] - rows[0] + 1) * 2.0 == pytest.approx(24, abs=2.1)
    stripes = 1000 + 500 * np.cos(np.pi * (np.arange(64) + 0.5) * 40 / 64)[None, None] * np.ones((2, 64, 1))
    smooth = EFFECTS["spacing"](stripes.astype(np.float32), mm, 1.0, rng)
    assert stripes.std() > 300 and smooth.std() < 1  # half the resolution ends at the 32nd cosine
    assert np.array_equal(EFFECTS["flip"](volume, mm, 1, rng), volume[::-1])
    lost = EFFECTS["lost_edge_slice"](volume, mm, 2, rng)
    assert not lost[:2].any() and np.array_equal(lost[2:], volume[2:])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bend:3", "there is no kind 'bend'"),
        ("shift:far", "the strength in 'shift:far' is no number"),
        ("shift:9999", "from -150 to 150 mm"),
        ("shift:5:site=Z", "site in 'shift:5:site=Z' is one of A, B"),
        ("shift:5:colour=red", "unknown condition 'colour'"),
        ("shift:5:after=May", "a date such as"),
        ("marker:10::0%", "above 0 %"),
        ("headrest:9:region=lumbar", "in the neck only"),
        ("sampling:0.5", "needs a site"),
        ("twin:1:region=neck", "takes no region"),
        ("shift:5:10", "neither a condition"),
        ("shift:nan", "is no number"),
    ],
)
def test_a_plant_that_cannot_be_read_is_said(text, says):
    with pytest.raises(InputError, match="plants") as error:
        parse_plant(text, ["A", "B"])
    assert says in str(error.value)


def test_plants_hit_whom_they_name_and_change_nothing_else():
    plants = [
        "shift:43:site=B,region=neck",
        "marker:10::10%",
        "label:1:sex=F:20%",
        "headrest:10:after=2016-01-01",
        "lost-slice:2:region=chest,site=B",
        "te:-20:after=2018-06-01",
        "duplicate:0::5%",
        "nothing",
    ]
    plan = make_plan(100, plants, ["A", "B=2"], REGIONS, 3)
    plain = make_plan(100, [], ["A", "B=2"], REGIONS, 3)
    by = {p.kind: set(a) for p, a in zip(plan.plants, plan.affected)}
    people = {p.name: p for p in plan.people}
    assert by["shift"] == {(p.name, "neck") for p in plan.people if p.site == "B"}  # copies of them too
    assert {m for m, _ in by["shift"]} > {p.name for p in plain.people if p.site == "B"}
    assert len({m for m, _ in by["marker"]} & {p.name for p in plain.people}) == 10 and not by["nothing"]
    women = sum(p.sex == "F" for p in plain.people)
    assert len({m for m, _ in by["label"]} & {p.name for p in plain.people}) == round(0.2 * women)
    assert all(people[m].stated("sex") == "M" and people[m].sex == "F" for m, _ in by["label"])
    assert all(people[m].date >= datetime.date(2016, 1, 1) and r == "neck" for m, r in by["headrest"])
    assert len(by["duplicate"]) == 2 * 5 * 3 and len(plan.people) == 105
    untouched = [p for p in plain.people if not any(p.name == m for a in plan.affected for m, _ in a)]
    assert untouched and all(plan.scans[p.name] == plain.scans[p.name] for p in untouched)
    scan = next(s for s in plan.scans[next(m for m, _ in by["te"])])
    assert (scan.te, scan.software) == (81.0, "SP 5.0")


def test_without_plants_sites_dates_and_fields_are_independent_of_the_people():
    from scipy.stats import chi2_contingency, kruskal

    people = make_people(3000, make_sites(["A", "B", "C"], 11), 11)
    site = np.array([p.site for p in people])
    for field in ("sex", "handedness", "study_arm"):
        values = np.array([getattr(p, field) for p in people])
        table = [[((site == s) & (values == v)).sum() for v in np.unique(values)] for s in "ABC"]
        assert chi2_contingency(table).pvalue > 0.001
    for field in ("age", "height", "weight"):
        assert kruskal(*[[getattr(p, field) for p in people if p.site == s] for s in "ABC"]).pvalue > 0.001
    biased = make_people(3000, make_sites(["A", "B", "C"], 11), 11, {"C": 0.8})
    share = np.mean([p.sex == "M" for p in biased if p.site == "C"])
    assert share == pytest.approx(0.8, abs=0.04)
    assert [p.age for p in biased] == [p.age for p in people]


def test_anatomy_moves_with_sex_age_and_height_and_overlaps():
    people = make_people(400, make_sites(["A"], 5), 5)
    spines = [make_spine(p.build(5)) for p in people]
    man = np.array([p.sex == "M" for p in people])
    age, height = np.array([p.age for p in people]), np.array([p.height for p in people])
    width = np.array([s.table["width"][round(s.centres[AT["L3"]] / STEP)] for s in spines])
    long = np.array([s.z.max() - s.z.min() for s in spines])
    wear = np.array([s.wear[round(s.centres[AT["L4"]] / STEP) + 20] for s in spines])
    bent = np.array(
        [s.theta[round(s.centres[AT["T1"]] / STEP)] - s.theta[round(s.centres[AT["T12"]] / STEP)] for s in spines]
    )

    def auc(values):
        return (values[man][:, None] > values[~man][None]).mean()

    assert 0.75 < auc(width / height) < 0.95 and auc(width) < 0.99  # relative to height, and overlapping
    assert np.corrcoef(long, height)[0, 1] > 0.8
    assert 0.3 < np.corrcoef(wear, age)[0, 1] < 0.9
    assert 0.15 < np.corrcoef(bent, age)[0, 1] < 0.8
    assert 25 < np.degrees(np.mean(bent)) < 55
    assert 34 < width.min() and width.max() < 62


def along_normal(picture, spine, k, d, anchor, behind) -> float:
    """Value ``d`` mm behind the spine's line at its k-th point, in a picture of 1 mm pixels laid around an anchor."""
    y = spine.y[k] + d * np.cos(spine.theta[k]) - spine.at(anchor)[0] - behind
    z = spine.z[k] + d * np.sin(spine.theta[k]) - spine.at(anchor)[1]
    middle = (np.array(picture.shape) - 1) / 2
    return float(ndimage.map_coordinates(picture, [[middle[0] - z], [middle[1] + y]], order=1)[0])


@pytest.mark.parametrize(("region", "level"), [("neck", "C5"), ("chest", "T7"), ("lumbar", "L4")])
def test_tissues_lie_where_they_should(region, level):
    for person in make_people(4, make_sites(["A"], 9), 9):
        spine = make_spine(person.build(9))
        k = round(spine.centres[AT[level]] / STEP)
        anchor, _, behind = frame.REGIONS[region]
        (picture,) = draw_region(
            spine,
            region,
            view=FieldOfView((256, 256), (1.0, 1.0), (0, 0), 3.5),
            places=spine.x[k : k + 1],
            te=101,
            rng=np.random.default_rng(0),
        )
        half, canal = spine.table["depth"][k] / 2, spine.table["canal"][k]
        at = functools.partial(along_normal, picture, spine, k, anchor=anchor, behind=behind)
        marrow, wall, middle = at(-0.4 * half), at(half + 0.2), at(half + 0.8 + 0.5 * canal)
        front = max(at(half + 0.8 + share * canal) for share in (0.08, 0.13, 0.18, 0.23))
        assert 0.2 < marrow < 0.5 and wall < 0.9 * marrow  # cortex and ligament make a dark line
        assert front > 1.4 * marrow  # CSF in front of the cord
        if region == "lumbar":
            assert middle > 0.5  # no cord so low
        else:
            assert 0.2 < middle < 0.45  # the cord


def test_the_same_to_the_byte_whatever_the_processes_and_after_an_interruption(tmp_path):
    settings = {"subjects": 9, "matrix": 48, "regions": ["neck"], "plants": ["marker:12::20%"], "seed": 4}
    for format, workers, n in (("dicom", 2, 9), ("nifti", 1, 4)):
        settings["subjects"] = n
        one = phantom(tmp_path / f"{format}1", format=format, workers=1, **settings)
        phantom(tmp_path / f"{format}2", format=format, workers=workers, **settings)
        whole = digest(tmp_path / f"{format}1")
        assert whole == digest(tmp_path / f"{format}2")
        shutil.rmtree(tmp_path / f"{format}1" / "images" / "sub-00003")
        again = phantom(tmp_path / f"{format}1", format=format, workers=1, **settings)
        assert (one.new_subjects, again.new_subjects) == (n, 1) and digest(tmp_path / f"{format}1") == whole
    with pytest.raises(CohortError, match="other settings"):
        phantom(tmp_path / "dicom1", format="dicom", **settings | {"seed": 5})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("x")
    with pytest.raises(CohortError, match="not an empty folder"):
        phantom(tmp_path / "full", **settings)
    for sites in (["A", "A"], ["A=0"], ["A:B"], ["=2"], ["A=nan"]):
        with pytest.raises(InputError, match="sites: "):
            make_sites(sites, 0)
    with pytest.raises(InputError, match="matrix must be"):
        phantom(tmp_path / "z", matrix=9)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The same people twice: with plants as DICOM, without as NIfTI."""
    folder = tmp_path_factory.mktemp("phantom")
    plants = [
        "shift:43:site=B,region=neck",
        "spacing:0.5:site=A,region=lumbar",
        "te:-20:site=A",
        "lost-slice:1:site=B",
        "duplicate:0::10%",
        "label:1::20%",
    ]
    common = {"subjects": 10, "sites": ["A", "B"], "matrix": 64, "workers": 1, "seed": 6}
    phantom(folder / "with", plants=plants, format="dicom", **common)
    phantom(folder / "without", format="nifti", **common)
    return folder


def test_a_cohort_comes_back_through_the_real_ingest(planted, dataset_name, daebias_home):
    register(dataset_name, planted / "with" / "images")
    register(dataset_name + "-0", planted / "without" / "images")
    truth = json.loads((planted / "with" / "truth.json").read_text())
    got, plain = fo.load_dataset(dataset_name), fo.load_dataset(dataset_name + "-0")
    assert len(plain) == 30 and len(got) == 33 and len(got.distinct("subject_id")) == 11

    def by(dataset):
        source = open_slices(dataset)
        return {(s.subject_id, s.body_part): (s, source, k) for k, s in enumerate(dataset)}

    a, b = by(got), by(plain)
    people = truth["people"]
    for (name, part), (sample, source, k) in b.items():
        other, there, n = a[name, part]
        at_b = people[name]["site"] == "B"
        moved = other.centre_superior_mm - sample.centre_superior_mm
        assert moved == pytest.approx(43 if at_b and part == "CSPINE" else 0, abs=0.01)
        coarse = not at_b and part == "LSPINE"
        # 64 / 1.5 is 43 rows: the field of view stays
        assert other.pixel_spacing_mm / sample.pixel_spacing_mm == pytest.approx(64 / 43 if coarse else 1, rel=1e-3)
        assert there.n_slices(n) == source.n_slices(k) - at_b
        assert other.echo_time == pytest.approx(101 if at_b else 81)
        assert other.software == ("SP 5.0" if not at_b else sample.software)
        assert (other.station, other.institution) == (sample.station, sample.institution)
        assert other.acquisition_date == sample.acquisition_date and other.age == people[name]["age"]
        if at_b and part != "CSPINE":  # nothing but the lost slice: the slices from the left edge are the same
            left = source.cache.read(source.keys[k])[0]
            assert np.array_equal(there.cache.read(there.keys[n])[0], left[1:])
    before = json.loads((planted / "without" / "truth.json").read_text())["moved_mm"]
    for name, p in people.items():
        if not p["copy_of"]:
            gap = np.subtract(truth["moved_mm"][name]["neck"], before[name]["neck"])
            assert gap == pytest.approx([0, 43 if p["site"] == "B" else 0])
    wrong = {m for m, _ in truth["plants"][5]["volumes"]}
    assert len(wrong) == 2
    assert all((got.match({"subject_id": n}).first().sex == p["sex"]) != (n in wrong) for n, p in people.items())
    found = got.daebias.duplicates(progress=None)
    assert len(found.exact) == 3 and len({s for s, _ in found.several_subjects}) == 1
    assert "PHANTOM" not in "".join(map(str, got.values("subject_id"))).upper()


def test_the_truth_lies_outside_of_what_is_registered(planted):
    texts = [p for p in (planted / "with" / "images").rglob("*") if p.suffix in (".json", ".tsv", ".txt", ".csv")]
    assert [p.name for p in texts] == ["participants.tsv"]
    header = texts[0].read_text().splitlines()[0].split("\t")
    assert "copy_of" not in header and "maleness" not in header
