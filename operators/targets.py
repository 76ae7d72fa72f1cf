"""What an operator acts on: a lasso, the samples ticked in the grid, a view, or everything."""

from __future__ import annotations

import fiftyone.operators as foo
import fiftyone.operators.types as types

from fiftyone_daebias import store
from fiftyone_daebias.verbs import Verb

#: verbs about what is stored of the whole dataset, whatever is shown at the moment
WHOLE = {
    "clusters",
    "report",
    "findings",
    "review",
    "runs",
    "share",
    "import",
    "import-shared",
    "audit",
    "cache",
    "export",
}
#: verbs that compare with the rest, so that what is shown at the moment is rarely what is meant
_DATASET_FIRST = {"test-clusters"}


def add_target(inputs: types.Object, verb: Verb, ctx) -> None:
    """Adds the choice of what to act on; FiftyOne hides it when there is nothing to choose from."""
    if verb.command in WHOLE:
        return
    lasso = store.lasso_of(ctx.view)
    shown, total = (store.count(ctx.view) if ctx.has_custom_view else 0), store.count(ctx.dataset)
    shows_part = ctx.has_custom_view and verb.command not in _DATASET_FIRST
    default = foo.ViewTarget.CURRENT_VIEW if shows_part else foo.ViewTarget.DATASET
    if verb.on_ticked and ctx.selected:
        default = foo.ViewTarget.SELECTED_SAMPLES
    inputs.view_target(
        ctx,
        default_target=default,
        dataset_label="Whole dataset",
        dataset_description=f"{total:,} samples",
        current_view_label="Lasso" if lasso else "Current view",
        current_view_description=f"{shown:,} samples" + (" inside the lasso" if lasso else ""),
        selected_samples_label="Ticked",
        selected_samples_description=f"{len(ctx.selected):,} samples ticked in the grid",
    )


def target_of(verb: Verb, ctx):
    """What the verb acts on."""
    if verb.command in WHOLE:
        return ctx.dataset
    chosen = ctx.params.get("view_target") or ctx.request_params.get("view_target")
    if chosen is None and verb.on_ticked and ctx.selected:
        return ctx.dataset.select(list(ctx.selected))
    if chosen is None and verb.command in _DATASET_FIRST:
        return ctx.dataset
    return ctx.target_view()


def target_words(target, dataset) -> str:
    """How much the operator will act on, in words."""
    n, total = store.count(target), store.count(dataset)
    if n == total:
        return f"Acts on all {total:,} samples."
    inside = " in the lasso" if store.lasso_of(target) else ""
    return f"Acts on {n:,} of {total:,} samples{inside}."
