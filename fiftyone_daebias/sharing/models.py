"""Models of what a bundle's tables hold, made from the row classes that fill them; a key too many is refused.

The class gives the kind of each column and its default; which columns travel
is listed by name, so that a new attribute of a row leaves nobody's computer
before somebody decided that it may.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, create_model

from ..errors import BundleError
from . import checked as c

#: how a value of a hint is read
_READERS: dict[object, Callable] = {
    str: c.text,
    int: c.count,
    float: c.number,
    bool: c.flag,
    float | None: c.number,
    tuple[float, float]: lambda value, where: list(c.pair(value, where)),
    tuple[str, ...]: lambda value, where: c.each(value, where, c.text, 200),
}


class _Closed(BaseModel):
    """What has exactly these keys."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Model:
    """Reads rows of one kind.

    Args:
        cls: the dataclass whose attributes the rows hold
        names: the attributes that travel; default: all
        optional: those that may be absent
        older: keys that only older bundles have; they are left out
        special: how a column is read, where its hint says too little: ``read(value, where)``
    """

    def __init__(self, cls: type, names: tuple[str, ...] = (), *, optional=(), older=(), **special: Callable):
        hints = typing.get_type_hints(cls)
        defaults = {f.name: f.default for f in fields(cls)}
        self.names = names or tuple(defaults)
        self.older = tuple(older)
        self.needed = tuple(n for n in self.names if n not in optional)
        columns = {}
        for name in self.names:
            read = special[name] if name in special else _READERS[hints[name]]
            absent = defaults[name] if name in optional and defaults[name] is not MISSING else ...
            columns[name] = Annotated[typing.Any, BeforeValidator(_reading(read))], absent
        for name in self.older:
            columns[name] = typing.Any, None
        self._model = create_model(f"{cls.__name__}Row", __base__=_Closed, **columns)

    def __call__(self, raw, where: str) -> dict:
        """The row, checked.

        Raises:
            BundleError: a key too many or too few, or a value that is not what it must be
        """
        # all keys before any value: what is said of a foreign object is said of the object
        c.obj(raw, where, self.needed, (*self.names, *self.older))
        try:
            row = self._model.model_validate(raw, context={"where": where})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise BundleError(f"{where}: {first['loc']}: {first['msg']}"[:200] + "; nothing was imported") from None
        return {name: getattr(row, name) for name in self.names}


def _reading(read: Callable) -> Callable:
    def check(value, info: ValidationInfo):
        return read(value, f"{info.context['where']}: {info.field_name}")

    return check
