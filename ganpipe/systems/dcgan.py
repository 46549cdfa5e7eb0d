"""DCGAN."""

from __future__ import annotations

import torch

from ganpipe.config import Closed, Width
from ganpipe.core.batch import Batch, DataSpec, batch_size
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import cross_entropy_discriminator, cross_entropy_generator, scores
from ganpipe.nets import dcgan


class DCGAN(System):
    """Deep convolutional GAN (Radford et al. 2016, arXiv:1511.06434) with the non-saturating loss.

    Deviations: images of any size that halves evenly (the paper: 64x64); a fresh latent for the generator's step, as in
    the paper's Algorithm 1 of Goodfellow et al., where the authors' code reuses the discriminator's fakes.
    """

    class Config(Closed):
        latent: Width = 100  # length of z
        features: Width = 64  # channels beside the image; doubled at each coarser level

    cfg: Config

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("dcgan")
        self.generator = dcgan.Generator(cfg.latent, shape, cfg.features).apply(dcgan.init_dcgan)
        self.discriminator = dcgan.Discriminator(shape, cfg.features).apply(dcgan.init_dcgan)

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        judged = yield Update("discriminator", self.discriminator_loss, batch)
        it.observe(scores(judged.kept["real"], judged.kept["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(z)))."""
        with torch.no_grad():
            images = self.generator(self.latents(batch_size(batch)))
        real, fake = self.discriminator(batch["image"]), self.discriminator(images)
        return cross_entropy_discriminator(real, fake), {"real": real, "fake": fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z))."""
        return cross_entropy_generator(self.discriminator(self.generator(self.latents(batch_size(batch)))))
