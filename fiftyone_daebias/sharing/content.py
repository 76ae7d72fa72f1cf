"""What names a sample in another copy of the cohort: hashes of its content, and a pseudonymous key of its subject."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import numpy as np

from .. import store
from ..cohort.load import MAX_SIDE
from ..cohort.pseudonyms import Pseudonyms
from ..cohort.raster import READING
from ..cohort.slice_cache import SliceCache, file_key
from ..errors import CohortError, InputError
from ..progress import Progress, start


def content_hashes(samples, progress: Progress | None = None) -> list[tuple[str, str]]:
    """For each sample the key of its files' content and the hash of its pixels.

    The first changes with any byte of the files and with how they are read.
    The second is that of the middle slice with the whole volume's shape and
    range, as they lie in the slice cache: it finds the same picture in files
    whose header was changed. Neither depends on paths or names.

    Returns:
        ``[(64 hexadecimal digits or "", the same)]``; "" where there is nothing to hash any more
    """
    to_grey = bool(store.read_info(samples).get("to_grey", True))
    cache, out = SliceCache(), []
    known = store.stored_content(samples)
    with start(progress, "hashing images", len(known), "samples") as task:
        for key, path in zip(known, store.file_paths(samples), strict=True):
            if not key:
                try:
                    key = file_key(path, READING, to_grey, MAX_SIDE)
                except (OSError, CohortError):
                    key = ""
            out.append((key, pixel_hash(cache, key) if key in cache else ""))
            task.advance()
    return out


def pixel_hash(cache: SliceCache, key: str) -> str:
    """Hash of a cached volume's shape, range and middle slice."""
    array, entry = cache.read(key)
    head = repr((tuple(entry.shape), str(entry.dtype), float(entry.low), float(entry.high))).encode()
    return hashlib.sha256(head + np.ascontiguousarray(array[len(array) // 2]).tobytes()).hexdigest()


def subject_keys(secret: str | None = None) -> Callable[[str], str]:
    """A keyed hash of subject ids, 16 hexadecimal digits.

    With a secret that two people agreed on, both get the same keys. Without
    one the key is the user's own, so that nobody else can try out ids.

    Raises:
        InputError: the secret is too short to be one
    """
    if secret is None:
        people = Pseudonyms()
        return lambda subject: people.name("shared subject\n" + subject)
    if len(secret) < 12:
        raise InputError("secret: at least 12 characters are needed; a sentence is easier to agree on than a word")
    # slow on purpose: short ids would otherwise be found by trying them out together with likely secrets
    key = hashlib.scrypt(secret.encode(), salt=b"daebias shared subjects", n=1 << 14, r=8, p=1, dklen=32)
    return lambda subject: hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()[:16]
