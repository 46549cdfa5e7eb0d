"""DCGAN and its relatives: convolutional GANs of two players, with optional remedies for common failures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import ConfigError
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.diversity import class_balance, mode_seeking
from ganpipe.losses.penalties import r1_penalty
from ganpipe.losses.precision import at_least_fp32
from ganpipe.nets import dcgan, faces, flowers
from ganpipe.nets.augment import diff_augment
from ganpipe.nets.layers import normalise_spectrally
from ganpipe.systems.configs import dcgan as config

Discriminator = dcgan.Discriminator | flowers.Discriminator | faces.Discriminator


class DCGAN(System):
    """Deep convolutional GAN (Radford et al. 2016, arXiv:1511.06434) with the non-saturating loss.

    Other networks and objectives make it LSGAN, the hinge GAN, the relativistic average GAN, the Flowers GAN of
    MathWorks and the face GAN of Rashid; the rest of `Config` are remedies, all off by default.
    Deviations: images of any size that halves evenly (the paper: 64x64); a fresh latent for the generator's step, as in
    Algorithm 1 of Goodfellow et al. 2014 (the authors' code reuses the discriminator's fakes).
    """

    Config = config.Config

    discriminator: Discriminator
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        if cfg.class_balance_weight and not data.names("label"):
            raise ConfigError(f"system.class_balance_weight needs labels, but data.name = {data.name!r} has none")
        self.objective = OBJECTIVES[cfg.objective]
        self.noise_std = 0.0
        self.generator, self.discriminator = _networks(cfg, data)

    @property
    def smallest_batch(self) -> int:
        """Two to compare for mode seeking; two per class for class balance, so that its mean can be uniform."""
        balanced = 2 * len(self.data.names("label")) if self.cfg.class_balance_weight else 1
        return max(balanced, 2 if self.cfg.diversity_weight else 1)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance."""
        return self.objective.ideal

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        self.noise_std = self.cfg.instance_noise * max(0.0, 1 - it.kimg / self.cfg.instance_noise_until_kimg)
        penalised = self.cfg.r1_weight > 0 and (it.nimg // it.shown) % self.cfg.r1_every == 0
        loss = self.penalised_discriminator_loss if penalised else self.discriminator_loss
        judged = yield Update("discriminator", loss, batch)
        it.log(self.objective.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(z))), or the costs of another objective."""
        with torch.no_grad():
            images = self.generator(self.draw("latent", batch_size(batch)))
        real, fake = self._judged(batch["image"]), self._judged(images)
        terms = dict(self.objective.discriminator(real[:, 0], fake[:, 0], self._real_labels(real)))
        if self.cfg.class_balance_weight:
            terms["classes"] = F.cross_entropy(real[:, 1:], batch["label"])
        return terms, {"real": real[:, 0], "fake": fake[:, 0]}

    def penalised_discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """`discriminator_loss` plus R1, (gamma / 2) |grad D(x)|^2, with the weight of `r1_every` iterations."""
        terms, outputs = self.discriminator_loss(batch)
        penalty = r1_penalty(lambda images: self._judged(images)[:, 0], batch["image"])
        return {**terms, "r1": self.cfg.r1_weight * self.cfg.r1_every * penalty}, outputs

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)), or the cost of another objective, and the terms for diversity."""
        latents = self.draw("latent", batch_size(batch))
        images = self.generator(latents)
        fake = self._judged(images)
        real = self._judged(batch["image"])[:, 0] if self.objective.relative else None
        terms = dict(self.objective.generator(real, fake[:, 0]))
        if self.cfg.diversity_weight:
            terms["diversity"] = self.cfg.diversity_weight * mode_seeking(latents, images)
        if self.cfg.class_balance_weight:
            terms["class_balance"] = self.cfg.class_balance_weight * class_balance(fake[:, 1:])
        return terms

    def _judged(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _"]:
        """Return D's outputs on images with noise and augmentation: a logit, then one per class with class balance."""
        if self.noise_std:
            images = images + self.noise_std * torch.randn_like(images)
        return at_least_fp32(self.discriminator.outputs(diff_augment(images, self.cfg.augment or ())))

    def _real_labels(self, real: Tensor) -> float | Float[Tensor, " n"]:
        if not self.cfg.flip_real_labels:
            return self.cfg.real_label
        kept = torch.rand(len(real), device=real.device) >= self.cfg.flip_real_labels
        return kept.to(real.dtype) * self.cfg.real_label


def _networks(cfg: config.Config, data: DataSpec) -> tuple[nn.Module, Discriminator]:
    shape = data.image_shape("image", "dcgan")
    outputs = 1 + (len(data.names("label")) if cfg.class_balance_weight else 0)
    batch_norm = not cfg.spectral_norm
    generator: nn.Module
    discriminator: Discriminator
    match cfg.network:
        case "dcgan" | "dense_start":
            dense = cfg.network == "dense_start"
            generator = dcgan.Generator(cfg.latent, shape, cfg.features, dense).apply(dcgan.init_dcgan)
            discriminator = dcgan.Discriminator(shape, cfg.features, batch_norm, outputs, cfg.minibatch_std)
            discriminator.apply(dcgan.init_dcgan)
        case "flowers":
            generator = flowers.Generator(cfg.latent, shape, cfg.features)
            discriminator = flowers.Discriminator(shape, cfg.features, batch_norm, outputs)
        case "faces" | "faces_gelu":
            activation = nn.GELU if cfg.network == "faces_gelu" else faces.leaky_relu
            generator = faces.Generator(cfg.latent, shape, cfg.features, activation)
            discriminator = faces.Discriminator(shape, cfg.features, activation, batch_norm, outputs)
    if cfg.spectral_norm:
        normalise_spectrally(discriminator)
    return generator, discriminator
