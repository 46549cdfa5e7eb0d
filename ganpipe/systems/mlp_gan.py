"""GANs of fully connected networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.nets.layers import signed_sigmoid
from ganpipe.nets.mlp import ImageMLP, ImageScorer, mlp, pixels
from ganpipe.systems.configs import mlp_gan as config


class MLPGAN(System):
    """The first GAN, of fully connected networks (Goodfellow et al. 2014, arXiv:1406.2661), with modern layers.

    The default has batch norm and GELU in the generator, GELU in the discriminator, sigmoid pixels and the
    non-saturating loss. Other values make it the vanilla GAN of tutorials and the MNIST and fully connected face GANs
    of Rashid, "Make Your First GAN with PyTorch", 2020, notebooks 07, 08 and 12.
    Deviations from the paper: GELU for maxout and ReLU, Adam for momentum SGD, no dropout. From the book: any batch
    size (the book: 1).
    """

    Config = config.Config

    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("image", "mlp_gan")
        self.objective = OBJECTIVES[cfg.objective]
        widths = (cfg.latent, *cfg.generator_widths, pixels(shape))
        body = mlp(widths, cfg.activation, cfg.generator_norm, cfg.leaky_slope)
        self.generator = ImageMLP(body, shape, torch.tanh if cfg.pixels == "tanh" else signed_sigmoid)
        widths = (pixels(shape), *cfg.discriminator_widths, 1)
        self.discriminator = ImageScorer(mlp(widths, cfg.activation, cfg.discriminator_norm, cfg.leaky_slope))

    @property
    def smallest_batch(self) -> int:
        """Batch norm needs two items."""
        return 2 if self.cfg.generator_norm == "batch" else 1

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance; each separate step sees one kind of images, so it has half the loss."""
        together = self.objective.ideal
        half = together["loss_discriminator"] / 2
        return {**together, "loss_discriminator": half} if self.cfg.separate_steps else together

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, or one for each kind of images, then one generator step."""
        batch = it.next_batch()
        if self.cfg.separate_steps:
            on_real = yield Update("discriminator", self.real_loss, batch)
            on_fake = yield Update("discriminator", self.fake_loss, batch)
            real, fake = on_real.tensors["real"], on_fake.tensors["fake"]
        else:
            judged = yield Update("discriminator", self.discriminator_loss, batch)
            real, fake = judged.tensors["real"], judged.tensors["fake"]
        it.log(self.objective.scores(real, fake))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(z))), in one pass over both: D has no batch norm, so rows do not mix."""
        real, fake = self.judge(torch.cat([batch["image"], self._fakes(batch)])).chunk(2)
        return self.objective.discriminator(real, fake), {"real": real, "fake": fake}

    def real_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x)."""
        real = self.judge(batch["image"])
        return {"real": self.objective.on_real(real).mean()}, {"real": real}

    def fake_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log(1 - D(G(z)))."""
        fake = self.judge(self._fakes(batch))
        return {"fake": self.objective.on_fake(fake).mean()}, {"fake": fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)), plus the weighted unpaired L1 distance on the [0, 1] pixel scale."""
        images = self.generator(self.draw("latent", batch_size(batch)))
        real = self.judge(batch["image"]) if self.objective.relative else None
        terms = dict(self.objective.generator(real, self.judge(images)))
        if self.cfg.unpaired_l1_weight:
            terms["unpaired_l1"] = self.cfg.unpaired_l1_weight * F.l1_loss(images, batch["image"]) / 2
        return terms

    def judge(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Return D's logit for each image in [-1, 1]; D sees it on the scale of `shown_pixels`."""
        return self.discriminator(images if self.cfg.shown_pixels == "signed" else (images + 1) / 2)

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return D's logit for each image of a batch."""
        return self.judge(batch["image"])

    def _fakes(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        with torch.no_grad():
            return self.generator(self.draw("latent", batch_size(batch)))
