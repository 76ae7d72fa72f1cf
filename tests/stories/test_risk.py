"""Shortcut risk: what goes with the target and shows is first, with its gap; what shows and does not is harmless."""

import json
from datetime import date, timedelta

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.stories.facts import Stories
from fiftyone_daebias.stories.risk import RiskOf
from fiftyone_daebias.stories.story import read_stories, story
from fiftyone_daebias.stories.target import read_label
from fiftyone_daebias.stories.terminal import as_lines
from fiftyone_daebias.stories.wording import tell

N = 400


def table_of(rng):
    sick = rng.random(N) < 0.4
    return sick, {
        "site": np.where(np.where(rng.random(N) < 0.15, ~sick, sick), "B", "A"),  # goes with the target, and shows
        "coil": np.where(rng.random(N) < 0.5, "x", "y"),  # shows, and has nothing to do with the target
        "nurse": np.where(np.where(rng.random(N) < 0.2, ~sick, sick), "K", "L"),  # goes with it, and does not show
        "finding": np.where(sick, "Effusion|Mass", "none"),
        "label": np.where(sick, "sick", "well"),
        "age": rng.normal(60, 9, N).round(1),
        "same": np.where(sick, "yes", "no"),
    }


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    sick, columns = table_of(rng)
    vectors = rng.standard_normal((N, 16))
    vectors[:, 0] += 4 * (columns["site"] == "B")
    vectors[:, 1] += 4 * (columns["coil"] == "x")
    vectors[:, 2] += 0.8 * sick
    name = "test-stories-risk"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    dataset.add_samples(
        [
            fo.Sample(filepath=f"/nowhere/{k}.png", subject_id=f"P{k}", **{c: v[k].item() for c, v in columns.items()})
            for k in range(N)
        ],
        progress=False,
    )
    store.write_vectors(dataset, schema.embedding_field(), store.sample_ids(dataset), vectors.astype(np.float32))
    # two facts of the files: one only says the site, the other the target whatever the site
    columns["bytes"] = 5_000 + 900 * (columns["site"] == "B") + rng.integers(0, 1_500, N)
    columns["rows"] = np.where(np.where(rng.random(N) < 0.2, ~sick, sick), 512, 480)
    store.declare_document(dataset, schema.FILE_FIELD, {"bytes": "integer", "rows": "integer"})
    for fact in ("bytes", "rows"):
        values = dict(zip(store.sample_ids(dataset), columns[fact].tolist(), strict=True))
        store.write_values(dataset, schema.FILE_PREFIX + fact, values)
    fields = ["site", "coil", "nurse", "label", "age"]
    dataset.daebias.probe_all(fields=fields, n_permutations=199, n_bootstrap=100, repeats=1, progress=None)
    yield dataset, story(dataset, target="label", protected=["age"])
    fo.delete_dataset(name)


def test_a_planted_shortcut_is_first_with_its_gap_and_a_visible_harmless_field_is_none(judged):
    _, told = judged
    risks = {s.lead: s.risk for s in told.rows}
    assert told.rows[0].lead == "site" and risks["site"].verdict == "shortcut"
    assert risks["site"].gap_interval[0] > 0.2 and risks["site"].together > risks["site"].apart
    assert risks["coil"].verdict == "harmless" and risks["coil"].utility_interval[1] < 0.2
    assert risks["coil"].gap_interval[0] < 0.1
    assert risks["nurse"].verdict == "confounder" and "label" not in risks
    assert risks["age"].verdict in ("neither", "unknown")  # protected: told whatever was found
    assert 0 < risks["site"].balanced < risks["site"].n_subjects and risks["site"].weighted < risks["site"].n_subjects
    assert told.figures[0]["name"] == "story_risks"


def test_what_files_tell_of_the_target_by_telling_the_site_is_no_story_of_its_own(judged):
    told = {name for s in judged[1].rows for name in s.fields}
    assert "daebias_file.rows" in told and "daebias_file.bytes" not in told


def test_the_words_say_what_was_measured(judged):
    _, told = judged
    words = tell(told.rows[0], told.n_tests)
    assert "Shortcut for label" in words.risk and "gap" in words.risk and "Balance or weight label" in words.todo
    assert (
        words.headline.startswith("site can be read from the images and goes with label") and "name it as" in words.todo
    )
    lines = as_lines(told)
    assert len(lines) <= 10 and "[shortcut]" in lines[1]
    coil = next(s for s in told.rows if s.lead == "coil")
    words = tell(coil, told.n_tests)
    assert words.risk.startswith("Harmless for label") and "hardly goes with label" in words.headline
    assert "gap" not in words.risk  # where the two do not go together it is chance
    nurse = next(s for s in told.rows if s.lead == "nurse")
    assert "goes with label, but" in tell(nurse, told.n_tests).headline


def test_stories_are_kept_until_findings_change(judged):
    dataset, told = judged
    again = Stories.from_dict(json.loads(json.dumps(told.to_dict())))
    assert str(again) == str(told) and again.to_dict() == told.to_dict()
    assert str(read_stories(dataset)) == str(told)
    assert "story:site" in told.to_csv() and told.table().count("findings: probe:") >= 3
    dataset.daebias.probe("age", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert read_stories(dataset) is None


def test_a_target_that_cannot_be_one_is_one_clear_line():
    rng = np.random.default_rng(1)
    columns = table_of(rng)[1]
    table, people = pd.DataFrame({**columns, "one": ["x"] * N}), np.array([f"P{k}" for k in range(N)])
    table["seen_on"] = pd.Series([date(2020, 1, 1) + timedelta(k) for k in range(N)], dtype=object)
    table["tags"] = pd.Series([["a", "b"] if k % 2 else ["a"] for k in range(N)], dtype=object)
    table["single"] = pd.Series([["left, lower"] if k % 2 else ["right"] for k in range(N)], dtype=object)
    table["record"], table["id"] = pd.Series([{"a": 1}] * N, dtype=object), people
    table["flag"] = np.arange(N) % 2 == 0
    for spec, said in {
        "one": "one value ('x')",
        "age": "is a number with",
        "finding": "holds several labels an image ('Effusion|Mass'); name one",
        "finding=Pneumonia": "no image has finding 'Pneumonia'; choices: finding=",
        "labell": "did you mean 'label'",
        "seen_on": "is a date with",
        "tags": "holds several labels an image ('a|b'); name one",
        "record": "holds records",
        "id": "an id or free text",
    }.items():
        with pytest.raises(InputError) as error:
            read_label(table, people, spec)
        assert said in str(error.value) and "\n" not in str(error.value)
    assert read_label(table, people, "finding=Mass").classes == ("not Mass", "Mass")
    assert read_label(table, people, "tags=b").classes == ("not b", "b")
    assert read_label(table, people, "single").classes == ("left, lower", "right")
    assert read_label(table, people, "single=left, lower").classes == ("not left, lower", "left, lower")
    assert read_label(table, people, "flag").classes == ("False", "True")


def test_the_target_itself_cannot_be_protected(judged):
    with pytest.raises(InputError, match="'label' is the target itself"):
        story(judged[0], target="label", protected=["label"])


def test_what_equals_the_target_or_has_none_of_it_is_said():
    rng = np.random.default_rng(2)
    sick, columns = table_of(rng)
    columns["label"] = np.where(columns["site"] == "C", None, columns["label"])
    table, people = pd.DataFrame(columns), np.array([f"P{k}" for k in range(N)])
    table.loc[:50, "site"] = "C"
    table.loc[:50, "label"] = None
    of = RiskOf(read_label(table, people, "label"), table, people, None)
    assert "one and the same" in of("same", 0.9, (0.8, 1.0), True).reason
    of.table["grade"] = np.where(table["label"] == "sick", rng.choice(["II", "III"], N), rng.choice(["0", "I"], N))
    finer = of("grade", 0.9, (0.8, 1.0), True)
    assert finer.verdict == "same" and "each value of grade has one value of label" in finer.reason
    assert of("site", 0.9, (0.8, 1.0), True).missing == ("C",)


def test_costs_by_hand():
    # 2 groups of 100: 80/20 and 20/80 -> thinning keeps 2 x (20 + 20), weights are worth (sum w)^2 / sum w^2
    y = np.r_[np.repeat([0, 1], [80, 20]), np.repeat([0, 1], [20, 80])]
    g = np.repeat([0, 1], 100)
    from fiftyone_daebias.stories.risk import _costs

    got = _costs(y, g, np.arange(200), ("a", "b"))
    w = np.where(y == g, 50 / 80, 50 / 20)
    assert got["balanced"] == 80 and got["weighted"] == int(w.sum() ** 2 / (w**2).sum() + 1e-9) and got["lost"] == ()


def test_a_shortcut_that_the_classifier_does_not_take_is_only_a_possible_one():
    rng = np.random.default_rng(4)
    sick, columns = table_of(rng)
    table, people = pd.DataFrame(columns), np.array([f"P{k}" for k in range(N)])
    honest = 3 * sick + rng.standard_normal(N)  # sees the disease, not the site
    leaning = 3 * (columns["site"] == "B") + rng.standard_normal(N)
    label = read_label(table, people, "label")
    sign = 1 if label.classes[1] == "sick" else -1
    for scores, verdict in ((honest, "possible"), (leaning, "shortcut")):
        of = RiskOf(label, table, people, sign * np.column_stack([-scores, scores]))
        assert of("site", 0.9, (0.8, 1.0), True).verdict == verdict
