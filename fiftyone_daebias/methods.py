"""Puts ``dataset.daebias`` and ``compute_dae_embeddings()`` on datasets and views once FiftyOne is imported."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import warnings

from .accessor import Accessor, bound
from .verbs import EMBED_METHOD, FORMER_NAMES, VERBS, Verb, by_command

_MODULE = "fiftyone.core.collections"


def install() -> None:
    """Adds the accessor and the method to FiftyOne's sample collections, now or when FiftyOne is first imported.

    Doing it twice changes nothing.

    Raises:
        RuntimeError: FiftyOne already has something of that name that is not ours
    """
    if _MODULE in sys.modules:
        add_methods(sys.modules[_MODULE].SampleCollection)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def add_methods(collection: type) -> None:
    """Adds ``daebias`` and ``compute_dae_embeddings()`` to a class, and the names of 0.2, which warn.

    Raises:
        RuntimeError: it already has something of that name that is not ours
    """
    for name, value in (("daebias", _Daebias()), (EMBED_METHOD, _method(by_command("embed")))):
        existing = collection.__dict__.get(name)
        if existing is not None and not getattr(existing, "_daebias", False):
            raise RuntimeError(f"FiftyOne already has {name!r}; update fiftyone-daebias")
        setattr(collection, name, value)
    former = {name: old for old, name in FORMER_NAMES.items()}
    for verb in VERBS:
        old = former.get(verb.name, verb.name)
        if verb.method and verb.command != "embed" and not hasattr(collection, old):
            setattr(collection, old, _former_method(verb, old))


class _Daebias:
    """``dataset.daebias``."""

    _daebias = True

    def __get__(self, samples, owner):
        return Accessor if samples is None else Accessor(samples)


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
        return bound(verb, self)(*args, **kwargs)

    method.__name__ = method.__qualname__ = EMBED_METHOD
    method.__doc__ = f"{verb.label}: see ``fiftyone_daebias.{verb.name}``."
    method._daebias = True  # type: ignore[attr-defined]
    return method


def _former_method(verb: Verb, old: str):
    """A method as 0.1 and 0.2 had it."""

    def method(self, *args, **kwargs):
        warnings.warn(
            f"dataset.{old}() is now dataset.daebias.{verb.name}(); the old name goes in 0.4",
            FutureWarning,
            stacklevel=2,
        )
        return bound(verb, self)(*args, **kwargs)

    method.__name__ = method.__qualname__ = old
    method.__doc__ = f"Now ``dataset.daebias.{verb.name}()``."
    return method
