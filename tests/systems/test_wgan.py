"""WGAN with clipping: the published algorithm written out by hand, its bound, its long steps."""

from __future__ import annotations

import copy

import pytest
import torch
from specs import images
from torch import Tensor, nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.core.system import Iteration, Outcome
from ganpipe.systems.wgan import WGAN
from ganpipe.training.loop import Trainer, seed_iteration

SHAPE = (2, 16, 16)
SPEC = images(SHAPE)
CONFIG = WGAN.Config(
    latent=5, features=3, n_critic=2, clip=0.01, long_n_critic=4, first_long_steps=2, long_step_every=4
)
TRAIN = Train.model_validate(
    {
        "kimg": 1,
        "batch": 6,
        "lr": 1e-3,
        "optimizer": {"name": "rmsprop"},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
)
STEPS = [4, 4, 2, 2, 4, 2, 2, 2, 4, 2]  # critic steps: two long ones from the start, then every fourth


class DoubleWGAN(WGAN):
    """Draws latents in double precision, so that both loops see the same numbers."""

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, CONFIG.latent, dtype=torch.float64)


def build(cls: type[WGAN] = DoubleWGAN, config: WGAN.Config = CONFIG) -> WGAN:
    torch.manual_seed(0)
    return cls(config, SPEC).double().train()


def fetch(position: int, count: int) -> Batch:
    """Return a batch of 6 that depends on its number alone."""
    assert count == 6
    generator = torch.Generator().manual_seed(position // 6)
    return {"image": torch.rand(6, *SHAPE, generator=generator, dtype=torch.float64) * 2 - 1}


def by_hand(steps: list[int]) -> WGAN:
    """Algorithm 1 of arXiv:1701.07875, with nothing of ganpipe but the two networks."""
    system = build()
    generator, critic = system.generator, system.critic
    step_critic = torch.optim.RMSprop(critic.parameters(), lr=1e-3)
    step_generator = torch.optim.RMSprop(generator.parameters(), lr=1e-3)
    shown = 0
    for n_critic in steps:
        seed_iteration(0, 0, shown)
        for _ in range(n_critic):
            x = fetch(shown, 6)["image"]
            with torch.no_grad():
                fake = generator(torch.randn(6, 5, dtype=torch.float64))
            loss = -(critic(x).mean() - critic(fake).mean())
            step_critic.zero_grad()
            loss.backward()
            step_critic.step()
            with torch.no_grad():
                for parameter in critic.parameters():
                    parameter.copy_(parameter.clamp(-0.01, 0.01))
            shown += 6
        step_generator.zero_grad()
        (-critic(generator(torch.randn(6, 5, dtype=torch.float64))).mean()).backward()
        step_generator.step()
    return system


def test_defaults_are_the_papers() -> None:
    assert WGAN.Config() == WGAN.Config(latent=100, features=64, n_critic=5, clip=0.01, long_n_critic=None)


def test_training_equals_the_published_algorithm_with_the_authors_long_steps() -> None:
    ours = build()
    trainer = Trainer(ours, TRAIN, fetch)
    assert [trainer.iterate() // 6 for _ in STEPS[:5]] == STEPS[:5]
    theirs, start = by_hand(STEPS[:5]).state_dict(), build().state_dict()
    for name, value in ours.state_dict().items():
        if name != "generator_steps":
            torch.testing.assert_close(value, theirs[name], rtol=1e-9, atol=1e-9, msg=name)
    assert ours.generator_steps == 5
    moved = [name for name, value in ours.named_parameters() if (value - start[name]).abs().max() > 1e-4]
    assert len(moved) == len(list(ours.parameters()))


def test_every_parameter_of_the_critic_is_within_the_bound_after_every_critic_step() -> None:
    system = build()
    before = {name: value.abs().max().item() for name, value in system.critic.named_parameters()}
    assert max(before.values()) > 0.5  # batch norm scales start near 1
    kinds = {type(module) for module in system.critic.modules() if list(module.parameters(recurse=False))}
    assert kinds == {nn.Conv2d, nn.BatchNorm2d}
    steps = system.updates(Iteration(0, fetch, batch=6))
    update = next(steps)
    for _ in range(4):
        assert update.player == "critic"
        with torch.no_grad():
            for parameter in system.critic.parameters():  # what an optimizer might do
                parameter.add_(torch.randn_like(parameter))
        update = steps.send(Outcome({}, {}))
        for name, parameter in system.critic.named_parameters():
            assert parameter.abs().max() <= 0.01, name
            assert parameter.abs().max() == 0.01, name
    assert update.player == "generator"
    generator = copy.deepcopy(system.generator.state_dict())
    with pytest.raises(StopIteration):
        steps.send(Outcome({}, {}))
    assert all(torch.equal(value, generator[name]) for name, value in system.generator.state_dict().items())


def test_clipping_leaves_what_is_within_the_bound_alone() -> None:
    system = build()
    with torch.no_grad():
        for parameter in system.critic.parameters():
            parameter.fill_(-0.0099)
    system.clip_weights()
    assert all((parameter == -0.0099).all() for parameter in system.critic.parameters())


def test_long_steps_come_first_and_then_now_and_then() -> None:
    system = build()
    found = []
    for done in range(10):
        system.generator_steps.fill_(done)
        found.append(system.critic_steps())
    assert found == STEPS
    authors = build(config=WGAN.Config(latent=5, features=3, long_n_critic=100))
    found = []
    for done in range(1002):
        authors.generator_steps.fill_(done)
        found.append(authors.critic_steps())
    assert [at for at, steps in enumerate(found) if steps == 100] == [*range(25), 500, 1000]
    assert set(found) == {5, 100}


def test_every_step_has_n_critic_unless_long_ones_are_asked_for() -> None:
    plain = build(config=WGAN.Config(latent=5, features=3, n_critic=1))
    found = set()
    for done in range(1002):
        plain.generator_steps.fill_(done)
        found.add(plain.critic_steps())
    assert found == {1}


def test_a_resumed_training_takes_up_the_long_steps_where_it_was() -> None:
    straight = Trainer(build(), TRAIN, fetch)
    counts = [straight.iterate() // 6 for _ in range(6)]
    first = Trainer(build(), TRAIN, fetch)
    for _ in range(3):
        first.iterate()
    state = copy.deepcopy(first.state())
    assert state["system"]["generator_steps"] == 3
    second = Trainer(build(), TRAIN, fetch)
    second.restore(state)
    assert [second.iterate() // 6 for _ in range(3)] == counts[3:] == [2, 4, 2]
    for name, value in straight.system.state_dict().items():
        assert torch.equal(value, second.system.state_dict()[name]), name


class Mean(nn.Module):
    """Scores an image by the mean of its pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))


class Constant(nn.Module):
    """Draws images of one shade."""

    def __init__(self, shade: float) -> None:
        super().__init__()
        self.shade = nn.Parameter(torch.tensor(shade, dtype=torch.float64))

    def forward(self, latents: Tensor) -> Tensor:
        return self.shade.expand(len(latents), *SHAPE)


def test_losses_by_hand() -> None:
    system = build()
    system.critic = Mean()
    system.generator = Constant(-0.5)
    white = {"image": torch.ones(6, *SHAPE, dtype=torch.float64)}
    assert {name: value.item() for name, value in system.critic_loss(white).items()} == {"wasserstein": -1.5}
    assert {name: value.item() for name, value in system.generator_loss(white).items()} == {"adversarial": 0.5}
