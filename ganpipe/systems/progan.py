"""Progressive growing of GANs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.losses.precision import at_least_fp32
from ganpipe.nets import progan
from ganpipe.nets.sizes import doublings
from ganpipe.systems.configs import progan as config


class ProGAN(System):
    """Progressive growing (Karras et al. 2018, arXiv:1710.10196): both networks grow from 4x4, level by level.

    Level and alpha are a pure function of the images shown, `Config.growth`. The buffers of that name are for drawing:
    a published generator draws at the level that it has reached, enlarged to the size of the data.
    Deviations: the level is looked up in every iteration (in the authors' code: in every fourth). Optimizers are fresh
    when a level begins (in their code once more when it has faded in). Losses and penalty as in their configuration for
    CelebA-HQ, with one critic step per generator step; pixels are drawn from [-1, 1] without dynamic range conversion.
    """

    Config = config.Config

    adversaries = ("critic",)
    cfg: config.Config
    level: Tensor
    alpha: Tensor

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("image", "progan")
        cfg.require_size(*shape[1:])
        self.last = doublings(*shape[1:])
        self.generator = progan.Generator(cfg.latent, shape, cfg.features_base, cfg.features_most)
        self.critic = progan.Critic(shape, cfg.features_base, cfg.features_most)
        self.register_buffer("level", torch.tensor(0))
        self.register_buffer("alpha", torch.tensor(1.0))

    def batch_sizes(self, batch: int) -> Sequence[int]:
        """See `System`: each level has its own."""
        return [self.cfg.batch(level) or batch for level in range(self.last + 1)]

    def updates(self, it: Iteration) -> Updates:
        """One critic step, one generator step, at the level of these images; fresh optimizers when a level begins."""
        grown = self.cfg.growth(it.nimg, self.last)
        self._grow(it, *grown)
        batch = self.shown(it.next_batch(self.cfg.batch(grown[0])), *grown)
        yield Update("critic", partial(self.critic_loss, *grown), batch)
        yield Update("generator", partial(self.generator_loss, *grown), batch)

    def shown(self, batch: Batch, level: int, alpha: float) -> Batch:
        """Return real images as the critic is shown them: at the side of the level, with the detail that has faded in.

        As in the authors' code.
        """
        images = progan.at_level(batch["image"], level)
        return {"image": progan.faded(images, alpha)}

    def critic_loss(self, level: int, alpha: float, batch: Batch) -> Terms:
        """f(G(z)) - f(x) + lambda (||grad f(x_hat)|| - 1)^2 + epsilon_drift f(x)^2, the last one against drift."""
        real = batch["image"]
        critic = partial(self.critic, level=level, alpha=alpha)
        with torch.no_grad():
            fake = self._made(batch_size(batch), level, alpha)
        scores = critic(real)
        return {
            **wasserstein_critic(scores, critic(fake)),
            "gradient_penalty": self.cfg.penalty_weight * gradient_penalty(critic, real, fake),
            "drift": self.cfg.drift_weight * at_least_fp32(scores).square().mean(),
        }

    def generator_loss(self, level: int, alpha: float, batch: Batch) -> Terms:
        """-f(G(z))."""
        return wasserstein_generator(self.critic(self._made(batch_size(batch), level, alpha), level, alpha))

    def generate(self, inputs: Batch) -> Batch:
        """Draw images at the level that is reached, enlarged to the size of the data and cut off at -1 and 1."""
        level = int(self.level)
        images = self.generator(inputs["latent"], level, float(self.alpha))
        return {"image": progan.doubled(images, self.last - level).clamp(-1, 1)}

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return the critic's score of images at the level that is reached."""
        level = int(self.level)
        return self.critic(progan.at_level(batch["image"], level), level, float(self.alpha))

    def _made(self, n: int, level: int, alpha: float) -> Float[Tensor, "n c h w"]:
        """Draw at a level; what a stand-in for the generator draws at the size of the data is averaged to it."""
        return progan.at_level(self.generator(self.draw("latent", n), level=level, alpha=alpha), level)

    def _grow(self, it: Iteration, level: int, alpha: float) -> None:
        if level != int(self.level):
            for player in self.players:
                it.restart(player)
        self.level.fill_(level)
        self.alpha.fill_(alpha)
