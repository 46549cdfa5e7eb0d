"""How the page shows items, by their kind. A kind becomes visible by a function here and its line in `VIEWS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from jaxtyping import Shaped, UInt8
from numpy import ndarray
from PIL import Image

from ganpipe.core.spec import Kind
from ganpipe.pictures import as_images, picture_of, sheet


@dataclass(frozen=True)
class View:
    """Components that show items of one kind, and their values for items in stored form.

    The number of columns is that of items that lie in rows and columns, such as a map; None: as the kind is drawn.
    """

    components: Sequence[Any]
    values: Callable[[Shaped[ndarray, "n ..."], int | None], Sequence[Any]]


def picture_view(title: str, kind: Kind) -> View:
    """Show items as one picture, as `ganpipe.pictures` draws them, to look at and to download."""

    def values(items: Shaped[ndarray, "n ..."], columns: int | None) -> Sequence[Any]:
        if columns is not None and kind == "vector":  # its sheet would have them one below another
            return [sheet(as_images(items, kind), columns)]
        return [sheet(items, columns, kind)]

    shown = gr.Image(
        label=title, format="png", type="pil", interactive=False, buttons=["download", "fullscreen"],
        elem_classes=["ganpipe-picture", "ganpipe-sheet"],
    )  # fmt: skip
    return View([shown], values)


VIEWS: Mapping[Kind, Callable[[str, Kind], View]] = {
    "image": picture_view,
    "vector": picture_view,
    "sequence": picture_view,
}
"""What shows items of a kind: a function of a title and the kind, called where the components are to stand."""


def before_and_after(title: str) -> gr.ImageSlider:
    """Show a picture under what became of it, with a border to drag; the right one can be downloaded."""
    return gr.ImageSlider(
        label=title, format="png", interactive=False, buttons=["download", "fullscreen"], max_height=480,
        elem_classes="ganpipe-picture",
    )  # fmt: skip


def both_pictures(before: UInt8[ndarray, "h w c"], after: UInt8[ndarray, "H W C"]) -> tuple[Image.Image, Image.Image]:
    """Return the value of `before_and_after`: pictures of one size, the smaller first one with larger pixels."""
    made = picture_of(after)
    return picture_of(before).resize(made.size, Image.Resampling.NEAREST), made
