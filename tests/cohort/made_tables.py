"""Tables as people make them, at random: what they say is known, so what is read can be compared."""

import datetime
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

from fiftyone_daebias.cohort.items import Item

N_FILES = 30
FILES = [f"site{k % 3}/img_{k:03d}.png" for k in range(N_FILES)]
ITEMS = [Item(f, "raster", (f,)) for f in FILES]
MISSING = ["", "NA", "n/a", "unknown", "k.A.", "#NULL!", "inconnu", "未知", "-", "nan", "неизвестно", "desconocido"]
NAMES = [
    "age",
    "Alter",
    "weight_kg",
    "Größe",
    "sex",
    "Geschlecht",
    "site",
    "scan date",
    "Datum",
    "id",
    "_id",
    "media_type",
    "tags",
    "filepath",
    "clinical.age",
    "年齢",
    "возраст",
    "1st",
    "x$y",
    "a\nb",
    "  padded  ",
    "Unnamed: 3",
    "probe_type",
    "metadata",
    "Vorname",
    "comment",
    "height",
    "width",
    "31-0.0",
    "eid",
    "Kosten (€)",
    "p-value",
    "UPPER",
    "upper",
]
PLAIN, EURO, SWISS, US = "plain", "euro", "swiss", "us"


def say(value: float, notation: str, decimals: int) -> str:
    """A number as a country writes it."""
    text = f"{value:,.{decimals}f}" if notation != PLAIN else f"{value:.{decimals}f}"
    if notation == EURO:
        return text.translate(str.maketrans(",.", ".,"))
    return text.replace(",", "'") if notation == SWISS else text


def numbers(rng, n):
    notation, decimals = str(rng.choice([PLAIN, PLAIN, EURO, SWISS, US])), int(rng.choice([0, 1, 2]))
    values = np.round(rng.choice([1, 50, 3000, 2e6]) * (0.5 + rng.random(n)), decimals)
    return [say(v, notation, decimals) for v in values], [float(v) for v in values]


def dates(rng, n):
    form = str(rng.choice(["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", "%d %b %Y", "%Y/%m/%d"]))
    days = [datetime.date(2010, 1, 1) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 4000, n)]
    return [d.strftime(form) for d in days], days


def categories(rng, n):
    levels = [["F", "M"], ["A", "B", "C"], ["ja", "nein"], ["T1w", "T2w", "2D"], ["0", "1"], ["x y", "é", "<b>"]][
        rng.integers(6)
    ]
    return [levels[k] for k in rng.integers(0, len(levels), n)], None


def junk(rng, n):
    odd = [
        "",
        " ",
        "\t",
        '"',
        "''",
        ";",
        ",",
        "=1+1",
        "nan",
        "inf",
        "-0",
        "1e999",
        "0x1F",
        "9" * 30,
        "é" * 50,
        "\x00",
        "\u202e",
        "😀",
        "1/0",
        "2021-02-30",
        "31.12.9999",
        "a\nb",
        "[1, 2]",
        "{}",
        "NULL",
        "True",
        "12:30",
        "5 mm",
        "5-6",
        "<5",
        "100%",
        "٣",
        "²",
    ]
    return [str(odd[k]) for k in rng.integers(0, len(odd), n)], None


def made_table(rng) -> tuple[list[list[str]], dict[str, list]]:
    """Rows with a header, and ``{column: what its cells say}`` of the columns that say something sure."""
    n = int(rng.choice([1, 2, 12, 30, 30, 30]))
    order = rng.permutation(N_FILES)[:n]
    forms = [
        lambda f: f,
        lambda f: f.split("/")[-1],
        lambda f: f.split("/")[-1][:-4],
        lambda f: "D:\\x\\" + f.replace("/", "\\"),
        lambda f: f.split("/")[-1].upper(),
    ]
    form = forms[rng.integers(len(forms))]
    columns, truth = {"datei": [form(FILES[k]) for k in order]}, {}
    names = list(rng.permutation(NAMES)[: rng.integers(1, 8)])
    for name in names:
        kind = [numbers, numbers, dates, categories, junk][rng.integers(5)]
        cells, values = kind(rng, n)
        share = rng.choice([0, 0, 0.15])
        word = str(rng.choice(MISSING))
        for k in np.flatnonzero(rng.random(n) < share):
            cells[k] = word
            if values is not None:
                values[k] = None
        columns[name] = cells
        if values is not None:
            truth[name] = dict(zip((FILES[k] for k in order), values))
    shuffled = list(rng.permutation(list(columns)))
    rows = [shuffled, *[[columns[c][k] for c in shuffled] for k in range(n)]]
    return rows, truth


def write_table(rng, rows, folder: Path) -> tuple[Path, bool]:
    """Writes rows in a format of chance, in part damaged; says whether what is there is still what was meant."""
    kind = str(rng.choice(["csv", "csv", "csv", "csv", "xlsx", "parquet"]))
    path, whole = folder / f"t.{kind}", True
    if kind == "parquet":
        frame = pd.DataFrame(rows[1:], columns=rows[0])
        frame.to_parquet(path)
        return path, True
    head = (
        [[["A title"], *rows], [["A title"], [], *rows], rows, rows, rows][rng.integers(5)] if len(rows) > 2 else rows
    )
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in head:
            book.active.append(
                [openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", str(c)).lstrip("=") or None for c in row]
            )
        if rng.random() < 0.3:
            book.create_sheet("Legend").append(["code", "meaning"])
        book.save(path)
        return path, not any("\x00" in c or c.startswith("=") for r in rows for c in r)
    import csv

    delimiter = str(rng.choice([",", ";", "\t", "|"]))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=str(rng.choice(["\n", "\r\n"]))).writerows(head)
    text = text.getvalue()
    if delimiter == ";" and rng.random() < 0.2:
        text = "sep=;\n" + text
    if rng.random() < 0.15:
        text, whole = text.replace(",", ',"', 1), False
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))
    raw = bytearray(text.encode(encoding, "replace"))
    if rng.random() < 0.25:
        whole = False
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, max(len(raw), 1)))
            raw[at : at + int(rng.integers(0, 4))] = bytes(
                rng.integers(0, 256, int(rng.integers(0, 4)), dtype=np.uint8)
            )
    if rng.random() < 0.1:
        raw, whole = raw[: int(rng.integers(0, len(raw) + 1))], False
    path.write_bytes(bytes(raw))
    return path, whole
