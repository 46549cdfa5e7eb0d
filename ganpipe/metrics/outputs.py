"""The outputs of a generator that are scored: those of the sample stage, and those of the untrained generator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ganpipe.core.spec import DataSpec
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.extraction import Items, extract
from ganpipe.metrics.extractors.interface import Extracted, Extractor
from ganpipe.sampling.draw import all_items, choices, given_fields

RESAMPLE = "run `dvc repro sample`"
SPACE = "items"
"""The space of samples.h5."""


@dataclass(frozen=True)
class Output:
    """Items that a generator made under one name, in the order in which they were drawn."""

    name: str
    field: str  # of the data: what the items should look like
    items: Items  # as the field stores them
    labels: Int64[np.ndarray, " n"] | None  # the class chosen for each; None: there was no choice of a class
    rows: Int64[np.ndarray, " n"] | None  # of the field's space, that the inputs were given from; None: not from there

    def extracted(self, extractor: Extractor, title: str) -> Extracted:
        """Return the features of all items."""
        return extract(extractor, lambda rows: self.items[rows], np.arange(len(self.items)), title)


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
    for name, chosen in samples.fields.items():
        if name not in outputs and chosen.kind != "row" and not chosen.is_part_of(spec.fields.get(name)):
            raise MetricError(
                f"{samples.path}: `{name}` was chosen among other names than the real data has: {RESAMPLE}"
            )
    return outputs


def read_outputs(samples: Packed, spec: DataSpec, n: int) -> list[Output]:
    """Return the first `n` items of every output in samples.h5. Raises `MetricError` as `fields_of_outputs` does."""
    outputs = fields_of_outputs(samples, spec)

    def column(name: str | None) -> np.ndarray | None:
        return samples.slice(name, range(n)) if name in samples.fields and name not in outputs else None

    return [
        Output(
            name,
            field,
            samples.slice(name, range(n)),
            column(spec.beside(field, "label")),
            column(f"row_{spec.fields[field].space}"),
        )
        for name, field in outputs.items()
    ]


def draw_outputs(system: System, packed: Packed, n: int, seed: int) -> dict[str, Output]:
    """Return the first `n` items of every output of a system in evaluation mode, by the name of the output.

    An output that has not the size of its field is left out: a growing generator starts with small pictures.
    """
    given = GivenRows(packed) if given_fields(system) else None
    inputs, made = all_items(system, n, seed, given)
    chosen = choices(system, inputs)
    return {
        name: Output(name, field, made[name], chosen.get(system.data.beside(field, "label") or ""), None)
        for name, field in system.outputs.items()
        if made[name].shape[1:] == system.data.fields[field].stored_shape
    }
