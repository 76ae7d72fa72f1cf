"""What is said of a subject, by hand."""

from collections import Counter

import numpy as np

from fiftyone_daebias.probes.contradictions import OPEN, evidence, judge
from fiftyone_daebias.statistics.label_errors import LabelErrors


def test_verdicts():
    subjects = np.array(["wrong", "wrong", "unclear", "unclear", "odd", "fine", "moved", "moved"])
    codes = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    predicted = np.array([1, 1, 1, 0, 1, 0, 1, 1])
    z = np.array([0, 0, 0, 0, 9, 0, 0, 0.0])
    # units as the list has them: sorted by subject and label
    names = np.array(["fine", "moved", "moved", "odd", "unclear", "wrong"])
    labels = np.array([0, 0, 1, 0, 0, 0])
    errors = LabelErrors(
        names,
        labels,
        np.array([0, 1, 1, 1, 0, 1]),
        np.array([0, 0.9, 0, 0.3, 0.2, 0.99]),
        np.array([5, 1]),
        0.055,
        0.1,
        0.01,
    )
    got = judge(errors, ("F", "M"), subjects, codes, predicted, z, list("abcdefgh"))
    assert [(v.subject, v.kind) for v in got] == [
        ("wrong", "contradicted"),
        ("moved", "contradicted"),
        ("odd", "bad image"),
        ("unclear", "ambiguous"),
    ]
    wrong, moved, odd, unclear = got
    assert wrong.sample_ids == ("a", "b") and wrong.seen_as == "M" and wrong.evidence == OPEN
    assert "recorded as M" in moved.evidence and moved.n_samples == 1
    assert odd.sample_ids == ("e",) and unclear.sample_ids == ("c",) and unclear.evidence == ""


def test_evidence_beside_the_images_decides_or_it_is_left_open():
    nothing = Counter()
    assert evidence("F", "M", nothing, nothing) == OPEN
    assert "other samples" in evidence("F", "M", Counter(M=2), Counter(F=1))
    assert "says M" in evidence("F", "M", nothing, Counter(M=3))
    assert "says F too" in evidence("F", "M", nothing, Counter(F=3))
