"""Eight small clouds on a circle, learned by one small GAN with one remedy after the other.

The data are those of Metz et al. 2017, arXiv:1611.02163, section 3.1: a circle of radius 2, clouds of standard
deviation 0.02.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from densities import step, total
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.core.system import Terms
from ganpipe.losses.adversarial import OBJECTIVES, wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty, r1_penalty
from ganpipe.nets.mlp import mlp

MODES, RADIUS, STD = 8, 2.0, 0.02
BATCH, LATENT, WIDTH = 256, 32, 128
INSIDE = 3 * STD
"""A sample lies in a cloud up to this distance from its middle."""
REACHED = 10 * STD
"""A sample counts for a cloud up to this distance: it was on its way there."""
FOUND = 20
"""A cloud is found if this many of `COUNT` samples count for it: a sixteenth of its share."""
COUNT = 2500

Points = Float[Tensor, "n 2"]
Judge = Callable[[Points], Float[Tensor, " n"]]


@dataclass(frozen=True)
class Remedy:
    """The losses of both players, and what belongs to them."""

    discriminator: Callable[[Judge, Points, Points], Terms]
    generator: Callable[[Float[Tensor, " n"]], Terms]
    steps_per_generator_step: int = 1


def _adversarial(name: str, judge: Judge, real: Points, fake: Points) -> Terms:
    return OBJECTIVES[name].discriminator(judge(real), judge(fake))  # type: ignore[index]


def _with_r1(judge: Judge, real: Points, fake: Points, weight: float = 1.0) -> Terms:
    return {**_adversarial("non_saturating", judge, real, fake), "r1": weight * r1_penalty(judge, real)}


def _critic(judge: Judge, real: Points, fake: Points, weight: float = 0.1) -> Terms:
    penalty = weight * gradient_penalty(judge, real, fake)
    return {**wasserstein_critic(judge(real), judge(fake)), "penalty": penalty}


REMEDIES: Mapping[str, Remedy] = {
    "minimax": Remedy(partial(_adversarial, "minimax"), partial(OBJECTIVES["minimax"].generator, None)),
    "non-saturating": Remedy(
        partial(_adversarial, "non_saturating"), partial(OBJECTIVES["non_saturating"].generator, None)
    ),
    "R1 penalty": Remedy(_with_r1, partial(OBJECTIVES["non_saturating"].generator, None)),
    "WGAN-GP": Remedy(_critic, wasserstein_generator, steps_per_generator_step=5),
}


def centres() -> Points:
    """Return the middle of each cloud."""
    angles = torch.arange(MODES) * 2 * math.pi / MODES
    return RADIUS * torch.stack([angles.cos(), angles.sin()], dim=1)


def real(count: int) -> Points:
    """Draw data: a cloud, then a place in it."""
    return centres()[torch.randint(MODES, (count,))] + STD * torch.randn(count, 2)


def trained(remedy: Remedy, steps: int, lr: float = 1e-3) -> nn.Module:
    """Train a GAN for so many steps of the generator; return the generator."""
    generator = mlp((LATENT, WIDTH, WIDTH, 2), "gelu")
    discriminator = mlp((2, WIDTH, WIDTH, 1), "gelu")
    of_generator, of_discriminator = (
        torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.9)) for network in (generator, discriminator)
    )

    def judge(points: Points) -> Float[Tensor, " n"]:
        return discriminator(points)[:, 0]

    for _ in range(steps):
        for _ in range(remedy.steps_per_generator_step):
            fake = drawn(generator, BATCH).detach()
            step(of_discriminator, total(remedy.discriminator(judge, real(BATCH), fake)))
        step(of_generator, total(remedy.generator(judge(drawn(generator, BATCH)))))
    return generator


def drawn(generator: nn.Module, count: int) -> Points:
    """Generate points."""
    return generator(torch.randn(count, LATENT))


def counted(points: Points) -> tuple[int, float]:
    """Return how many clouds were found, and the share of points that lie in one."""
    distance, nearest = torch.cdist(points, centres()).min(dim=1)
    found = torch.bincount(nearest[distance < REACHED], minlength=MODES) >= FOUND
    return int(found.sum()), float((distance < INSIDE).float().mean())
