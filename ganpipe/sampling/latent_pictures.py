"""Inputs for pictures that vary the latents: walks, sums and differences, truncation; and a row for every class.

Walks, sums and truncation change `Noise` inputs only. All other inputs are those of the start: a class is never
interpolated. Each function returns the inputs row by row of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.inputs import Choice, Noise
from ganpipe.core.system import System
from ganpipe.sampling.draw import joined


@runtime_checkable
class Curve(Protocol):
    """A curve between two tensors of noise, (n, length) each."""

    def __call__(self, start: Tensor, end: Tensor, place: float) -> Tensor:
        """Return the noise at a place between 0, the start, and 1, the end."""


THRESHOLDS = (2.0, 1.5, 1.0, 0.7, 0.5, 0.3)
_REDRAWS = 200
"""A normal number is within the lowest threshold once in four draws, so no number needs as many redraws."""


def slerp(start: Float[Tensor, "n z"], end: Float[Tensor, "n z"], place: float) -> Float[Tensor, "n z"]:
    """Interpolate along the arc from `start` to `end` (Shoemake 1985), row by row; straight where they are parallel.

    Latents on the straight line between two normal draws are shorter than any the generator was trained on.
    """
    unit_start, unit_end = torch.nn.functional.normalize(start), torch.nn.functional.normalize(end)
    angle = (unit_start * unit_end).sum(dim=1, keepdim=True).clamp(-1, 1).acos()
    parallel = angle.sin() < 1e-4
    divisor = torch.where(parallel, torch.ones_like(angle), angle.sin())
    arc = ((1 - place) * angle).sin() / divisor * start + (place * angle).sin() / divisor * end
    return torch.where(parallel, torch.lerp(start, end, place), arc)


def line(start: Float[Tensor, "n z"], end: Float[Tensor, "n z"], place: float) -> Float[Tensor, "n z"]:
    """Interpolate along the straight line from `start` to `end`, row by row."""
    return torch.lerp(start, end, place)


def walk(system: System, start: Batch, end: Batch, places: Sequence[float], curve: Curve) -> Batch:
    """Walk along `curve` (`slerp` or `line`): all places of the first pair, then of the second, and so on."""
    steps = [_combined(system, start, end, partial(curve, place=place)) for place in places]
    return {name: torch.stack([step[name] for step in steps], dim=1).flatten(0, 1) for name in start}


def arithmetic(system: System, first: Batch, second: Batch) -> Batch:
    """Return s1, s2, s1 + s2 and s1 - s2 (Rashid, "Make Your First GAN with PyTorch", 2020, notebook 09).

    Deviation: sum and difference are divided by the square root of 2. So their length is that of other latents;
    those of the book are longer than all latents of the training.
    """
    rows: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
        lambda one, two: one,
        lambda one, two: two,
        lambda one, two: (one + two) / 2**0.5,
        lambda one, two: (one - two) / 2**0.5,
    )
    return joined(_combined(system, first, second, row) for row in rows)


def truncation(system: System, inputs: Batch, seed: int) -> Batch:
    """Return the inputs as they are, then truncated at each of `THRESHOLDS`, row by row (Brock et al. 2019,
    arXiv:1809.11096, section 3.1): numbers beyond the threshold are drawn again until they lie within.

    Each row starts from the row before, so that a column changes as little as possible.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = [inputs]
    for threshold in THRESHOLDS:
        noise = {name: _truncated(system, name, rows[-1][name], threshold, generator) for name in _noise(system)}
        rows.append({**inputs, **noise})
    return joined(rows)


def per_choice(system: System, inputs: Batch, own: Tensor | None = None) -> Mapping[str, Batch]:
    """Return the inputs once for each class, or for each attribute alone, by the name of the class or attribute.

    Where the items have attributes of their `own`, each attribute is turned over instead: off to on, on to off. Raises
    `ValueError` where the system has no `Choice`.
    """
    chosen = next(((name, one.field) for name, one in system.inputs.items() if isinstance(one, Choice)), None)
    if chosen is None:
        raise ValueError(f"{type(system).__name__} has no choice among its inputs")
    name, field = chosen
    names = system.data.names(field)
    device, n = inputs[name].device, batch_size(inputs)
    if system.data.fields[field].kind == "label":
        values = torch.arange(len(names), device=device)
    else:
        values = torch.eye(len(names), device=device)
        if own is not None:
            turned = (own.to(device) - values[:, None]).abs()
            return {word: {**inputs, name: turned[at]} for at, word in enumerate(names)}
    return {word: {**inputs, name: value.expand(n, *value.shape)} for word, value in zip(names, values, strict=True)}


def _noise(system: System) -> list[str]:
    return [name for name, declared in system.inputs.items() if isinstance(declared, Noise)]


def _combined(system: System, first: Batch, second: Batch, how: Callable[[Tensor, Tensor], Tensor]) -> Batch:
    """Return the first inputs, with their noise replaced by its combination with that of the second."""
    noise = {name: how(first[name].flatten(1), second[name].flatten(1)).view_as(first[name]) for name in _noise(system)}
    return {**first, **noise}


def _truncated(system: System, name: str, noise: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
    """Draw numbers beyond the threshold again. Clamp those that stay beyond it in all redraws."""
    for _ in range(_REDRAWS):
        beyond = noise.abs() > threshold
        if not beyond.any():
            return noise
        noise = torch.where(beyond, system.draw(name, len(noise), generator), noise)
    return noise.clamp(-threshold, threshold)
