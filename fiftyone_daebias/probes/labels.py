"""Which fields are labels, and which probes are strong enough to speak of single samples."""

from __future__ import annotations

import re

from .result import ProbeResult

#: a probe whose AUC may be lower than this (lower end of its interval) says nothing about single samples
SPEAKS_FROM = 0.85
#: nor does one that misses a larger share of them: it is the probe that is weak, not a fifth of the labels
MOST_MISSED = 0.2

#: words in the names of fields that a machine, an archive or an export wrote: such a value may differ from what the
#: image shows, but nobody judged it, so it is no label that could be wrong
_WRITTEN_BY_MACHINES = frozenset(
    # the file
    "file filename filepath format mode colour color alpha channel channels bit bits dtype encoding character charset "
    "compression transfer syntax photometric background licence license copyright path url uri uid uuid guid hash md5 "
    "checksum version upstream montage "
    # the device and how it was set
    "manufacturer manufacturers vendor model scanner device station software serial coil protocol acquisition "
    "acquired field magnetic tesla echo repetition inversion flip bandwidth thickness spacing pixel voxel matrix rows "
    "cols columns width height slices shape orientation plane tilt position burned kvp exposure kernel train modality "
    # where, when, by whom, and how it was collected
    "site institution institute hospital clinic department country location collection dataset cohort source split "
    "fold batch researcher operator date time year month day hour follow visit session series study exam number index "
    "order id ids".split()
)
#: kinds of stored fields (see store.metadata_fields) that can hold a label
_KINDS = ("string", "boolean", "integer", "classification")


def not_a_label(field: str, kind: str) -> str:
    """Why a field's values cannot be wrong labels; "" where they can.

    Labels are classes that a person judged or wrote down of the subject or of what the image shows: sex, finding, side,
    view. Fractions, dates, and what file, scanner or archive say of themselves are none. Names decide, since a table's
    column and a header's field look alike once they are stored.

    Args:
        field: name of the field
        kind: its kind as in :func:`~fiftyone_daebias.store.metadata_fields`
    """
    if kind not in _KINDS:
        return f"{field!r} holds {kind or 'no simple'} values, not classes that somebody wrote down"
    told = next((w for w in _words(field) if w in _WRITTEN_BY_MACHINES), "")
    if told:
        return f"{field!r} is, by its name ({told!r}), a fact of file, scanner, place or time and no label"
    return ""


def _words(name: str) -> list[str]:
    """Words of a name in any of the usual spellings: "MRAcquisitionType" and "acquisition_type" alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [w for w in re.split(r"[^a-z]+", spaced.lower()) if w]


def too_weak(result: ProbeResult) -> str:
    """Why a probe's predictions say nothing about single samples; "" where they do.

    The lower end of the AUC's interval counts, not the AUC. Where 3 % of the labels are wrong and the margins are
    Gaussian and known, a list with precision 0.8 finds at most 0.06 % of them at an AUC of 0.8, 1 % at 0.85, 8 % at
    0.9, 31 % at 0.95 and 78 % at 0.99: below 0.85 there is nothing to say of single samples.

    Args:
        result: the probe
    """
    if result.reason or result.metric != "AUC":
        return "it was not probed as classes"
    if not result.decodable:
        return "the probe does not tell it beyond chance"
    low = result.interval[0]
    if not low >= SPEAKS_FROM:
        return f"the probe's AUC may be as low as {low:.3f}; single samples are spoken of from {SPEAKS_FROM:g}"
    if result.n_samples and result.n_opposite > MOST_MISSED * result.n_samples:
        share = result.n_opposite / result.n_samples
        return f"the probe misses {share:.0%} of all samples; single samples are spoken of up to {MOST_MISSED:.0%}"
    return ""
