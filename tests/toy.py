"""A generator and a discriminator of one layer each, and how tests train them: plain gradient descent in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from specs import vectors
from torch import Tensor, nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Noise
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.training.loop import Trainer

SPEC = vectors(2)


class Toy(System):
    """A generator and a discriminator of one layer each, whose losses record what they see."""

    inputs = {"latent": Noise((3,))}
    outputs = {"vector": "vector"}

    def __init__(self, poison: float | None = None) -> None:
        super().__init__(None, SPEC)
        torch.manual_seed(0)
        self.generator = nn.Linear(3, 2)
        self.discriminator = nn.Linear(2, 1)
        self.poison = poison
        self.seen: list[Any] = []

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        outcome = yield Update("discriminator", self.discriminator_loss, batch)
        self.seen.append(outcome)
        it.log({"score": outcome.tensors["logits"].mean()})
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        self.seen.append([p.requires_grad for p in self.generator.parameters()])
        logits = self.discriminator(batch["vector"]).flatten()
        terms = {"square": (logits - 1).square().mean(), "pull": 0.1 * logits.mean()}
        if self.poison is not None:
            terms["poison"] = logits.mean() * self.poison
        return terms, {"logits": logits}

    def generator_loss(self, batch: Batch) -> Terms:
        fixed = self.generator(torch.ones(len(batch["vector"]), 3, dtype=batch["vector"].dtype))
        return {"adversarial": self.discriminator(fixed).square().mean()}


def fetch(position: int, count: int) -> Batch:
    """Return rows that depend on their position alone."""
    generator = torch.Generator().manual_seed(position)
    return {"vector": torch.randn(count, 2, generator=generator, dtype=torch.float64)}


def trainer(system: System, **values: Any) -> Trainer:
    base = {
        "kimg": 1,
        "batch": 8,
        "lr": 0.1,
        "optimizer": {"name": "sgd"},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
    return Trainer(system.double(), Train.model_validate(base | values), fetch)


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def stepped(before: list[Tensor], gradients: Sequence[Tensor], rate: float) -> list[Tensor]:
    """What plain gradient descent makes of weights."""
    return [weight - rate * gradient for weight, gradient in zip(before, gradients, strict=True)]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-15)
