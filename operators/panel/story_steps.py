"""What a click on a story's card does to the grid."""

from __future__ import annotations

from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.stories.facts import Story
from fiftyone_daebias.stories.matched import matched_examples
from fiftyone_daebias.stories.wording import headline


def show_story(ctx, story: Story, step: str, expected: tuple[str, ...]) -> None:
    """Shows, tags or saves a story's samples.

    Args:
        ctx: the panel's context
        story: the story
        step: "samples", "pairs" (examples of two groups side by side), "opposite" (samples that look like another
            value), "tag" or "view" (a saved view and a workspace with its link, to be shared)
        expected: fields in which a pair is to be alike
    """
    dataset = ctx.dataset
    if step == "pairs":
        try:
            ids, names = matched_examples(dataset, story.lead, expected)
        except InputError as error:
            ctx.ops.notify(str(error), variant="warning")
            return
        view = store.view_of_ids(dataset, ids, ordered=True)
        alike = f", alike in {' and '.join(expected)}" if expected else ""
        said = f"pairs of {story.lead} {names[0]} and {names[1]}{alike}"
    elif step == "opposite":
        view, said = store.view_of_tag(dataset, story.opposite), f"samples that look like another {story.lead}"
    else:
        view, said = story.selector.view(dataset), ""
    if not store.count(view):
        ctx.ops.notify("none of its samples is in this dataset any more", variant="warning")
        return
    name = f"story {story.lead or story.kind}"
    if step == "tag":
        n = store.tag(dataset, store.sample_ids(view), name)
        said = f"{n:,} samples have the tag {name!r} now"
    elif step == "view":
        said = _share(dataset, story, name, view)
    ctx.ops.set_extended_selection(reset=True)
    ctx.ops.set_view(view)
    if said:
        ctx.ops.notify(said, variant="info")


def _share(dataset, story: Story, name: str, view) -> str:
    """Saves the samples as a view, and a workspace with the map coloured by the story's field; says where."""
    maps = [m for m in store.map_runs(dataset) if schema.SHARED_SUFFIX not in m]
    map_key = schema.map_key() if schema.map_key() in maps else (maps or [""])[0]
    # the App looks workspaces up by their name alone, across all datasets, so the dataset is part of it
    workspace, about = f"{dataset.name}: {name}", headline(story)[:200]
    store.save_view(dataset, name, view, description=about)
    store.save_workspace(
        dataset, workspace, map_key=map_key, color_by=story.lead, panel=schema.PANEL_NAME, description=about
    )
    link = store.app_link(dataset, name, workspace, "")
    return (
        f"saved as the view {name!r} for everybody who opens this dataset; its link, after this App's address: {link}"
    )
