"""What looks as if it were about one person; and pseudonyms: a keyed hash whose key stays with the user.

The key lies in ``DAEBIAS_HOME/keys``, readable by its owner only, or is given by ``DAEBIAS_KEY``. Without it a
pseudonym cannot be computed from a patient id, so lists of ids cannot be tried.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from pathlib import Path

from .. import paths
from ..atomic import make_folder
from ..errors import StoreError
from . import person_words as words

_COLUMN_AFFIXES = re.compile(
    r"^(patients?|subjects?|participants?|pat|pt|subj)|(of)?(patients?|subjects?|participants?)$"
)
_UID = re.compile(r"(?<![\d.])\d+(?:\.\d+){5,}(?![\d.])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", re.I)
_PHONE = re.compile(r"(?<![\w.])\+\d{1,3}[ ./-]?(\(0\))?\d{1,5}([ ./-]?\d{2,}){2,}(?![\w.])|\(0\d{2,4}\) ?\d{3,}")
#: words that a number or a date of a person follows, and words that a name follows
_BEFORE_NUMBER = re.compile(
    r"(?<![a-z])(mrn|ssn|nhs|pat(?:ient)?[ _-]?(?:id|nr|no|num)|fall[ _-]?nr|accession|dob|geb(?:oren|\.)?|born|ddn|"
    r"nacimiento|nascita|naissance)[ _.:=-]*\d",
    re.I,
)
_BEFORE_NAME = re.compile(
    r"(?<![a-z])(first[ _]?name|last[ _]?name|surname|vorname|nachname|patient[ _]?name|prenom|apellidos?)[_:= -]+"
    r"[^\W\d_]{2,}",
    re.I,
)
_TITLE = re.compile(
    r"(?<![^\W_])(?:(?:Dr|Mr|Mrs|Ms|Sra?)(?:\.[ _]?|[ _]+)|"
    r"(?:Prof|Herrn?|Frau|Mme|Mlle|Se\u00f1ora?|Signora?|Pani)[. _]+)"
    r"[^\W\d_a-z][^\W\d_]*"
)
_DATE = re.compile(
    r"(?<!\d)(?:(?P<y>1[89]\d\d|20\d\d)(?P<s>[-_./ ]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"|(?P<a>0?[1-9]|[12]\d|3[01])(?P<t>[-_./ ])(?P<b>0?[1-9]|[12]\d|3[01])(?P=t)(?P<z>1[89]\d\d|20\d\d)"
    r"|(?P<e>0[1-9]|[12]\d|3[01])(?P<f>0[1-9]|1[0-2])(?P<x>19\d\d))(?!\d)"
)
#: dates from this year on are taken for those of an image unless a name or a word beside them says otherwise
_IMAGING_YEAR = 2000


def bare(text: str) -> str:
    """A text without letter case, accents, spaces and signs: "Straße (Patient)" is "strassepatient"."""
    plain = unicodedata.normalize("NFKD", str(text).replace("\u0130", "I").casefold())
    plain = plain.translate({ord("\u00df"): "ss", 0xF8: "o", 0x142: "l", 0x131: "i", 0xE6: "ae", 0x111: "d"})
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    # Korean is composed again: a column's name is compared by syllables
    return "".join(c for c in unicodedata.normalize("NFC", plain) if c.isalnum())


def identifying_column(name: str) -> bool:
    """Whether a column's name says that it holds names, births, addresses, contacts, numbers or comments of people."""
    text = bare(name)
    # umlauts written out: "Aerztin", "Strasse"
    for form in {text, _COLUMN_AFFIXES.sub("", text), text.rstrip("0123456789"), bare(str(name).split(".")[-1])}:
        if form in words.COLUMN_NAMES:
            return True
    return any(part in text for part in words.COLUMN_PARTS)


def looks_identifying(text: object) -> str | None:
    """Why a text looks as if it were about one person: a name, a date of birth, a number, an address to reach them.

    For file and folder names, protocol names and cells of a table. It reads
    the text alone: what a header knows of its own patient is looked for
    elsewhere. UIDs, running numbers and pseudonyms ("sub-01") are none.

    Args:
        text: any text

    Returns:
        the reason in a few words, ``None`` where nothing was found
    """
    text = unicodedata.normalize("NFC", str(text))
    if not text or not any(c.isalnum() for c in text):
        return None
    text = _UID.sub(" ", text)
    if _MAIL.search(text):
        return "an e-mail address"
    if name := person_name(text):
        return name
    for match in _DATE.finditer(text):
        year = int(match["y"] or match["z"] or match["x"])
        month = int(match["m"] or match["f"] or min(int(match["b"] or 1), int(match["a"] or 1)))
        if month <= 12 and year < _IMAGING_YEAR:
            return "a date that may be of birth"
    if match := _BEFORE_NUMBER.search(text) or _BEFORE_NAME.search(text):
        return f"the word {match[1]!r}, which a name, a birth date or a number of a patient follows"
    if _PHONE.search(text):
        return "a telephone number"
    return _person_number(text)


def person_name(text: str) -> str | None:
    """Whether a text holds a person's name: by its form, by titles, or by common names of many languages."""
    if re.search(r"(?<![^\W\d_])[^\W\d_]{2,}\^[^\W\d_]{1,}", text):
        return "a name (written as in DICOM)"
    if _TITLE.search(text):
        return "a name (after a title)"
    spaced = re.sub(r"(?<=[a-z\u00df-\u00ff])(?=[A-Z\u00c0-\u00de])", " ", text)
    parts = [p for p in re.split(r"[\W\d_]+", spaced) if p]
    if any(_known_name(p) for p in parts):
        return "a name"
    return _other_script(parts)


def _known_name(part: str) -> bool:
    # "Müller" is written "Mueller" as often, so umlauts are read both ways
    written = part.casefold().translate({0xE4: "ae", 0xF6: "oe", 0xFC: "ue"})
    return any(form in words.GIVEN_NAMES or form in words.FAMILY_NAMES for form in (bare(part), bare(written)))


def _other_script(parts: list[str]) -> str | None:
    for part in parts:
        first = part[0]
        if "\u4e00" <= first <= "\u9fff" and (
            2 <= len(part) <= 3
            and first in words.CHINESE_FAMILY
            or 3 <= len(part) <= 5
            and part.startswith(words.JAPANESE_FAMILY)
        ):
            return "a name (Chinese or Japanese)"
        if "\uac00" <= first <= "\ud7a3" and len(part) == 3 and first in words.KOREAN_FAMILY:
            return "a name (Korean)"
        if "\u0400" <= first <= "\u04ff" and first.isupper() and len(part) >= 5:
            if part.casefold().endswith(words.CYRILLIC_ENDINGS):
                return "a name (Cyrillic)"
        if part in words.ARABIC_NAMES:
            return "a name (Arabic)"
        if part in words.HEBREW_NAMES:
            return "a name (Hebrew)"
    return None


def _person_number(text: str) -> str | None:
    """National numbers that can be told by their form or their check digit."""
    if re.search(r"(?<![\w-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\w-])", text):
        return "a social security number"
    if re.search(r"(?<!\w)756[.]\d{4}[.]\d{4}[.]\d{2}(?!\w)", text):
        return "a Swiss insurance number"
    if re.search(r"(?<![A-Za-z0-9])[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])", text, re.I):
        return "an Italian tax code"
    if re.search(
        r"(?<!\d)(\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2})[-+A]"
        r"\d{3}[0-9A-Z](?![0-9A-Za-z])",
        text,
    ):
        return "a personal number that begins with a birth date"
    for match in re.finditer(r"(?<![A-Za-z0-9])([A-Z])(\d{9})(?![A-Za-z0-9])", text):
        digits = f"{ord(match[1]) - 64:02d}{match[2]}"
        total = sum(sum(map(int, str(int(d) * (1 + k % 2)))) for k, d in enumerate(digits[:-1]))
        if total % 10 == int(digits[-1]):
            return "a German insurance number"
    for match in re.finditer(r"(?<![\d.])(\d{3}) (\d{3}) (\d{4})(?![\d.])", text):
        digits = "".join(match.groups())
        check = 11 - sum(int(d) * (10 - k) for k, d in enumerate(digits[:9])) % 11
        if (0 if check == 11 else check) == int(digits[9]):
            return "an NHS number"
    for match in re.finditer(r"(?<![A-Za-z0-9])(\d{8})([A-HJ-NP-TV-Z])(?![A-Za-z0-9])", text):
        if "TRWAGMYFPDXBNJZSQVHLCKE"[int(match[1]) % 23] == match[2]:
            return "a Spanish identity number"
    return None


class Pseudonyms:
    """Keyed pseudonyms of one user.

    Args:
        folder: where the key lies; default ``DAEBIAS_HOME/keys``
    """

    def __init__(self, folder: Path | None = None):
        self.path = (folder or paths.home() / "keys") / "subjects.key"
        self._key = self._read()

    def _read(self) -> bytes:
        if given := os.environ.get("DAEBIAS_KEY"):
            return _key_of(given, "DAEBIAS_KEY")
        try:
            make_folder(self.path.parent)
            _close_to_others(self.path.parent)
            if not self.path.exists():
                handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w") as stream:
                    stream.write(secrets.token_hex(32))
            if os.name != "nt" and self.path.stat().st_mode & 0o077:
                raise StoreError(
                    f"the key of the pseudonyms, {self.path}, can be read by others on this machine, so that "
                    f"pseudonyms made with it may be undone; if nobody has, close it: chmod 600 {self.path}"
                )
            text = self.path.read_text()
        except FileExistsError:
            return self._read()  # another process was first
        except (OSError, ValueError) as error:
            raise StoreError(f"the key of the pseudonyms, {self.path}, cannot be read or written ({error})") from error
        return _key_of(text, str(self.path))

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
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _key_of(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise StoreError(f"the key of the pseudonyms, {where}, is not hexadecimal digits; restore it") from None
    if len(key) < 16:
        raise StoreError(f"the key of the pseudonyms, {where}, is too short (32 digits at least); restore it")
    return key


def _close_to_others(folder: Path) -> None:
    """Takes others' rights to the folder of keys away, which earlier versions left open.

    Raises:
        StoreError: it is somebody else's folder
    """
    if os.name == "nt" or not folder.stat().st_mode & 0o077:
        return
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"the folder of keys, {folder}, is open to others and cannot be closed ({error.strerror}); close it: "
            f"chmod 700 {folder}, or give the key by DAEBIAS_KEY"
        ) from error
