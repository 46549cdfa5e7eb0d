"""StarGAN: one generator that sends a picture to any of several domains."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganpipe.losses.penalties import gradient_penalty
from ganpipe.losses.precision import at_least_fp32
from ganpipe.nets import stargan
from ganpipe.systems.configs import stargan as config


class StarGAN(System):
    """StarGAN (Choi et al. 2018, arXiv:1711.09020), equations 1 to 6 with the Wasserstein loss of equation 8.

    The wanted domains are those of the batch in another order. Deviations: with `train.lr_decay_from_kimg` the learning
    rate falls to 0 as the paper says (in the authors' code it ends at 0.999 of the first one). `identity_weight`, off
    by default, also asks a picture sent to its own domain to stay as it is. `attention_weight`, off by default, gives
    the generator the mask of GANimation (Pumarola et al. 2018, arXiv:1807.09251), whose mean is a term of the loss:
    what does not need to change is copied. Deviation from GANimation: no term for the total variation of the mask.
    """

    Config = config.Config
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data.choosing(cfg.condition, cfg.attributes))
        self.columns = [data.names("attributes").index(name) for name in self.data.names("attributes")]
        shape, domains = data.image_shape("image", "stargan"), len(self.data.names(cfg.condition))
        attention = cfg.attention_weight is not None
        self.generator = stargan.Generator(shape, domains, cfg.features, cfg.blocks, cfg.upsampling, attention)
        self.discriminator = stargan.Discriminator(shape, domains, cfg.features_discriminator)

    @property
    def given_multiple(self) -> int:
        """The generator halves each side twice."""
        return 4

    @property
    def reach(self) -> int | None:
        """See `System`."""
        return self.generator.reach

    def updates(self, it: Iteration) -> Updates:
        """`n_critic` discriminator steps on fresh batches, then one generator step on the last."""
        for _ in range(self.cfg.n_critic):
            batch = self._with_wanted(it.next_batch())
            yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """D(G(x, c)) - D(x) + lambda_gp (||grad D(x_hat)|| - 1)^2 - lambda_cls log D_cls(c' | x).

        The slope is that of the sum over the patches, as in the authors' code.
        """
        image = batch["image"]
        with torch.no_grad():
            made = self.generate({"source": image, "domain": batch["wanted"]})["image"]
        real, domains = self.discriminator(image)
        critic = wasserstein_critic(real.flatten(), self.discriminator(made)[0].flatten())
        penalty = gradient_penalty(lambda images: self.discriminator(images)[0].flatten(1).sum(dim=1), image, made)
        classified = self.cfg.domain_weight * self._wrongly_classified(domains, batch[self.cfg.condition])
        return {**critic, "gradient_penalty": self.cfg.penalty_weight * penalty, "domain": classified}

    def generator_loss(self, batch: Batch) -> Terms:
        """-D(G(x, c)) - lambda_cls log D_cls(c | G(x, c)) + lambda_rec |x - G(G(x, c), c')|.

        With a mask also its mean, with `identity_weight` also |x - G(x, c')|.
        """
        image, own = batch["image"], batch[self.cfg.condition]
        made, mask = self.generator.painted(image, self.encoded(batch["wanted"]))
        patches, domains = self.discriminator(made)
        back = self.generate({"source": made, "domain": own})["image"]
        terms = {
            **wasserstein_generator(patches.flatten()),
            "domain": self.cfg.domain_weight * self._wrongly_classified(domains, batch["wanted"]),
            "cycle": self.cfg.cycle_weight * F.l1_loss(back, image),
        }
        if self.cfg.identity_weight:
            same = self.generate({"source": image, "domain": own})["image"]
            terms["identity"] = self.cfg.cycle_weight * self.cfg.identity_weight * F.l1_loss(same, image)
        if mask is not None:
            assert self.cfg.attention_weight is not None, "it makes the mask"
            terms["attention"] = self.cfg.attention_weight * mask.mean()
        return terms

    def generate(self, inputs: Batch) -> Batch:
        """Send each picture to its domain."""
        return {"image": self.generator(inputs["source"], self.encoded(inputs["domain"]))}

    def encoded(self, domains: Tensor) -> Float[Tensor, "n k"]:
        """Return domains as numbers 0 or 1: labels one-hot, attributes as they are."""
        if self.cfg.condition == "attributes":
            return domains
        return F.one_hot(domains, len(self.data.names("label"))).float()

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return D's mean score over the patches of each picture."""
        return self.discriminator(batch["image"])[0].mean(dim=(1, 2))

    def _with_wanted(self, batch: Batch) -> Batch:
        """Add the wanted domains: those of the batch, in a random order; attributes that are not used fall away."""
        own = batch[self.cfg.condition]
        if self.cfg.condition == "attributes":
            own = own[:, self.columns]
        order = torch.randperm(batch_size(batch)).to(own.device)
        return {"image": batch["image"], self.cfg.condition: own, "wanted": own[order]}

    def _wrongly_classified(self, logits: Float[Tensor, "n k"], domains: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of a label; of attributes, each yes or no, the sum over them: the mean over the pictures."""
        logits = at_least_fp32(logits)
        if self.cfg.condition == "label":
            return F.cross_entropy(logits, domains)
        return F.binary_cross_entropy_with_logits(logits, domains, reduction="sum") / len(logits)
