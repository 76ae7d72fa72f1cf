"""Makes one table at random, reads and joins it, and compares what came with what was meant."""

import datetime
import traceback
from pathlib import Path

import yaml
from made_tables import ITEMS, made_table, write_table

from fiftyone_daebias.cohort.columns import Column
from fiftyone_daebias.cohort.fields import header_columns
from fiftyone_daebias.cohort.join import join
from fiftyone_daebias.cohort.pseudonyms import Pseudonyms
from fiftyone_daebias.cohort.table import read_table
from fiftyone_daebias.cohort.workbooks import stem
from fiftyone_daebias.errors import DaebiasError


def fuzz_one(rng, folder: Path) -> tuple[str, str]:
    """("read", "refused", "traceback" or "wrong", and why)."""
    rows, truth = made_table(rng)
    path, whole = write_table(rng, rows, folder)
    try:
        table = read_table(path, wanted={stem(i.name) for i in ITEMS})
        joined = join(ITEMS, table, None, None, None)
        subjects = [s or i.name for s, i in zip(joined.subjects, ITEMS)]
        columns = header_columns(ITEMS, subjects, joined, Pseudonyms(), 0).columns
        yaml.safe_load(yaml.safe_dump(joined.plan, allow_unicode=True))
        again = join(ITEMS, table, None, None, None, plan=joined.plan)
    except DaebiasError as error:
        return ("refused", str(error)) if "\n" not in str(error) and len(str(error)) < 1500 else ("wrong", repr(error))
    except Exception:
        return "traceback", traceback.format_exc()
    if {f: c.values for f, c in again.columns.items()} != {f: c.values for f, c in joined.columns.items()}:
        return "wrong", "the plan does not repeat the reading"
    if whole:
        for name, field in ((n, p.get("field")) for n, p in joined.plan["columns"].items()):
            if field and (meant := truth.get(name) or truth.get(next((t for t in truth if t.strip() == name), ""))):
                if why := _differs(columns[field], meant):
                    return "wrong", f"{path.name} {name!r}: {why}"
    return "read", ""


def _differs(column: Column, meant: dict) -> str:
    """What is there and is not what was meant; a value that is missing, or a column that says it is in doubt, is not wrong."""
    if column.kind not in ("integer", "float", "date") or any("AMBIGUOUS" in n for n in column.notes):
        return ""
    for item, value in zip(ITEMS, column.values):
        right = meant.get(item.name)
        if value is None and right is not None and not any("impossible" in n for n in column.notes):
            return f"{item.name} has no value, {right!r} was meant ({column.notes})"
        if value is None or right is None:
            continue
        if isinstance(right, datetime.date) != isinstance(value, datetime.date):
            if len({v for v in column.values if v is not None}) < 5 and value == int(right.strftime("%Y%m%d")):
                continue  # a few numbers of eight digits under another name are no evidence of dates
            return f"{value!r} where {right!r} was meant"
        if value != right if isinstance(right, datetime.date) else abs(value - right) > 1e-6 * max(1, abs(right)):
            return f"{value!r} where {right!r} was meant ({column.notes})"
    return ""


def register_one(rng, folder: Path) -> tuple[str, str]:
    """The same table into a database, with small pictures."""
    import fiftyone as fo
    import numpy as np
    from PIL import Image

    from fiftyone_daebias.cohort.register import register

    rows, _ = made_table(rng)
    path, _ = write_table(rng, rows, folder)
    for k, item in enumerate(ITEMS):
        picture = folder / "i" / item.name
        picture.parent.mkdir(parents=True, exist_ok=True)
        if not picture.exists():
            Image.fromarray(np.random.default_rng(k).integers(0, 255, (16, 16), dtype=np.uint8)).save(picture)
    name = "fuzzed-table"
    try:
        str(register(name, folder / "i", path, workers=1))
    except DaebiasError as error:
        return "refused", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    finally:
        if fo.dataset_exists(name):
            fo.delete_dataset(name)
    return "read", ""
