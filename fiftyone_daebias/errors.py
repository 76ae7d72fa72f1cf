"""Errors a user can act on. The CLI turns each into one line and exit code 2.

A message names the parameter, sample or file; what was found; what was
expected; and what to do.
"""


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
