"""The outputs of a generator that are scored: those of the sample stage, and those of the untrained generator."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ganpipe.core.inputs import source_of
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.targets import Chosen, target_rows
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.extraction import Items, extract
from ganpipe.metrics.extractors.interface import Extracted, Extractor
from ganpipe.sampling.cycles import PREFIX
from ganpipe.sampling.draw import all_items, choices, given_fields

RESAMPLE = "run `dvc repro sample`"
SPACE = "items"
"""The space of samples.h5."""


Rows = Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Output:
    """Items that a generator made under one name, in the order in which they were drawn."""

    name: str
    field: str  # of the data: what the items should look like
    items: Items  # as the field stores them
    chosen: Chosen = dataclasses.field(default_factory=dict)  # what was chosen for each, by field
    label: str | None = None  # the field of a class that was chosen
    source: str | None = None  # the given field that they were made from
    source_rows: Rows | None = None  # its rows; None: they were not given from the data
    targets: Rows | None = None  # the rows of `field` that they should equal, see `packed.targets`; None: none is known
    back: Items | None = None  # what the generator made of the items on the way back to `source`

    @property
    def labels(self) -> Int64[np.ndarray, " n"] | None:
        """The class chosen for each item; None: there was no choice of a class."""
        return None if self.label is None else self.chosen[self.label]

    def extracted(self, extractor: Extractor, title: str) -> Extracted:
        """Return the features of all items."""
        return extract(extractor, lambda rows: self.items[rows], np.arange(len(self.items)), title)

    def copied(self, packed: Packed) -> Items | None:
        """Return the given rows in place of the items: a generator that does nothing; None where they do not fit."""
        if self.source is None or self.source_rows is None:
            return None
        source, field = packed.fields[self.source], packed.fields[self.field]
        if source.kind != "image" or (source.kind, source.shape) != (field.kind, field.shape):
            return None
        return packed.read_rows(self.source, self.source_rows)


def fields_of_outputs(samples: Packed, spec: DataSpec) -> Mapping[str, str]:
    """Return the field of the data that each output in samples.h5 should look like, by the name of the output.

    Raises `MetricError` where an output does not fit its field, or the classes and attributes to choose from are not
    those of the data: a generator of other data drew the samples.
    """
    if "outputs" not in samples.attributes:
        raise MetricError(f"{samples.path}: does not say which fields it has samples of: {RESAMPLE}")
    outputs: dict[str, str] = json.loads(samples.attributes["outputs"])
    for name, field in outputs.items():
        drawn, real = samples.fields[name], spec.fields.get(field)
        if real is None or (drawn.kind, drawn.shape) != (real.kind, real.shape):
            there = f"`{field}` of the real data holds {real}" if real else f"the real data has no field `{field}`"
            raise MetricError(f"{samples.path}: output {name} holds {drawn}, but {there}: {RESAMPLE}")
    for name in _chosen_fields(samples, outputs):
        if not samples.fields[name].is_part_of(spec.fields.get(name)):
            raise MetricError(
                f"{samples.path}: `{name}` was chosen among other names than the real data has: {RESAMPLE}"
            )
    return outputs


def read_outputs(samples: Packed, packed: Packed, given: Sequence[str], n: int) -> list[Output]:
    """Return the first `n` items of every output in samples.h5, with what is known of each from the packed data.

    `given` are the fields of the generator's given inputs. Raises `MetricError` as `fields_of_outputs` does.
    """
    spec = packed.spec
    outputs = fields_of_outputs(samples, spec)
    chosen = {name: samples.slice(name, range(n)) for name in _chosen_fields(samples, outputs)}
    found = []
    for name, field in outputs.items():
        source, rows, targets = source_of(field, given), None, None
        if source is not None and (column := f"row_{packed.fields[source].space}") in samples.fields:
            rows = samples.slice(column, range(n))
            targets = target_rows(packed, field, source, rows, chosen)
        back = samples.slice(PREFIX + source, range(n)) if source and PREFIX + source in samples.fields else None
        label = _chosen_label(spec, field, chosen)
        items = samples.slice(name, range(n))
        found.append(Output(name, field, items, chosen, label, source, rows, targets, back))
    return found


def draw_outputs(system: System, packed: Packed, n: int, seed: int) -> dict[str, Output]:
    """Return the first `n` items of every output of a system in evaluation mode, by the name of the output.

    An output that has not the size of its field is left out: a growing generator starts with small pictures.
    """
    given = GivenRows(packed, given_fields(system)) if given_fields(system) else None
    inputs, made = all_items(system, n, seed, given)
    chosen = choices(system, inputs)
    return {
        name: Output(name, field, made[name], chosen, _chosen_label(system.data, field, chosen))
        for name, field in system.outputs.items()
        if made[name].shape[1:] == system.data.fields[field].stored_shape
    }


def _chosen_fields(samples: Packed, outputs: Mapping[str, str]) -> list[str]:
    """Return the fields of samples.h5 that hold choices."""
    return [
        name
        for name, field in samples.fields.items()
        if name not in outputs and field.kind != "row" and not name.startswith(PREFIX)
    ]


def _chosen_label(spec: DataSpec, field: str, chosen: Chosen) -> str | None:
    beside = spec.beside(field, "label")
    return beside if beside in chosen else None
