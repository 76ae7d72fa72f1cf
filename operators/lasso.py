"""Tagging what is lassoed in the Embeddings panel (or ticked in the grid)."""

from __future__ import annotations

import fiftyone.operators as foo
import fiftyone.operators.types as types

from fiftyone_daebias import schema, store


class TagLasso(foo.Operator):
    """Tags the samples inside the lasso.

    The Embeddings panel hands its lasso to operators as part of ``ctx.view``;
    samples ticked in the grid win over it.
    """

    @property
    def config(self):
        return foo.OperatorConfig(
            name="tag_lasso",
            label="Cohort audit: Tag the lassoed samples",
            description="Tags the samples inside the lasso of the Embeddings panel, or those ticked in the grid",
            icon="highlight_alt",
            dynamic=True,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        n, how = _target(ctx)
        if n is None:
            inputs.view("nothing", types.Error(label="Nothing is selected", description=how))
            return types.Property(inputs, invalid=True, error_message=f"nothing is selected: {how}")
        inputs.md(f"**{n:,}** samples {how}.", name="about")
        inputs.str(
            "tag",
            required=True,
            label="Tag",
            default=schema.TAG_CLUSTER + "1",
            description="'daebias:cluster:NAME' keeps it apart from your own tags",
        )
        return types.Property(inputs, view=types.View(label="Tag the lassoed samples"))

    def execute(self, ctx):
        n, how = _target(ctx)
        if n is None:
            raise ValueError(f"nothing is selected: {how}")
        tag = str(ctx.params.get("tag") or "").strip()
        if not tag:
            raise ValueError("tag is empty; give the tag a name, for example daebias:cluster:shifted")
        ids = list(ctx.selected) if ctx.selected else store.sample_ids(ctx.view)
        with store.lease(ctx.dataset, "tag lasso"):
            store.tag(ctx.dataset, ids, tag)
        ctx.ops.reload_samples()
        ctx.ops.notify(f"Tagged {len(ids):,} samples as {tag}", variant="success")
        return {"tag": tag, "tagged": len(ids)}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("tag", label="Tag")
        outputs.int("tagged", label="Samples tagged")
        return types.Property(outputs)


def _target(ctx) -> tuple[int | None, str]:
    """How many samples are meant and how they were chosen; ``None`` and what to do when none are."""
    total = store.count(ctx.dataset)
    if ctx.selected:
        return len(ctx.selected), "ticked in the grid"
    n = store.count(ctx.view)
    if n == 0:
        return None, "the lasso holds no sample of the current view; draw it around some points"
    if n == total:
        return None, "draw a lasso around some points in the Embeddings panel, or tick samples in the grid"
    return n, "in the lasso or current view"
