"""The panel of models that are given nothing: a draw; of those with noise also a walk and a map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ganpipe.demo.board import Board, Part, two_columns
from ganpipe.demo.controls import choice_controls, new_draw, seed_control, wish_of
from ganpipe.demo.drawing import SIDE, STEPS, draw, draw_map, draw_walk
from ganpipe.demo.events import answer
from ganpipe.demo.limits import require_count, require_place, require_seed
from ganpipe.demo.models import Asks, Model
from ganpipe.sampling.latent_pictures import THRESHOLDS

_FIRST = 16  # pictures of the first draw
_TRUNCATIONS = {"as drawn": None, **{f"{threshold:g}": threshold for threshold in THRESHOLDS}}
_ALL = Part("Drawn", played=True)
_HERE = Part("Here", 0, 1, 1, played=True)
_WAY = Part("The whole way", 1, None, STEPS)
_MAP = Part("Map", 1, None, SIDE)


def drawing_panel(asks: Asks, models: Sequence[Model], folder: Path) -> None:
    """Show models with the controls of their noise and choices; pieces of music are written to the folder."""
    with gr.Tabs():
        with gr.Tab("Draw"):
            _draw(asks, models, folder)
        if asks.noise:
            with gr.Tab("Walk") as tab:
                _walk(asks, models, tab, folder)
            with gr.Tab("Map") as tab:
                _map(asks, models, tab, folder)


def _draw(asks: Asks, models: Sequence[Model], folder: Path) -> None:
    most = min(model.most for model in models)
    with two_columns() as (left, right):
        with left:
            seed = seed_control()
            new_draw(seed)
            count = gr.Slider(1, most, min(_FIRST, most), step=1, label="Pictures")
            truncation = gr.Radio(
                list(_TRUNCATIONS), value=next(iter(_TRUNCATIONS)), label="Truncation of latents", visible=asks.noise
            )
            controls = choice_controls(asks)
        with right:
            board = Board(models, [_ALL], folder)

    def drawn(seed: Any, count: Any, truncation: Any, *values: Any) -> Sequence[Any]:
        wish, number = wish_of(asks, controls, seed, values), require_count(count, most)
        return board.values(lambda model: draw(model.generator, wish, number, _TRUNCATIONS[truncation]))

    answer(None, drawn, [seed, count, truncation, *controls.values()], board.components)


def _walk(asks: Asks, models: Sequence[Model], tab: gr.Tab, folder: Path) -> None:
    with two_columns() as (left, right):
        with left:
            start, end = seed_control("From seed"), seed_control("To seed", 1)
            new_draw(start, end)
            place = gr.Slider(0, 1, 0.5, step=0.05, label="Place on the way")
            controls = choice_controls(asks)
        with right:
            board = Board(models, [_HERE, _WAY], folder)

    def walked(start: Any, end: Any, place: Any, *values: Any) -> Sequence[Any]:
        wish, last, here = wish_of(asks, controls, start, values), require_seed(end), require_place(place, "place")
        return board.values(lambda model: draw_walk(model.generator, wish, last, here))

    inputs = [start, end, place, *controls.values()]
    answer([tab.select, *(one.change for one in inputs)], walked, inputs, board.components)


def _map(asks: Asks, models: Sequence[Model], tab: gr.Tab, folder: Path) -> None:
    with two_columns() as (left, right):
        with left:
            seed = seed_control()
            new_draw(seed)
            across = gr.Slider(0, 1, 0.5, step=0.01, label="Across")
            down = gr.Slider(0, 1, 0.5, step=0.01, label="Down")
            gr.HTML("Click a place of the map, or drag. Its corners are the first four latents of the seed.")
            controls = choice_controls(asks)
        with right:
            board = Board(models, [_HERE, _MAP], folder)

    def mapped(seed: Any, across: Any, down: Any, *values: Any) -> Sequence[Any]:
        wish = wish_of(asks, controls, seed, values)
        places = require_place(across, "across"), require_place(down, "down")
        return board.values(lambda model: draw_map(model.generator, wish, *places))

    def clicked(shown: Any, event: gr.SelectData) -> list[float]:
        return [_place(at / side) for at, side in zip(event.index, shown.size, strict=True)]

    inputs = [seed, across, down, *controls.values()]
    answer([tab.select, *(one.change for one in inputs)], mapped, inputs, board.components)
    for shown in board.of_part(_MAP):
        shown.select(clicked, shown, [across, down], show_progress="hidden", api_visibility="private")


def _place(share: float) -> float:
    """Return the place of a map that is shown at a share of its side: the outer pictures are the ends of the arcs."""
    return round(min(1.0, max(0.0, (share * SIDE - 0.5) / (SIDE - 1))), 2)
