"""Writes the ``.pyi`` files of the package's top and of ``dataset.daebias`` from the verbs, so that tools see them.

    python tools/stubs.py [--check]

A test compares what it would write with what is there; ``--check`` does so by hand.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import importlib
import inspect
import sys
import typing
from pathlib import Path

from fiftyone_daebias import parameters, verbs

PACKAGE = Path(verbs.__file__).parent
_HEAD = '"""Written by tools/stubs.py from the verbs; do not edit."""\n\n'


def stubs() -> dict[str, str]:
    """``{file in the package: its text}``."""
    functions, methods, imports = [], [], {"typing": {"Any"}}
    for verb in verbs.VERBS:
        module, _, name = verb.function.partition(":")
        function = getattr(importlib.import_module(f"fiftyone_daebias.{module}"), name)
        functions.append(_signature(verb.name, function, imports))
        if verb.command == "embed":
            functions.append(_signature(verbs.EMBED_METHOD, function, imports))
        if verb.method:
            methods.append(_signature(verb.name, function, imports, bound=True))
    named = [*verbs.public_names(), "DaebiasError"]
    top = _HEAD + _imports({**imports, ".errors": {"DaebiasError as DaebiasError"}})
    top += "\n__all__ = [\n" + "".join(f'    "{n}",\n' for n in sorted(named)) + "]\n\n" + "\n".join(functions)
    accessor = _HEAD + _imports(imports) + "\nclass Accessor:\n    def __init__(self, samples: Any) -> None: ...\n"
    return {"__init__.pyi": top, "accessor.pyi": accessor + "".join("    " + m for m in methods)}


def _signature(name: str, function, imports: dict[str, set[str]], bound: bool = False) -> str:
    parts, keyword_only = ["self"] if bound else [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "samples":
            if not bound:
                parts.append("samples: Any")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        given = "" if parameter.default is parameter.empty else " = ..."
        parts.append(f"{parameter.name}: {_named(parameter.annotation, function, imports)}{given}")
    returns = _named(inspect.signature(function).return_annotation, function, imports)
    return f"def {name}({', '.join(parts)}) -> {returns}: ...\n"


def _named(annotation, function, imports: dict[str, set[str]]) -> str:
    """An annotation as text, and the imports that it needs."""
    if annotation is inspect.Signature.empty:
        return "Any"
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
            module = _origin(node.id, function)
            imports.setdefault(module, set()).add(node.id)
    return annotation


def _origin(name: str, function) -> str:
    value = function.__globals__[name]
    if getattr(parameters, name, None) is value and not hasattr(typing, name) and not inspect.isclass(value):
        return ".parameters"
    if hasattr(typing, name):
        return "typing"
    module = getattr(value, "__module__", None)
    if module is None or module == "typing":  # an alias of the verb's own module
        module = function.__module__
    return "." + module.removeprefix("fiftyone_daebias.") if module.startswith("fiftyone_daebias.") else module


def _imports(imports: dict[str, set[str]]) -> str:
    lines = []
    for module in sorted(imports, key=lambda m: (m.startswith("."), m)):
        lines.append(f"from {module} import {', '.join(sorted(imports[module]))}\n")
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    check = parser.parse_args().check
    old = []
    for name, text in stubs().items():
        path = PACKAGE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            old.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    print(f"{'out of date' if check else 'written'}: {', '.join(old) or 'none'}")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
