"""The 1010 GAN: the book's sizes, its three steps, and that it learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from miniatures import changed, start_training
from specs import vectors

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.system import Iteration, Outcome
from ganpipe.metrics.extractors.pattern import valid_pattern_share
from ganpipe.sampling.published import load_generator
from ganpipe.systems.pattern_gan import PatternGAN

SPEC = vectors(4, name="pattern")


def build() -> PatternGAN:
    torch.manual_seed(0)
    return PatternGAN(PatternGAN.Config(), SPEC)


def test_parameter_counts_of_the_book() -> None:
    system = build()
    assert sum(p.numel() for p in system.generator.parameters()) == 22
    assert sum(p.numel() for p in system.discriminator.parameters()) == 19


def test_the_generator_is_fed_a_constant() -> None:
    assert torch.equal(build().draw("seed", 3), torch.full((3, 1), 0.5))
    other = PatternGAN(PatternGAN.Config(seed_value=-2), SPEC)
    assert torch.equal(other.draw("seed", 2), torch.full((2, 1), -2.0))


def test_discriminator_on_real_then_on_fake_then_generator() -> None:
    system = build()
    steps = system.updates(Iteration(0, lambda position, count: {"vector": torch.rand(count, 4)}, batch=2))
    outcome = Outcome({}, {"logits": torch.zeros(2)})
    order = [next(steps), steps.send(outcome), steps.send(outcome)]
    assert [update.player for update in order] == ["discriminator", "discriminator", "generator"]
    assert [update.loss.__name__ for update in order] == ["real_loss", "fake_loss", "generator_loss"]


def test_the_recipe_learns_the_pattern_and_both_losses_end_at_a_quarter(workspace: Callable[[str], Params]) -> None:
    """A quarter of its iterations at four times its learning rate. `acts/test_pipeline` runs the recipe itself."""
    params = workspace("pattern-1010")
    faster = {"kimg": params.train.kimg / 4, "lr": params.train.lr * 4}
    training = start_training(changed(params, train=faster), "pattern")
    assert training.wait() == 0
    vectors = load_generator(paths.MODEL).sample(100)
    assert np.abs(vectors.mean(axis=0) - [0.9, 0.1, 0.9, 0.1]).max() < 0.15  # the book: 0.94, 0.05, 0.94, 0.05
    assert valid_pattern_share(vectors) > 0.95
    last = paths.HISTORY.read_text().splitlines()[-1].split(",")
    generator, both_discriminator_steps = float(last[1]), float(last[2])
    assert abs(generator - 0.25) < 0.05
    assert abs(both_discriminator_steps - 0.25) < 0.05  # the mean over its two steps
