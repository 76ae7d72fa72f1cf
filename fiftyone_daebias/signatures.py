"""Signatures and docstrings of this package's functions, read from its source without importing it.

Importing a verb's module brings FiftyOne and often torch, which takes seconds; help texts and wrong arguments need
neither.
"""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import annotated_types

from . import parameters

_PACKAGE = Path(__file__).parent
_KNOWN = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "None": None,
    "Path": Path,
    "Literal": typing.Literal,
    "Annotated": typing.Annotated,
    "Progress": object,
}


def read_signature(function: str) -> tuple[str, dict[str, tuple[object, object]]]:
    """Docstring and parameters of a function.

    Args:
        function: "package.module:function" inside this package

    Returns:
        the docstring, and ``{parameter: (annotation, default)}``; the default is ``inspect.Parameter.empty`` where
        there is none

    Raises:
        LookupError: the source is not there, or says it in a way that cannot be read without running it
    """
    module, _, name = function.partition(":")
    tree = _tree(module)
    found = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
    if found is None:
        raise LookupError(f"{function} is not defined in its module")
    given = found.args
    if given.vararg or given.kwarg:
        raise LookupError(f"{function} takes any arguments")
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    out = {}
    for argument, default in [
        *zip(positional, defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]:
        if argument.arg in ("samples", "progress"):
            continue
        hint = str if argument.annotation is None else _value(argument.annotation, module)
        out[argument.arg] = (hint, inspect.Parameter.empty if default is None else _value(default, module))
    return inspect.cleandoc(ast.get_docstring(found) or ""), out


@cache
def _tree(module: str) -> ast.Module:
    path = _PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LookupError(f"there is no source of {module}") from error


def _value(node: ast.expr, module: str):
    """Value of an annotation or a default: literals, types, and names of the package's own constants."""
    try:
        return eval(compile(ast.Expression(node), module, "eval"), {"__builtins__": {}}, _Names(module))
    except LookupError:
        raise
    except Exception as error:
        raise LookupError(f"{ast.unparse(node)} in {module} cannot be read without running it") from error


class _Names(Mapping):
    """Names as a module of this package sees them."""

    def __init__(self, module: str):
        self.module = module

    def __getitem__(self, name: str):
        if name in _KNOWN:
            return _KNOWN[name]
        for node in _tree(self.module).body:
            if isinstance(node, ast.Assign) and (value := _assigned(node, name)) is not None:
                return _value(value, self.module)
            if isinstance(node, ast.ImportFrom) and node.module == "annotated_types":
                if any((alias.asname or alias.name) == name for alias in node.names):
                    return getattr(annotated_types, name)
            if isinstance(node, ast.ImportFrom) and node.level:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return self._imported(node, alias.name)
        raise LookupError(f"{self.module} does not say what {name} is")

    def _imported(self, node: ast.ImportFrom, name: str):
        room = self.module.split(".")[: -node.level]
        origin = ".".join([*room, *([node.module] if node.module else [])])
        if origin == "parameters":  # brings nothing heavy
            return getattr(parameters, name)
        path = _PACKAGE.joinpath(*origin.split("."), name) if origin else _PACKAGE / name
        if path.with_suffix(".py").is_file() or path.is_dir():
            return _Module(".".join([*([origin] if origin else []), name]))
        return _Names(origin)[name]

    def __iter__(self):
        return iter(())

    def __len__(self) -> int:
        return 0


def _assigned(node: ast.Assign, name: str) -> ast.expr | None:
    """What an assignment gives to a name, be it one of several."""
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == name:
            return node.value
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for one, value in zip(target.elts, node.value.elts, strict=False):
                if isinstance(one, ast.Name) and one.id == name:
                    return value
    return None


class _Module:
    """A module whose constants are looked up when they are asked for."""

    def __init__(self, module: str):
        self._names = _Names(module)

    def __getattr__(self, name: str):
        return self._names[name]
