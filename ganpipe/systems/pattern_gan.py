"""A minimal GAN: it learns the pattern 1010."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.nets.mlp import mlp
from ganpipe.systems.configs import pattern_gan as config

_OBJECTIVE = OBJECTIVES["squared_error"]


class PatternGAN(System):
    """Two sigmoid networks learn to write 1010 (Rashid, "Make Your First GAN with PyTorch", 2020, notebook 06).

    The generator sees the constant 0.5 and nothing else, so it learns one good answer, not a distribution. The
    discriminator steps on a real vector, then on a generated one. Squared error on sigmoid outputs.
    Deviation: any batch size works (the book's, and the recipe's, is 1).
    """

    Config = config.Config

    outputs = {"vector": "vector"}
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        length = data.field("vector", "vector", "pattern_gan").shape[0]
        self.generator = nn.Sequential(mlp((1, cfg.hidden, length), "sigmoid"), nn.Sigmoid())
        self.discriminator = nn.Sequential(mlp((length, cfg.hidden, 1), "sigmoid"), nn.Flatten(0))

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance; each step of the discriminator sees one kind of vectors."""
        return {"loss_generator": 0.25, "loss_discriminator": 0.25}

    def updates(self, it: Iteration) -> Updates:
        """A discriminator step on real data, one on generated data, then a generator step."""
        batch = it.next_batch()
        real = yield Update("discriminator", self.real_loss, batch)
        fake = yield Update("discriminator", self.fake_loss, batch)
        it.log(_OBJECTIVE.scores(real.tensors["logits"], fake.tensors["logits"]))
        yield Update("generator", self.generator_loss, batch)

    def real_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """(D(x) - 1)^2."""
        logits = self.discriminator(batch["vector"])
        return {"real": _OBJECTIVE.on_real(logits).mean()}, {"logits": logits}

    def fake_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """D(G(z))^2."""
        with torch.no_grad():
            vectors = self.generator(self.draw("seed", batch_size(batch)))
        logits = self.discriminator(vectors)
        return {"fake": _OBJECTIVE.on_fake(logits).mean()}, {"logits": logits}

    def generator_loss(self, batch: Batch) -> Terms:
        """(D(G(z)) - 1)^2."""
        logits = self.discriminator(self.generator(self.draw("seed", batch_size(batch))))
        return {"adversarial": _OBJECTIVE.to_fool(logits).mean()}
