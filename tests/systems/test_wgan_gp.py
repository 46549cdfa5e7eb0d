"""WGAN-GP against the published algorithm, written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from specs import images
from torch import Tensor, nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.nets import dcgan, resnet, wgan_gp
from ganpipe.nets.layers import signed_sigmoid
from ganpipe.systems.wgan_gp import WGANGP
from ganpipe.training.loop import Trainer, seed_iteration

SHAPE = (2, 8, 8)
SPEC = images(SHAPE)
CONFIG = WGANGP.Config(latent=5, features=3, n_critic=3, penalty_weight=7.0)
TRAIN = Train.model_validate(
    {
        "kimg": 1,
        "batch": 6,
        "lr": 3e-3,
        "optimizer": {"name": "adam", "betas": (0.5, 0.9)},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
)
ITERATIONS = 4


def build() -> WGANGP:
    torch.manual_seed(0)
    return WGANGP(CONFIG, SPEC).double().train()


def fetch(position: int, count: int) -> Batch:
    """Return a batch of 6 that depends on its number alone."""
    assert count == 6
    generator = torch.Generator().manual_seed(position // 6)
    return {"image": torch.rand(6, *SHAPE, generator=generator, dtype=torch.float64) * 2 - 1}


def latents(n: int) -> Tensor:
    return torch.randn(n, CONFIG.latent, dtype=torch.float64)


class DoubleWGANGP(WGANGP):
    """Draws latents in double precision, so that both loops see the same numbers."""

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> Tensor:
        return latents(n)


def by_hand() -> WGANGP:
    """Algorithm 1 of arXiv:1704.00028, with nothing of ganpipe but the two networks."""
    system = build()
    generator, critic = system.generator, system.critic
    step_critic = torch.optim.Adam(critic.parameters(), lr=3e-3, betas=(0.5, 0.9))
    step_generator = torch.optim.Adam(generator.parameters(), lr=3e-3, betas=(0.5, 0.9))
    shown = 0
    for _ in range(ITERATIONS):
        seed_iteration(0, 0, shown)
        for _ in range(CONFIG.n_critic):
            x, shown = fetch(shown, 6)["image"], shown + 6
            x_tilde = generator(latents(6)).detach()
            epsilon = torch.rand(6, 1, 1, 1, dtype=torch.float64)
            x_hat = (epsilon * x + (1 - epsilon) * x_tilde).requires_grad_(True)
            gradient = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)[0]
            norm = gradient.pow(2).sum(dim=(1, 2, 3)).sqrt()
            loss = (critic(x_tilde) - critic(x) + 7.0 * (norm - 1) ** 2).mean()
            step_critic.zero_grad()
            loss.backward()
            step_critic.step()
        step_generator.zero_grad()
        (-critic(generator(latents(6)))).mean().backward()
        step_generator.step()
    return system


def test_training_equals_the_published_algorithm() -> None:
    torch.manual_seed(0)
    ours = DoubleWGANGP(CONFIG, SPEC).double()
    trainer = Trainer(ours, TRAIN, fetch)
    for _ in range(ITERATIONS):
        assert trainer.iterate() == CONFIG.n_critic * 6
    theirs, start = by_hand().state_dict(), build().state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-10, atol=1e-10)
    moved = [name for name, value in ours.named_parameters() if (value - start[name]).abs().max() > 1e-3]
    assert len(moved) == len(list(ours.parameters()))


def test_a_heavy_penalty_holds_the_slope_near_one() -> None:
    torch.manual_seed(0)
    system = DoubleWGANGP(CONFIG.model_copy(update={"penalty_weight": 100.0}), SPEC).double()
    trainer = Trainer(system, TRAIN, fetch)
    for _ in range(60):
        trainer.iterate()
    image = fetch(0, 6)["image"].requires_grad_(True)
    slope = torch.autograd.grad(system.critic(image).sum(), image)[0].flatten(1).norm(dim=1)
    assert 0.7 < slope.mean() < 1.3


SMALL = images((3, 32, 32))


def test_the_default_networks_are_dcgans() -> None:
    found, wanted = WGANGP(CONFIG, SPEC), {"generator": dcgan.Generator, "critic": dcgan.Discriminator}
    assert {player: type(found.get_submodule(player)) for player in found.players} == wanted
    assert WGANGP.Config().network == "dcgan"
    torch.manual_seed(0)
    generator, critic = dcgan.Generator(5, SHAPE, 3), dcgan.Discriminator(SHAPE, 3, batch_norm=False)
    torch.manual_seed(0)
    system = WGANGP(CONFIG, SPEC)
    for ours, theirs in ((system.generator, generator), (system.critic, critic)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize(
    ("network", "nets", "squash", "norms", "smallest"),
    [
        ("mnist", wgan_gp, signed_sigmoid, 0, 1),
        ("cifar", wgan_gp, torch.tanh, 3, 2),
        ("resnet", resnet, None, 7, 1),
    ],
)
def test_the_authors_networks(
    network: str, nets: ModuleType, squash: Callable[[Tensor], Tensor] | None, norms: int, smallest: int
) -> None:
    system = WGANGP(WGANGP.Config.model_validate({"latent": 5, "features": 2, "network": network}), SMALL)
    assert isinstance(system.generator, nets.Generator)
    assert isinstance(system.critic, nets.Critic)
    assert getattr(system.generator, "squash", None) is squash
    found = [m for m in system.generator.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(found) == norms
    assert not [m for m in system.critic.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert system.smallest_batch == smallest
    terms = system.critic_loss({"image": torch.rand(smallest, 3, 32, 32) * 2 - 1})
    assert terms.keys() == {"wasserstein", "gradient_penalty"}
    drawn = system.generate({"latent": torch.randn(3, 5)})["image"]
    assert drawn.shape == (3, 3, 32, 32)
    assert -1 <= drawn.min() < drawn.max() <= 1


@pytest.mark.parametrize("times", [1, 2])
def test_the_generators_batch_may_be_a_multiple_of_the_critics(times: int) -> None:
    system = WGANGP(CONFIG.model_copy(update={"generator_latents_per_image": times}), SPEC)
    seen: dict[str, list[int]] = {"generator": [], "critic": []}
    system.generator.register_forward_hook(lambda _, args, __: seen["generator"].append(len(args[0])))
    system.critic.register_forward_hook(lambda _, args, __: seen["critic"].append(len(args[0])))
    batch = {"image": torch.rand(6, *SHAPE) * 2 - 1}
    system.generator_loss(batch)
    assert seen == {"generator": [6 * times], "critic": [6 * times]}
    seen["generator"].clear()
    system.critic_loss(batch)
    assert seen["generator"] == [6]
