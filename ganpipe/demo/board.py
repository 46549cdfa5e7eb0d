"""What all panels share: controls at the left, a column of results for each model at the right."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ganpipe.core.system import System
from ganpipe.core.tones import holds_tones
from ganpipe.demo.limits import bounded
from ganpipe.demo.messages import warn
from ganpipe.demo.models import Model
from ganpipe.demo.player import player
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
    played: bool = False  # windows of tones can also be heard


@dataclass(frozen=True)
class _Cell:
    """Where a part of an output is shown, and what keeps its windows of tones for a player, where there is one."""

    output: str
    part: Part
    view: View
    windows: gr.State | None

    @property
    def components(self) -> list[Any]:
        return [*self.view.components, *([] if self.windows is None else [self.windows])]

    def values(self, system: System, made: Items) -> list[Any]:
        """Return what the components show of items of the model."""
        items = made[self.output][self.part.start : self.part.stop]
        shown = shown_items(system, self.output, {self.output: items})
        return [*self.view.values(shown, self.part.columns), *([] if self.windows is None else [items.tobytes()])]


class Board:
    """Results of models side by side: of each output every part, shown as the kind of the output is."""

    def __init__(self, models: Sequence[Model], parts: Sequence[Part], folder: Path) -> None:
        """Show the parts; what players need as files is written to the folder."""
        self._models, self._columns = models, list[list[_Cell]]()
        with gr.Row():
            for model in models:
                with model_column(model):
                    outputs = shown_outputs(model.generator.system)
                    self._columns.append([_cell(model, output, part, folder) for output in outputs for part in parts])

    @property
    def components(self) -> list[Any]:
        """All components, whose values are those of `values`."""
        return [component for column in self._columns for cell in column for component in cell.components]

    def of_part(self, part: Part) -> list[Any]:
        """Return the components that show a part."""
        return [one for column in self._columns for cell in column if cell.part is part for one in cell.view.components]

    def values(self, make: Callable[[Model], Items]) -> list[Any]:
        """Return what the components show of the items that `make` returns for each model, see `each_model`."""
        cells = {id(model): column for model, column in zip(self._models, self._columns, strict=True)}

        def shown(model: Model) -> list[Any]:
            made = make(model)
            return [value for cell in cells[id(model)] for value in cell.values(model.generator.system, made)]

        sizes = [sum(len(cell.components) for cell in column) for column in self._columns]
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


def _cell(model: Model, output: str, part: Part, folder: Path) -> _Cell:
    """Show a part of an output of a model, with a player below where it is to be heard."""
    system = model.generator.system
    outputs, field = shown_outputs(system), system.data.fields[system.outputs[output]]
    view = VIEWS[outputs[output]](f"{output}, {part.title}" if len(outputs) > 1 else part.title, outputs[output])
    heard = part.played and holds_tones(field)
    return _Cell(output, part, view, player(model.title, field.shape, view.components[0], folder) if heard else None)
