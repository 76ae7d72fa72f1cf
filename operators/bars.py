"""Rows of buttons."""

from __future__ import annotations

import fiftyone.operators.types as types

_FLOW = {"grid": {"sx": {"display": "flex", "flexWrap": "wrap", "alignItems": "center"}}}
#: as wide as its contents
NARROW = {"item": {"sx": {"width": "auto"}}}
#: a list of choices that leaves the focus where it is; by itself it takes it whenever it is drawn
UNFOCUSED = {"select": {"autoFocus": False}}


def bar_of(section: types.Object, name: str) -> types.Object:
    """A row that wraps where there is little room."""
    return section.h_stack(name, gap=1, componentsProps=_FLOW)


def button(bar: types.Object, name: str, label: str, icon: str | None, on_click, **options) -> None:
    """Adds a button to a row; ``options`` as for ``types.Object.btn``."""
    options.setdefault("variant", "outlined")
    bar.btn(name, label=label, icon=icon, on_click=on_click, componentsProps=NARROW, **options)
