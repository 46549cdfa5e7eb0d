"""The panel of models that are given captions: one to type or an example, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ganpipe.demo.board import Board, Part, two_columns
from ganpipe.demo.controls import choice_controls, new_draw, seed_control, wish_of
from ganpipe.demo.drawing import draw_caption
from ganpipe.demo.events import answer, opening
from ganpipe.demo.limits import require_caption, require_count
from ganpipe.demo.models import Asks, Model

_EXAMPLES = 6  # captions to choose from
_FIRST = 9  # pictures of the first draw


def text_panel(asks: Asks, models: Sequence[Model], folder: Path) -> None:
    """Show models with one caption for all of them; pieces of music are written to the folder."""
    most = min(model.most for model in models)
    captions = list(dict.fromkeys(caption for model in models for caption in model.captions(_EXAMPLES)))[:_EXAMPLES]
    with two_columns() as (left, right):
        with left:
            caption = gr.Textbox(
                captions[0] if captions else "",
                label="Caption",
                max_lines=4,
                submit_btn="Draw",
                placeholder="Type what is to be drawn",
                elem_classes="ganpipe-caption",
            )
            examples = gr.Dataset(
                label="Or an example", components=[caption], samples=[[one] for one in captions], visible=bool(captions)
            )
            seed = seed_control()
            new_draw(seed)
            count = gr.Slider(1, most, min(_FIRST, most), step=1, label="Pictures")
            controls = choice_controls(asks)
        with right:
            board = Board(models, [Part("Drawn", played=True)], folder)

    def drawn(caption: Any, seed: Any, count: Any, *values: Any) -> Sequence[Any]:
        wish = wish_of(asks, controls, seed, values)
        text, number = require_caption(caption), require_count(count, most)
        return board.values(lambda model: draw_caption(model.generator, wish, number, text))

    def drawn_example(example: Sequence[str], *values: Any) -> Sequence[Any]:
        return [example[0], *drawn(example[0], *values)]

    others = [seed, count, *controls.values()]
    events = [caption.submit, *(one.change for one in others), *([opening()] if captions else [])]
    answer(events, drawn, [caption, *others], board.components)
    answer(examples.click, drawn_example, [examples, *others], [caption, *board.components])
