"""Plotly figures of the panel. Colours of text, grid and ground are left to the App, which knows the theme."""

from __future__ import annotations

from collections.abc import Sequence

from fiftyone_daebias.findings.collect import Finding

from .wording import effect, p_value, probe_name

#: Okabe & Ito: told apart by colour-blind eyes, on dark and on light grounds
FOUND, OTHER, LINE = "#E69F00", "#56B4E9", "#999999"


def over_chance(finding: Finding) -> tuple[float, float, float]:
    """A probe's score and interval on one scale: 0 is chance, 1 is perfect."""
    e = finding.evidence

    def scaled(value: float) -> float:
        if e.measure in ("AUC", "C"):
            return 2 * value - 1
        return 1 - value / e.chance if e.chance else float("nan")

    low, high = sorted(scaled(v) for v in e.interval)
    return scaled(e.value), low, high


def probe_plot(findings: list[Finding]) -> dict:
    """Dots with intervals against chance, the best at the top; a point's id is its finding's key."""
    rows = [(f, *over_chance(f)) for f in findings if f.evidence.value == f.evidence.value]
    rows.sort(key=lambda r: r[1])
    names = [probe_name(f) for f, *_ in rows]
    data = []
    for verdict, color, symbol in (("found", FOUND, "circle"), ("", OTHER, "circle-open")):
        part = [(n, r) for n, r in zip(names, rows, strict=True) if (r[0].verdict == "found") == (verdict == "found")]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "found" if verdict else "not found, or unsure",
                "x": [_plain(r[1]) for _, r in part],
                "y": [n for n, _ in part],
                "ids": [r[0].key for _, r in part],
                "text": [
                    f"{effect(r[0])}, q {p_value(r[0].evidence.q)}, {r[0].n_subjects:,} subjects" for _, r in part
                ],
                "hovertemplate": "%{y}<br>%{text}<extra></extra>",
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_plain(r[3] - r[1]) for _, r in part],
                    "arrayminus": [_plain(r[1] - r[2]) for _, r in part],
                    "color": color,
                    "thickness": 2,
                    "width": 4,
                },
                "marker": {"color": color, "size": 11, "symbol": symbol, "line": {"width": 2, "color": color}},
            }
        )
    low = min([-0.1, *(r[2] for r in rows)])
    layout = {
        "height": 130 + 30 * len(rows),
        "margin": {"l": 20, "r": 16, "t": 30, "b": 60},
        "hovermode": "closest",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "title": {"text": "above chance (0 is chance, 1 is perfect)"},
            "range": [low, 1.02],
            "zeroline": False,
        },
        "yaxis": {"categoryorder": "array", "categoryarray": names, "automargin": True},
        "shapes": [
            {
                "type": "line",
                "x0": 0,
                "x1": 0,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"dash": "dash", "width": 2, "color": LINE},
            }
        ],
    }
    return {"data": data, "layout": layout}


def time_plot(rows: Sequence[dict], key: str) -> dict | None:
    """When something changed, with the interval of the date, one line a group; ``None`` when nothing did.

    Args:
        rows: stored rows with "changes"
        key: key of a row's finding, with the row's entries in braces
    """
    points = [(r, c) for r in rows for c in r.get("changes") or []]
    if not points:
        return None
    names = list(dict.fromkeys(_name_in_time(r) for r, _ in points))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "changes",
            "x": [_plain(c.get("when")) for _, c in points],
            "y": [_name_in_time(r) for r, _ in points],
            "ids": [key.format_map(r) for r, _ in points],
            "text": [_words_in_time(c) for _, c in points],
            "hovertemplate": "%{y}<br>%{text}<extra></extra>",
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [_plain(_bounds(c)[1] - c["when"]) for _, c in points],
                "arrayminus": [_plain(c["when"] - _bounds(c)[0]) for _, c in points],
                "color": FOUND,
                "thickness": 2,
                "width": 4,
            },
            "marker": {"color": FOUND, "size": 13, "symbol": "diamond"},
        }
    ]
    layout = {
        "height": 150 + 34 * len(names),
        "margin": {"l": 20, "r": 16, "t": 16, "b": 60},
        "hovermode": "closest",
        "xaxis": {"title": {"text": "when the images changed (year), 90 % interval"}, "tickformat": "d"},
        "yaxis": {"automargin": True},
    }
    return {"data": data, "layout": layout}


def _name_in_time(row: dict) -> str:
    return f"{row.get('group') or 'all'}, over {row.get('field') or row.get('over') or 'time'}"


def _bounds(change: dict) -> tuple[float, float]:
    low, high = change.get("interval") or (change["when"], change["when"])
    return float(low), float(high)


def _words_in_time(change: dict) -> str:
    size = change.get("size")
    with_it = ", ".join(change.get("fields") or [])
    return (f"{size:.2f} SD" if isinstance(size, (int, float)) else "") + (f"; with it: {with_it}" if with_it else "")


def _plain(value) -> float | None:
    value = float("nan") if value is None else float(value)
    return None if value != value else round(value, 4)
