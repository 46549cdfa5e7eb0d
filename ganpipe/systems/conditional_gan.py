"""Conditional GANs: images of a wanted class or with wanted attributes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.nets import conditional, dcgan
from ganpipe.nets.augment import diff_augment
from ganpipe.systems.configs import conditional_gan as config

Conditions = Float[Tensor, "n k"]
Verdicts = Float[Tensor, "n heads"]
Shape = tuple[int, int, int]


class ConditionalGAN(System):
    """Conditional GAN (Mirza & Osindero 2014, arXiv:1411.1784) with one of three discriminators.

    `joint` reads the condition beside the image. `projection` is Miyato & Koyama 2018, arXiv:1802.05637. `heads` gives
    two verdicts, quality and match, and an image passes when both do: with probability sigmoid(quality) sigmoid(match).
    The generator's cost, -log of that product, is the sum of its costs for both; other objectives are summed alike.
    `mismatched` also shows real images under a wrong condition as fakes (GAN-CLS: Reed et al. 2016, arXiv:1605.05396,
    Algorithm 1); the quality head does not learn from them.

    Deviations: DCGAN's networks, or the fully connected ones of Rashid, "Make Your First GAN with PyTorch", 2020,
    notebook 16, instead of the papers'; the projection's phi ends in a dense layer, and has batch norm for spectral
    norm. Fakes are drawn under the conditions of the real batch (the book: under random labels).
    The trained generator draws every class with equal probability, and every attribute is on with probability 1/2,
    independently of the others. Their frequencies in the data are not published with the generator.
    """

    Config = config.Config

    discriminator: conditional.Discriminator
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data.choosing(cfg.condition, cfg.attributes))
        self.columns = [data.names("attributes").index(name) for name in self.data.names("attributes")]
        self.conditions = len(self.data.names(cfg.condition))
        self.objective = OBJECTIVES[cfg.objective]
        shape = data.image_shape("image", "conditional_gan")
        self.generator = _generator(cfg, shape, self.conditions)
        self.discriminator = _discriminator(cfg, shape, self.conditions)

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance. Unknown with `mismatched`, because D may always recognise some wrong conditions."""
        heads = 2 if self.cfg.discriminator == "heads" else 1
        return {} if self.cfg.mismatched else {name: heads * value for name, value in self.objective.ideal.items()}

    def generate(self, inputs: Batch) -> Batch:
        """Return an `image` for each `latent` and `condition`: labels (n,) or the chosen attributes (n, K)."""
        return {"image": self.generator(torch.cat([inputs["latent"], self.encoded(inputs["condition"])], dim=1))}

    def encoded(self, condition: Tensor) -> Conditions:
        """Return labels (n,) one-hot, and attributes (n, K) as they are."""
        label = self.cfg.condition == "label"
        return (F.one_hot(condition, self.conditions) if label else condition).float()

    def updates(self, it: Iteration) -> Updates:
        """One discriminator step, then one generator step."""
        batch = it.next_batch()
        judged = yield Update("discriminator", self.discriminator_loss, batch)
        it.log(self.scores(judged.tensors["real"], judged.tensors["fake"]))
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x, y) - log(1 - D(G(z, y), y)) for each head, or the costs of another objective.

        With `mismatched`, -log(1 - D(x, y')) for a wrong condition y' is half of the cost of fakes.
        """
        condition = self._condition(batch)
        with torch.no_grad():
            images = self._drawn(condition)
        seen = self._seen(batch["image"])
        real, fake = self.discriminator.judge(seen, condition), self.discriminator.judge(self._seen(images), condition)
        wrong = self.discriminator.judge(seen, self.wrong(condition)) if self.cfg.mismatched else None
        return self.verdict_costs(real, fake, wrong), {"real": real, "fake": fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z, y), y) for each head, or the cost of another objective."""
        condition = self._condition(batch)
        fake = self.discriminator.judge(self._seen(self._drawn(condition)), condition)
        names = ("adversarial",) if fake.shape[1] == 1 else ("quality", "match")
        return dict(zip(names, self.objective.to_fool(fake).mean(dim=0), strict=True))

    def verdict_costs(self, real: Verdicts, fake: Verdicts, wrong: Verdicts | None) -> Terms:
        """Return D's costs. The last verdict judges image and condition, the first of two the image alone."""
        terms = dict(self.objective.discriminator(real[:, -1], fake[:, -1]))
        if wrong is not None:
            terms["fake"] = terms["fake"] / 2
            terms["wrong_condition"] = self.objective.on_fake(wrong[:, -1]).mean() / 2
        if real.shape[1] == 1:
            return terms
        quality = self.objective.discriminator(real[:, 0], fake[:, 0])
        return {f"quality_{name}": cost for name, cost in quality.items()} | {
            f"match_{name}": cost for name, cost in terms.items()
        }

    def scores(self, real: Verdicts, fake: Verdicts) -> Terms:
        """Return the score of each player (see `Objective.scores`) from the probability to pass all heads."""
        passed, slipped = (self.objective.belief(verdicts).prod(dim=1).mean() for verdicts in (real, fake))
        return {"score_generator": slipped, "score_discriminator": (passed + 1 - slipped) / 2}

    def wrong(self, condition: Conditions) -> Conditions:
        """Return a wrong condition for each: another class, or one attribute flipped, chosen with equal probability."""
        if self.cfg.condition == "label":
            steps = torch.randint(1, self.conditions, (len(condition),), device=condition.device)
            return self.encoded((condition.argmax(dim=1) + steps) % self.conditions)
        flipped = torch.randint(self.conditions, (len(condition),), device=condition.device)
        return (condition - F.one_hot(flipped, self.conditions)).abs()

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return the lower of D's verdicts on each image and its condition, because both must pass."""
        return self.discriminator.judge(self._seen(batch["image"]), self._condition(batch)).amin(dim=1)

    def _condition(self, batch: Batch) -> Conditions:
        if self.cfg.condition == "label":
            return self.encoded(batch["label"])
        rows = batch["attributes"]  # all attributes of the data set, or the chosen ones alone
        return rows if rows.shape[1] == self.conditions else rows[:, self.columns]

    def _drawn(self, condition: Conditions) -> Float[Tensor, "n c h w"]:
        return self.generator(torch.cat([self.draw("latent", len(condition)), condition], dim=1))

    def _seen(self, images: Float[Tensor, "n c h w"]) -> Tensor:
        return self.discriminator.features(diff_augment(images, self.cfg.augment or ()))


def _generator(cfg: config.Config, shape: Shape, conditions: int) -> nn.Module:
    if cfg.network == "mlp":
        return conditional.book_generator(cfg.latent + conditions, shape, cfg.widths)
    return dcgan.Generator(cfg.latent + conditions, shape, cfg.features).apply(dcgan.init_dcgan)


def _discriminator(cfg: config.Config, shape: Shape, conditions: int) -> conditional.Discriminator:
    mlp = cfg.network == "mlp"
    if cfg.discriminator == "joint":
        if mlp:
            return conditional.JointMLP(shape, conditions, cfg.widths)
        return conditional.JointConv(shape, conditions, cfg.features)
    trunk = conditional.TrunkMLP(shape, cfg.widths) if mlp else conditional.TrunkConv(shape, cfg.features)
    return (conditional.Heads if cfg.discriminator == "heads" else conditional.Projection)(trunk, conditions)
