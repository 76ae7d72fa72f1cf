"""``dataset.daebias``: the verbs of this package on a dataset or a view, with their own signatures and docstrings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from .errors import nearest
from .verbs import VERBS, Verb


class Accessor:
    """The verbs of this package on a dataset or a view: ``dataset.daebias.probe("sex")``.

    Each method is the function of the same name at the top of the package with ``samples`` given, loads it on first
    use, and shows a terminal progress bar unless ``progress`` is given (``progress=None`` is silent).
    """

    def __init__(self, samples):
        self._samples = samples

    def __repr__(self) -> str:
        return f"verbs on {self._samples.name!r}: {', '.join(v.name for v in VERBS if v.method)}"

    def __dir__(self) -> list[str]:
        return [v.name for v in VERBS if v.method]

    def __getattr__(self, name: str):
        # reached for what is no verb only; the verbs are attributes of the class
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"there is no verb {name!r}; {nearest(name, dir(self), 'verbs')}")


class _Method:
    """A verb as an attribute of the accessor: the function itself on the class, a bound function on an instance."""

    def __init__(self, verb: Verb):
        self._verb = verb

    def __get__(self, accessor: Accessor | None, owner: type) -> Callable:
        return self._verb.load() if accessor is None else bound(self._verb, accessor._samples)


def bound(verb: Verb, samples) -> Callable:
    """The verb's function on these samples, with its signature less ``samples`` and with its docstring."""
    function = verb.load()
    signature = inspect.signature(function)
    _, *others = signature.parameters.values()

    @functools.wraps(function)
    def method(*args, **kwargs):
        if "progress" not in kwargs:
            from .progress import TerminalProgress

            kwargs["progress"] = TerminalProgress()
        return function(samples, *args, **kwargs)

    method.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    return method


for _verb in VERBS:
    if _verb.method:
        setattr(Accessor, _verb.name, _Method(_verb))
del _verb
