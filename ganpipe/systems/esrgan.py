"""ESRGAN: pictures enlarged, judged by features before their activation and by a relativistic discriminator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import l1_loss

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.perceptual import feature_distance
from ganpipe.nets.enlargement import scale_between
from ganpipe.nets.rrdb import RRDBNet
from ganpipe.nets.srgan_discriminator import SRDiscriminator
from ganpipe.nets.vgg import VGG
from ganpipe.pretrained.trunks import load_trunk
from ganpipe.systems.configs import esrgan as config


class ESRGAN(System):
    """ESRGAN (Wang et al. 2018, arXiv:1809.00219), equations 1 to 4, in two phases with fresh optimizers.

    First the generator alone learns by absolute error, then both players, the generator first as in the authors' code.
    The weights with which the GAN phase begins are kept, and `alpha` blends them with the last ones when pictures are
    drawn, parameter by parameter (section 3.4). With `train.ema_half_life_kimg` these are averaged, the kept ones not.
    Deviations: L1 is that of pictures in [-1, 1], twice as much as in [0, 1]; the distance of features is the mean
    square divided by the mean square of what is wanted, so that its weight means the same for every trunk (in the
    authors' code the mean absolute difference); what is drawn, not what is trained on, is cut to [-1, 1].
    """

    Config = config.Config
    frozen = ("trunk",)
    cfg: config.Config
    pretrained: Tensor  # all weights of the generator at the end of the first phase, one after the other
    has_pretrained: Tensor  # whether that phase has ended

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        low, high = (data.image_shape(name, "esrgan") for name in ("low", "image"))
        scale = scale_between(low, high)
        self.objective = OBJECTIVES["relativistic_average"]
        self.generator = RRDBNet(low[0], scale, cfg.features, cfg.blocks, cfg.growth, cfg.bicubic_skip)
        self.discriminator = SRDiscriminator(high, cfg.features_discriminator, cfg.dense_discriminator)
        self.register_buffer("pretrained", torch.zeros(sum(weight.numel() for weight in self.generator.parameters())))
        self.register_buffer("has_pretrained", torch.zeros((), dtype=torch.bool))

    def build_frozen(self) -> None:
        """Build the trunk."""
        self.trunk = VGG(load_trunk(self.cfg.trunk), self.cfg.compared)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The discriminator's loss at balance; the generator's also holds the distances."""
        return {"loss_discriminator": self.objective.ideal["loss_discriminator"]}

    @property
    def smallest_batch(self) -> int:
        """Two: outputs for real pictures are compared with the mean of those for others."""
        return 2

    @property
    def given_multiple(self) -> int:
        """The generator enlarges pictures of any size."""
        return 1

    @property
    def reach(self) -> int | None:
        """See `System`."""
        return self.generator.reach

    def updates(self, it: Iteration) -> Updates:
        """A step of the generator by absolute error; from `pretrain_kimg` on one of it, one of the discriminator."""
        batch = it.next_batch()
        if it.kimg < self.cfg.pretrain_kimg:
            self.has_pretrained.fill_(False)  # it may be set if the training began with published weights
            yield Update("generator", self.pixel_loss, batch, self.pretrain_lr(it.kimg))
            return
        if it.reaches(self.cfg.pretrain_kimg):
            it.restart("generator")
            self.keep_weights()
        lr = self.adversarial_lr(it.kimg)
        made = (yield Update("generator", self.generator_loss, batch, lr)).tensors
        yield Update("discriminator", self.discriminator_loss, {**batch, **made}, lr)

    def pretrain_lr(self, kimg: float) -> float:
        """Return the factor on the learning rate in the first phase: half after every `halve_pretrain_kimg`."""
        return 1.0 if self.cfg.halve_pretrain_kimg is None else 0.5 ** (kimg // self.cfg.halve_pretrain_kimg)

    def adversarial_lr(self, kimg: float) -> float:
        """Return the factor on the learning rates in the GAN phase: half again at each of `halve_at_kimg`."""
        passed = sum(kimg - self.cfg.pretrain_kimg >= at for at in self.cfg.halve_at_kimg)
        return self.cfg.adversarial_lr * 0.5**passed

    def pixel_loss(self, batch: Batch) -> Terms:
        """The mean absolute error."""
        return {"l1": l1_loss(self.generator(batch["low"]), batch["image"])}

    def generator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """The distance of features + lambda L_Ra + eta L1, equations 2 and 3. The made pictures are handed back."""
        made = self.generator(batch["low"])
        with torch.no_grad():
            wanted, real = self.trunk(batch["image"]), self.discriminator(batch["image"])
        fooled = self.objective.generator(real, self.discriminator(made))["adversarial"]
        terms = {
            "perceptual": self.cfg.perceptual_weight * feature_distance(self.trunk(made), wanted),
            "adversarial": self.cfg.adversarial_weight * fooled,
            "l1": self.cfg.l1_weight * l1_loss(made, batch["image"]),
        }
        return terms, {"made": made}

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log sigmoid(C(x) - mean C(G(low))) - log(1 - sigmoid(C(G(low)) - mean C(x))), equation 1."""
        return self.objective.discriminator(self.discriminator(batch["image"]), self.discriminator(batch["made"]))

    def generate(self, inputs: Batch) -> dict[str, Float[Tensor, "n c h w"]]:
        """Enlarge each picture, with weights blended by `alpha` once there are two kinds (equation 4)."""
        weights = dict(self._blended()) if self.has_pretrained else {}
        return {"image": functional_call(self.generator, weights, (inputs["low"],)).clamp(-1, 1)}

    @torch.no_grad()
    def keep_weights(self) -> None:
        """Keep the weights of the generator as those of the first phase."""
        for _, weight, kept in self._pairs():
            kept.copy_(weight)
        self.has_pretrained.fill_(True)

    def _blended(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every weight (1 - alpha) kept + alpha last; both ends are exact."""
        for name, weight, kept in self._pairs():
            yield name, weight.detach().lerp(kept, 1 - self.cfg.alpha)

    def _pairs(self) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
        """Yield each weight of the generator by its name, with the part of `pretrained` where it is kept."""
        start = 0
        for name, weight in self.generator.named_parameters():
            yield name, weight, self.pretrained[start : start + weight.numel()].view(weight.shape)
            start += weight.numel()
