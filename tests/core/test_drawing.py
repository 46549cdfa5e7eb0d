"""Drawing: the same seed gives the same items, however many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from specs import images, vectors

from ganpipe import systems
from ganpipe.config import SystemSection
from ganpipe.core.system import System
from ganpipe.errors import TrainingDiverged
from ganpipe.sampling.draw import draw, draw_latents

DIGITS = images((1, 28, 28), name="digits")


@pytest.fixture(scope="module")
def system() -> System:
    return systems.build(SystemSection(name="dcgan", latent=8, features=4), DIGITS, seed=3).eval()


def test_fewer_are_the_first_of_more(system: System) -> None:
    many = np.concatenate(list(draw(system, 150, seed=5)))
    few = np.concatenate(list(draw(system, 67, seed=5)))
    assert many.shape == (150, 28, 28, 1)
    assert many.dtype == np.uint8
    assert np.array_equal(many[:67], few)
    assert len(np.unique(many.reshape(150, -1), axis=0)) == 150


def test_seeds_differ_and_the_global_generator_does_not_matter(system: System) -> None:
    torch.manual_seed(1)
    first = draw_latents(system, 10, seed=0)
    torch.manual_seed(2)
    assert torch.equal(first, draw_latents(system, 10, seed=0))
    assert not torch.equal(first, draw_latents(system, 10, seed=1))


def test_building_is_a_function_of_the_seed_and_leaves_the_global_generator_alone() -> None:
    section = SystemSection(name="mlp_gan", generator_widths=[8], discriminator_widths=[8])
    before = torch.get_rng_state()
    one, same, other = (systems.build(section, DIGITS, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["generator.body.0.weight"], other["generator.body.0.weight"])


def test_a_broken_generator_is_named(system: System) -> None:
    broken = systems.build(SystemSection(name="pattern_gan"), vectors(4, name="pattern"), 0)
    with torch.no_grad():
        broken.get_parameter("generator.0.0.weight").fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="non-finite"):
        list(draw(broken.eval(), 3, seed=0))
