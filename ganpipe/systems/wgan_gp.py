"""Wasserstein GAN with gradient penalty."""

from __future__ import annotations

import torch
from torch import nn

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.nets import dcgan, resnet, wgan_gp
from ganpipe.nets.layers import signed_sigmoid
from ganpipe.systems.configs import wgan_gp as config


class WGANGP(System):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028), Algorithm 1.

    `network` names the networks: those of the authors' code for `mnist` and `cifar`, the residual ones (`resnet`), or
    DCGAN's 4x4 convolutions with batch norm in the generator only.
    Deviations: a critic of MNIST sees pixels in [-1, 1] (the authors: [0, 1]), so its slope is 1 on a scale twice as
    long. At 32x32 `resnet` is the authors' without their class head (ACGAN): unconditional. At 64x64 it is mimicry's
    (Lee & Town 2020, arXiv:2005.02494), where the authors have layer norm in the critic, a first convolution before
    its blocks, a flattened end instead of a mean, and fewer channels at the start. No noise is added to the pixels.
    """

    Config = config.Config

    adversaries = ("critic",)
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        self.generator, self.critic = _networks(cfg, data.image_shape("image", "wgan_gp"))

    @property
    def smallest_batch(self) -> int:
        """The batch norm over vectors in the generator of `cifar` needs two items."""
        return 2 if self.cfg.network == "cifar" else 1

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
            fake = self.generator(self.draw("latent", batch_size(batch)))
        penalty = self.cfg.penalty_weight * gradient_penalty(self.critic, real, fake)
        return {**wasserstein_critic(self.critic(real), self.critic(fake)), "gradient_penalty": penalty}

    def generator_loss(self, batch: Batch) -> Terms:
        """-f(G(z)), on `generator_latents_per_image` latents for each image of the last critic batch."""
        count = batch_size(batch) * self.cfg.generator_latents_per_image
        return wasserstein_generator(self.critic(self.generator(self.draw("latent", count))))


def _networks(cfg: config.Config, shape: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
    """Build the generator first, then the critic: the order decides their first weights."""
    match cfg.network:
        case "dcgan":
            generator = dcgan.Generator(cfg.latent, shape, cfg.features)
            return generator, dcgan.Discriminator(shape, cfg.features, batch_norm=False)
        case "mnist":
            plain = wgan_gp.Generator(cfg.latent, shape, cfg.features, batch_norm=False, squash=signed_sigmoid)
            return plain, wgan_gp.Critic(shape, cfg.features)
        case "cifar":
            normed = wgan_gp.Generator(cfg.latent, shape, cfg.features, batch_norm=True, squash=torch.tanh)
            return normed, wgan_gp.Critic(shape, cfg.features)
        case "resnet":
            return resnet.Generator(cfg.latent, shape, cfg.features), resnet.Critic(shape, cfg.features)
