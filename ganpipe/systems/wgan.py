"""Wasserstein GAN with weight clipping."""

from __future__ import annotations

import torch
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganpipe.nets import dcgan
from ganpipe.systems.configs import wgan as config


class WGAN(System):
    """Wasserstein GAN (Arjovsky et al. 2017, arXiv:1701.07875), Algorithm 1, on DCGAN's networks.

    The paper's optimizer is RMSprop with a learning rate of 5e-5. As in the authors' code, batch norm stands in both
    networks and the clipping covers all of the critic's parameters.
    Deviations: weights are clipped right after each critic step, as in Algorithm 1 (the authors' code: before it), so
    they are always within the bound. The authors' 100 critic steps, in each of the first 25 generator steps and in
    every 500th later, are an option. The generator's loss draws as many latents as the last critic batch holds images.
    """

    Config = config.Config

    adversaries = ("critic",)
    generator_steps: Tensor
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("image", "wgan")
        self.generator = dcgan.Generator(cfg.latent, shape, cfg.features).apply(dcgan.init_dcgan)
        self.critic = dcgan.Discriminator(shape, cfg.features).apply(dcgan.init_dcgan)
        self.register_buffer("generator_steps", torch.zeros((), dtype=torch.int64))

    def updates(self, it: Iteration) -> Updates:
        """Critic steps on fresh batches, each followed by the clipping, then one generator step."""
        for _ in range(self.critic_steps()):
            batch = it.next_batch()
            yield Update("critic", self.critic_loss, batch)
            self.clip_weights()
        yield Update("generator", self.generator_loss, batch)
        self.generator_steps += 1

    def critic_steps(self) -> int:
        """Return how many critic steps come before this generator step."""
        done = int(self.generator_steps)
        long = done < self.cfg.first_long_steps or done % self.cfg.long_step_every == 0
        return self.cfg.n_critic if self.cfg.long_n_critic is None or not long else self.cfg.long_n_critic

    def critic_loss(self, batch: Batch) -> Terms:
        """f(G(z)) - f(x)."""
        with torch.no_grad():
            fake = self.generator(self.draw("latent", batch_size(batch)))
        return wasserstein_critic(self.critic(batch["image"]), self.critic(fake))

    def generator_loss(self, batch: Batch) -> Terms:
        """-f(G(z))."""
        return wasserstein_generator(self.critic(self.generator(self.draw("latent", batch_size(batch)))))

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Clamp every parameter of the critic to [-c, c]."""
        for parameter in self.critic.parameters():
            parameter.clamp_(-self.cfg.clip, self.cfg.clip)
