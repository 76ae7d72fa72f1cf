"""The exploration and the confirmation half of the subjects, locked before a map is drawn."""

from __future__ import annotations

import hashlib

import numpy as np

from .. import schema, store

EXPLORATION, CONFIRMATION = "exploration", "confirmation"


def half_of(subject: str) -> str:
    """The half of a subject: a hash of its name, so that a subject added later has one too, whoever adds it."""
    digest = hashlib.sha256(b"daebias half " + str(subject).encode()).digest()
    return CONFIRMATION if digest[0] & 1 else EXPLORATION


def lock_halves(samples, subject_field: str | None = None) -> None:
    """Stores the half of every sample of the dataset that has none yet; what is stored is never changed."""
    dataset = store.dataset_of(samples)
    known = [None] * store.count(dataset)
    if store.has_field(dataset, schema.LOCKED_FIELD):
        known = store.read_field(dataset, schema.LOCKED_FIELD)
    rows = zip(store.sample_ids(dataset), store.read_subjects(dataset, subject_field), known, strict=True)
    fresh = {i: half_of(s) for i, s, k in rows if k is None}
    store.write_values(dataset, schema.LOCKED_FIELD, fresh, kind="string")


def confirmation_mask(samples, subject_field: str | None = None) -> np.ndarray:
    """Whether each sample is of the confirmation half, bool (n,)."""
    lock_halves(samples, subject_field)
    return np.array([h == CONFIRMATION for h in store.read_field(samples, schema.LOCKED_FIELD)])
