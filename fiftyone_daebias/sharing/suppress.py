"""Small groups and identity: what must not leave with a bundle."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_COUNT = re.compile(
    r"(?<![\w.,])(\d{1,3}(?:,\d{3})*|\d+)(\s+(?:of\s+[\d,]+\s+)?(?:other\s+)?"
    r"(?:subjects?|persons?|people|patients?|samples?|images?|volumes?|cases?|series))\b"
)
_OPEN, _CLOSE = "\u2039", "\u203a"


def big_enough(rows: Iterable[int], subjects: list[str], k: int) -> bool:
    """Whether a group has at least k subjects, and so has the rest, unless there is no rest.

    A group of all subjects but three would name those three.
    """
    inside = {subjects[r] for r in rows}
    rest = len(set(subjects)) - len(inside)
    return len(inside) >= k and (rest == 0 or rest >= k)


def suppress_small_counts(text: str, k: int = 0, secrets: frozenset[str] = frozenset(), longest: int = 4000) -> str:
    """Text that may leave: plain characters, no small counts, none of the words that name a person or file.

    Args:
        text: any text
        k: counts of people or samples from 1 to k − 1 become "fewer than k"
        secrets: words to withhold: subject ids, file names, sample ids
        longest: characters kept
    """
    plain = "".join(" " if unicodedata.category(ch)[0] == "C" else ch for ch in str(text))
    plain = plain.replace("<", _OPEN).replace(">", _CLOSE).replace("&#", "& #")
    plain = re.sub(r"(?i)(javascript|text/html)(\s*)", r"\1 ", plain).replace("javascript :", "javascript ;")
    plain = re.sub(r"(?i)\b(on[a-z]{3,20})\s*=", r"\1 -", plain)
    if secrets:
        # what looks like a word of the secrets is looked up, so that thirty thousand ids cost nothing
        plain = re.sub(r"[\w.#/\\-]{3,}", lambda m: _withheld(m.group(), secrets), plain)
    if k > 1:
        plain = _COUNT.sub(lambda m: _shy(m, k), plain)
    return " ".join(plain.split())[:longest].strip()


def secret_words(
    subjects: Iterable[str], files: Iterable[str], ids: Iterable[str], shortest_number: int = 5
) -> frozenset[str]:
    """Words that would name a person or file, as :func:`suppress_small_counts` looks for them.

    Args:
        subjects: subject ids
        files: paths
        ids: sample ids
        shortest_number: ids that are numbers of fewer digits are left alone: they are counts as often as ids
    """
    out: set[str] = set()
    for word in (*subjects, *ids):
        out.add(word)
    for file in files:
        base = re.split(r"[\\/]", file)[-1]
        out |= {file, base, base.split(".")[0]}
    return frozenset(w.casefold() for w in out if len(w) >= 3 and not (w.isdigit() and len(w) < shortest_number))


def _withheld(word: str, secrets: frozenset[str]) -> str:
    bare = word.strip(".-#/\\")
    for candidate in (word, bare, bare.split("/")[-1], *re.split(r"[/\\]", bare)):
        if candidate.casefold() in secrets:
            return "[withheld]"
    return word


def _shy(match: re.Match, k: int) -> str:
    number = int(match.group(1).replace(",", ""))
    return f"fewer than {k}{match.group(2)}" if 0 < number < k else match.group()
