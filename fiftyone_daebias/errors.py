"""Errors a user can act on. The CLI turns each into one line and exit code 2.

A message names the parameter, sample or file; what was found; what was
expected; and what to do.
"""

import difflib
from collections.abc import Iterable


class DaebiasError(Exception):
    """Base class of every error this package raises on purpose."""


class InputError(DaebiasError, ValueError):
    """A parameter, field, view or dataset that cannot be used as given."""


class CohortError(DaebiasError):
    """Files or a table that cannot be registered."""


class CheckpointError(DaebiasError):
    """A checkpoint or run folder that is missing, damaged or does not fit."""


class TrainingError(DaebiasError):
    """Training that had to stop: NaN loss, out of memory, a full disk."""


class StoreError(DaebiasError):
    """The database, or something expected in it, is not there."""


class WriteError(DaebiasError):
    """A file that cannot be written: a full or read-only disk, or missing rights."""


class BundleError(DaebiasError):
    """A shared bundle that is damaged, hostile or does not match."""


class Cancelled(DaebiasError):
    """The user asked to stop; what was finished is kept."""


def alike(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names that one which is not known is most like, the likest first."""
    return difflib.get_close_matches(str(name), list(map(str, known)), most, cutoff)


def hint(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """ "did you mean 'site'?", or "" where no name is like one that is not known."""
    like = alike(name, known, most, cutoff)
    return f"did you mean {' or '.join(map(repr, like))}?" if like else ""


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """What to say of a name that is not known: the one most like it, else all of them."""
    known = list(known)
    # "permutations" means "n_permutations", however few letters two long names share
    part = [k for k in known if k.endswith(name) or name.endswith(k)]
    return hint(name, part[:1] or known, cutoff=0.0 if part else 0.6) or f"{what}: {', '.join(known)}"
