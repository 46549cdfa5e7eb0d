"""Adversarial objectives and the scores that show who is winning."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.system import Terms

Logits = Float[Tensor, " n"]


def cross_entropy_discriminator(real: Logits, fake: Logits) -> Terms:
    """Return -log D(x) and -log(1 - D(G(z))), from logits (Goodfellow et al. 2014, arXiv:1406.2661, equation 1).

    Their sum is minus the value V(D, G); at the optimal discriminator it equals log 4 - 2 JSD(p_data, p_g).
    """
    return {"real": F.softplus(-real).mean(), "fake": F.softplus(fake).mean()}


def cross_entropy_generator(fake: Logits) -> Terms:
    """Return the non-saturating loss -log D(G(z)), from logits (arXiv:1406.2661, section 3, last paragraph)."""
    return {"adversarial": F.softplus(-fake).mean()}


def squared_error(logits: Logits, target: float) -> Float[Tensor, ""]:
    """Return mean (D - target)^2 with D = sigmoid(logit): Rashid's loss, not LSGAN's, whose D is unsquashed."""
    return (torch.sigmoid(logits) - target).square().mean()


def wasserstein_critic(real: Logits, fake: Logits) -> Terms:
    """Return mean f(G(z)) - mean f(x), minus the estimated Wasserstein-1 distance (arXiv:1701.07875, equation 2)."""
    return {"wasserstein": fake.mean() - real.mean()}


def wasserstein_generator(fake: Logits) -> Terms:
    """Return -mean f(G(z))."""
    return {"adversarial": -fake.mean()}


def scores(real: Logits, fake: Logits) -> Terms:
    """Return the score of each player, from logits: how well it does, between 0 and 1; both 0.5 when balanced.

    Generator: mean D(G(z)). Discriminator: half of mean D(x) plus half of mean 1 - D(G(z)). As in MathWorks'
    "Monitor GAN Training Progress and Identify Common Failure Modes".
    """
    real_mean, fake_mean = torch.sigmoid(real).mean(), torch.sigmoid(fake).mean()
    return {"score_generator": fake_mean, "score_discriminator": (real_mean + 1 - fake_mean) / 2}
