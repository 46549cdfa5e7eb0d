"""A picture of a caption: a Transformer makes patches that look at the words, and a discriminator reads the caption."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.penalties import matching_aware_penalty
from ganpipe.nets import text_to_image
from ganpipe.nets.layers import normalise_spectrally
from ganpipe.systems.configs import text_to_image as config


class TextToImage(System):
    """Text to image with wrong captions as fakes (Reed et al. 2016, arXiv:1605.05396, Algorithm 1: GAN-CLS).

    Half of the discriminator's cost of fakes is that of made pictures, half that of real ones with wrong captions: the
    caption of another picture of the batch, and the field `swapped`, in which one part of the own caption is another.

    Deviations: hinge for the cost of probabilities; a Transformer with patch queries (Vaswani et al. 2017,
    arXiv:1706.03762) for transposed convolutions, and attention from words to regions (AttnGAN: Xu et al. 2018,
    arXiv:1711.10485) for a pooled vector of the text; the encoder is frozen; L1 and L2 to the paired picture, which may
    end early; spectral norm (Miyato et al. 2018, arXiv:1802.05957). Option: the penalty of DF-GAN (Tao et al. 2022,
    arXiv:2008.05865).
    """

    Config = config.Config
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        shape = data.image_shape("image", "text_to_image")
        numbers = data.field("caption", "text", "text_to_image").shape[1]
        super().__init__(cfg, _known(data))
        self.objective = OBJECTIVES["hinge"]
        self.generator = text_to_image.Generator(
            cfg.latent, numbers, shape, cfg.width, cfg.heads, cfg.depth, cfg.patch, cfg.features
        )
        self.adversaries = ("discriminator",) if cfg.adversarial_weight else ()  # type: ignore[misc]
        if self.adversaries:
            if cfg.swapped:
                data.field("swapped", "text", "text_to_image")
            network = text_to_image.Discriminator(numbers, shape, cfg.features_discriminator, cfg.heads)
            normalise_spectrally(network)
            self.discriminator = network

    @property
    def smallest_batch(self) -> int:
        """Two where another picture of the batch lends its caption."""
        return 2 if self.adversaries and self.cfg.mismatched else 1

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        if self.adversaries:
            judged = yield Update("discriminator", self.discriminator_loss, batch)
            it.log(self.objective.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", partial(self.generator_loss, share=self.pixel_share(it.kimg)), batch)

    def pixel_share(self, kimg: float) -> float:
        """Return the factor on the weights of L1 and L2: 1, or from 1 at the start linearly to 0."""
        end = self.cfg.pixel_decay_kimg
        return 1.0 if end is None else max(0.0, 1.0 - kimg / end)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """max(0, 1 - D(x, t)) + max(0, 1 + D(G(z, t), t)) / 2 + the mean over wrong t' of max(0, 1 + D(x, t')) / 2.

        Without wrong captions made pictures count whole. With a weight k, k (||dD/dx|| + ||dD/dt||)^p is added.
        """
        image, text = batch["image"], batch["caption"]
        with torch.no_grad():
            made = self.generator(self.draw("latent", batch_size(batch)).to(image.dtype), text)
        seen = self.discriminator.regions(image)
        real, fake = self.discriminator.judge(seen, text), self.discriminator(made, text)
        wrong = self.wrong_captions(batch)
        terms = dict(self.objective.discriminator(real, fake))
        if wrong:
            terms["fake"] = terms["fake"] / 2
        for name, other in wrong.items():
            cost = self.objective.on_fake(self.discriminator.judge(seen, other)) * _differ(text, other)
            terms[name] = cost.mean() / (2 * len(wrong))
        if self.cfg.ma_gp_weight:
            penalty = matching_aware_penalty(self.discriminator, image, text, self.cfg.ma_gp_power)
            terms["gradient_penalty"] = self.cfg.ma_gp_weight * penalty
        return terms, {"real": real, "fake": fake}

    def wrong_captions(self, batch: Batch) -> Batch:
        """Return wrong captions for the real pictures: those of others in the batch, and those with a part swapped.

        A batch may hold a caption twice: what is the own caption after all costs nothing.
        """
        text = batch["caption"]
        found = {}
        if self.cfg.mismatched:
            found["mismatched"] = text.roll(int(torch.randint(1, len(text), ())), dims=0)
        if self.cfg.swapped:
            found["swapped"] = batch["swapped"]
        return found

    def generator_loss(self, batch: Batch, share: float = 1.0) -> Terms:
        """-D(G(z, t), t), and of the difference d = G(z, t) - x the means of |d| and d^2, which `share` multiplies."""
        image, text, cfg = batch["image"], batch["caption"], self.cfg
        made = self.generator(self.draw("latent", batch_size(batch)).to(image.dtype), text)
        terms: dict[str, Tensor] = {}
        if self.adversaries:
            fooled = self.objective.generator(None, self.discriminator(made, text))
            terms |= {name: cfg.adversarial_weight * cost for name, cost in fooled.items()}
        if cfg.l1_weight:
            terms["l1"] = share * cfg.l1_weight * l1_loss(made, image)
        if cfg.l2_weight:
            terms["l2"] = share * cfg.l2_weight * mse_loss(made, image)
        return terms

    def realness(self, batch: Batch) -> Float[Tensor, " n"] | None:
        """Return D's logit for each picture with its caption."""
        return self.discriminator(batch["image"], batch["caption"]) if self.adversaries else None


def _differ(text: Float[Tensor, "n t d"], other: Float[Tensor, "n t d"]) -> Float[Tensor, " n"]:
    """Return 1 where two texts differ, else 0."""
    return (text != other).flatten(1).any(dim=1).to(text.dtype)


def _known(data: DataSpec) -> DataSpec:
    """Return what a generator knows of its data: pictures, and texts of its encoder but not which ones there are."""
    known = {name: field for name, field in data.fields.items() if name in ("image", "caption", "swapped")}
    texts = {name: field.model_copy(update={"names": ()}) for name, field in known.items() if field.kind == "text"}
    return DataSpec(name=data.name, fields={**known, **texts})
