"""Puts the verbs on ``fo.Dataset`` and ``fo.DatasetView`` as methods, as soon as FiftyOne is imported."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import warnings

from .verbs import VERBS, Verb

_MODULE = "fiftyone.core.collections"


def install() -> None:
    """Adds one method a verb to FiftyOne's sample collections, now or when FiftyOne is first imported.

    The methods load their function on first use, and show a terminal progress
    bar unless ``progress`` is given (``progress=None`` is silent). Doing it
    twice changes nothing.

    Raises:
        RuntimeError: FiftyOne already has a method of that name that is not ours
    """
    if _MODULE in sys.modules:
        add_methods(sys.modules[_MODULE].SampleCollection)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def add_methods(collection: type) -> None:
    """Adds the methods to a class.

    Raises:
        RuntimeError: it already has a method of that name that is not ours
    """
    for verb in VERBS:
        if not verb.method:
            continue
        existing = getattr(collection, verb.name, None)
        if existing is not None and not getattr(existing, "_daebias", False):
            raise RuntimeError(f"FiftyOne already has a method {verb.name!r}; update fiftyone-daebias")
        setattr(collection, verb.name, _method(verb))


class _Finder(importlib.abc.MetaPathFinder):
    """Waits for the one module that defines FiftyOne's sample collections, and then gets out of the way."""

    def find_spec(self, name, path, target=None):
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads the module as its own loader does, and adds the methods."""

    def __init__(self, own):
        self._own = own

    def create_module(self, spec):
        return self._own.create_module(spec)

    def exec_module(self, module) -> None:
        module.__loader__ = module.__spec__.loader = self._own
        self._own.exec_module(module)
        try:
            add_methods(module.SampleCollection)
        except RuntimeError as error:  # importing FiftyOne must not fail because of this package
            warnings.warn(str(error), stacklevel=2)


def _method(verb: Verb):
    def method(self, *args, **kwargs):
        if "progress" not in kwargs:
            from .progress import TerminalProgress

            kwargs["progress"] = TerminalProgress()
        return verb.load()(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = verb.name
    method.__doc__ = f"{verb.label}: see ``fiftyone_daebias.{verb.name}``."
    method._daebias = True
    return method
