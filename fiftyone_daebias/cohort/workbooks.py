"""Tables of spreadsheets and statistics programs, as grids of cells or as columns."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from .decisions import Decision
from .grid import blank

EXCEL = (".xlsx", ".xlsm", ".xltx", ".xls", ".xlsb", ".ods", ".odf")
STATISTICS = (".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt")
_NEEDS = {".xls": "xlrd", ".xlsb": "pyxlsb", ".ods": "odf", ".odf": "odf"}
_INSTALL = {"odf": "odfpy"}


def read_sheet(path: Path, sheet: str | None, wanted: Collection[str]) -> tuple[list[list], str, list[Decision]]:
    """Cells of one sheet.

    Args:
        path: the workbook
        sheet: its name; default: the one that names the images, else the one with most cells
        wanted: names of images in small letters, without endings

    Returns:
        the cells, the sheet's name, and what was decided

    Raises:
        ValueError: no such sheet, none with cells, or a package that is missing
    """
    suffix = path.suffix.lower()
    needs = _NEEDS.get(suffix)
    if needs and importlib.util.find_spec(needs) is None:
        raise ValueError(
            f"{suffix} files need the package {_INSTALL.get(needs, needs)}; install it, or save the table "
            "as .xlsx or .csv"
        )
    said: list[Decision] = []
    grids = (
        _openpyxl(path, said)
        if suffix in (".xlsx", ".xlsm", ".xltx")
        else {
            str(name): frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
            for name, frame in pd.read_excel(path, sheet_name=None, header=None, dtype=object).items()
        }
    )
    if sheet is not None:
        if sheet not in grids:
            raise ValueError(f"it has no sheet {sheet!r}; sheets: {', '.join(grids)}")
        return grids[sheet], sheet, [d for d in said if d.about in ("table", sheet)]
    full = {n: sum(not blank(c) for r in rows for c in r) for n, rows in grids.items()}
    filled = [n for n in grids if full[n]]
    if not filled:
        raise ValueError("it is empty")
    named = {n: _n_named(grids[n], wanted) for n in filled}
    chosen = max(filled, key=lambda n: (named[n], full[n]))
    if len(filled) > 1:
        others = ", ".join(f"{n!r}" for n in filled if n != chosen)
        why = "names the images" if named[chosen] else "has most cells"
        what = f"sheet {chosen!r} was read, which {why}; not read: {others}; pass sheet=NAME for another"
        said.append(Decision("table", what, len(filled)))
    return grids[chosen], chosen, [d for d in said if d.about in ("table", chosen)]


def _openpyxl(path: Path, said: list[Decision]) -> dict[str, list[list]]:
    import openpyxl

    book = openpyxl.load_workbook(path, data_only=True)
    out = {}
    for page in book.worksheets:
        rows = [[_cell(c) for c in row] for row in page.iter_rows()]
        spread = 0
        for area in page.merged_cells.ranges:
            # one value over several rows is that of each of them; over several columns it is a header
            if area.max_row > area.min_row and area.min_row > 1 and area.max_col == area.min_col:
                top = rows[area.min_row - 1][area.min_col - 1]
                for k in range(area.min_row, area.max_row):
                    rows[k][area.min_col - 1] = top
                    spread += 1
        if spread:
            said.append(Decision(page.title, "cells merged over several rows hold their value in each of them", spread))
        out[page.title] = rows
    return out


def _cell(cell) -> object:
    value = cell.value
    # a number shown with leading zeros is a code: 7 under the format 000 is "007"
    if isinstance(value, int) and not isinstance(value, bool) and re.fullmatch(r"0{2,}", str(cell.number_format or "")):
        return str(value).zfill(len(cell.number_format))
    return value


def _n_named(rows: list[list], wanted: Collection[str]) -> int:
    return sum(stem(str(c)) in wanted for r in rows for c in r if not blank(c)) if wanted else 0


def stem(text: str) -> str:
    """A file's name without folder and ending, in small letters."""
    name = text.strip().replace("\\", "/").rsplit("/", 1)[-1].casefold()
    return re.sub(r"(\.(nii|gz|dcm|png|jpe?g|tiff?|bmp|ima))+$", "", name)


def read_statistics(path: Path) -> tuple[pd.DataFrame, list[Decision]]:
    """SPSS, Stata and SAS files; values with labels are read as their labels.

    Raises:
        ValueError: pyreadstat is missing, or the file is damaged
    """
    suffix = path.suffix.lower()
    if importlib.util.find_spec("pyreadstat") is None:
        if suffix != ".dta":
            raise ValueError(f"{suffix} files need the package pyreadstat; install it, or save the table as .csv")
        return pd.read_stata(path, convert_categoricals=False), []
    import pyreadstat

    reader = {
        ".sav": pyreadstat.read_sav,
        ".zsav": pyreadstat.read_sav,
        ".por": pyreadstat.read_por,
        ".dta": pyreadstat.read_dta,
        ".sas7bdat": pyreadstat.read_sas7bdat,
        ".xpt": pyreadstat.read_xport,
    }[suffix]
    options = {"apply_value_formats": True, "formats_as_category": False} if suffix in (".sav", ".zsav", ".dta") else {}
    try:
        frame, facts = reader(str(path), **options)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    labelled = [c for c in facts.variable_value_labels if c in frame.columns] if options else []
    if not labelled:
        return frame, []
    return frame, [
        Decision("table", "columns whose codes have labels were read as the labels", len(labelled), labelled[0])
    ]
