"""What a result says: the same lines and tables in a terminal and in the App's Markdown."""

from __future__ import annotations

from fiftyone_daebias.findings.finding import Evidence, Finding, Findings
from fiftyone_daebias.rendering import Table, as_markdown, as_text, as_typed, parts_of

TABLE = Table.of([("field", "what"), ("site", "A  |  B"), ("sex", "")])


def test_a_terminal_gets_aligned_columns():
    assert as_text(["before", TABLE, "after", ""]).splitlines() == [
        "before",
        "field  what",
        "-----  -------",
        "site   A  |  B",
        "sex",
        "after",
    ]


def test_markdown_keeps_cells_that_hold_blanks_and_signs():
    text = as_markdown(["1 * 2", TABLE])
    assert text.splitlines() == [
        "1 \\* 2  ",
        "",
        "| field | what |",
        "| --- | --- |",
        "| site | A  \\|  B |",
        "| sex |  |",
    ]


def test_of_a_long_table_the_first_rows_are_shown_and_the_rest_counted():
    table = Table.of([("n",), *((str(k),) for k in range(1, 1_012))])
    text = as_markdown([table])
    assert "| 10 |" in text and "| 11 |" not in text and "… and 1,001 more" in text
    assert "1011" in as_text([table])


def test_a_result_hands_out_its_table_and_prints_it():
    finding = Finding(
        "probe:site", "probe", "site", "Read.", "found", Evidence("AUC", 0.9, (0.8, 0.95), q=0.01), 40, 80
    )
    findings = Findings((finding,), 1, "corrected")
    (table,) = (p for p in findings.parts() if isinstance(p, Table))
    assert table.head[0] == "finding" and table.rows[0][0] == "probe:site"
    assert str(findings) == as_text(findings.parts()) and "corrected" in str(findings)
    assert parts_of("two\nlines") == ["two", "lines"]


def test_a_long_result_is_ten_rows_and_twelve_lines_and_names_the_tab():
    table = Table(("a", "b"), tuple((str(k), "x") for k in range(30)))
    text = as_markdown([table, *(f"not tested: {k}" for k in range(40)), "corrected"], tab="Sites")
    assert text.count("| x |") == 10 and "20 more: they are in the panel 'Cohort audit', tab Sites" in text
    assert text.count("not tested") == 11 and "29 more lines" in text and text.rstrip().endswith("corrected")


def test_advice_is_spelt_as_it_is_typed():
    names = {"subject", "to_grey", "n_permutations", "device", "pattern"}
    said = {
        "if that is not so, pass subject=COLUMN": "if that is not so, pass --subject COLUMN",
        "pass to_grey=True to reduce colour": "pass --to-grey to reduce colour",
        "repeat with n_permutations=1999 or more": "repeat with --n-permutations 1999 or more",
        "pass device='cpu'": "pass --device 'cpu'",
        "among women with body_part=LSPINE": "among women with body_part=LSPINE",  # a value, no parameter
        "keep=['a']": "keep=['a']",
    }
    assert {text: as_typed(text, names) for text in said} == said
