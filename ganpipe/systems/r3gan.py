"""R3GAN: a relativistic pairing loss with penalties on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import paired_discriminator, paired_generator
from ganpipe.losses.penalties import half_squared_slopes
from ganpipe.nets import dcgan, r3gan
from ganpipe.nets.augment import diff_augment
from ganpipe.systems.configs import r3gan as config


class R3GAN(System):
    """R3GAN (Huang et al. 2024, arXiv:2501.05441), equations 2 and 4: relativistic pairing with R1 and R2.

    The weight of the penalties and the learning rate fall along half a cosine, as in the authors' code.
    Deviations: beta2 of Adam stays as it is (there: from 0.9 to 0.99), the half-life of the moving average grows as
    `training.ema` says, and augmentation is DiffAugment's, if any (there: adaptive). With `network: dcgan` the networks
    are DCGAN's, without batch norm in the discriminator, whose penalties are defined per image.
    """

    Config = config.Config

    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        self.generator, self.discriminator = _networks(cfg, data.image_shape("image", "r3gan"))

    @property
    def smallest_batch(self) -> int:
        """Two for the batch norm over a hidden layer."""
        return 2 if self.cfg.network == "dcgan" and self.cfg.hidden else 1

    @property
    def ideal(self) -> Mapping[str, float]:
        """The generator's loss at balance; the discriminator's also holds the penalties."""
        return {"loss_generator": math.log(2)}

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step, both at the rate of these images."""
        batch, rate = it.next_batch(), self.cfg.lr_at(it.kimg)
        yield Update("discriminator", partial(self.discriminator_loss, self.cfg.gamma_at(it.kimg)), batch, rate)
        yield Update("generator", self.generator_loss, batch, rate)

    def discriminator_loss(self, gamma: float, batch: Batch) -> Terms:
        """log(1 + exp(D(G(z)) - D(x))) + (gamma / 2) (|grad D(x)|^2 + |grad D(G(z))|^2)."""
        with torch.no_grad():
            made = self.generator(self.draw("latent", batch_size(batch)))
        images = torch.cat([batch["image"], made]).requires_grad_(True)
        outputs = self._judged(images)
        r1, r2 = half_squared_slopes(outputs, images).chunk(2)
        return {
            **paired_discriminator(*outputs.chunk(2)),
            "r1": gamma * r1.mean(),
            "r2": gamma * r2.mean(),
        }

    def generator_loss(self, batch: Batch) -> Terms:
        """log(1 + exp(D(x) - D(G(z))))."""
        with torch.no_grad():
            real = self._judged(batch["image"])
        fake = self._judged(self.generator(self.draw("latent", batch_size(batch))))
        return paired_generator(real, fake)

    def generate(self, inputs: Batch) -> Batch:
        """Draw images, cut off at -1 and 1."""
        return {"image": self.generator(inputs["latent"]).clamp(-1, 1)}

    def _judged(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Return D's outputs on augmented images; slopes are those at the images before, as in the authors' code."""
        return self.discriminator(diff_augment(images, self.cfg.augment or ()))


def _networks(cfg: config.Config, shape: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
    if cfg.network == "dcgan":
        generator = dcgan.Generator(cfg.latent, shape, cfg.features, hidden=cfg.hidden).apply(dcgan.init_dcgan)
        return generator, dcgan.Discriminator(shape, cfg.features, batch_norm=False, hidden=cfg.hidden)
    sizes = (shape, cfg.features, cfg.features_most, cfg.blocks)
    return r3gan.Generator(cfg.latent, *sizes), r3gan.Discriminator(*sizes)
