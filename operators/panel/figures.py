"""Figures of findings in the panel: PNG files as data URIs, since the App serves no folder of ours."""

from __future__ import annotations

import base64

import fiftyone.operators.types as types

from fiftyone_daebias.figures import figure_path

#: figures shown at a time; each is sent with the panel
AT_ONCE = 4
#: larger files are named instead of shown, in bytes
LARGEST = 3_000_000


def add_figures(section: types.Object, dataset_name: str, figures: tuple[dict, ...]) -> None:
    """Adds the first figures, each with title and caption."""
    for k, figure in enumerate(figures[:AT_ONCE]):
        path = figure_path(dataset_name, figure)
        title, caption = figure.get("title", ""), figure.get("caption", "")
        section.md(f"**{title}**" + (f"  \n{caption}" if caption else ""), name=f"figure_title_{k}")
        if not path.is_file() or path.stat().st_size > LARGEST:
            why = "is not on this machine" if not path.is_file() else "is too large to show here"
            section.md(f"The figure {path.name} {why}: {path}", name=f"figure_missing_{k}")
            continue
        data = base64.b64encode(path.read_bytes()).decode()
        section.str(
            f"figure_{k}",
            default=f"data:image/png;base64,{data}",
            view=types.ImageView(
                alt=title, componentsProps={"image": {"style": {"maxWidth": "100%", "background": "white"}}}
            ),
        )
    if len(figures) > AT_ONCE:
        section.md(f"{len(figures) - AT_ONCE} more figures are in the report.", name="figures_more")
