"""Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat

from ganpipe.config import Closed, Width
from ganpipe.core.batch import Batch, DataSpec, batch_size
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.nets import dcgan


class WGANGP(System):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028), Algorithm 1.

    Deviations: the convolutions are DCGAN's 4x4 (the authors' MNIST code: 5x5), with batch norm in the generator only;
    at 28x28 they go 7, 14, 28 where the authors crop 8 to 7. The generator's loss draws as many latents as the last
    critic batch holds images.
    """

    class Config(Closed):
        latent: Width = 128  # length of z
        features: Width = 64  # channels beside the image; doubled at each coarser level
        n_critic: Annotated[int, Field(ge=1, le=1000)] = 5  # critic steps per generator step
        penalty_weight: NonNegativeFloat = 10.0  # lambda

    adversaries = ("critic",)
    cfg: Config

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("wgan_gp")
        self.generator = dcgan.Generator(cfg.latent, shape, cfg.features)
        self.critic = dcgan.Discriminator(shape, cfg.features, batch_norm=False)

    def updates(self, it: Iteration) -> Updates:
        """n_critic critic steps on fresh batches, then one generator step."""
        for _ in range(self.cfg.n_critic):
            batch = it.next_batch()
            yield Update("critic", self.critic_loss, batch)
        yield Update("generator", self.generator_loss, batch)

    def critic_loss(self, batch: Batch) -> Terms:
        """f(G(z)) - f(x) + lambda (||grad f(x_hat)|| - 1)^2."""
        real = batch["image"]
        with torch.no_grad():
            fake = self.generator(self.latents(batch_size(batch)))
        penalty = self.cfg.penalty_weight * gradient_penalty(self.critic, real, fake)
        return {**wasserstein_critic(self.critic(real), self.critic(fake)), "gradient_penalty": penalty}

    def generator_loss(self, batch: Batch) -> Terms:
        """-f(G(z))."""
        return wasserstein_generator(self.critic(self.generator(self.latents(batch_size(batch)))))
