"""pix2pix: a conditional GAN from a picture to the picture that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import l1_loss

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES, wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.nets.layers import init_normal
from ganpipe.nets.patchgan import Norm, PatchGAN
from ganpipe.nets.unet import UNet
from ganpipe.systems.configs import pix2pix as config

Images = Float[Tensor, "n c h w"]


class Pix2Pix(System):
    """pix2pix (Isola et al. 2017, arXiv:1611.07004), equation 4: a U-Net, and a PatchGAN that sees both pictures.

    Deviations: the generator's step draws dropout anew (the authors' code reuses the discriminator's fake); the
    objectives `least_squares` and `wasserstein_gp` are options of the authors' code, not of the paper. The
    discriminator of the latter has instance norm, because a penalty per picture and batch norm exclude each other.
    """

    Config = config.Config
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        given, wanted = (data.image_shape(name, "pix2pix") for name in (cfg.source, cfg.target))
        self.outputs = {"translated": cfg.target}
        self.objective = None if cfg.objective == "wasserstein_gp" else OBJECTIVES[cfg.objective]
        self.generator = UNet(
            given,
            wanted[0],
            cfg.features,
            cfg.dropout,
            cfg.upsampling,
            cfg.dropout_when_drawing,
            cfg.norm_when_drawing,
        ).apply(init_normal)
        self.adversaries = ("discriminator",) if cfg.adversarial_weight else ()  # type: ignore[misc]
        if self.adversaries:
            shape = (given[0] + wanted[0], *wanted[1:])
            norm: Norm = "batch" if self.objective else "instance"
            network = PatchGAN(shape, cfg.features_discriminator, cfg.patch_layers, norm)
            self.discriminator = network.apply(init_normal)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The discriminator's loss at balance; the generator's also holds L1."""
        if self.objective is None or not self.adversaries:
            return {}
        return {"loss_discriminator": self.objective.ideal["loss_discriminator"] / 2}

    @property
    def given_multiple(self) -> int:
        """The U-Net halves each side once per level."""
        return 1 << len(self.generator.down)

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        if self.adversaries:
            judged = yield Update("discriminator", self.discriminator_loss, batch)
            if self.objective is not None:
                it.log(self.objective.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """Half of -log D(x, y) - log(1 - D(x, G(x))), or of the costs of another objective, over all patches.

        Halved "which slows down the rate at which D learns relative to G" (section 3.3).
        """
        source, target = batch[self.cfg.source], batch[self.cfg.target]
        with torch.no_grad():
            made = self.generator(source)
        real, fake = self._judged(source, target), self._judged(source, made)
        outputs = {"real": real.mean(dim=(1, 2)), "fake": fake.mean(dim=(1, 2))}
        if self.objective is not None:
            terms = self.objective.discriminator(real.flatten(), fake.flatten())
            return {name: value / 2 for name, value in terms.items()}, outputs
        penalty = gradient_penalty(lambda image: self._judged(source, image).mean(dim=(1, 2)), target, made)
        critic = wasserstein_critic(real.flatten(), fake.flatten())
        return {**critic, "gradient_penalty": self.cfg.penalty_weight * penalty}, outputs

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(x, G(x)) + lambda |y - G(x)|, or the cost of another objective."""
        source, target = batch[self.cfg.source], batch[self.cfg.target]
        made = self.generator(source)
        terms: dict[str, Tensor] = {"l1": self.cfg.l1_weight * l1_loss(made, target)}
        if self.adversaries:
            fake = self._judged(source, made).flatten()
            found = wasserstein_generator(fake) if self.objective is None else self.objective.generator(None, fake)
            terms |= {name: self.cfg.adversarial_weight * value for name, value in found.items()}
        return terms

    def realness(self, batch: Batch) -> Float[Tensor, " n"] | None:
        """Return D's mean output over the patches of each pair."""
        if not self.adversaries:
            return None
        return self._judged(batch[self.cfg.source], batch[self.cfg.target]).mean(dim=(1, 2))

    def _judged(self, source: Images, image: Float[Tensor, "n k h w"]) -> Float[Tensor, "n y x"]:
        """Return D's output for every patch of a given picture with the real or the made one beside."""
        return self.discriminator(torch.cat([source, image], dim=1))
