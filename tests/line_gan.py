"""A GAN on numbers, small enough to see each side learn, and data for it."""

from __future__ import annotations

import torch
from specs import vectors
from torch import Tensor, nn

from ganpipe import config
from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Noise
from ganpipe.core.system import Iteration, System, Terms, Update, Updates

TRAIN = Train(
    kimg=1, batch=64, lr=0.05, optimizer=config.SGD(name="sgd"), preview_kimg=1, log_kimg=1, ema_half_life_kimg=0.1
)


class Line(System):
    """A GAN on numbers: the generator shifts a latent, the discriminator has a slope; reals are around 3."""

    inputs = {"latent": Noise((1,))}
    outputs = {"vector": "vector"}

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(None, vectors(1, name="line"))
        self.generator, self.discriminator = Shift(), nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
        nn.init.zeros_(self.discriminator[0].weight)

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        outcome = yield Update("discriminator", self.discriminator_loss, batch)
        it.log({"score": outcome.tensors["real"].mean()})
        outcome = yield Update("generator", self.generator_loss, batch)
        it.log({"loss": outcome.terms["adversarial"]})

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        with torch.no_grad():
            items = self.generator(self.draw("latent", len(batch["vector"])))
        real, fake = self.discriminator(batch["vector"]), self.discriminator(items)
        return {"loss": nn.functional.softplus(torch.cat([-real, fake])).mean()}, {"real": real}

    def generator_loss(self, batch: Batch) -> Terms:
        return {"adversarial": -self.discriminator(self.generator(self.draw("latent", len(batch["vector"])))).mean()}


class Shift(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(1))

    def forward(self, latents: Tensor) -> Tensor:
        return 0.1 * latents + self.by


def reals(position: int, count: int) -> Batch:
    """Return numbers around 3 that depend on their position alone."""
    return {"vector": 3 + 0.1 * torch.randn(count, 1, generator=torch.Generator().manual_seed(position))}


def parameters(module: nn.Module) -> list[float]:
    return [float(value) for parameter in module.parameters() for value in parameter.detach().flatten()]


def wide(position: int, count: int) -> Batch:
    """Numbers around 3, with one at -10: noise goes from there to 3."""
    batch = reals(position, count)
    batch["vector"][0] = -10
    return batch
