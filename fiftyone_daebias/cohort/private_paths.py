"""Paths that must not be stored: they name the person, or cannot be written in a database at all."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from .items import Item
from .pseudonyms import looks_identifying


def is_private(root: Path, item: Item) -> bool:
    """Whether an item's path must not be stored.

    It must not where it holds what the header says of its person (words, the
    id, the birth date in any order), where it looks as if it named somebody,
    or where its bytes are no letters.

    Args:
        root: the image folder
        item: the image or volume
    """
    return (
        not _writable(str(root / item.name))
        or hidden_root(root)
        or _own_words(item)
        or any(map(_about_somebody, item.name.split("/")))
    )


@lru_cache(100_000)
def _about_somebody(part: str) -> bool:
    return looks_identifying(part) is not None


@lru_cache(100)
def hidden_root(root: Path) -> bool:
    """Whether the image folder itself lies in one that names a person, below the user's own."""
    home = Path(os.path.expanduser("~")).resolve()
    if root.is_relative_to(home):
        parts = root.relative_to(home).parts
    else:
        parts = root.parts[3:] if root.parts[1:2] in (("home",), ("Users",)) else root.parts[1:]
    return any(map(_about_somebody, parts))


def readable(text: str) -> str:
    """A text that can be printed and stored: bytes that are no letters are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _own_words(item: Item) -> bool:
    words = item.secrets | ({item.patient[0].casefold()} if item.patient and len(item.patient[0]) >= 4 else set())
    name = item.name.casefold()
    if any(w in name for w in words):
        return True
    digits = re.sub(r"(?<=\d)[-_. /](?=\d)", "", name)
    return any(re.fullmatch(r"(19|20)\d{6}", w) and (w in digits or w[6:] + w[4:6] + w[:4] in digits) for w in words)


def _writable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
