"""Optimizers and the learning rate's schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganpipe.config import SGD, Adam, RMSprop, Train
from ganpipe.core.optim import build_optimizer, learning_rate


def train(**values: Any) -> Train:
    base = {"kimg": 10, "batch": 1, "lr": 0.4, "optimizer": Adam(name="adam"), "preview_kimg": 1, "log_kimg": 1}
    return Train.model_validate(base | values)


def test_constant_unless_told_otherwise() -> None:
    assert learning_rate(train(), 9_000, adversary=False) == 0.4
    assert learning_rate(train(), 9_000, adversary=True) == 0.4


def test_an_adversary_may_have_its_own() -> None:
    own = train(lr_discriminator=0.1)
    assert learning_rate(own, 0, adversary=True) == 0.1
    assert learning_rate(own, 0, adversary=False) == 0.4


@pytest.mark.parametrize(("nimg", "share"), [(0, 1), (5_000, 1), (7_500, 0.5), (10_000, 0), (11_000, 0)])
def test_linear_decay_ends_at_zero(nimg: int, share: float) -> None:
    assert learning_rate(train(lr_decay_from_kimg=5), nimg, adversary=False) == pytest.approx(0.4 * share)


@pytest.mark.parametrize(
    ("cfg", "cls", "expected"),
    [
        (
            Adam(name="adam", betas=(0.5, 0.9), weight_decay=0.1),
            torch.optim.Adam,
            {"betas": (0.5, 0.9), "weight_decay": 0.1},
        ),
        (SGD(name="sgd", momentum=0.3), torch.optim.SGD, {"momentum": 0.3}),
        (RMSprop(name="rmsprop", alpha=0.8), torch.optim.RMSprop, {"alpha": 0.8}),
    ],
)
def test_options_reach_the_optimizer(cfg: Any, cls: type, expected: dict[str, Any]) -> None:
    optimizer = build_optimizer(cfg, [torch.nn.Parameter(torch.ones(2))])
    assert type(optimizer) is cls
    assert optimizer.defaults.items() >= (expected | {"lr": 0.0}).items()
