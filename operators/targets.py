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
#: verbs that compare with the rest, so that a lasso is rarely what is meant
_DATASET_FIRST = {"test-clusters"}
#: verbs about a part, so that whatever part is shown is what is meant
_PART_FIRST = {"name-cluster"}
#: keys of a request that only the App sends
FROM_APP = ("prompt_id", "spaces", "query_performance")


def default_target(verb: Verb, ctx) -> str:
    """What a verb acts on in the App unless somebody says otherwise, whichever door its form was opened from.

    Ticked samples and a lasso were chosen by hand; a view may be what a click on a finding left.
    """
    if verb.on_ticked and ctx.selected:
        return foo.ViewTarget.SELECTED_SAMPLES
    part = store.lasso_of(ctx.view) and verb.command not in _DATASET_FIRST
    if ctx.has_custom_view and (part or verb.command in _PART_FIRST):
        return foo.ViewTarget.CURRENT_VIEW
    return foo.ViewTarget.DATASET


def add_target(inputs: types.Object, verb: Verb, ctx) -> None:
    """Adds the choice of what to act on; FiftyOne hides it when there is nothing to choose from."""
    if verb.command in WHOLE:
        return
    lasso = store.lasso_of(ctx.view)
    shown, total = (store.count(ctx.view) if ctx.has_custom_view else 0), store.count(ctx.dataset)
    inputs.view_target(
        ctx,
        default_target=default_target(verb, ctx),
        dataset_label="Whole dataset",
        dataset_description=f"{total:,} samples",
        current_view_label="Lasso" if lasso else "Current view",
        current_view_description=f"{shown:,} samples" + (" inside the lasso" if lasso else ""),
        selected_samples_label="Ticked",
        selected_samples_description=f"{len(ctx.selected):,} samples ticked in the grid",
    )


def target_of(verb: Verb, ctx, form: bool = False):
    """What the verb acts on; ``form``: in the form, before it is sent."""
    if verb.command in WHOLE:
        return ctx.dataset
    chosen = ctx.params.get("view_target") or ctx.request_params.get("view_target")
    if chosen is None and (form or any(key in ctx.request_params for key in FROM_APP)):
        chosen = default_target(verb, ctx)
        if chosen == foo.ViewTarget.DATASET:
            return ctx.dataset
        return ctx.dataset.select(list(ctx.selected)) if chosen == foo.ViewTarget.SELECTED_SAMPLES else ctx.view
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
