"""SRGAN: pictures enlarged, judged by the features of a frozen network and by a discriminator."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.perceptual import feature_distance
from ganpipe.nets.enlargement import scale_between
from ganpipe.nets.srgan_discriminator import SRDiscriminator
from ganpipe.nets.srresnet import SRResNet
from ganpipe.nets.vgg import VGG
from ganpipe.pretrained.trunks import load_trunk
from ganpipe.systems.configs import srgan as config

_LOWER = 0.1  # the second learning rate of the GAN phase, times the first


class SRGAN(System):
    """SRGAN (Ledig et al. 2017, arXiv:1609.04802), equations 2 to 6, in two phases with fresh optimizers.

    First the generator alone learns by squared error (the paper's SRResNet), then both players, with two learning
    rates. Deviations: small and large pictures are both in [-1, 1] (in the paper the small ones in [0, 1]); the
    distance of features is divided by their mean square, so that its weight means the same for every trunk, and is the
    paper's weight where that mean square is 1; what the generator draws, not what it is trained on, is cut to [-1, 1].
    """

    Config = config.Config
    frozen = ("trunk",)
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        low, high = (data.image_shape(name, "srgan") for name in ("low", "image"))
        scale = scale_between(low, high)
        self.objective = OBJECTIVES["non_saturating"]
        self.generator = SRResNet(low[0], scale, cfg.features, cfg.blocks, cfg.bicubic_skip)
        self.discriminator = SRDiscriminator(high, cfg.features_discriminator, cfg.dense_discriminator)

    def build_frozen(self) -> None:
        """Build the trunk."""
        self.trunk = VGG(load_trunk(self.cfg.trunk), self.cfg.compared)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The discriminator's loss at balance; the generator's also holds the distance of features."""
        return {"loss_discriminator": self.objective.ideal["loss_discriminator"]}

    @property
    def smallest_batch(self) -> int:
        """Two where the discriminator's last batch norm sees one place of each picture, else one."""
        _, height, width = self.data.fields["image"].shape
        return 2 if max(height, width) <= 16 else 1

    @property
    def given_multiple(self) -> int:
        """The generator enlarges pictures of any size."""
        return 1

    @property
    def reach(self) -> int | None:
        """See `System`."""
        return self.generator.reach

    def updates(self, it: Iteration) -> Updates:
        """A step of the generator by squared error; from `pretrain_kimg` on one of the discriminator, one of it."""
        batch = it.next_batch()
        if it.kimg < self.cfg.pretrain_kimg:
            yield Update("generator", self.pixel_loss, batch)
            return
        if it.reaches(self.cfg.pretrain_kimg):
            it.restart("generator")
        lr = self.adversarial_lr(it.kimg)
        judged = yield Update("discriminator", self.discriminator_loss, batch, lr)
        it.log(self.objective.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", self.generator_loss, batch, lr)

    def adversarial_lr(self, kimg: float) -> float:
        """Return the factor on the learning rates in the GAN phase."""
        lowered = self.cfg.lower_lr_from_kimg is not None and kimg >= self.cfg.lower_lr_from_kimg
        return self.cfg.adversarial_lr * (_LOWER if lowered else 1.0)

    def pixel_loss(self, batch: Batch) -> Terms:
        """The squared error of equation 4."""
        return {"mse": mse_loss(self.generator(batch["low"]), batch["image"])}

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(low))), equation 2."""
        with torch.no_grad():
            made = self.generator(batch["low"])
        real, fake = self.discriminator(batch["image"]), self.discriminator(made)
        return self.objective.discriminator(real, fake), {"real": real, "fake": fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """The distance of features (equation 5) - weight log D(G(low)) (equation 6), added as in equation 3."""
        made = self.generator(batch["low"])
        with torch.no_grad():
            wanted = self.trunk(batch["image"])
        distance = feature_distance(self.trunk(made), wanted)
        fooled = self.objective.generator(None, self.discriminator(made))["adversarial"]
        weight = self.cfg.adversarial_weight
        return {"perceptual": self.cfg.perceptual_weight * distance, "adversarial": weight * fooled}

    def generate(self, inputs: Batch) -> dict[str, Float[Tensor, "n c h w"]]:
        """Enlarge each picture."""
        return {"image": self.generator(inputs["low"]).clamp(-1, 1)}
