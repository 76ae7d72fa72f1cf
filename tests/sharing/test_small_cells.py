"""Nothing of a bundle tells a cell of fewer than k subjects: each kind of finding, and what adds up to one."""

import json

import fiftyone as fo
import numpy as np
import pytest
from shared_cohorts import register_two

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.sharing.archive import AUDIT, MANIFEST, read_archive
from fiftyone_daebias.statistics.cells import count_cells, tellable

NAMES = ("test-cells-a", "test-cells-b")
N = 65


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    register_two(tmp_path_factory.mktemp("cells"), NAMES)
    yield fo.load_dataset(NAMES[0])
    for name in NAMES:
        fo.delete_dataset(name)


@pytest.fixture
def cohort(registered):
    """A copy whose subjects can be given values in their order."""
    copy = registered.clone("test-cells", persistent=False)
    yield copy
    fo.delete_dataset("test-cells")


def give(dataset, field, values):
    """One value a subject."""
    owners = store.read_subjects(dataset)
    of = dict(zip(sorted(set(owners)), values, strict=True))
    ids = store.sample_ids(dataset)
    store.write_values(dataset, field, {i: of[s] for i, s in zip(ids, owners, strict=True)}, kind="string")


def shared(dataset, path, **more):
    result = dataset.daebias.share(path, progress=None, **more)
    members = read_archive(path)
    return result, json.loads(members[AUDIT]), b"\n".join(members.values()).decode("latin-1")


def uneven(dataset):
    """South has 12 subjects: 7 of a rare value, which is left out; of the other 5, 2 are L."""
    give(dataset, "site", ["south"] * 12 + ["north"] * (N - 12))
    give(dataset, "hand", ["rare"] * 7 + ["L"] * 2 + ["R"] * 3 + ["L"] * 40 + ["R"] * 13)
    dataset.daebias.case_mix(expected=["hand"], over=["site"], n_permutations=199, progress=None)


def test_a_case_mix_of_two_of_five_leaves_nothing(cohort, tmp_path):
    uneven(cohort)
    (found,) = collect_findings(cohort).of("case-mix")
    # of the two sites, which differ as much, the one that is named is the other
    assert found.cells == {"L": (40, 2), "R": (13, 3)} and found.n_subjects == N - 7
    said = cohort.daebias.review(found.key, note="two of five", author="ada", progress=None)
    assert said.reviews
    result, audit, everything = shared(cohort, tmp_path / "x.zip")
    assert result.withheld["findings"] == 1 and result.withheld["reviews"] == 1 and not audit["findings"]
    for word in ("case-mix", "hand", "40%", "60%", "Cramér", "two of five", f"{found.evidence.value:.3f}"):
        assert word not in everything, word
    assert not [w for w in audit["workspaces"] + audit["views"] if "site" in w["name"] + w["description"]]
    # with a k that the cells reach it leaves, with its sentence
    _, audit, _ = shared(cohort, tmp_path / "y.zip", min_subjects=2)
    assert [f["sentence"] for f in audit["findings"]] == [found.sentence]


def test_a_report_to_share_leaves_it_out_and_the_owners_has_it(cohort, tmp_path):
    uneven(cohort)
    (found,) = collect_findings(cohort).of("case-mix")
    cohort.daebias.review(found.key, note="two of five", author="ada lovelace", progress=None)
    for name, shared_report in (("own", False), ("theirs", True)):
        cohort.daebias.report(tmp_path / f"{name}.html", to_share=shared_report, progress=None)
    written = {n: "".join(p.read_text() for p in tmp_path.glob(f"{n}.*")) for n in ("own", "theirs")}
    for word in (found.title, "two of five", "lovelace"):
        assert word in written["own"] and word not in written["theirs"], word
    assert found.sentence not in written["theirs"]
    assert "1 finding left out" in written["theirs"]
    # what machines read has it nowhere
    for name in ("own", "theirs"):
        assert '"audit_findings/kind": "case-mix"' not in (tmp_path / f"{name}.croissant.json").read_text()


def test_runs_of_versions_that_kept_no_counts_are_withheld(cohort, tmp_path):
    give(cohort, "site", ["south"] * 24 + ["north"] * (N - 24))
    give(cohort, "hand", (["L", "R"] * N)[:N])
    cohort.daebias.case_mix(expected=["hand"], over=["site"], n_permutations=199, progress=None)
    assert shared(cohort, tmp_path / "x.zip")[1]["findings"]
    config, results = store.load_run(cohort, schema.CASE_MIX_RUN)
    for row in results["table"]["rows"]:
        del row["cells"]
    store.save_run(cohort, schema.CASE_MIX_RUN, dict(config), results)
    (old,) = collect_findings(cohort).of("case-mix")
    assert old.cells is None
    result, audit, _ = shared(cohort, tmp_path / "y.zip")
    assert not audit["findings"] and result.withheld["findings"] == 1
    assert "of 1 finding (case-mix) it is not stored" in " ".join(result.remarks)


@pytest.mark.parametrize(
    ("key", "results"),
    [
        (schema.EXPLAIN_RUN_PREFIX + "x", {"summary": {"sentences": ["in 3 of 4 it is so"], "tests": {}, "found": True}}),
        (schema.LOCAL_RUN_PREFIX + "x", {"summary": {"reading": "sex is seen in 3 of 4", "n_subjects": 4}}),
        (schema.DYNAMICS_RUN_PREFIX + "x", {"summary": {"field": "sex", "sequences": [], "sentence": "3 of 4 learn late"}}),
        (schema.COUNTERFACTUAL_RUN_PREFIX + "x", {"summary": {"reason": "3 of 4 only", "comparison": "a", "n_subjects": 9}}),
        (schema.MITIGATION_RUN_PREFIX + "x", {"summary": {"verdict": "3 of 4", "counts": {"a": {"F": 3, "M": 20}}}}),
        (schema.COMPARE_RUN, {"table": {"sentences": ["3 of 4"], "rows": []}}),
        (schema.SENSITIVITY_RUN, {"table": {"sentence": "3 of 4"}}),
    ],
)  # fmt: skip
def test_what_a_run_says_of_unknown_or_few_subjects_stays(cohort, tmp_path, key, results):
    store.save_run(cohort, key, {"field": "sex"}, results)
    assert "3 of 4" in " ".join(f.sentence for f in collect_findings(cohort).rows)
    result, audit, everything = shared(cohort, tmp_path / "x.zip")
    assert result.withheld["findings"] == 1 and not audit["findings"] and "3 of 4" not in everything


def test_a_probe_withholds_a_rare_class_of_its_own_group_and_few_mistakes(cohort, tmp_path):
    rng = np.random.default_rng(0)
    give(cohort, "site", ["north"] * (N - 22) + ["south"] * 22)
    # of the 22 in the south 11 are L; few for a k of 12, though the cohort has 33
    give(cohort, "hand", (["L", "R"] * N)[:N])
    left = np.array([v == "L" for v in cohort.values("hand")])
    vectors = rng.standard_normal((len(left), 8))
    vectors[:, 0] += 6 * left
    store.write_vectors(cohort, schema.embedding_field(), store.sample_ids(cohort), vectors)
    cohort.daebias.probe_all(fields=["hand"], by="site", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    _, audit, _ = shared(cohort, tmp_path / "x.zip", min_subjects=12)
    assert {p["group"] for p in audit["probes"]} == {"", "site=north"}
    assert {f["key"] for f in audit["findings"]} == {"probe:hand", "probe:hand@site=north"}
    _, audit, _ = shared(cohort, tmp_path / "y.zip")
    for row in audit["probes"]:
        assert (row["accuracy"] is None) == (row["balanced_accuracy"] is None)
        if row["accuracy"] is not None:
            assert not 0 < row["n_subjects"] * (1 - row["accuracy"]) < 5


def test_groups_that_leave_few_by_subtraction_do_not_leave_together(cohort, tmp_path):
    give(cohort, "site", ["north"] * 32 + ["south"] * 30 + ["rare"] * 3)
    for site in ("north", "south"):
        cohort.match({"site": site}).daebias.name_cluster(site, author="ada", note=site)
    north = cohort.match({"site": "north"})
    people = sorted(set(store.read_subjects(north)))
    keep = [i for i, s in zip(store.sample_ids(north), store.read_subjects(north), strict=True) if s in people[:30]]
    store.save_view(cohort, "north but two", cohort.select(keep))
    result, audit, _ = shared(cohort, tmp_path / "x.zip")
    # all but the three rare, and north less two, can be had from no pair
    assert [c["name"] for c in audit["clusters"]] == ["north"] and "north but two" not in [
        v["name"] for v in audit["views"]
    ]
    assert result.withheld["clusters"] == 1


def test_who_lacks_a_value_cannot_be_had_from_the_total(cohort, tmp_path):
    give(cohort, "hand", (["L", "R"] * N)[: N - 2] + ["both"] * 2)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(store.sample_ids(cohort)), 8))
    store.write_vectors(cohort, schema.embedding_field(), store.sample_ids(cohort), vectors)
    cohort.daebias.probe_all(fields=["hand"], n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    cohort.daebias.reidentify(fields=[], n_bootstrap=50, progress=None)
    (found,) = collect_findings(cohort).of("probe")
    assert found.n_subjects == N - 2 and f"{N - 2} subjects" in found.sentence
    result, audit, everything = shared(cohort, tmp_path / "x.zip", with_vectors=True)
    by_key = {f["key"]: f for f in audit["findings"]}
    assert by_key["probe:hand"]["n_subjects"] == 60 == audit["probes"][0]["n_subjects"]
    assert "subjects" not in by_key["probe:hand"]["sentence"] and f"{N - 2} subjects" not in everything
    # what neighbours tell of a few stays with the sender, who is told
    manifest = json.loads(read_archive(tmp_path / "x.zip")[MANIFEST])
    assert [r["told"] is None for r in manifest["risk"]] == [r["few"] for r in result.risk_rows] and result.risk


def test_what_was_said_of_a_few_samples_stays_with_them(cohort, tmp_path):
    ids = store.sample_ids(cohort)
    store.write_reviews(
        cohort, schema.REVIEW_FIELD, ids[:2], "refuted", "ada lovelace", "2024-01-01T10:00:00+00:00", "no"
    )
    result, audit, everything = shared(cohort, tmp_path / "x.zip")
    assert not audit["reviews"] and "lovelace" not in everything and result.withheld["reviews of samples"] == 2
    assert json.loads(read_archive(tmp_path / "x.zip")[MANIFEST])["withheld"]["reviews of samples"] == 2


def test_a_table_of_the_cohort_tells_no_rare_value_by_subtraction(cohort):
    from fiftyone_daebias.reporting.cohort_facts import cohort_facts

    give(cohort, "hand", ["L"] * 40 + ["R"] * (N - 42) + ["both"] * 2)
    (hand,) = [f for f in cohort_facts(cohort, 5).fields if f.name == "hand"]
    assert hand.values == (("L", 40),) and hand.rest == 2
    (hand,) = [f for f in cohort_facts(cohort, 2).fields if f.name == "hand"]
    assert hand.values == (("L", 40), ("R", N - 42), ("both", 2))


def test_cells_by_hand():
    inside = np.array([1, 1, 1, 0, 0, 0], bool)
    people = list("aabbcc")
    assert count_cells(inside, np.array([0, 1, 0, 0, 1, 1]), ("F", "M"), people) == {"F": (2, 1), "M": (1, 1)}
    assert count_cells(inside, np.array([0.1] * 6), (), people) == {"": (2, 2)}
    assert tellable({}, 5) and tellable({"F": (0, 5), "M": (7, 9)}, 5)
    assert not tellable(None, 2) and not tellable({"F": (4, 9)}, 5) and not tellable({"F": (9, 1)}, 5)
