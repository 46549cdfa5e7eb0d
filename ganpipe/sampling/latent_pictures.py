"""Latents for the seed experiments: walks, sums and differences, truncation, every condition. Rows of pictures, flat.

A conditional system keeps what it was asked for in the last columns of its latents (`System.asked`); the columns before
are its noise. What happens here happens to the noise: a condition is asked for, never interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.system import System
from ganpipe.errors import ConfigError

Curve = Callable[[Tensor, Tensor, float], Tensor]
"""From a start to an end, (n, z) each: the latents at a place between 0 and 1."""

THRESHOLDS = (2.0, 1.5, 1.0, 0.7, 0.5, 0.3)
_REDRAWS = 200  # a normal number passes the lowest threshold once in four draws: none is left after these


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


def walk(
    system: System, start: Float[Tensor, "n z"], end: Float[Tensor, "n z"], places: Sequence[float], curve: Curve
) -> Float[Tensor, "steps z"]:
    """Walk along `curve` (`slerp` or `torch.lerp`): all places of the first pair, then of the second, and so on.

    The condition stays that of the start.
    """
    length = noise_length(system, start)
    steps = [_with_noise(start, curve(start[:, :length], end[:, :length], place)) for place in places]
    return torch.stack(steps, dim=1).flatten(0, 1)


def arithmetic(
    system: System, first: Float[Tensor, "n z"], second: Float[Tensor, "n z"]
) -> Float[Tensor, "four_times_n z"]:
    """Return s1, s2, s1 + s2 and s1 - s2, all under the condition of s1 (Rashid, "Make Your First GAN", notebook 09).

    Deviation: sum and difference are divided by the square root of 2, which makes them latents as any other: those of
    the book are longer than what the generator was trained on.
    """
    length = noise_length(system, first)
    one, two = first[:, :length], second[:, :length]
    rows = (one, two, (one + two) / 2**0.5, (one - two) / 2**0.5)
    return torch.cat([_with_noise(first, noise) for noise in rows])


def truncation(system: System, latents: Float[Tensor, "n z"], seed: int) -> Float[Tensor, "rows z"]:
    """Return the latents as they are, then truncated at each of `THRESHOLDS`, row by row (Brock et al. 2019,
    arXiv:1809.11096, section 3.1): numbers beyond the threshold are drawn again until they lie within.

    Each row continues the one before, so that a column changes as little as can be.
    """
    length = noise_length(system, latents)
    generator = torch.Generator().manual_seed(seed)
    rows = [latents]
    for threshold in THRESHOLDS:
        rows.append(_with_noise(latents, _truncated(system, rows[-1][:, :length], threshold, generator)))
    return torch.cat(rows)


def per_condition(system: System, latents: Float[Tensor, "n z"]) -> Float[Tensor, "rows z"]:
    """Ask for each class, or each attribute alone, with the same noise: `n` rows for the first, then for the second.

    Raises `ConfigError` where the system has no condition.
    """
    conditions = _conditions(system, latents)
    if not len(conditions):
        raise ConfigError(
            f"sample.pictures: classes needs a conditional system, but {type(system).__name__} takes no condition; "
            "leave it out"
        )
    return torch.cat([system.ask(latents, one.expand(len(latents), *one.shape)) for one in conditions])


def condition_names(system: System, latents: Float[Tensor, "n z"]) -> tuple[str, ...]:
    """Return what `per_condition` asks for, row by row: the names of the classes or of the attributes."""
    return system.data.classes if "label" in system.asked(latents[:1]) else system.data.attributes


def noise_length(system: System, latents: Float[Tensor, "n z"]) -> int:
    """Return how many columns of the latents are noise: those before the first that another condition changes."""
    conditions = _conditions(system, latents)
    if not len(conditions):
        return latents.shape[1]
    opposites = torch.cat([conditions, torch.zeros_like(conditions[:1])])  # one attribute alone has no other to compare
    asked = torch.cat([system.ask(latents[:1], one[None]) for one in opposites])
    changing = (asked != asked[:1]).any(dim=0).nonzero()
    return int(changing[0]) if len(changing) else latents.shape[1]


def _conditions(system: System, latents: Tensor) -> Tensor:
    """Return each label, (classes,), or each attribute alone, (attributes, attributes); nothing for no condition."""
    asked = system.asked(latents[:1])
    if "label" in asked:
        return torch.arange(len(system.data.classes), device=latents.device)
    if "attributes" in asked:
        return torch.eye(len(system.data.attributes), device=latents.device)
    return latents.new_empty(0)


def _with_noise(latents: Tensor, noise: Tensor) -> Tensor:
    return torch.cat([noise, latents[:, noise.shape[1] :]], dim=1)


def _truncated(system: System, noise: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
    """Latents of another distribution than the normal one are redrawn from theirs, clamped where that never fits."""
    for _ in range(_REDRAWS):
        beyond = noise.abs() > threshold
        if not beyond.any():
            return noise
        noise = torch.where(beyond, system.latents(len(noise), generator)[:, : noise.shape[1]], noise)
    return noise.clamp(-threshold, threshold)
