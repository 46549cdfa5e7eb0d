"""The moving average of the generators."""

from __future__ import annotations

import pytest
import torch
from several import several
from specs import images
from torch import nn

from ganpipe import systems
from ganpipe.config import SystemSection
from ganpipe.core.system import System
from ganpipe.training.ema import Ema

DIGITS = images((1, 28, 28), name="digits")


@pytest.fixture
def system() -> System:
    return systems.build(SystemSection(name="dcgan", latent=4, features=2), DIGITS, seed=0)


def first_weight(module: nn.Module) -> torch.Tensor:
    return next(module.parameters())


def test_half_of_the_old_value_is_left_after_a_half_life(system: System) -> None:
    ema = Ema(system, half_life_kimg=1.0)
    before = first_weight(ema.shadow["generator"]).clone()
    live = first_weight(system.get_submodule("generator"))
    with torch.no_grad():
        live.add_(1.0)
    ema.update(system, shown=1000, nimg=10**9)
    torch.testing.assert_close(first_weight(ema.shadow["generator"]), before + 0.5)
    for _ in range(10):
        ema.update(system, shown=100, nimg=10**9)
    torch.testing.assert_close(first_weight(ema.shadow["generator"]), before + 0.75)


def test_the_first_weights_are_soon_forgotten(system: System) -> None:
    ema = Ema(system, half_life_kimg=1000.0)
    with torch.no_grad():
        first_weight(system.get_submodule("generator")).add_(1.0)
    ema.update(system, shown=64, nimg=64)
    gap = first_weight(system.get_submodule("generator")) - first_weight(ema.shadow["generator"])
    assert gap.abs().max() < 1e-5  # half-life 3.2 images, 64 images later


def test_batch_statistics_follow_and_counters_are_copied(system: System) -> None:
    ema = Ema(system, half_life_kimg=1.0)
    live = system.get_submodule("generator").state_dict()
    mean = next(name for name in live if name.endswith("running_mean"))
    counter = next(name for name in live if name.endswith("num_batches_tracked"))
    live[mean].fill_(4.0)
    live[counter].fill_(7)
    ema.update(system, shown=1000, nimg=10**9)
    shadow = ema.shadow["generator"].state_dict()
    torch.testing.assert_close(shadow[mean], torch.full_like(shadow[mean], 2.0))
    assert shadow[counter] == 7


def test_the_average_is_lent_and_taken_back(system: System) -> None:
    ema = Ema(system, half_life_kimg=1.0)
    live = system.get_submodule("generator")
    system.train()
    with pytest.raises(KeyError), ema.applied(system) as lent:
        assert lent.get_submodule("generator") is ema.shadow["generator"]
        assert not lent.training
        raise KeyError
    assert system.get_submodule("generator") is live
    assert system.training
    assert live.training
    assert not any(parameter.requires_grad for parameter in ema.parameters())


def test_a_half_life_of_zero_keeps_no_average(system: System) -> None:
    ema = Ema(system, half_life_kimg=0.0)
    ema.update(system, shown=10, nimg=10)
    with ema.applied(system) as lent:
        assert lent is system
        assert not system.training
    assert not list(ema.parameters())


def test_all_networks_of_a_player_are_averaged_and_frozen_ones_are_not() -> None:
    system = several()
    ema = Ema(system, half_life_kimg=1.0)
    before = {name: value.clone() for name, value in ema.shadow["generator"].state_dict().items()}
    assert set(ema.shadow) == {"generator"} and {name.partition(".")[0] for name in before} == {"body", "head"}
    with torch.no_grad():
        for parameter in system.generator.parameters():
            parameter.add_(1.0)
    ema.update(system, shown=1000, nimg=10**9)
    for name, value in ema.shadow["generator"].state_dict().items():
        torch.testing.assert_close(value, before[name] + 0.5)
    with ema.applied(system) as lent:
        assert lent.generator["body"] is ema.shadow["generator"]["body"]
        made = lent.generate({"latent": torch.ones(2, 3)})
    assert not torch.equal(made["other"], system.generate({"latent": torch.ones(2, 3)})["other"])
