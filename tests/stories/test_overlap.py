"""Findings that point at the same samples: overlap with an interval that covers, joined only where it is most of both."""

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fiftyone_daebias import schema, store
from fiftyone_daebias.findings.finding import Evidence, Finding, Findings, Selector, tag_selector
from fiftyone_daebias.stories.facts import Group, Story
from fiftyone_daebias.stories.overlap import ONE, best_group, overlap, same_sets
from fiftyone_daebias.stories.same_samples import by_overlap
from fiftyone_daebias.stories.wording import headline, tell

PEOPLE = np.array([f"P{k}" for k in range(300)])


def test_overlap_by_hand_counts_subjects_once():
    a, b = np.arange(40) < 20, (np.arange(40) >= 10) & (np.arange(40) < 30)
    people = np.repeat(np.arange(20), 2)
    value, (low, high), both = overlap(a, b, people)
    assert (value, both) == (5 / 15, 5) and low < 1 / 3 < high
    assert overlap(a, np.zeros(40, bool), people)[0] == 0.0


def test_independent_sets_are_never_one_and_intervals_cover():
    rng, joined, covered, runs = np.random.default_rng(0), 0, 0, 300
    for _ in range(runs):
        a, b = rng.random(300) < 0.4, rng.random(300) < 0.4
        joined += len(same_sets({"a": a, "b": b}, PEOPLE)) == 1
        covered += overlap(a, b, PEOPLE)[1][0] <= 0.16 / 0.64 <= overlap(a, b, PEOPLE)[1][1]
    assert joined == 0 and covered >= binom.ppf(0.0001, runs, 0.95)
    site = pd.Series(rng.choice(["A", "B"], 300), name="site")
    found = [best_group("f", "set", rng.random(300) < 0.5, site, PEOPLE).interval[0] >= ONE for _ in range(100)]
    assert not any(found) and best_group("f", "set", np.arange(300) < 3, site, PEOPLE) is None


@pytest.fixture
def dataset():
    name = "test-stories-overlap"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    made = fo.Dataset(name)
    made.add_samples([fo.Sample(filepath=f"/nowhere/{p}.png", subject_id=p) for p in PEOPLE], progress=False)
    yield made
    fo.delete_dataset(name)


def shown(key, kind, tag, title):
    return Finding(key, kind, title, f"{title}.", "shown", Evidence("samples", 1.0), 1, 1, tag_selector(tag))


def test_samples_of_a_stories_group_are_told_there_and_others_for_themselves(dataset):
    ids, rng = store.sample_ids(dataset), np.random.default_rng(1)
    site = np.where(np.arange(300) < 60, "B", "A")
    store.tag(dataset, ids[:58], schema.TAG_ALIKE + "1")
    store.tag(dataset, [ids[k] for k in rng.permutation(300)[:50]], schema.TAG_ALIKE + "2")
    store.tag(dataset, ids[:55], schema.TAG_TEXT)
    strange = tuple(ids[2:60])
    findings = Findings(
        (
            shown("alike:1", "outliers", schema.TAG_ALIKE + "1", "share something in one place"),
            shown("alike:2", "outliers", schema.TAG_ALIKE + "2", "share something in one place"),
        )
    )
    rows = [
        Story(
            "story:site", "field", "site", groups=(Group("A", 240, 240), Group("B", 60, 60)), findings=("probe:site",)
        ),
        Story("story:text", "text", selector=tag_selector(schema.TAG_TEXT), findings=("text",), n_samples=55),
        Story("story:foreign-1", "foreign", selector=Selector("ids", sample_ids=strange), n_samples=58),
    ]
    table = pd.DataFrame({"site": site}, index=ids)
    told = by_overlap(dataset, findings, rows, table, PEOPLE)
    assert [s.key for s in told] == ["story:site", "story:text"]  # text may name people: told for itself, too
    (home, text) = told
    assert {o.group for o in home.overlaps} == {"B"} and "alike:1" in home.findings and "alike:2" not in home.findings
    assert "55 of 55 subjects are site B" in " ".join(tell(home, 1).ties)
    assert headline(text) == "55 images seem to hold burned-in text"


def test_sets_of_the_same_samples_are_one_story(dataset):
    ids = store.sample_ids(dataset)
    store.tag(dataset, ids[:40], schema.TAG_TURNED + "mirrored")
    rows = [
        Story("story:foreign-1", "foreign", selector=Selector("ids", sample_ids=tuple(ids[:42])), n_samples=42),
        Story(
            "story:turned:mirrored",
            "turned",
            selector=tag_selector(schema.TAG_TURNED + "mirrored"),
            findings=("turned:mirrored",),
            n_samples=40,
        ),
    ]
    (one,) = by_overlap(dataset, Findings(()), rows, pd.DataFrame(index=ids), PEOPLE)
    assert one.key == "story:foreign-1" and one.findings == ("turned:mirrored",)
