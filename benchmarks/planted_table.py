"""The tables of ``planted.py``."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from planted import interval

from fiftyone_daebias.rendering import Table, as_text


def print_tables(results: list[dict]) -> dict:
    """Prints who finds what, false findings, silence and curves; returns the numbers behind."""
    summary: dict = {"plants": [], "false": []}
    by_plant: dict[tuple, list[dict]] = defaultdict(list)
    places: dict[tuple, list[dict]] = defaultdict(list)
    audits: dict[tuple, list[dict]] = defaultdict(list)
    for result in results:
        for model, score in result["models"].items():
            audits[model, result["suite"]].append(score)
            for plant in score["plants"]:
                by_plant[result["suite"], plant["plant"], model].append(plant)
            for row in score["localised"]:
                places[result["suite"], row["plant"], model].append(row)
    print(
        "\nWho finds what. found: share of cohorts; AP, precision@10 and @25: of the best presented ranking, with"
        "\nthe AP that as many random volumes reach by choosing theirs; precision and recall of the group that fits"
        "\nbest; mm: localisation error; error of the shift\n"
    )
    head = (
        "suite",
        "plant",
        "volumes",
        "model",
        "found",
        "AP",
        "by chance",
        "P@10",
        "P@25",
        "group's precision",
        "and recall",
        "mm",
        "shift mm",
    )
    rows = []
    for (suite, text, model), scores in sorted(by_plant.items(), key=lambda i: (i[0][0], i[0][1])):
        near = places.get((suite, text, model), [])
        cells = [interval([float(s["found"]) for s in scores])]
        cells += [interval([s[k] for s in scores]) for k in ("ap", "ap_by_chance", "p10", "p25", "precision", "recall")]
        cells += [interval([r[k] for r in near]) for k in ("error_mm", "shift_error_mm")]
        volumes = f"{np.mean([s['n'] for s in scores]):.0f} ({np.mean([s['share'] for s in scores]):.1%})"
        rows.append((suite, text, volumes, model, *cells))
        summary["plants"].append(
            {
                "suite": suite,
                "plant": text,
                "model": model,
                "cohorts": len(scores),
                **dict(zip(head[4:], cells, strict=True)),
            }
        )
    print(as_text([Table.of([head, *rows])]))
    print("\nFindings that go with nothing that was planted, and how often a cohort yields any\n")
    rows = []
    for (model, suite), scores in sorted(audits.items(), key=lambda i: (i[0][1], i[0][0])):
        if model == "brain":
            continue
        wrong = interval([s["false_rate"] for s in scores])
        any_at_all = interval([float(bool(s["false"])) for s in scores])
        counts = f"{np.mean([len(s['true']) for s in scores]):.1f}", f"{np.mean([len(s['false']) for s in scores]):.1f}"
        rows.append(
            (
                suite,
                model,
                str(len(scores)),
                *counts,
                wrong,
                any_at_all,
                f"{np.mean([s['groups'] for s in scores]):.1f}",
            )
        )
        summary["false"].append({"suite": suite, "model": model, "false-discovery rate": wrong, "any": any_at_all})
    print(
        as_text(
            [
                Table.of(
                    [
                        (
                            "suite",
                            "model",
                            "cohorts",
                            "true findings",
                            "false findings",
                            "false-discovery rate",
                            "any false finding",
                            "groups presented",
                        ),
                        *rows,
                    ]
                )
            ]
        )
    )
    names = sorted(
        {
            (r["suite"], r["cohort"], r["seed"], m, f)
            for r in results
            for m, s in r["models"].items()
            for f in s["false"]
        }
    )
    for suite, cohort, seed, model, finding in names[:40]:
        print(f"false: {suite}, {cohort}, seed {seed}, {model}: {finding}")
    return summary
