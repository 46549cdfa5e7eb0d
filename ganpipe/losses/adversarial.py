"""Objectives of two adversarial players, and scores that show how well each player does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.config.choices import ObjectiveName
from ganpipe.core.system import Terms
from ganpipe.losses.precision import at_least_fp32

Logits = Float[Tensor, " n"]
Elementwise = Callable[[Tensor], Tensor]


def _in_fp32(function: Elementwise) -> Elementwise:
    return lambda outputs: function(at_least_fp32(outputs))


@dataclass(frozen=True)
class Objective:
    """The costs that generator (G) and discriminator (D) minimise, as functions of single outputs of D.

    Outputs in bf16 are converted to fp32 first.
    """

    on_real: Elementwise  # D's cost for this output on a real image
    on_fake: Elementwise  # D's cost for this output on a generated image
    to_fool: Elementwise  # G's cost for this output on a generated image
    belief: Elementwise  # the output as a probability of being real
    balance: tuple[float, float]  # the total costs of G and D when D cannot tell real from fake
    relative: bool = False  # the mean output on the other kind of images is first subtracted from each output

    def __post_init__(self) -> None:
        for name in ("on_real", "on_fake", "to_fool", "belief"):
            object.__setattr__(self, name, _in_fp32(getattr(self, name)))

    def discriminator(self, real: Logits, fake: Logits, real_label: float | Float[Tensor, " n"] = 1.0) -> Terms:
        """Return D's mean costs over the batch: `real` on real images, `fake` on generated ones.

        A real image with the label w costs w * on_real + (1 - w) * on_fake. With cross-entropy, 0.9 is one-sided label
        smoothing (Salimans et al. 2016, arXiv:1606.03498, section 3.4); a tensor of zeros and ones flips labels.
        """
        real, fake = self._compared(real, fake)
        on_real = self.on_real(real)
        if not isinstance(real_label, float) or real_label != 1.0:
            on_real = real_label * on_real + (1 - real_label) * self.on_fake(real)
        return {"real": on_real.mean(), "fake": self.on_fake(fake).mean()}

    def generator(self, real: Logits | None, fake: Logits) -> Terms:
        """Return G's mean cost over the batch. A relative objective needs `real`, else it raises `ValueError`."""
        if not self.relative:
            return {"adversarial": self.to_fool(fake).mean()}
        if real is None:
            raise ValueError("a relative objective needs the outputs on real images too")
        real, fake = self._compared(real, fake)
        return {"adversarial": self.to_fool(fake).mean() + self.on_fake(real).mean()}

    def scores(self, real: Logits, fake: Logits) -> Terms:
        """Return the score of each player, between 0 and 1; both are 0.5 at balance.

        Generator: mean D(G(z)). Discriminator: half of mean D(x) plus half of mean 1 - D(G(z)). As in MathWorks'
        "Monitor GAN Training Progress and Identify Common Failure Modes". D is `belief`. {} for a relative
        objective, because its discriminator has no belief about a single image.
        """
        if self.relative:
            return {}
        real_mean, fake_mean = self.belief(real).mean(), self.belief(fake).mean()
        return {"score_generator": fake_mean, "score_discriminator": (real_mean + 1 - fake_mean) / 2}

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance, by their names in the history."""
        return dict(zip(("loss_generator", "loss_discriminator"), self.balance, strict=True))

    def _compared(self, real: Logits, fake: Logits) -> tuple[Logits, Logits]:
        if not self.relative:
            return real, fake
        real, fake = at_least_fp32(real), at_least_fp32(fake)
        return real - fake.mean(), fake - real.mean()


def _clamped(outputs: Tensor) -> Tensor:
    return outputs.clamp(0, 1)


_LN2 = math.log(2)

OBJECTIVES: Mapping[ObjectiveName, Objective] = {
    # -log D(x), -log(1 - D(G(z))) and -log D(G(z)), from logits: Goodfellow et al. 2014, arXiv:1406.2661, equation 1
    # and the last paragraph of section 3. D's cost is minus the value; at its optimum log 4 - 2 JSD(p_data, p_g).
    "non_saturating": Objective(
        on_real=lambda x: F.softplus(-x),
        on_fake=F.softplus,
        to_fool=lambda x: F.softplus(-x),
        belief=torch.sigmoid,
        balance=(_LN2, 2 * _LN2),
    ),
    # The same game with the generator of equation 1 itself: log(1 - D(G(z))), flat where D is sure.
    "minimax": Objective(
        on_real=lambda x: F.softplus(-x),
        on_fake=F.softplus,
        to_fool=lambda x: -F.softplus(x),
        belief=torch.sigmoid,
        balance=(-_LN2, 2 * _LN2),
    ),
    # LSGAN: Mao et al. 2017, arXiv:1611.04076, equation 9 (a = 0, b = c = 1) without its factors 1/2.
    "least_squares": Objective(
        on_real=lambda x: (x - 1).square(),
        on_fake=torch.square,
        to_fool=lambda x: (x - 1).square(),
        belief=_clamped,
        balance=(0.25, 0.5),
    ),
    # Mean squared error of a sigmoid output: Rashid, "Make Your First GAN with PyTorch", 2020. Unlike LSGAN, whose
    # D is not squashed, it is flat where D is sure.
    "squared_error": Objective(
        on_real=lambda x: (torch.sigmoid(x) - 1).square(),
        on_fake=lambda x: torch.sigmoid(x).square(),
        to_fool=lambda x: (torch.sigmoid(x) - 1).square(),
        belief=torch.sigmoid,
        balance=(0.25, 0.5),
    ),
    # Lim & Ye 2017, arXiv:1705.02894, equations 17 and 18; Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17.
    "hinge": Objective(
        on_real=lambda x: torch.relu(1 - x),
        on_fake=lambda x: torch.relu(1 + x),
        to_fool=torch.neg,
        belief=torch.sigmoid,
        balance=(0.0, 2.0),
    ),
    # RaSGAN: Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.1.1. Means are those of a micro-batch.
    "relativistic_average": Objective(
        on_real=lambda x: F.softplus(-x),
        on_fake=F.softplus,
        to_fool=lambda x: F.softplus(-x),
        belief=torch.sigmoid,
        balance=(2 * _LN2, 2 * _LN2),
        relative=True,
    ),
}


def wasserstein_critic(real: Logits, fake: Logits) -> Terms:
    """Return mean f(G(z)) - mean f(x), minus the estimated Wasserstein-1 distance (arXiv:1701.07875, equation 2)."""
    return {"wasserstein": at_least_fp32(fake).mean() - at_least_fp32(real).mean()}


def wasserstein_generator(fake: Logits) -> Terms:
    """Return -mean f(G(z))."""
    return {"adversarial": -at_least_fp32(fake).mean()}


def paired_discriminator(real: Logits, fake: Logits) -> Terms:
    """Return mean log(1 + exp(D(G(z)) - D(x))): each real image is compared with one generated image.

    Relativistic pairing: Jolicoeur-Martineau 2018, arXiv:1807.00734, equation 1; Huang et al. 2024, arXiv:2501.05441,
    equation 2.
    """
    return {"pairing": F.softplus(at_least_fp32(fake) - at_least_fp32(real)).mean()}


def paired_generator(real: Logits, fake: Logits) -> Terms:
    """Return mean log(1 + exp(D(x) - D(G(z)))), see `paired_discriminator`."""
    return {"adversarial": F.softplus(at_least_fp32(real) - at_least_fp32(fake)).mean()}
