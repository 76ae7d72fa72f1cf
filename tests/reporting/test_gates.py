"""Conditions that fail an audit: a grammar, never code."""

import pytest

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.finding import Evidence, Finding, Findings
from fiftyone_daebias.reporting.gates import check_subjects, judge_gates, parse_gates

FOUND = Findings(
    (
        Finding(
            "probe:site", "probe", "site", "s", "found", Evidence("AUC", 0.8, (0.7, 0.9), 0.5, 0.001, 0.01), 50, 100
        ),
        Finding(
            "probe:age at scan.years",
            "probe",
            "a",
            "s",
            "found",
            Evidence("MAE", 5.0, (4.0, 6.0), 9.0, 0.001, 0.01),
            50,
            100,
        ),
        Finding("probe:id", "probe", "id", "id was not probed: an id", "not tested"),
        Finding("leak", "leak", "leak", "s", "found", Evidence("samples", 6.0), 3, 6),
        Finding("drift:A, neck:date", "drift", "d", "s", "found", Evidence("SD", 1.5, p=0.01, q=0.02), 40),
    )
)


@pytest.mark.parametrize(
    "text, value, failed",
    [
        ("site.auc>0.6", 0.8, True),
        ("site.auc > 0.85", 0.8, False),
        ("site.auc<=.8", 0.8, True),
        ("site.low>=0.7", 0.7, True),
        ("site.q<1e-2", 0.01, False),
        ("age at scan.years.mae<6", 5.0, True),
        ('"age at scan.years".mae<4', 5.0, False),
        ("leak.subjects>0", 3.0, True),
        ("duplicates.samples>0", 0.0, False),
        ("findings.found>3", 4.0, True),
        ("drift:A, neck:date.sd>1", 1.5, True),
        ("site.found==1", 1.0, True),
        ("site.chance!=0.5", 0.5, False),
    ],
)
def test_conditions(text, value, failed):
    (out,) = judge_gates(parse_gates([text]), FOUND)
    assert (out.value, out.failed) == (pytest.approx(value), failed)
    assert ("FAILED" in str(out)) == failed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "site",
        "site.auc",
        "site>0.6",
        "site.auc>",
        "site.auc>x",
        "site.auc=>0.6",
        "site.auc>0.6 or 1",
        ".auc>0.6",
        "__import__('os').system('x')",
        "site.auc>0.6;1",
        "site.a-b>1",
        "site.auc>nan",
        "site.auc>0x10",
    ],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(InputError, match="is no condition; write FIELD.METRIC>NUMBER"):
        parse_gates([text])


def test_choices_are_named():
    with pytest.raises(InputError, match="no metric 'mae'; metrics: auc, value, low, high"):
        judge_gates(parse_gates(["site.mae>1"]), FOUND)
    with pytest.raises(InputError, match="cannot be judged: id was not probed"):
        judge_gates(parse_gates(["id.auc>0.6"]), FOUND)
    with pytest.raises(InputError, match="there is no field 'sites'; did you mean 'site'"):
        check_subjects(parse_gates(["sites.auc>0.6"]), ["site", "sex"])
    with pytest.raises(InputError, match="nothing is known of 'sex'"):
        judge_gates(parse_gates(["sex.auc>0.6"]), FOUND)
    with pytest.raises(InputError, match="no low here"):
        judge_gates(parse_gates(["drift:A, neck:date.low>0"]), FOUND)
    check_subjects(parse_gates(["site.auc>1", "leak.samples>0", "drift:x:y.sd>1", "findings.found>9"]), ["site"])
