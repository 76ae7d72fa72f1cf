"""Pseudonyms: a keyed hash whose key stays with the user, and dates shifted per subject.

The key lies in ``DAEBIAS_HOME/keys``, readable by its owner only. Without it a
pseudonym cannot be computed from a patient id, so lists of ids cannot be tried.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from .. import paths
from ..errors import StoreError

#: columns of a table that identify a person; they are not stored
_IDENTIFYING_COLUMN = re.compile(
    r"^(patient|subject|participant)?(s)?(first|last|sur|given|family|full|birth|maiden)?name(s)?$"
    r"|^(patient)?(birth(date|day)?|dateofbirth|dob|birthdt)$"
    r"|address|street|zipcode|postcode|postalcode|telephone|phone(number)?$|^e?mail(address)?$|^mrn$|^ssn$"
    r"|socialsecurity|insurance(number|id)|medicalrecord|physician|operatorsname|^comments?$|freetext|^notes?$",
    re.IGNORECASE,
)


def identifying_column(name: str) -> bool:
    """Whether a column's name says that it holds names, birth dates, addresses or free text."""
    return _IDENTIFYING_COLUMN.search("".join(c for c in name if c.isalnum())) is not None


_LOOKS = (
    ("a name", re.compile(r"[^\W\d_]{2,}\^[^\W\d_]")),
    ("a name", re.compile(r"\b(dr|mr|mrs|ms|prof|herr|frau|pat|patient)\b\.?[\s_-]+[A-ZÄÖÜ][^\W\d_]{2,}", re.IGNORECASE)),
    ("a date", re.compile(r"(?<!\d)(19|20)\d\d[-._/]?(0[1-9]|1[0-2])[-._/]?(0[1-9]|[12]\d|3[01])(?!\d)")),
    ("a date", re.compile(r"(?<!\d)(0?[1-9]|[12]\d|3[01])[./](0?[1-9]|1[0-2])[./](19|20)?\d\d(?!\d)")),
    ("an id", re.compile(r"(?<![\d.])\d{9,}(?![\d.])")),
    ("an address", re.compile(r"\S+@\S+\.\w")),
)


def looks_identifying(text: str) -> str | None:
    """What a free text looks like that may identify a person: "a name", "a date", "an id"; ``None`` if nothing."""
    return next((what for what, pattern in _LOOKS if pattern.search(text)), None)


class Pseudonyms:
    """Keyed pseudonyms of one user.

    Args:
        folder: where the key lies; default ``DAEBIAS_HOME/keys``
    """

    def __init__(self, folder: Path | None = None):
        self.path = (folder or paths.home() / "keys") / "subjects.key"
        self._key = self._read()

    def _read(self) -> bytes:
        try:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w") as stream:
                    stream.write(secrets.token_hex(32))
            key = bytes.fromhex(self.path.read_text().strip())
        except FileExistsError:
            return self._read()  # another process was first
        except (OSError, ValueError) as error:
            raise StoreError(f"the key of the pseudonyms, {self.path}, cannot be read or written ({error})") from error
        if len(key) < 16:
            raise StoreError(f"the key of the pseudonyms, {self.path}, is too short; restore it from a backup")
        return key

    def subject(self, patient: str, issuer: str = "") -> str:
        """Pseudonym of a patient id: "sub-" and 12 hexadecimal digits."""
        return "sub-" + self._hash(f"subject\n{issuer.strip()}\n{patient.strip()}")[:12]

    def name(self, text: str) -> str:
        """A stand-in for a text that must not be stored, 16 hexadecimal digits."""
        return self._hash("name\n" + text)[:16]

    def shift(self, date: datetime.date, subject: str, days: int) -> datetime.date:
        """The date moved by the subject's own number of days, between −days and days."""
        if days <= 0:
            return date
        return date + datetime.timedelta(days=int(self._hash("date\n" + subject)[:8], 16) % (2 * days + 1) - days)

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
