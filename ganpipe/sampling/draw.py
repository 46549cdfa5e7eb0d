"""Drawing from a generator. The n-th item depends on the seed alone, not on the number of items that are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size, to_stored
from ganpipe.core.inputs import Choice, Constant, Given, Noise, source_of
from ganpipe.core.seed import seeded
from ganpipe.core.system import System

BLOCK = 64
"""Items are drawn and generated in blocks of this many, so that the first 10 of 100 are the same as 10 of 10."""

Items = Mapping[str, Shaped[np.ndarray, "n ..."]]
"""Stored values by name, one row per item, see `ganpipe.core.batch.to_stored`."""


@runtime_checkable
class GivenSource(Protocol):
    """A source of the rows for `Given` inputs. One that knows no more of them than that inherits the rest."""

    def count(self, space: str) -> int:
        """Return how many rows of a space there are."""

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        """Return `count` rows of a field from `start` on, in network form; after the last comes the first again."""

    def wanted(self, field: str, source: str, start: int, count: int, chosen: Items) -> Tensor | None:
        """Return what should be made like `field` of those rows of `source` with these choices; None: unknown."""
        return None

    def own(self, field: str, names: Sequence[str], start: int, count: int) -> Tensor | None:
        """Return the label, or the attributes of these names, that those rows have by themselves; None: unknown."""
        return None

    def texts(self, field: str, start: int, count: int) -> Sequence[str] | None:
        """Return those rows of a field of texts as people read them; None: unknown."""
        return None


def given_fields(system: System) -> tuple[str, ...]:
    """Return the fields of the `Given` inputs, in the order of the inputs."""
    return tuple(one.field for one in system.inputs.values() if isinstance(one, Given))


def chosen_fields(system: System) -> tuple[str, ...]:
    """Return the fields of the `Choice` inputs, in the order of the inputs."""
    return tuple(one.field for one in system.inputs.values() if isinstance(one, Choice))


def sources(system: System) -> Mapping[str, str]:
    """Return the given field that each output is made from, by the name of the output; see `source_of`."""
    given = given_fields(system)
    found = {output: source_of(field, given) for output, field in system.outputs.items()}
    return {output: source for output, source in found.items() if source is not None}


def given_spaces(system: System) -> tuple[str, ...]:
    """Return the spaces of the `Given` inputs, each once, in alphabetical order."""
    return tuple(sorted({system.data.fields[field].space for field in given_fields(system)}))


def makes_different_items(system: System) -> bool:
    """Return whether any input differs from item to item. A generator of constants has no diversity."""
    return any(not isinstance(one, Constant) for one in system.inputs.values())


def most_items(system: System, n: int, given: GivenSource | None) -> int:
    """Return the number of items to draw: `n`, or fewer if there are fewer different ones.

    A generator with given rows, but without noise or a choice, makes one item of each row.
    """
    spaces = given_spaces(system)
    if given is None or not spaces or any(isinstance(one, Noise | Choice) for one in system.inputs.values()):
        return n
    return min(n, *(given.count(space) for space in spaces))


def draw_inputs(system: System, n: int, seed: int, given: GivenSource | None = None) -> Iterator[Batch]:
    """Yield the inputs of the first `n` items of this seed, at most `BLOCK` items at a time, on the system's device.

    Noise and choices come from the seed, in the order in which the system declares them. Given rows come from `given`,
    in its order, and after the last comes the first again. Raises `ValueError` if they are needed and `given` is None.
    """
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, n, BLOCK):
        count = min(BLOCK, n - start)
        yield {name: _drawn(system, name, start, count, generator, given) for name in system.inputs}


def all_inputs(system: System, n: int, seed: int, given: GivenSource | None = None) -> Batch:
    """Return the inputs of the first `n` items of this seed together, see `draw_inputs`."""
    return joined(draw_inputs(system, n, seed, given))


def joined(batches: Iterable[Batch]) -> Batch:
    """Concatenate batches of the same names."""
    parts = list(batches)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """Return the items [start, stop) of a batch."""
    return {name: values[start:stop] for name, values in batch.items()}


def render(system: System, inputs: Batch, seed: int = 0) -> Items:
    """Return all outputs for any number of inputs, in stored form; `seed` is that of `render_block`."""
    starts = range(0, batch_size(inputs), BLOCK)
    parts = [render_block(system, rows(inputs, at, at + BLOCK), seed, at // BLOCK) for at in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def render_block(system: System, inputs: Batch, seed: int, number: int) -> Items:
    """Return all outputs for at most `BLOCK` inputs, in stored form.

    A block is padded to `BLOCK` rows, because results may differ in the last bit between batch sizes. Random numbers
    inside the generator, such as dropout as the only noise, come from `seed` and the `number` of the block. The system
    must be in evaluation mode. Raises `TrainingDiverged` for numbers that are not finite.
    """
    made = generated(system, {name: _filled(values) for name, values in inputs.items()}, seed, number)
    return {name: values[: batch_size(inputs)] for name, values in made.items()}


def generated(system: System, inputs: Batch, seed: int, number: int = 0) -> Items:
    """Return all outputs for these inputs at once, in stored form: `render_block` without padding."""
    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) >> 1
    with torch.no_grad(), seeded(mixed, system.device):
        outputs = system.generate(inputs)
    kinds = {name: system.data.fields[field].kind for name, field in system.outputs.items()}
    return {name: to_stored(kinds[name], outputs[name]).cpu().numpy() for name in system.outputs}


def items(system: System, n: int, seed: int, given: GivenSource | None = None) -> Iterator[tuple[Batch, Items]]:
    """Yield inputs and outputs of the first `n` items of this seed, block by block."""
    for number, inputs in enumerate(draw_inputs(system, n, seed, given)):
        yield inputs, render_block(system, inputs, seed, number)


def all_items(system: System, n: int, seed: int, given: GivenSource | None = None) -> tuple[Batch, Items]:
    """Return inputs and outputs of the first `n` items of this seed together."""
    blocks = list(items(system, n, seed, given))
    names = blocks[0][1]
    outputs = {name: np.concatenate([made[name] for _, made in blocks]) for name in names}
    return joined(inputs for inputs, _ in blocks), outputs


def choices(system: System, inputs: Batch) -> Items:
    """Return the choices of each item by field, in stored form: labels, attributes."""
    chosen = {one.field: inputs[name] for name, one in system.inputs.items() if isinstance(one, Choice)}
    kinds = {field: system.data.fields[field].kind for field in chosen}
    return {field: to_stored(kinds[field], values).cpu().numpy() for field, values in chosen.items()}


def _drawn(
    system: System, name: str, start: int, count: int, generator: torch.Generator, given: GivenSource | None
) -> Tensor:
    """Return the input `name` of `count` items from the item `start` on. Random ones are drawn for a whole block."""
    declared = system.inputs[name]
    if not isinstance(declared, Given):
        return system.draw(name, BLOCK, generator)[:count]
    if given is None:
        raise ValueError(f"input {name!r} of {type(system).__name__} needs rows of the field {declared.field!r}")
    return given.fetch(declared.field, start, count).to(system.device)


def _filled(values: Tensor) -> Tensor:
    return torch.cat([values, values[:1].expand(BLOCK - len(values), *values.shape[1:])])
