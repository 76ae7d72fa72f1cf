"""Writes every verb's operator into ``fiftyone.yml``: FiftyOne drops, without a word, what is not listed there."""

from __future__ import annotations

import re
from pathlib import Path

from fiftyone_daebias.verbs import VERBS

MANIFEST = Path(__file__).resolve().parents[1] / "fiftyone.yml"


def main() -> None:
    """Replaces the list of verbs, and keeps the operators that are no verb and everything else."""
    text = MANIFEST.read_text(encoding="utf-8")
    found = re.search(r"^operators:\n((?:  - \w+\n)+)", text, re.M)
    listed = re.findall(r"  - (\w+)\n", found.group(1))
    verbs = [v.name for v in VERBS if v.in_app]
    # the others keep their places at the end
    names = [*verbs, *(n for n in listed if n not in verbs)]
    lines = "".join(f"  - {n}\n" for n in names)
    MANIFEST.write_text(text[: found.start(1)] + lines + text[found.end(1) :], encoding="utf-8")


if __name__ == "__main__":
    main()
