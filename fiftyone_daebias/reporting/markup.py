"""HTML whose every text is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = {"meta", "img", "br", "hr"}
_NAME = re.compile(r"[A-Za-z][\w:-]*\Z")
#: characters that neither HTML nor a reader can use, among them those that turn the direction of a text
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


class Markup(str):
    """Text that is HTML already; templates take it as it is."""

    def __html__(self) -> str:
        return self


def text(value: object) -> Markup:
    """Any value as text: what looks like a tag stays text."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("")
    return Markup(html.escape(seen(str(value)), quote=True))


def seen(value: object) -> object:
    """A text without characters that nobody can see; anything else as it is, nothing for ``None``."""
    if value is None:
        return ""
    return _UNSEEN.sub("\ufffd", value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def el(tag: str, *children: object, **attributes: object) -> Markup:
    """One element.

    Args:
        tag: its name
        children: texts (escaped), elements, lists of them; ``None`` is left out
        attributes: ``cls`` is written "class", underscores become hyphens; ``None`` and ``False`` are left out
    """
    parts = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = "class" if name == "cls" else name.rstrip("_").replace("_", "-")
        if not _NAME.match(name):
            raise ValueError(f"no attribute can be named {name!r}")
        parts.append(f' {name}="{text("" if value is True else value)}"')
    head = f"<{tag}{''.join(parts)}>"
    if tag in _VOID:
        return Markup(head)
    return Markup(f"{head}{join(children)}</{tag}>")


def join(children: Iterable[object], between: str = "") -> Markup:
    """Children after one another."""
    out = []
    for child in children:
        if isinstance(child, (list, tuple)) or hasattr(child, "__next__"):
            out.append(join(child, between))
        elif child is not None and child is not False:
            out.append(text(child))
    return Markup(str(text(between)).join(out))
