"""Labels of parameters in the field's words, and which of them most people never touch."""

from __future__ import annotations

import re

#: parameters that are folded away
ADVANCED = {
    "accumulate",
    "batch_size",
    "checkpoint",
    "device",
    "embedding_field",
    "epochs",
    "folds",
    "index",
    "kernel",
    "lr",
    "map_key",
    "min_size",
    "n_bootstrap",
    "n_permutations",
    "n_slices",
    "neighbors",
    "perplexity",
    "pool",
    "precision",
    "processes",
    "repeats",
    "resamples",
    "scale",
    "seed",
    "shift_dates",
    "skip_unreadable",
    "space",
    "stratify_by",
    "subject_field",
    "threshold",
    "to_grey",
    "vectors",
    "volume",
    "weights",
    "workers",
    "author",
    "color",
    "steps",
    "architecture",
    "cam",
    "cams",
    "layer",
    "edge",
    "image_size",
    "weight_decay",
    "most",
    "n_maps",
    "looks",
    "span",
    "code",
    "along",
    "n_samples",
    "n_tests",
    "strengths",
    "prevalences",
    "patience",
    "secret",
    "decode",
    "inputs",
    "description",
    "license",
    "citation",
    "creator",
    "islands",
    "max_samples",
    "write_config",
    "invert_steps",
    "same_subject",
    "plane",
    "spacing",
    "key",
    "pattern",
    "opposite",
    "index_key",
    "learning_rate",
    "n_folds",
    "alpha",
}
#: verbs for which a parameter that is folded away elsewhere is the point
NEVER_FOLDED = {("embed", "n_slices"), ("similar", "k"), ("suggest-clusters", "space"), ("tag", "threshold")}

LABELS = {
    # of one verb
    "train images": "Images to see in all",
    "train-baseline images": "Images to see in all",
    "compare images": "Images to see in all",
    "runs names": "Runs",
    "test-clusters names": "Clusters",
    # of every verb
    "color_by": "Colour the maps by",
    "mark_samples": "Also mark its samples",
    "min_subjects": "Smallest group (subjects)",
    "status": "What you think of it",
    "url": "Address of the App",
    "value": "Value of the field",
    "with_identity": "Share identities",
    "with_notes": "Share notes and authors",
    "with_vectors": "Share the vectors",
    "accumulate": "Forward passes a step",
    "adjust_for": "Expected differences to adjust for",
    "by": "By group",
    "checkpoint": "Checkpoint folder",
    "coloured_by": "The map was coloured by",
    "date_field": "Date field",
    "expected": "Expected differences",
    "extend": "Keep the map, place new samples on it",
    "field": "Metadata field",
    "fields": "Metadata fields",
    "images": "Images",
    "index": "Similarity index",
    "k": "How many cases",
    "key": "Match table and files by",
    "kernel": "Kernel of the probe",
    "lr": "Learning rate",
    "map_key": "Map",
    "min_size": "Smallest cluster",
    "n_bootstrap": "Bootstrap draws",
    "n_permutations": "Permutations",
    "n_slices": "Slices a volume",
    "names": "Names",
    "neighbors": "Neighbours",
    "note": "Note",
    "opposite": "Also groups of samples on the other side",
    "out": "Output file",
    "pool": "Slices are",
    "repeats": "Repeats of the folds",
    "resamples": "Resamples for stability",
    "same_subject": "Also the same people",
    "scale": "Read numbers as",
    "shift_dates": "Shift dates by up to (days)",
    "spacing": "Spacing (mm)",
    "stratify_by": "Balance the split over",
    "subject": "Subject column",
    "subject_field": "Subject field",
    "sure": "Yes, delete",
    "table": "Metadata table",
    "threshold": "Threshold",
    "to": "Like these samples",
    "to_grey": "Turn colour into grey",
    "vectors": "Embedding",
    "versions": "Software or protocol versions",
    "volume": "Volume of a 4-D file",
    "workers": "Worker processes",
}


def label_of(command: str, name: str) -> str:
    """Label of a verb's parameter."""
    words = LABELS.get(f"{command} {name}") or LABELS.get(name) or name.replace("_", " ")
    return words[0].upper() + words[1:]


def is_folded(command: str, name: str, required: bool) -> bool:
    """Whether a verb's parameter is folded away."""
    return not required and name in ADVANCED and (command, name) not in NEVER_FOLDED


def sentence(text: str) -> str:
    """A help text with a capital and without quotes that only make sense in code."""
    text = text.strip().replace("``", "'").replace("*", "\\*")
    return text[:1].upper() + text[1:]


#: rows of a table that a result's dialog shows
MOST_ROWS = 10


def as_markdown(text: str) -> str:
    """A result's text for the App: tables of columns become Markdown tables, other lines paragraphs.

    The App's code view fetches its editor from the internet, and a fenced block is cut off at the dialog's edge.
    """
    lines, out = text.splitlines(), []
    k = 0
    while k < len(lines):
        rule = lines[k + 1] if k + 1 < len(lines) else ""
        spans = [m.span() for m in re.finditer(r"-+", rule)] if re.fullmatch(r"-+(  -+)+\s*", rule) else []
        if not spans:
            out.append(_plain(lines[k]) + "  ")
            k += 1
            continue
        rows = [lines[k]]
        k += 2
        while k < len(lines) and all(lines[k][b : b + 2].strip() == "" for _, b in spans[:-1]):
            rows.append(lines[k])
            k += 1
        cells = [
            [_plain(row[a : b if i + 1 < len(spans) else None].strip()) for i, (a, b) in enumerate(spans)]
            for row in rows
        ]
        more = len(cells) - 1 - MOST_ROWS
        cells = [cells[0], ["---"] * len(spans), *cells[1 : 1 + MOST_ROWS]]
        out += ["", *("| " + " | ".join(row) + " |" for row in cells), ""]
        if more > 0:
            out.append(f"… and {more:,} more: they are in the panel 'Cohort audit'.  ")
    return "\n".join(out)


def _plain(text: str) -> str:
    """Text with nothing in it that Markdown would read as a sign of its own."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", text)
