"""The verb ``files``: what files and pictures give away before any model is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import schema, store
from ..cohort.file_facts import COPIES, MEANINGS, SEEN, file_facts
from ..cohort.geometry_fields import GEOMETRY
from ..cohort.slices import open_slices
from ..errors import DaebiasError, InputError
from ..parameters import Expected, Permutations, ProbedFields, Seed, SubjectField
from ..progress import Progress, start
from ..statistics.covariates import numbers_of
from ..statistics.strata import make_strata
from .burned_in import text_lines
from .quality import Columns, QualityRow, QualityTable, field_row
from .turned import SIDE, turned

#: values of a fact that are columns of their own, and the fewest samples of one
MOST_VALUES, FEWEST = 8, 5


@dataclass(frozen=True)
class FilesTable(QualityTable):
    """All fields, those that files or pictures give away first; attributes as in the table of image quality.

    Attributes:
        kinds: ``{fact: {value: samples}}`` of facts with few values
        turned: ``{how: samples}`` that are turned beside their fellows
        told: turns that can be told in this cohort
        n_text: samples with burned-in text
        n_copies: samples whose channels are copies of one another
        note: why pictures were not looked at; "" where they were
    """

    kinds: dict[str, dict[str, int]] | None = None
    turned: dict[str, int] | None = None
    told: tuple[str, ...] = ()
    n_text: int = 0
    n_copies: int = 0
    note: str = ""

    def to_dict(self) -> dict:
        more = ("kinds", "turned", "told", "n_text", "n_copies", "note")
        return {**super().to_dict(), **{k: getattr(self, k) for k in more}, "told": list(self.told)}

    def heading(self) -> list[str]:
        out = [
            f"{MEANINGS[fact]}: {', '.join(f'{v} ({n:,})' for v, n in values.items())}"
            for fact, values in (self.kinds or {}).items()
            if len(values) > 1
        ]
        if self.n_copies:
            out.append(f"{self.n_copies:,} images have channels that are copies of one another")
        out += [f"{n:,} images are {how} beside their fellows" for how, n in (self.turned or {}).items()]
        if self.n_text:
            out.append(f"{self.n_text:,} images seem to hold burned-in text, tagged {schema.TAG_TEXT!r}")
        return [*out, self.note] if self.note else out

    def closing(self) -> str:
        return "facts of the files, tested together; each is stored as a field " + schema.FILE_PREFIX + "…"


def files(
    samples,
    *,
    fields: ProbedFields | None = None,
    expected: Expected | None = None,
    pictures: bool = True,
    n_permutations: Permutations = 1999,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> FilesTable:
    """Tests whether files give fields away, and looks for pictures that are turned or hold burned-in text.

    Size, dimensions, bit depth, format, kind of colour, voxel type, JPEG quality
    and channels are read from the files' headers as they are registered. All of
    them together are tested against each metadata field, subjects exchanged; the
    fact that differs most is named. No model is needed. Pictures that stand
    upside down, mirrored or transposed beside their fellows, and pictures with
    rows of burned-in letters, are tagged to be looked at, and tested too.

    Args:
        samples: a dataset or view
        fields: metadata fields; default: all
        expected: fields whose differences are no news: sex, age … other fields are also tested among subjects alike
            in them
        pictures: whether to look at the pictures too
        n_permutations: subject-level permutations
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of permutations, folds and draws

    Returns:
        a row a field, and what kinds of files there are

    Raises:
        InputError: a field that does not exist, or no file is where the dataset says
    """
    store.ensure_samples(samples)
    if n_permutations < 99:
        raise InputError(f"n_permutations must be at least 99; got {n_permutations}")
    table = store.read_table(samples, fields)
    expected = list(expected or [])
    ids = store.sample_ids(samples)
    subjects = np.array(store.read_subjects(samples, subject_field))
    facts = read_facts(samples, progress)
    how, text, told, note = np.full(len(ids), "", dtype=object), np.zeros(len(ids), bool), (), ""
    looked = pictures
    if pictures:
        try:
            how, text, told = _look(samples, ids, subjects, subject_field, seed, progress)
        except (DaebiasError, OSError) as error:
            looked, note = False, f"pictures were not looked at: {error}"
    if note and not facts.notna().to_numpy().any():
        raise InputError(f"no file of this dataset can be read where it says ({source_of(samples)[0]}); {note}")
    if looked:
        facts = facts.assign(turned=np.where(how == "", "no", how), text=np.where(text, "yes", "no"))
        for fact in SEEN:
            _write(samples, fact, dict(zip(ids, facts[fact], strict=True)))
    columns = _columns(facts, subjects)
    strata = make_strata(store.read_table(samples, expected)) if expected else None
    rows, units = [], store.read_units(samples)
    with start(progress, "testing files", len(table.columns), "fields") as task:
        for field in table.columns:
            rows.append(_row(field, table, columns, strata, n_permutations, seed, units.get(field, "")))
            task.advance(note=field)
    rows.sort(key=lambda r: r.p if r.p == r.p else 2)
    result = FilesTable(
        tuple(rows),
        "",
        tuple(expected),
        kinds={f: _counted(facts[f]) for f in ("format", "pixels") if f in facts and facts[f].any()},
        turned=dict(Counter(h for h in how if h)),
        told=told,
        n_text=int(text.sum()),
        n_copies=int(facts["pixels"].astype(str).str.endswith(COPIES).sum()) if "pixels" in facts else 0,
        note=note,
    )
    tags = {schema.TAG_TURNED + t: [i for i, h in zip(ids, how, strict=True) if h == t] for t in set(how) - {""}}
    tags[schema.TAG_TEXT] = [i for i, t in zip(ids, text, strict=True) if t]
    if looked:
        _tag(samples, {name: held for name, held in tags.items() if held})
    store.save_run(
        samples,
        schema.FILES_RUN,
        {
            "fields": list(table.columns),
            "expected": expected,
            "n_permutations": n_permutations,
            "seed": seed,
            "owns": {"tags": [name for name, held in tags.items() if held]},
        },
        {"table": result.to_dict()},
    )
    return result


def read_facts(samples, progress: Progress | None = None) -> pd.DataFrame:
    """Facts of every sample's files, a column each, reading from the files what was not stored at registration.

    Args:
        samples: a dataset or view
        progress: where to report
    """
    ids = store.sample_ids(samples)
    has = store.has_field(samples, schema.FILE_FIELD)
    has = has and store.has_field(samples, schema.FILE_PREFIX + "bytes")
    known = store.read_field(samples, schema.FILE_PREFIX + "bytes") if has else [None] * len(ids)
    source = source_of(samples)
    to_grey = bool(store.read_info(samples).get("to_grey", True))
    missing = [k for k, size in enumerate(known) if size is None]
    fresh: dict[str, dict] = {}
    with start(progress, "reading file headers", len(missing), "files") as task:
        for k in missing:
            path = Path(source[k])
            if path.is_file():
                fresh[ids[k]] = file_facts([path], to_grey=to_grey)
            task.advance()
    for fact in schema.FILE_FACTS:
        if values := {i: facts[fact] for i, facts in fresh.items() if fact in facts}:
            _write(samples, fact, values)
    named = [schema.FILE_PREFIX + f for f in schema.FILE_FACTS if f not in SEEN]
    table = store.read_table(samples, [f for f in named if store.has_field(samples, f)])
    return table.rename(columns=lambda name: name.removeprefix(schema.FILE_PREFIX))


def source_of(samples) -> list[str]:
    """Path of each sample's original file, or what stands for it."""
    field = schema.SOURCE_FIELD if store.has_field(samples, schema.SOURCE_FIELD) else "filepath"
    return [str(s) for s in store.read_field(samples, field)]


def _write(samples, fact: str, values: dict) -> None:
    store.declare_document(samples, schema.FILE_FIELD, {fact: schema.FILE_FACTS[fact]})
    store.write_values(samples, schema.FILE_PREFIX + fact, values)


def _look(samples, ids, subjects, subject_field, seed, progress) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """How each picture is turned, whether it holds text, and which turns can be told."""
    import cv2

    source = open_slices(samples, subject_field=subject_field, progress=progress)
    small, text = np.zeros((len(ids), SIDE, SIDE), np.float32), np.zeros(len(ids), bool)
    with start(progress, "looking at pictures", len(ids), "samples") as task:
        for k in range(len(ids)):
            image = source.read(k, [source.n_slices(k) // 2])[0]
            text[k] = bool(text_lines(image))
            small[k] = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            task.advance()
    how, told = turned(small, subjects, seed)
    return how, text, told


def _tag(samples, tags: dict[str, list[str]]) -> None:
    for name in store.count_tags(samples):
        if name == schema.TAG_TEXT or name.startswith(schema.TAG_TURNED):
            store.untag(samples, name)
    for name, held in tags.items():
        store.tag(samples, held, name)


def _counted(column: pd.Series) -> dict[str, int]:
    return {str(v): int(n) for v, n in column.dropna().value_counts().head(MOST_VALUES).items()}


def _columns(facts: pd.DataFrame, subjects: np.ndarray) -> Columns | None:
    """Facts that vary as columns: numbers as they are, each value of the others as yes or no."""
    names, values, meanings = [], [], {}
    for fact in facts.columns:
        column = facts[fact]
        known = column.notna().to_numpy()
        numbers = numbers_of(column, known) if known.any() else None
        if numbers is not None and column.nunique() > 1:
            filled = np.where(known, numbers, np.median(numbers[known]))
            names, values = [*names, fact], [*values, filled]
            meanings[fact] = MEANINGS[fact]
        held = column.dropna().astype(str).value_counts()
        if numbers is None and len(held) > 1:
            for value in held.index[held >= FEWEST][:MOST_VALUES]:
                name = f"{fact}: {value}"
                names, values = [*names, name], [*values, (column.astype(str) == value).to_numpy().astype(float)]
                meanings[name] = f"{MEANINGS[fact]} {value}"
        if not known.all() and known.sum() >= FEWEST and not known.sum() > len(known) - FEWEST:
            names, values = [*names, f"{fact}: stated"], [*values, known.astype(float)]
            meanings[f"{fact}: stated"] = f"{MEANINGS[fact]} stated"
    if not names:
        return None
    raw = np.column_stack(values)
    ranks = pd.DataFrame(raw).rank().to_numpy()
    return Columns(tuple(names), meanings, (ranks / len(raw)).astype(np.float32), raw, subjects)


def _row(field, table, columns, strata, n_permutations, seed, unit: str) -> QualityRow:
    if field.removeprefix("header_") in GEOMETRY:
        return QualityRow(field, note="it is a fact of the files itself")
    if columns is None:
        return QualityRow(field, note="all files are alike")
    rng = np.random.default_rng(seed)
    return field_row(field, table[field].tolist(), columns, strata, n_permutations, rng, unit)
