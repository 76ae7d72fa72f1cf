"""Puts the verbs on ``fo.Dataset`` and ``fo.DatasetView`` as methods."""

from __future__ import annotations

from .verbs import VERBS, Verb


def install() -> None:
    """Adds one method a verb to FiftyOne's sample collections; doing it twice changes nothing.

    The methods load their function on first use, and show a terminal progress
    bar unless ``progress`` is given (``progress=None`` is silent).

    Raises:
        RuntimeError: FiftyOne already has a method of that name that is not ours
    """
    from fiftyone.core.collections import SampleCollection

    for verb in VERBS:
        if not verb.method:
            continue
        existing = getattr(SampleCollection, verb.name, None)
        if existing is not None and not getattr(existing, "_daebias", False):
            raise RuntimeError(f"FiftyOne already has a method {verb.name!r}; update fiftyone-daebias")
        setattr(SampleCollection, verb.name, _method(verb))


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
