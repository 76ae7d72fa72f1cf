"""The plan of a registration: every automatic decision, written down to be read, edited and repeated."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError, field_validator
from typing_extensions import TypedDict

from .. import atomic
from ..errors import InputError
from ..yaml_files import read_yaml
from .columns import Reading
from .decisions import Decision
from .table import field_names

VERSION = 1


class _Column(BaseModel, extra="forbid"):
    stored: bool | Literal["by name"]
    field: str | None = None
    reason: str | None = None
    reading: dict | None = None

    @field_validator("reading")
    @classmethod
    def _is_reading(cls, raw: dict | None) -> dict | None:
        if raw is not None:
            _Reading.validate_python(raw)
        return raw


class _Join(BaseModel, extra="forbid"):
    way: str
    columns: list[str] = []


class _Table(BaseModel, extra="forbid"):
    subject: str | None = None
    columns: dict[str, _Column] | None = None
    join: _Join | None = None
    layout: dict | None = None  # checked where the table is read by it


class _Given(TypedDict, total=False):
    key: str | list[str] | None
    subject: str | None
    pattern: str | None
    sheet: str | None
    keep: list[str] | None
    missing_codes: list[str] | None
    stratify_by: list[str] | None
    spacing: float | None
    include: str | list[str] | None
    exclude: str | list[str] | None
    plane: Literal["auto", "sagittal", "coronal", "axial"]
    volume: int
    shift_dates: int
    to_grey: bool
    seed: int


_Reading, _Options = TypeAdapter(Reading), TypeAdapter(_Given)


def write_plan(path: Path, options: dict, table: dict, decisions: list[Decision]) -> None:
    """Writes a plan as YAML.

    Args:
        path: the file
        options: parameters of the registration
        table: how the table was read and joined, and what became of each column
        decisions: what was decided, for people to read; it is not read back

    Raises:
        InputError: the file cannot be written
    """
    text = yaml.safe_dump(
        {"version": VERSION, "options": options, "table": table, "decided": [d.to_dict() for d in decisions]},
        sort_keys=False,
        allow_unicode=True,
        width=110,
    )
    atomic.write_text(Path(path).expanduser(), text, error=InputError, prefix="plan: ", mode=None, folders=False)


def read_plan(path: Path) -> tuple[dict, dict]:
    """Options and table part of a plan.

    Raises:
        InputError: it does not exist, is no plan, or of another version
    """
    path = Path(path).expanduser()
    raw = read_yaml(path, "plan")
    if not isinstance(raw, dict) or not isinstance(raw.get("table", {}), dict):
        raise InputError(f"plan {path} is no plan of a registration; 'register --plan FILE' writes one")
    if raw.get("version") != VERSION:
        raise InputError(f"plan {path} has version {raw.get('version')!r}; this version of the package reads {VERSION}")
    try:
        options = _Options.validate_python(raw.get("options") or {})
        table = _Table.model_validate(raw.get("table") or {}).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(
            p if str(p).isidentifier() else reprlib.repr(p) for p in first["loc"] if isinstance(p, (str, int))
        )
        text = reprlib.repr(first["input"])
        raise InputError(f"plan {path}: {where}: {first['msg'].lower()}; got {text}") from error
    for column, found in (table.get("columns") or {}).items():
        if found.get("field") and field_names([found["field"]])[found["field"]] != found["field"]:
            raise InputError(
                f"plan {path}: column {column!r} cannot be stored as {found['field']!r}; choose another name"
            )
    return options, table
