"""Untrusted values: each function returns what it was given if that is what it must be, or raises BundleError.

Nothing here walks a foreign structure of unknown depth: every object is
taken apart key by key, and a key that is not expected is refused, so that
no ``$where``, ``__proto__`` or dotted key gets any further.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable

import numpy as np

from ..errors import BundleError

LONGEST_NAME, LONGEST_TEXT = 120, 4000
#: brackets in a member: a million empty lists are few bytes, and much memory once they are parsed
MOST_PARTS = 4_000_000
_MARKUP = re.compile(r"[<>\x00]|javascript\s*:|data\s*:\s*text/html|&#|\bon[a-z]{3,20}\s*=", re.IGNORECASE)
_STEM = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_ ()/%+-]{0,79}")
#: names that FiftyOne, MongoDB or Python give a meaning
_RESERVED = frozenset(
    (
        "id",
        "_id",
        "filepath",
        "tags",
        "metadata",
        "created_at",
        "last_modified_at",
        "frames",
        "constructor",
        "prototype",
        "_media_type",
        "_rand",
        "_dataset_id",
        "media_type",
        "groups",
    )
)


def parse(data: bytes, where: str) -> object:
    """JSON without NaN, without a key twice, of bounded depth.

    Raises:
        BundleError: it is not such JSON
    """
    if data.count(b"[") + data.count(b"{") > MOST_PARTS or data.count(b",") > 10 * MOST_PARTS:
        raise BundleError(f"{where} has more parts than any bundle; nothing was imported")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_pairs)
    except RecursionError:
        raise BundleError(f"{where} is nested deeper than any bundle; nothing was imported") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleError(f"{where} is not the JSON of a bundle ({str(error)[:120]}); nothing was imported") from None


def _no_constant(text: str):
    raise ValueError(f"{text} is no number")


def _pairs(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is there twice")
    return out


def obj(value, where: str, need: tuple[str, ...], may: tuple[str, ...] = ()) -> dict:
    """An object with exactly the keys ``need`` and some of ``may``."""
    if not isinstance(value, dict):
        raise BundleError(f"{where} should be an object; got {_kind(value)}; nothing was imported")
    foreign = [k for k in value if k not in need and k not in may]
    if foreign:
        raise BundleError(f"{where} has a key that no bundle has: {foreign[0][:60]!r}; nothing was imported")
    missing = [k for k in need if k not in value]
    if missing:
        raise BundleError(f"{where} lacks {missing[0]!r}; nothing was imported")
    return value


def items(value, where: str, most: int = 1_000_000) -> list:
    """A list of bounded length."""
    if not isinstance(value, list):
        raise BundleError(f"{where} should be a list; got {_kind(value)}; nothing was imported")
    if len(value) > most:
        raise BundleError(f"{where} has {len(value):,} entries; {most:,} are allowed; nothing was imported")
    return value


def each(value, where: str, read: Callable, most: int = 100_000) -> list:
    """A list, every entry read by ``read(entry, where)``."""
    return [read(v, f"{where}[{k}]") for k, v in enumerate(items(value, where, most))]


def text(value, where: str, longest: int = LONGEST_TEXT) -> str:
    """Plain text: no markup, no script, no control or direction characters."""
    if not isinstance(value, str):
        raise BundleError(f"{where} should be text; got {_kind(value)}; nothing was imported")
    if len(value) > longest:
        raise BundleError(f"{where} has {len(value):,} characters; {longest:,} are allowed; nothing was imported")
    if _MARKUP.search(value):
        raise BundleError(f"{where} holds markup or script: {value[:60]!r}; nothing was imported")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") for c in value):
        raise BundleError(f"{where} holds control characters: {value[:60]!r}; nothing was imported")
    return value


def name(value, where: str) -> str:
    """A non-empty name of a view, cluster or workspace."""
    found = text(value, where, LONGEST_NAME)
    if not found.strip() or found != found.strip() or found.startswith("$"):
        raise BundleError(f"{where} is no name: {found[:60]!r}; nothing was imported")
    return found


def stem(value, where: str) -> str:
    """A name that may become part of a field name or key: letters, digits and underscores."""
    if not isinstance(value, str) or not _STEM.fullmatch(value) or value in _RESERVED or "__" in value:
        raise BundleError(f"{where} cannot name a field: {str(value)[:60]!r}; nothing was imported")
    return value


def field(value, where: str) -> str:
    """Name of a metadata field, or ""."""
    if value == "":
        return ""
    if not isinstance(value, str) or value in _RESERVED or "__" in value:
        raise BundleError(f"{where} cannot name a field: {str(value)[:60]!r}; nothing was imported")
    if not all(_FIELD.fullmatch(part) for part in value.split(".")) or value.count(".") > 1:
        raise BundleError(f"{where} cannot name a field: {value[:60]!r}; nothing was imported")
    return value


def choice(value, where: str, allowed: tuple[str, ...]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in allowed:
        raise BundleError(
            f"{where} should be one of {', '.join(map(repr, allowed))}; got {str(value)[:60]!r}; nothing was imported"
        )
    return value


def hexa(value, where: str, length: int) -> str:
    """So many hexadecimal digits."""
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
        raise BundleError(
            f"{where} should be {length} hexadecimal digits; got {str(value)[:80]!r}; nothing was imported"
        )
    return value


def color(value, where: str) -> str:
    """A colour as #rrggbb, or ""."""
    if value != "" and (not isinstance(value, str) or not re.fullmatch(r"#[0-9A-Fa-f]{6}", value)):
        raise BundleError(f"{where} should be a colour such as #E69F00; got {str(value)[:60]!r}; nothing was imported")
    return value


def moment(value, where: str) -> str:
    """An ISO date and time, or ""."""
    if value != "" and (
        not isinstance(value, str)
        or not re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", value)
    ):
        raise BundleError(f"{where} should be an ISO time; got {str(value)[:60]!r}; nothing was imported")
    return value


def number(value, where: str) -> float | None:
    """A finite number, or ``None``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BundleError(f"{where} should be a number; got {str(value)[:60]!r}; nothing was imported")
    return float(value)


def count(value, where: str, most: int = 1 << 40) -> int:
    """A whole number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BundleError(
            f"{where} should be a whole number from 0 to {most:,}; got {str(value)[:60]!r}; nothing was imported"
        )
    return value


def flag(value, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BundleError(f"{where} should be true or false; got {_kind(value)}; nothing was imported")
    return value


def pair(value, where: str) -> tuple[float | None, float | None]:
    """Two numbers."""
    found = items(value, where, 2)
    if len(found) != 2:
        raise BundleError(f"{where} should be two numbers; got {len(found)}; nothing was imported")
    return number(found[0], where), number(found[1], where)


def rows(value, where: str, n: int) -> tuple[int, ...]:
    """Different rows of a table of ``n`` samples."""
    found = items(value, where, n)
    if not all(type(r) is int and 0 <= r < n for r in found):
        raise BundleError(f"{where} names a sample that the bundle does not have; nothing was imported")
    if len(set(found)) != len(found):
        raise BundleError(f"{where} names a sample twice; nothing was imported")
    return tuple(found)


def unique(names: list[str], where: str) -> None:
    """No name twice."""
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise BundleError(f"{where} has {twice[:60]!r} twice; nothing was imported")


def tensors(data: bytes, where: str, n: int, width: int | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Arrays of a safetensors member: ``{name: (rows int64 (m,), values float32 (m, d))}``.

    Args:
        data: the member; it holds ``NAME.rows`` and ``NAME.values`` for every name
        where: its name
        n: samples of the bundle
        width: what d must be, if anything

    Raises:
        BundleError: shapes, types or offsets that do not fit, rows out of range, NaN
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(data) < 8 or int.from_bytes(data[:8], "little") > 1 << 20:
        raise BundleError(f"the header of {where} is damaged; nothing was imported")
    header = parse(data[8 : 8 + int.from_bytes(data[:8], "little")], f"the header of {where}")
    if not isinstance(header, dict) or len(header) > 200 or "__metadata__" in header:
        raise BundleError(f"the header of {where} is not that of a bundle; nothing was imported")
    names = []
    for key, entry in header.items():
        base, dot, part = key.partition(".")
        stem(base, f"a tensor of {where}")
        if not dot or part not in ("rows", "values"):
            raise BundleError(f"tensor {key[:60]!r} of {where} does not belong into a bundle; nothing was imported")
        wanted = "I64" if part == "rows" else "F32"
        if not isinstance(entry, dict) or entry.get("dtype") != wanted:
            raise BundleError(f"tensor {key!r} of {where} should be {wanted}; nothing was imported")
        names.append(base)
    try:
        loaded = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise BundleError(f"{where} is damaged ({str(error)[:100]}); nothing was imported") from None
    out = {}
    for base in dict.fromkeys(names):
        at, values = loaded.get(f"{base}.rows"), loaded.get(f"{base}.values")
        if at is None or values is None or at.ndim != 1 or values.ndim != 2 or len(at) != len(values):
            raise BundleError(f"{base!r} in {where}: rows and values do not fit each other; nothing was imported")
        if not len(at) or not values.shape[1] or width is not None and values.shape[1] != width:
            raise BundleError(f"{base!r} in {where} has shape {values.shape}; nothing was imported")
        if at.min() < 0 or at.max() >= n or len(np.unique(at)) != len(at):
            raise BundleError(f"{base!r} in {where} names samples that the bundle does not have; nothing was imported")
        if not np.isfinite(values).all():
            raise BundleError(f"{base!r} in {where} holds NaN or infinite values; nothing was imported")
        out[base] = at, values
    return out


def _kind(value) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}.get(
        type(value), "a number"
    )
