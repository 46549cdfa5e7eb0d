"""The pictures of the sample stage and the previews of a training. They depend on inputs and outputs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ganpipe.config import Sample
from ganpipe.core.batch import Batch, batch_size, to_stored
from ganpipe.core.inputs import Given
from ganpipe.core.spec import Kind
from ganpipe.core.system import System
from ganpipe.pictures import DRAWN, as_images, grid, labelled, sheet, strip
from ganpipe.sampling.draw import GivenSource, Items, all_inputs, given_fields, given_spaces, render
from ganpipe.sampling.latent_pictures import THRESHOLDS, arithmetic, line, per_choice, slerp, truncation, walk

COMPARED = 8
"""Number of rows of a picture that shows given, made and wanted items side by side."""


@dataclass(frozen=True)
class Plan:
    """The plan of a picture: its inputs row by row, the number of columns, and the labels of the rows, if any."""

    inputs: Batch
    columns: int
    labels: Sequence[str] = ()


def plans(system: System, cfg: Sample, given: GivenSource | None) -> Iterator[tuple[str, Plan]]:
    """Yield the pictures of `sample.pictures` that show outputs alone, each by its name."""
    for name in cfg.pictures:
        if name in PLANS:
            yield name, PLANS[name](system, cfg, given)


def draw_plan(system: System, plan: Plan, seed: int) -> Mapping[str, Image.Image]:
    """Return a picture of each output that can be shown, by the name of the output."""
    made = render(system, plan.inputs, seed)
    return {output: _sheet(made[output], kind, plan) for output, kind in shown_outputs(system).items()}


def preview(system: System, inputs: Batch, made: Items, given: GivenSource | None) -> Image.Image:
    """Return the preview of items: outputs, alone or beside given rows. Raises `ValueError` if nothing can be shown."""
    kinds = shown_outputs(system)
    if not kinds:
        raise ValueError(f"{type(system).__name__} makes nothing that a picture can show")
    if len(kinds) == 1 and not _shown_given(system):
        output, kind = next(iter(kinds.items()))
        return sheet(made[output])
    return side_by_side(system, inputs, made, given)


def side_by_side(system: System, inputs: Batch, made: Items, given: GivenSource | None) -> Image.Image:
    """Return a picture of the first items: given rows, outputs and, where they are known, the wanted rows."""
    count = min(COMPARED, batch_size(inputs))
    columns = [
        (name, as_images(to_stored(kind, inputs[name][:count]).cpu().numpy(), kind))
        for name, kind in _shown_given(system).items()
    ]
    columns += [(f"made: {name}", as_images(made[name][:count], kind)) for name, kind in shown_outputs(system).items()]
    if given is None:
        return strip(columns)
    for field, kind in _targets(system).items():
        wanted = to_stored(kind, given.fetch(field, 0, count)).numpy()
        columns.append((f"wanted: {field}", as_images(wanted, kind)))
    return strip(columns)


def shown_outputs(system: System) -> Mapping[str, Kind]:
    """Return the kind of each output that can be shown, by its name."""
    return _drawn(system, system.outputs)


def _shown_given(system: System) -> Mapping[str, Kind]:
    """Return the kind of each given input that can be shown, by its name."""
    return _drawn(system, {name: one.field for name, one in system.inputs.items() if isinstance(one, Given)})


def _targets(system: System) -> Mapping[str, Kind]:
    """Return the kinds of the fields that outputs should look like and that are in the space of a given row."""
    spaces, given, known = given_spaces(system), given_fields(system), system.data.fields
    fields = [field for field in dict.fromkeys(system.outputs.values()) if field not in given]
    return _drawn(system, {field: field for field in fields if known[field].space in spaces})


def _drawn(system: System, fields: Mapping[str, str]) -> Mapping[str, Kind]:
    """Return the kinds of fields of the data, by the names that they go by here; those without a picture left out."""
    kinds = {name: system.data.fields[field].kind for name, field in fields.items()}
    return {name: kind for name, kind in kinds.items() if kind in DRAWN}


def _sheet(items: np.ndarray, kind: Kind, plan: Plan) -> Image.Image:
    if plan.labels:
        return labelled(grid(as_images(items, kind), plan.columns), plan.labels)
    return sheet(items, plan.columns)


def _grid(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    return Plan(all_inputs(system, cfg.grid**2, cfg.seed, given), cfg.grid)


def _classes(system: System, cfg: Sample, given: GivenSource | None) -> Plan:
    found = per_choice(system, all_inputs(system, cfg.grid, cfg.seed, given))
    together = {name: torch.cat([inputs[name] for inputs in found.values()]) for name in system.inputs}
    return Plan(together, cfg.grid, tuple(found))


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
