"""Optimizers as params.yaml configures them, and the learning rate as a function of the images shown."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ganpipe import config


def build_optimizer(cfg: config.Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the configured optimizer with a learning rate of 0: the loop sets it before each step.

    Adam and SGD come in torch's fused form, the fastest on CPU and GPU alike.
    """
    match cfg:
        case config.Adam():
            return torch.optim.Adam(parameters, lr=0.0, betas=cfg.betas, weight_decay=cfg.weight_decay, fused=True)
        case config.SGD():
            return torch.optim.SGD(parameters, lr=0.0, momentum=cfg.momentum, weight_decay=cfg.weight_decay, fused=True)
        case config.RMSprop():
            return torch.optim.RMSprop(parameters, lr=0.0, alpha=cfg.alpha)


def learning_rate(train: config.Train, nimg: int, adversary: bool) -> float:
    """Return the learning rate after `nimg` real images: constant, or linear to zero from `lr_decay_from_kimg` on.

    An adversary starts from `lr_discriminator` if it is set; all other players start from `lr`.
    """
    peak = train.lr_discriminator if adversary and train.lr_discriminator is not None else train.lr
    if train.lr_decay_from_kimg is None:
        return peak
    left = (train.kimg - nimg / 1000) / (train.kimg - train.lr_decay_from_kimg)
    return peak * min(1.0, max(0.0, left))
