"""Findings that are counted, not tested: copies, leaks, conflicts, outliers, samples that look like another class."""

from __future__ import annotations

from collections.abc import Callable

from .. import schema
from .finding import Evidence, Finding, NextStep, existing, tag_selector
from .formatting import count, percent

_TURNS = {
    "mirrored": "mirrored",
    "upside-down": "turned upside down",
    "half-turned": "turned by half a turn",
    "transposed": "transposed (rows for columns)",
}


def tag_findings(owners: dict[str, str], tags: dict[str, list[str]]) -> list[Finding]:
    """One finding for each of this package's tags that some sample carries.

    Args:
        owners: ``{sample id: subject}`` of the whole dataset
        tags: ``{sample id: tags}``
    """
    held: dict[str, list[str]] = {}
    for sample_id, names in tags.items():
        for name in names:
            if name.startswith(schema.TAG_PREFIX):
                held.setdefault(name, []).append(sample_id)
    total, n_all = max(1, len(owners)), len(set(owners.values()))
    out = []
    for tag in sorted(held):
        made = _make(tag)
        if made is None:
            continue
        key, kind, title, say, certain, step, about = made
        ids = held[tag]
        people = len({owners[i] for i in ids})
        share = len(ids) / total
        whom = f"{count(len(ids), 'sample')} of {count(people, 'subject')} ({percent(share)} of all samples)"
        out.append(
            Finding(
                key,
                kind,
                title,
                say(whom),
                _verdict(kind),
                Evidence("samples", float(len(ids)), strength=1.0 if certain else share),
                people,
                len(ids),
                tag_selector(tag),
                field=about,
                next_step=step,
                run_key=_run(kind, about),
                cells={"": (people, n_all - people)},
            )
        )
    return out


def _verdict(kind: str) -> str:
    """Errors are found; what may be an error is shown, for somebody to look at."""
    return "shown" if kind in ("opposite", "outliers", "disagreements", "turned", "text") else "found"


def _run(kind: str, about: str) -> str:
    prefix = {"opposite": schema.PROBE_RUN_PREFIX, "disagreements": schema.DISAGREEMENT_RUN_PREFIX}.get(kind)
    return prefix + schema.field_stem(about) if prefix else ""


def _make(tag: str) -> tuple[str, str, str, Callable[[str], str], bool, NextStep | None, str] | None:
    """Key, kind, title, sentence, whether it is an error for certain, next step and field of a tag."""
    rest = tag.removeprefix(schema.TAG_PREFIX)
    if tag.startswith(schema.TAG_OPPOSITE):
        name = tag.removeprefix(schema.TAG_OPPOSITE)
        return (
            f"opposite:{name}",
            "opposite",
            f"look like another {name}",
            lambda who: f"{who} look like another {name} to a probe that has not seen their subject.",
            False,
            existing("disagreements", "Whose label do the images contradict?", field=name),
            name,
        )
    kind, _, name = rest.partition(":")
    if kind == "bad-image" and name:
        return (
            f"disagreements:{name}:{kind}",
            "disagreements",
            f"{name}: unlike all others",
            lambda who: (
                f"{who} are misclassified by the probe of {name} and lie farthest from all others of their "
                "region; that is a rank to look at, not a test."
            ),
            False,
            existing("similar", "Look at them beside their nearest"),
            name,
        )
    if tag.startswith(schema.TAG_ALIKE):
        return (
            f"alike:{name}",
            "outliers",
            "share something in one place",
            lambda who: (
                f"{who} share something in one place of the picture that hardly any of their most similar "
                f"samples have; the boxes in {schema.LOCAL_PLACE_FIELD} show where."
            ),
            False,
            existing("explain", "Where in the image do they differ?", tag=tag),
            "",
        )
    if tag.startswith(schema.TAG_TURNED):
        how = tag.removeprefix(schema.TAG_TURNED)
        return (
            f"turned:{how}",
            "turned",
            f"are {how} beside their fellows",
            lambda who: f"{who} look like the pictures of other subjects after these are {_TURNS.get(how, how)}.",
            False,
            existing("similar", "Look at them beside their nearest"),
            "",
        )
    simple = {
        schema.TAG_TEXT: (
            "text",
            "text",
            "hold burned-in text",
            "{} hold rows of small bright shapes that look like burned-in text.",
            False,
            existing("explain", "Where in the image do they differ?", tag=schema.TAG_TEXT),
        ),
        schema.TAG_OUTLIER: (
            "outliers",
            "outliers",
            "look like nobody else",
            "{} look like no other subject's images.",
            False,
            existing("similar", "Look at them beside their nearest"),
        ),
        schema.TAG_LOCAL: (
            "local-outliers",
            "outliers",
            "have something in one place that similar ones lack",
            "{} have something in one place of the picture that hardly any of their most similar samples have; the "
            f"boxes in {schema.LOCAL_PLACE_FIELD} show where.",
            False,
            existing("similar", "Look at them beside their nearest"),
        ),
        schema.TAG_DUPLICATE: (
            "duplicates",
            "duplicates",
            "the same image more than once",
            "{} are there more than once, pixel by pixel or nearly so.",
            True,
            None,
        ),
        schema.TAG_LEAK: (
            "leak",
            "leak",
            "subjects on several sides of a split",
            "{} lie on several sides of a split that came with the data, so its test scores are too good.",
            True,
            None,
        ),
        schema.TAG_CONFLICT: (
            "conflicts",
            "conflicts",
            "header and table disagree",
            "{} have a header that says something else than the table.",
            True,
            None,
        ),
        schema.TAG_UNREADABLE: ("unreadable", "files", "cannot be read", "{} cannot be read.", True, None),
        schema.TAG_FEW_SLICES: (
            "few-slices",
            "files",
            "too few slices",
            "{} have fewer slices than are embedded.",
            True,
            None,
        ),
        schema.TAG_MISSING_SLICES: ("missing-slices", "files", "slices are missing", "{} lack slices.", True, None),
        schema.TAG_NO_ROW: ("no-table-row", "files", "no row in the table", "{} have no row in the table.", True, None),
    }.get(tag)
    if simple is None:
        return None
    key, kind, title, text, certain, step = simple
    # a certain fact says how many; outliers and the like only hint
    return key, kind, title, lambda who: text.format(who), certain and kind != "files", step, ""
