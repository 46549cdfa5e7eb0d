"""Photographs in the style of pictures: content and Gram losses of a frozen network, and a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import ConfigError
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.perceptual import Features, feature_distance, gram_distance, total_variation
from ganpipe.nets.johnson import Johnson
from ganpipe.nets.layers import init_normal
from ganpipe.nets.patchgan import PatchGAN
from ganpipe.nets.vgg import VGG
from ganpipe.pretrained.trunks import load_trunk
from ganpipe.systems.configs import style as config


class Style(System):
    """Johnson et al. 2016 (arXiv:1603.08155), equation 5, on several style pictures, and a discriminator of patches.

    The generator repaints a photograph `a`: its features are to be those of the photograph, its Gram matrices those of
    squares `b` of the style pictures, and a PatchGAN (Isola et al. 2017, arXiv:1611.07004) without condition is to take
    it for such a square, by least squares as in CycleGAN. Deviations: the discriminator, which neither source has; with
    `adversarial_weight` 0 there is none. Distances are relative to what is wanted, see `ganpipe.losses.perceptual`, so
    that published weights mean nothing here. Each picture of a batch is compared with the mean Gram matrix of the
    squares that are drawn beside. The trunk keeps its max pools.
    """

    Config = config.Config
    frozen = ("trunk",)
    outputs = {"image": "b"}
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        given, wanted = (data.image_shape(name, "style") for name in ("a", "b"))
        if given != wanted:
            sizes = " and ".join(f"{c} x {h} x {w}" for c, h, w in (given, wanted))
            raise ConfigError(f"system.name = 'style' needs fields a and b of one shape, not of {sizes}")
        self.objective = OBJECTIVES["least_squares"]
        self.generator = Johnson(given, cfg.features, cfg.blocks)
        self.adversaries = ("discriminator",) if cfg.adversarial_weight else ()  # type: ignore[misc]
        if self.adversaries:
            judge = PatchGAN(wanted, cfg.features_discriminator, cfg.patch_layers, "instance")
            self.discriminator = judge.apply(init_normal)

    def build_frozen(self) -> None:
        """Build the trunk."""
        self.trunk = VGG(load_trunk(self.cfg.trunk), self.cfg.layers)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The discriminator's loss at balance; the generator's also holds content and style."""
        return {"loss_discriminator": self.objective.ideal["loss_discriminator"]} if self.adversaries else {}

    @property
    def given_multiple(self) -> int:
        """The generator halves each side twice."""
        return 4

    @property
    def reach(self) -> int | None:
        """See `System`."""
        return self.generator.reach

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        if self.adversaries:
            judged = yield Update("discriminator", self.discriminator_loss, batch)
            it.log(self.objective.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """(D(b) - 1)^2 + D(G(a))^2 over all patches: Mao et al. 2017, arXiv:1611.04076, equation 9 without 1/2."""
        with torch.no_grad():
            made = self.generator(batch["a"])
        real, fake = self.discriminator(batch["b"]), self.discriminator(made)
        outputs = {"real": real.mean(dim=(1, 2)), "fake": fake.mean(dim=(1, 2))}
        return self.objective.discriminator(real.flatten(), fake.flatten()), outputs

    def generator_loss(self, batch: Batch) -> Terms:
        """The terms of `direct_loss`, + weight (D(G(a)) - 1)^2 over all patches."""
        made = self.generator(batch["a"])
        terms = dict(self.direct_loss(batch)({"image": made}))
        if self.adversaries:
            fooled = self.objective.generator(None, self.discriminator(made).flatten())["adversarial"]
            terms["adversarial"] = self.cfg.adversarial_weight * fooled
        return terms

    def direct_loss(self, batch: Batch) -> Callable[[Batch], Terms]:
        """Content + style + variation, equations 2, 4 and 5; without a generator that is Gatys et al. 2015.

        Gatys et al. 2015, arXiv:1508.06576, equations 1, 5 and 7. Deviation: the total variation, which is Johnson's.
        """
        cfg = self.cfg
        with torch.no_grad():
            content, style = self._features(batch["a"], cfg.content), self._features(batch["b"], cfg.style_layers)

        def terms(outputs: Batch) -> Terms:
            found = self.trunk(outputs["image"])
            return {
                "content": cfg.content_weight * feature_distance(found, content),
                "style": cfg.style_weight * gram_distance(found, style),
                "variation": cfg.variation_weight * total_variation(outputs["image"]),
            }

        return terms

    def generate(self, inputs: Batch) -> dict[str, Float[Tensor, "n c h w"]]:
        """Repaint each photograph. What is drawn, not what is trained on, is cut to [-1, 1]."""
        return {"image": self.generator(inputs["photo"]).clamp(-1, 1)}

    def realness(self, batch: Batch) -> Float[Tensor, " n"] | None:
        """Return D's mean output over the patches of each picture."""
        return self.discriminator(batch["b"]).mean(dim=(1, 2)) if self.adversaries else None

    def _features(self, images: Tensor, layers: tuple[str, ...]) -> Features:
        found = self.trunk(images)
        return {layer: found[layer] for layer in layers}
