"""A GAN of fully connected networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from ganpipe.config import Closed, Width
from ganpipe.core.batch import Batch, DataSpec, batch_size
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import cross_entropy_discriminator, cross_entropy_generator, scores
from ganpipe.nets.mlp import ImageMLP, ImageScorer, mlp, pixels


class MLPGAN(System):
    """The first GAN, of fully connected networks (Goodfellow et al. 2014, arXiv:1406.2661), in a modern dress.

    Batch norm and GELU in the generator, GELU in the discriminator, sigmoid pixels, the non-saturating loss.
    Deviations from the paper: GELU for maxout and ReLU, Adam for momentum SGD, no dropout.
    """

    class Config(Closed):
        latent: Width = 96  # length of z
        generator_widths: tuple[Width, ...] = (128, 256, 512, 1024)
        discriminator_widths: tuple[Width, ...] = (512, 256, 128, 64, 32)
        unpaired_l1_weight: NonNegativeFloat = 0.05  # |G(z) - x| against a real image that has nothing to do with z

    cfg: Config

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("mlp_gan")
        body = mlp((cfg.latent, *cfg.generator_widths, pixels(shape)), nn.GELU, batch_norm=True)
        self.generator = ImageMLP(body, shape, squash=signed_sigmoid)
        self.discriminator = ImageScorer(mlp((pixels(shape), *cfg.discriminator_widths, 1), nn.GELU))

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        judged = yield Update("discriminator", self.discriminator_loss, batch)
        it.observe(scores(judged.kept["real"], judged.kept["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(z))), in one pass over both: without batch norm the rows do not meet."""
        with torch.no_grad():
            images = self.generator(self.latents(batch_size(batch)))
        real, fake = self.discriminator(torch.cat([batch["image"], images])).chunk(2)
        return cross_entropy_discriminator(real, fake), {"real": real, "fake": fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)), plus the weighted unpaired L1 distance on the [0, 1] pixel scale."""
        images = self.generator(self.latents(batch_size(batch)))
        terms = dict(cross_entropy_generator(self.discriminator(images)))
        if self.cfg.unpaired_l1_weight:
            terms["unpaired_l1"] = self.cfg.unpaired_l1_weight * F.l1_loss(images, batch["image"]) / 2
        return terms


def signed_sigmoid(x: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """Return 2 sigmoid(x) - 1: a sigmoid on the [0, 1] pixel scale, moved to [-1, 1]."""
    return 2 * torch.sigmoid(x) - 1
