"""The panel of models that are given a picture: one to upload or an example, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ganpipe.demo.board import each_model, model_column, two_columns
from ganpipe.demo.controls import choice_controls, new_draw, seed_control, wish_of
from ganpipe.demo.drawing import read_picture, translate
from ganpipe.demo.events import answer
from ganpipe.demo.models import Asks, Model
from ganpipe.demo.views import before_and_after, both_pictures
from ganpipe.pictures import picture_of, save_png
from ganpipe.sampling.apply import route_of
from ganpipe.sampling.one_picture import Route

_EXAMPLES = 12  # held-out pictures to choose from: three rows of four


def picture_panel(asks: Asks, models: Sequence[Model], folder: Path) -> None:
    """Show models with one picture for all of them; examples are written to the folder.

    Raises `ConfigError` for a model that makes its outputs of several pictures, or no pictures.
    """
    routes = [_routes(model) for model in models]
    examples = _examples(models, routes, folder)

    def chosen(event: gr.SelectData) -> str:
        return examples[event.index]

    with two_columns() as (left, right):
        with left:
            picture = gr.File(examples[0] if examples else None, label="Your picture", height=140)
            if examples:
                _gallery(examples).select(chosen, None, picture, show_progress="hidden", api_visibility="private")
            seed = seed_control("Seed of noise and dropout")
            new_draw(seed)
            controls = choice_controls(asks)
        with right, gr.Row():
            wanted, shown = zip(
                *(_result(model, found) for model, found in zip(models, routes, strict=True)), strict=True
            )

    def translated(path: str | None, seed: Any, *values: Any) -> Sequence[Any]:
        wish, named = wish_of(asks, controls, seed, values[len(models) :]), values[: len(models)]
        if path is None:
            return [None] * len(models)
        ways = {id(model): found[output] for model, found, output in zip(models, routes, named, strict=True)}
        channels = {id(model): _channels(model, ways[id(model)]) for model in models}
        pictures = {count: read_picture(Path(path), count) for count in set(channels.values())}

        def made(model: Model) -> Sequence[Any]:
            before = pictures[channels[id(model)]]
            after = translate(model.generator, wish, ways[id(model)], before, Path(path).name)
            return [both_pictures(before, after)]

        return each_model(models, [1] * len(models), made)

    answer(None, translated, [picture, seed, *wanted, *controls.values()], shown)


def _routes(model: Model) -> Mapping[str, Route]:
    system = model.generator.system
    return {output: route_of(system, output) for output in system.outputs}


def _channels(model: Model, route: Route) -> int:
    return model.generator.data.image_shape(route.source, "demo")[0]


def _result(model: Model, routes: Mapping[str, Route]) -> tuple[gr.Radio, gr.ImageSlider]:
    """Show the result of a model, below a choice of its outputs where there are several."""
    with model_column(model):
        named = gr.Radio(list(routes), value=next(iter(routes)), label="Makes", visible=len(routes) > 1)
        return named, before_and_after("Before and after")


def _gallery(examples: Sequence[str]) -> gr.Gallery:
    return gr.Gallery(
        list(examples),
        label="Or one that no training saw",
        columns=4,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_classes=["ganpipe-picture", "ganpipe-examples"],
    )


def _examples(models: Sequence[Model], routes: Sequence[Mapping[str, Route]], folder: Path) -> list[str]:
    """Write held-out pictures of every given field to a folder, each once; return the files."""
    asked = [
        (model, field)
        for model, found in zip(models, routes, strict=True)
        for field in dict.fromkeys(route.source for route in found.values())
    ]
    count = max(1, _EXAMPLES // len(asked))
    different = {pixels.tobytes(): pixels for model, field in asked for pixels in model.examples(field, count)}
    files = []
    for number, pixels in enumerate(different.values(), 1):
        path = folder / f"example-{number}.png"
        save_png(picture_of(pixels), path)
        files.append(str(path))
    return files
