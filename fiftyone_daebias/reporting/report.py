"""The verb ``report``: one page, its facts as JSON, and Croissant metadata."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from .. import atomic, paths, schema, store
from ..errors import InputError
from ..figures import figure_path
from ..parameters import Advanced, Cases, ColorBy, Label, OutFile
from ..progress import Progress, start
from .croissant import croissant
from .datasheet import About, datasheet
from .facts import ReportFacts, gather
from .map_pictures import MapPicture, map_pictures
from .page import page
from .shareable import without_small_counts

#: pictures wider than this are made smaller
WIDEST = 1400
MOST_MAPS, FEWEST_MAPS = 8, 3
FORMATS = ("html", "json", "croissant")


@dataclass(frozen=True)
class ReportResult:
    """The files of a report.

    Attributes:
        files: ``{format: path}``
        size: bytes of the page
        n_found: findings that hold
        n_findings: everything looked at
        notes: what to bear in mind
    """

    files: dict[str, str]
    size: int
    n_found: int
    n_findings: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        return {
            "files": dict(self.files),
            "size": self.size,
            "n_found": self.n_found,
            "n_findings": self.n_findings,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        files = ", ".join(f"{p} ({kind})" for kind, p in self.files.items())
        lines = [f"{self.n_found} findings hold of {self.n_findings} looked at; written: {files}"]
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def report(
    samples,
    out: OutFile | None = None,
    *,
    formats: list[Literal["html", "json", "croissant"]] | None = None,
    title: str | None = None,
    color_by: ColorBy | None = None,
    k: Cases = 5,
    to_share: bool = False,
    description: Annotated[str, Advanced] = "",
    license: Annotated[str, Advanced] = "",
    citation: Annotated[str, Advanced] = "",
    url: Annotated[str, Label("Address of the App")] = "",
    creator: Annotated[str, Advanced] = "",
    progress: Progress | None = None,
) -> ReportResult:
    """Writes what was found as one page for people, and as JSON and Croissant for programs.

    The page needs no network and prints well. It holds no images of single
    persons, no subject and no file names.

    Args:
        samples: a dataset or view
        out: the page's file, ending in .html; JSON and Croissant go beside it; default: below DAEBIAS_HOME/reports
        formats: what to write; default: all three
        title: title of the page; default: "Audit of" the dataset
        color_by: fields to colour the map by; default: the strongest findings
        k: groups of fewer subjects are not told in the tables of the cohort, in Croissant and in the data sheet
        to_share: leave out every finding that rests on fewer than k subjects somewhere, and what people wrote
        description: what the data are, for data sheet and Croissant
        license: their licence
        citation: how to cite them
        url: where they are described
        creator: who made them

    Returns:
        the files

    Raises:
        InputError: no samples, a format or field that does not exist, or a file that cannot be written
    """
    store.ensure_samples(samples)
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    chosen = [formats] if isinstance(formats, str) else list(formats or FORMATS)
    for name in chosen:
        if name not in FORMATS:
            raise InputError(f"formats must be of {', '.join(FORMATS)}; got {name!r}")
    if color_by:
        store.read_table(samples.limit(1), list(color_by))
    path = report_path(samples, out)
    about = About(description, license, citation, url, creator)
    with start(progress, "writing the report", 3, "parts") as task:
        facts = gather(samples, title=title, k=k)
        facts = without_small_counts(facts, k) if to_share else facts
        sheet = datasheet(facts, about)
        task.advance(note="facts")
        texts: dict[str, tuple[Path, str]] = {}
        notes: list[str] = []
        if "html" in chosen:
            maps = _maps(samples, facts, color_by)
            pictures, gone = _pictures(samples, facts)
            if gone:
                notes.append(
                    f"{gone} figures are described but their pictures are gone from {paths.figures_dir('').parent}"
                )
            texts["html"] = path, page(facts, sheet, maps, pictures)
        task.advance(note="pictures")
        if "json" in chosen:
            raw = {**facts.to_dict(), "datasheet": sheet.to_dict()}
            texts["json"] = path.with_suffix(".json"), _json(raw)
        if "croissant" in chosen:
            texts["croissant"] = path.with_suffix(".croissant.json"), _json(croissant(facts, about))
        for target, text in texts.values():
            atomic.write_text(target, text, error=InputError, prefix="out: ")
        task.advance(note=path.name)
    size = len(texts["html"][1].encode()) if "html" in texts else 0
    return ReportResult(
        {kind: str(target) for kind, (target, _) in texts.items()},
        size,
        len(facts.findings.found),
        len(facts.findings.rows),
        tuple(notes),
    )


def report_path(samples, out: Path | str | None) -> Path:
    """The page's file.

    Raises:
        InputError: it does not end in .html, or its folder does not exist
    """
    if out is None:
        return paths.home() / "reports" / paths.safe_name(store.dataset_of(samples).name) / "audit.html"
    path = Path(out).expanduser().resolve()
    if path.is_dir():
        path = path / "audit.html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"out must end in .html (JSON and Croissant go beside it); got {str(out)!r}")
    if not path.parent.is_dir():
        raise InputError(f"out: there is no folder {path.parent}; make it or choose another")
    return path


def _maps(samples, facts: ReportFacts, color_by: list[str] | None) -> list[MapPicture]:
    keys = store.map_runs(samples)
    if not keys:
        return []
    fields = list(color_by or ())
    if not fields:
        telling = ("found", "inseparable", "explained", "expected")
        ranked = [s.lead for s in facts.stories.rows if s.lead] if facts.stories is not None else []
        ranked += [f.field for f in facts.findings.rows if f.field and f.verdict in telling]
        known = [f.name for f in facts.cohort.fields if f.listed and f.n_values > 1]
        fields = [f for f in dict.fromkeys(ranked) if f in known][:MOST_MAPS]
        fields += [f for f in known if f not in fields][: max(0, FEWEST_MAPS - len(fields))]
    key = schema.map_key() if schema.map_key() in keys else keys[0]
    return map_pictures(samples, key, fields, facts.cohort.k)


def _pictures(samples, facts: ReportFacts) -> tuple[dict[str, str], int]:
    """The findings' figures as data URIs, and how many are gone."""
    from PIL import Image

    name, out, gone = store.dataset_of(samples).name, {}, 0
    told = facts.stories.rows if facts.stories is not None else ()
    every = [g for row in (*facts.findings.rows, *told) for g in row.figures]
    every += facts.stories.figures if facts.stories is not None else ()
    for described in every:
        try:
            with Image.open(figure_path(name, described)) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError, KeyError):
            gone += 1
            continue
        if picture.width > WIDEST:
            height = round(picture.height * WIDEST / picture.width)
            picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=88, method=4)
        out[described["name"]] = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return out, gone


def _json(value: dict) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"
