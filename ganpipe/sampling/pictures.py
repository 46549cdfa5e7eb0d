"""The pictures of the sample stage and the previews of a training. They depend on inputs and outputs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganpipe.config import Sample
from ganpipe.core.batch import Batch, batch_size, to_stored
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.spec import Kind
from ganpipe.core.system import System
from ganpipe.core.tones import holds_tones
from ganpipe.pictures import DRAWN, as_images, grid, labelled, page, sheet, strip
from ganpipe.rolls import drawable
from ganpipe.sampling.draw import GivenSource, Items, all_inputs, choices, given_fields, render, sources
from ganpipe.sampling.latent_pictures import THRESHOLDS, arithmetic, line, per_choice, slerp, truncation, walk

COMPARED = 8
"""Number of rows of a picture that shows given, made and wanted items side by side."""


@dataclass(frozen=True)
class Plan:
    """The plan of a picture: its inputs row by row, the number of columns, and the labels of the rows, if any."""

    inputs: Batch
    columns: int
    labels: Sequence[str] = ()
    first: np.ndarray | None = None  # a row of given pictures above, in stored form; its label is the first
    notes: Sequence[str] = ()  # what is written under each picture


def plans(system: System, cfg: Sample, given: GivenSource | None) -> Iterator[tuple[str, Plan]]:
    """Yield the pictures of `sample.pictures` that show outputs alone, each by its name."""
    for name in cfg.pictures:
        if name in PLANS:
            yield name, PLANS[name](system, cfg, given)


def draw_plan(system: System, plan: Plan, seed: int) -> Mapping[str, Image.Image]:
    """Return a picture of each output that can be shown, by the name of the output."""
    made = render(system, plan.inputs, seed)
    return {output: _sheet(shown_items(system, output, made), plan) for output in shown_outputs(system)}


def preview(system: System, inputs: Batch, made: Items, given: GivenSource | None) -> Image.Image:
    """Return the preview of items: outputs, alone or beside given rows. Raises `ValueError` if nothing can be shown."""
    kinds = shown_outputs(system)
    if not kinds:
        raise ValueError(f"{type(system).__name__} makes nothing that a picture can show")
    if len(kinds) == 1 and not _shown_given(system):
        output = next(iter(kinds))
        shown = shown_items(system, output, made)
        if notes := _notes(system, given, len(shown)):
            return page([as_images(shown)], [[note] for note in notes])
        return sheet(shown)
    return side_by_side(system, inputs, made, given)


def side_by_side(
    system: System, inputs: Batch, made: Items, given: GivenSource | None, back: Items | None = None
) -> Image.Image:
    """Return a picture of the first items: of each output the row it was made from, it, the wanted row if it is known.

    Where the outputs are made from texts alone, these are written under output and wanted row instead.
    `back` holds what came back of the outputs by the name of the given field, and is shown beside; None: nothing.
    """
    count = min(COMPARED, batch_size(inputs))
    made_from, rows = sources(system), _shown_rows(system, inputs, count)
    columns = [rows[field] for field in rows if field not in made_from.values()]
    shown: set[str] = set()
    for output in shown_outputs(system):
        source = made_from.get(output, "")
        if source in rows and source not in shown:
            columns.append(rows[source])
            shown.add(source)
        columns.append((f"made: {output}", as_images(shown_items(system, output, made)[:count])))
        if (wanted := _wanted(system, inputs, output, given, count)) is not None:
            columns.append((f"wanted: {system.outputs[output]}", as_images(_drawable(system, output, wanted))))
        if back and source in back:
            columns.append((f"back: {source}", as_images(back[source][:count])))
    notes = _notes(system, given, count)
    return page([images for _, images in columns], [[note] for note in notes]) if notes else strip(columns)


def _notes(system: System, given: GivenSource | None, count: int) -> Sequence[str]:
    """Return the texts that the first items were made from; none where they were made from something else."""
    fields = given_fields(system)
    if given is None or [system.data.fields[field].kind for field in fields] != ["text"]:
        return ()
    return given.texts(fields[0], 0, count) or ()


def _shown_rows(system: System, inputs: Batch, count: int) -> dict[str, tuple[str, np.ndarray]]:
    """Return the first rows of each given field that can be shown, with the name of the input."""
    found = {}
    for field, kind in _shown_given(system).items():
        name = _input_of(system, field)
        found[field] = name, as_images(to_stored(kind, inputs[name][:count]).cpu().numpy(), kind)
    return found


def _wanted(system: System, inputs: Batch, output: str, given: GivenSource | None, count: int) -> np.ndarray | None:
    """Return what the first items of an output should equal, in stored form; None where it is not known."""
    field, source = system.outputs[output], sources(system).get(output)
    if given is None or source is None:
        return None
    chosen = choices(system, {name: values[:count] for name, values in inputs.items()})
    wanted = given.wanted(field, source, 0, count, chosen)
    return None if wanted is None else to_stored(system.data.fields[field].kind, wanted).numpy()


def shown_items(system: System, output: str, made: Items) -> np.ndarray:
    """Return what a picture shows of an output: rolls of tones, everything else as it is."""
    return _drawable(system, output, made[output])


def _drawable(system: System, output: str, items: np.ndarray) -> np.ndarray:
    return drawable(items, system.data.fields[system.outputs[output]])


def shown_outputs(system: System) -> Mapping[str, Kind]:
    """Return the kind of what is shown of each output that can be shown, by its name: of tones it is an image."""
    fields = {name: system.data.fields[field] for name, field in system.outputs.items()}
    return {
        name: "image" if holds_tones(fields[name]) else kind for name, kind in _drawn(system, system.outputs).items()
    }


def _shown_given(system: System) -> Mapping[str, Kind]:
    """Return the kind of each given field that can be shown."""
    return _drawn(system, {field: field for field in given_fields(system)})


def _drawn(system: System, fields: Mapping[str, str]) -> Mapping[str, Kind]:
    """Return the kinds of fields of the data, by the names that they go by here; those without a picture left out."""
    kinds = {name: system.data.fields[field].kind for name, field in fields.items()}
    return {name: kind for name, kind in kinds.items() if kind in DRAWN}


def _sheet(items: np.ndarray, plan: Plan) -> Image.Image:
    if plan.first is not None:
        items = np.concatenate([plan.first, items])
    if plan.notes:
        return page([as_images(items)], [[note] for note in plan.notes], plan.columns)
    if plan.labels:
        return labelled(grid(as_images(items), plan.columns), plan.labels)
    return sheet(items, plan.columns)


def _grid(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    count = cfg.grid**2
    return Plan(all_inputs(system, count, cfg.seed, given), cfg.grid, notes=_notes(system, given, count))


def _classes(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    inputs = all_inputs(system, cfg.grid, cfg.seed, given)
    found = per_choice(system, inputs, _own_attributes(system, cfg.grid, given))
    together = {name: torch.cat([inputs[name] for inputs in found.values()]) for name in system.inputs}
    first = _alike(system, inputs)
    return Plan(together, cfg.grid, (*(["given"] if first is not None else []), *found), first)


def _own_attributes(system: System, count: int, given: GivenSource | None) -> Tensor | None:
    """Return the attributes that the first given rows have by themselves; None: there are none."""
    for one in system.inputs.values():
        if isinstance(one, Choice) and system.data.fields[one.field].kind == "attributes" and given_fields(system):
            return given.own(one.field, system.data.names(one.field), 0, count) if given is not None else None
    return None


def _alike(system: System, inputs: Batch) -> np.ndarray | None:
    """Return the given pictures in stored form, if outputs are made from them that have their shape."""
    output, field = next(iter(system.outputs.items()))
    source, known = sources(system).get(output), system.data.fields
    if source is None or known[source].kind != "image" or known[source].shape != known[field].shape:
        return None
    return to_stored("image", inputs[_input_of(system, source)]).cpu().numpy()


def _input_of(system: System, field: str) -> str:
    return next(name for name, one in system.inputs.items() if isinstance(one, Given) and one.field == field)


def _pairs(system: System, cfg: Sample, given: GivenSource | None) -> tuple[Batch, Batch]:
    """Return the ends of the walks: the first item with the second, the third with the fourth, and so on."""
    ends = all_inputs(system, 2 * cfg.interpolation_pairs, cfg.seed, given)
    start, end = ({name: values[at::2] for name, values in ends.items()} for at in (0, 1))
    return start, end


def _interpolation(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    return Plan(walk(system, *_pairs(system, cfg, given), _places(cfg), slerp), cfg.interpolation_steps)


def _line(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    return Plan(walk(system, *_pairs(system, cfg, given), _places(cfg), line), cfg.interpolation_steps)


def _places(cfg: Sample) -> list[float]:
    return np.linspace(0, 1, cfg.interpolation_steps).tolist()


def _arithmetic(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    first, second = _pairs(system, cfg, given)
    return Plan(arithmetic(system, first, second), batch_size(first), ("s1", "s2", "s1 + s2", "s1 - s2"))


def _truncation(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    inputs = all_inputs(system, cfg.grid, cfg.seed, given)
    return Plan(truncation(system, inputs, cfg.seed + 1), cfg.grid, ("all", *map(str, THRESHOLDS)))


PLANS: Mapping[str, Callable[[System, Sample, GivenSource | None], Plan]] = {
    "grid": _grid,
    "classes": _classes,
    "interpolation": _interpolation,
    "line": _line,
    "arithmetic": _arithmetic,
    "truncation": _truncation,
}
"""The pictures that show outputs alone, by their names in `sample.pictures`."""
