"""What all panels share: controls at the left, a column of results for each model at the right, and their events."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ganpipe.demo.limits import bounded
from ganpipe.demo.messages import told, warn
from ganpipe.demo.models import Model
from ganpipe.demo.views import VIEWS, View
from ganpipe.errors import GanpipeError
from ganpipe.sampling.draw import Items
from ganpipe.sampling.pictures import shown_items, shown_outputs


@dataclass(frozen=True)
class Part:
    """The items [start, stop) of all that a model makes, shown as one thing."""

    title: str
    start: int = 0
    stop: int | None = None
    columns: int | None = None  # see `View`


class Board:
    """Results of models side by side: of each output every part, shown as the kind of the output is."""

    def __init__(self, models: Sequence[Model], parts: Sequence[Part]) -> None:
        self._models, self._parts = models, parts
        self._views: list[list[tuple[str, Part, View]]] = []
        with gr.Row():
            for model in models:
                with model_column(model):
                    outputs = shown_outputs(model.generator.system)
                    self._views.append(
                        [
                            (output, part, VIEWS[kind](_joined(output if len(outputs) > 1 else "", part.title), kind))
                            for output, kind in outputs.items()
                            for part in parts
                        ]
                    )

    @property
    def components(self) -> list[Any]:
        """All components, whose values are those of `values`."""
        return [component for column in self._views for *_, view in column for component in view.components]

    def of_part(self, part: Part) -> list[Any]:
        """Return the components that show a part."""
        return [one for column in self._views for _, mine, view in column if mine is part for one in view.components]

    def values(self, make: Callable[[Model], Items]) -> list[Any]:
        """Return what the components show of the items that `make` returns for each model, see `each_model`."""
        views = {id(model): column for model, column in zip(self._models, self._views, strict=True)}

        def shown(model: Model) -> list[Any]:
            made = make(model)
            return [
                value
                for output, part, view in views[id(model)]
                for value in view.values(
                    shown_items(model.generator.system, output, made)[part.start : part.stop], part.columns
                )
            ]

        sizes = [sum(len(view.components) for *_, view in column) for column in self._views]
        return each_model(self._models, sizes, shown)


def each_model(models: Sequence[Model], sizes: Sequence[int], make: Callable[[Model], Sequence[Any]]) -> list[Any]:
    """Return the values that `make` returns for each model, one after another, within the bounds of a request.

    Where a model fails, a message says why, and its values, so many as `sizes` has, are None: nothing to see.
    """
    found: list[Any] = []
    for model, size in zip(models, sizes, strict=True):
        try:
            with bounded(model.generator.system):
                found += make(model)
        except GanpipeError as problem:
            warn(f"{model.title}: {problem}")
            found += [None] * size
    return found


@contextmanager
def two_columns() -> Iterator[tuple[gr.Column, gr.Column]]:
    """Give the block a column for controls and a wider one for results; a narrow window has them one below another."""
    with gr.Row():
        left, right = gr.Column(scale=1, min_width=280), gr.Column(scale=3, min_width=300)
        yield left, right


@contextmanager
def model_column(model: Model) -> Iterator[None]:
    """Show the block below the name of a model, in a column of its own."""
    with gr.Column(min_width=260):
        words = repr(model.generator).removeprefix("Generator(").removesuffix(")")
        gr.HTML(f"<h2>{html.escape(model.title)}</h2><p>{html.escape(words)}</p>", elem_classes="ganpipe-model")
        yield


def answer(
    triggers: Any, function: Callable[..., Sequence[Any]], inputs: Sequence[Any], outputs: Sequence[Any]
) -> None:
    """Let a function answer events; None: the opening of the page, and changes of its inputs.

    All answers wait in one queue, since a generator and the random numbers of torch serve one at a time. While one is
    computed, only the newest values of its inputs are kept: a hundred quick clicks make two answers.
    """

    def answered(*values: Any) -> Mapping[Any, Any]:
        return dict(zip(outputs, function(*values), strict=True))

    gr.on(
        triggers,
        told(answered),
        list(inputs),
        list(outputs),
        show_progress="minimal",
        trigger_mode="always_last",
        concurrency_limit=1,
        concurrency_id="generators",
        api_visibility="private",
    )


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)
