"""DCGAN's losses, on its own networks."""

from __future__ import annotations

import torch

from ganpipe.core.batch import DataSpec
from ganpipe.core.system import Iteration
from ganpipe.losses.adversarial import cross_entropy_discriminator, cross_entropy_generator
from ganpipe.systems.dcgan import DCGAN

SPEC = DataSpec(name="toy", kind="image", shape=(3, 16, 16))
BATCH = {"image": torch.rand(4, 3, 16, 16) * 2 - 1}


def build() -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(DCGAN.Config(latent=5, features=4), SPEC).eval()


def test_defaults_are_the_papers() -> None:
    assert DCGAN.Config() == DCGAN.Config(latent=100, features=64)


def test_the_discriminator_sees_reals_and_fakes_apart() -> None:
    system = build()
    torch.manual_seed(1)
    terms, kept = system.discriminator_loss(BATCH)
    torch.manual_seed(1)
    fake = system.discriminator(system.generator(torch.randn(4, 5)))
    real = system.discriminator(BATCH["image"])
    expected = cross_entropy_discriminator(real, fake)
    torch.testing.assert_close(dict(terms), dict(expected))
    torch.testing.assert_close(kept["fake"], fake)


def test_the_generator_is_judged_on_fresh_latents() -> None:
    system = build()
    torch.manual_seed(2)
    terms = system.generator_loss(BATCH)
    torch.manual_seed(2)
    expected = cross_entropy_generator(system.discriminator(system.generator(torch.randn(4, 5))))
    torch.testing.assert_close(dict(terms), dict(expected))


def test_no_gradient_of_the_discriminators_loss_reaches_the_generator() -> None:
    system = build()
    terms, _ = system.discriminator_loss(BATCH)
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is None for parameter in system.generator.parameters())
    assert all(parameter.grad is not None for parameter in system.discriminator.parameters())


def test_one_step_each_on_one_batch() -> None:
    system = build()
    it = Iteration(nimg=0, draw=lambda: BATCH)
    steps = system.updates(it)
    players = [next(steps).player]
    assert it.shown == 4
    players.append(steps.send(_outcome()).player)
    assert players == ["discriminator", "generator"]
    assert it.observed.keys() == {"score_generator", "score_discriminator"}


def _outcome():
    from ganpipe.core.system import Outcome

    return Outcome({}, {"real": torch.zeros(4), "fake": torch.zeros(4)})
