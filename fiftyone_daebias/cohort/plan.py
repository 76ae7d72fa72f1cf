"""The plan of a registration: every automatic decision, written down to be read, edited and repeated."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..errors import InputError
from .decisions import Decision

VERSION = 1


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
    try:
        Path(path).expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"plan {path} cannot be written ({error.strerror})") from error


def read_plan(path: Path) -> tuple[dict, dict]:
    """Options and table part of a plan.

    Raises:
        InputError: it does not exist, is no plan, or of another version
    """
    path = Path(path).expanduser()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"plan {path} cannot be read ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("table", {}), dict):
        raise InputError(f"plan {path} is no plan of a registration; 'register --plan FILE' writes one")
    if raw.get("version") != VERSION:
        raise InputError(f"plan {path} has version {raw.get('version')!r}; this version of the package reads {VERSION}")
    columns = raw.get("table", {}).get("columns") or {}
    wrong = [c for c, p in columns.items() if not isinstance(p, dict) or "stored" not in p]
    if wrong:
        raise InputError(f"plan {path}: column {wrong[0]!r} needs 'stored: true' or 'stored: false'")
    return dict(raw.get("options") or {}), dict(raw.get("table") or {})
