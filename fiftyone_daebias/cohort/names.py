"""What file names say of images that belong together: two sides of one body, repeats of one subject."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import PurePosixPath

_SIDES = {"l": "L", "left": "L", "li": "L", "links": "L", "r": "R", "right": "R", "re": "R", "rechts": "R"}
#: so many files must come in pairs or groups before anything is said, and so large a share
FEWEST, ENOUGH = 4, 0.2


def sides_of(names: list[str]) -> dict[str, str]:
    """``{name: "L" or "R"}`` of files whose name differs from another file's by the side only; {} where few do.

    "bus_0001-l.jpg" and "bus_0001-r.jpg" are two sides; a lone "series_r.png" says nothing.
    """
    groups: dict[tuple, dict[str, str]] = defaultdict(dict)
    for name in names:
        parts = re.split(r"([^A-Za-z]+)", name)
        for k, part in enumerate(parts):
            if side := _SIDES.get(part.casefold()):
                groups[(*parts[:k], "", *parts[k + 1 :])][name] = side
    out = {}
    for members in groups.values():
        if set(members.values()) == {"L", "R"}:
            out |= members
    return out if len(out) >= max(FEWEST, ENOUGH * len(names)) else {}


def repeats_told(names: list[str]) -> str:
    """A note where file names look like several images of one subject, with the pattern that would say so; or ""."""
    stems: Counter = Counter()
    for name in names:
        stem = re.sub(r"(\.(nii|gz|png|jpe?g|tiff?|bmp))+$", "", PurePosixPath(name).name, flags=re.IGNORECASE)
        if match := re.match(r"^(.*\d)[_-](?:\d{1,4}|[A-Za-z]{1,5})$", stem):
            stems[match[1]] += 1
    several = {s: n for s, n in stems.items() if n > 1}
    together = sum(several.values())
    if together < max(FEWEST, ENOUGH * len(names)) or len(stems) < 2:
        return ""
    first = max(several, key=several.get)
    return (
        f"names of {together} files look like several images of one subject ({several[first]} of {first!r}); if "
        r"they are, pass a table with a subject column or pattern='(?P<subject>[^/]*\d)[_-]\w+\.'"
    )
