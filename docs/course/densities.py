"""Densities on a line, distances between them, and a discriminator that learns to tell them apart.

The losses are those of ganpipe, so that the curves of the lessons are those of its trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.losses.adversarial import OBJECTIVES, wasserstein_critic
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.nets.mlp import mlp

AXIS = np.linspace(-6, 11, 4251)
"""Where densities are evaluated and integrated: all but 1e-8 of those of the lessons lies here."""
OBJECTIVE = OBJECTIVES["non_saturating"]
BATCH = 512
WIDTH = 64
DIMENSIONS = 8
"""Of the data of a critic. On a line it could not turn from a slope of -1 to 1 without being flat between."""


@dataclass(frozen=True)
class Normal:
    """A normal density."""

    mean: float
    std: float

    def density(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the density at each place."""
        return np.exp(-(((x - self.mean) / self.std) ** 2) / 2) / (self.std * np.sqrt(2 * np.pi))

    def draw(self, count: int) -> Float[Tensor, "n 1"]:
        """Draw samples, with torch's generator."""
        return self.mean + self.std * torch.randn(count, 1)


def optimal(data: Float[np.ndarray, " n"], generated: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return p_data / (p_data + p_g), the best discriminator (Goodfellow et al. 2014, arXiv:1406.2661, equation 2)."""
    return data / (data + generated)


def jensen_shannon(p: Float[np.ndarray, " n"], q: Float[np.ndarray, " n"], step: float) -> float:
    """Return the Jensen-Shannon divergence in nats of two densities on a grid with this step. At most log 2."""
    middle = (p + q) / 2

    def divergence(one: Float[np.ndarray, " n"]) -> float:
        there = one > 0
        return float((one[there] * np.log(one[there] / middle[there])).sum() * step)

    return (divergence(p) + divergence(q)) / 2


def learn(
    real: Callable[[int], Tensor], fake: Callable[[int], Tensor], steps: int, lr: float = 1e-2
) -> Callable[[Tensor], Tensor]:
    """Train a discriminator to tell samples of two densities apart; return it as a function from places to logits.

    The learning rate falls to zero, so that the last batches do not shake the result.
    """
    network = mlp((1, WIDTH, WIDTH, 1), "gelu")
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        loss = total(OBJECTIVE.discriminator(network(real(BATCH))[:, 0], network(fake(BATCH))[:, 0]))
        step(optimizer, loss)
        schedule.step()
    return lambda places: network(places)[:, 0]


@torch.no_grad()
def value(judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> float:
    """Return E[log D(x)] + E[log(1 - D(G(z)))] on these samples: equation 1 of arXiv:1406.2661."""
    return -float(total(OBJECTIVE.discriminator(judge(real), judge(fake))))


def learn_critic(
    real: Callable[[int], Tensor], fake: Callable[[int], Tensor], steps: int, clip: float | None = None
) -> Callable[[Tensor], Tensor]:
    """Train a critic to lie as much higher on real rows as a slope of 1 allows; return it as a function of rows.

    The slope is held by a gradient penalty of weight 10 (arXiv:1704.00028), or by clipping every weight at `clip`
    (arXiv:1701.07875), which gives some slope, and nobody knows which.
    """
    network = mlp((real(1).shape[1], WIDTH, WIDTH, 1), "gelu")
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.0, 0.9))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        ours, theirs = real(BATCH), fake(BATCH)
        terms = dict(wasserstein_critic(network(ours)[:, 0], network(theirs)[:, 0]))
        if clip is None:
            terms["penalty"] = 10 * gradient_penalty(network, ours, theirs)
        step(optimizer, total(terms))
        if clip is not None:
            with torch.no_grad():
                for weight in network.parameters():
                    weight.clamp_(-clip, clip)
        schedule.step()
    return lambda rows: network(rows)[:, 0]


class LineGAN:
    """A GAN whose data are numbers: a generator from noise to a number, a discriminator from a number to a logit."""

    def __init__(self, lr: float = 2e-3) -> None:
        self.generator, self.discriminator = mlp((1, 32, 32, 1), "gelu"), mlp((1, WIDTH, WIDTH, 1), "gelu")
        networks: Mapping[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.9)) for name, network in networks.items()
        }

    def train(self, real: Callable[[int], Tensor], steps: int) -> None:
        """One step of the discriminator, then one of the generator, so many times."""
        for _ in range(steps):
            fake = self.draw(BATCH).detach()
            judged = OBJECTIVE.discriminator(self.discriminator(real(BATCH))[:, 0], self.discriminator(fake)[:, 0])
            step(self.optimizers["discriminator"], total(judged))
            fooled = OBJECTIVE.generator(None, self.discriminator(self.draw(BATCH))[:, 0])
            step(self.optimizers["generator"], total(fooled))

    def draw(self, count: int) -> Float[Tensor, "n 1"]:
        """Generate numbers."""
        return self.generator(torch.randn(count, 1))

    @torch.no_grad()
    def belief(self, places: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the discriminator's probability that a number at each place is real."""
        return OBJECTIVE.belief(self.discriminator(torch.from_numpy(places).float()[:, None])[:, 0]).numpy()


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """Add the terms of a loss up."""
    return torch.stack(tuple(terms.values())).sum()


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Move the weights of one player once."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
