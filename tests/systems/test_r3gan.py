"""R3GAN against the published equations, written out by hand, and its networks against the authors' sizes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from specs import images
from torch import Tensor, nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.nets import dcgan, r3gan
from ganpipe.systems.r3gan import R3GAN
from ganpipe.training.loop import Trainer, seed_iteration

SHAPE = (2, 16, 16)
SPEC = images(SHAPE)
CONFIG = R3GAN.Config(latent=5, features=8, features_most=16, blocks=1, gamma=3.0, gamma_end=0.5, decay_kimg=0.024)
TRAIN = Train.model_validate(
    {
        "kimg": 1,
        "batch": 6,
        "lr": 3e-3,
        "optimizer": {"name": "adam", "betas": (0.0, 0.99)},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
)
ITERATIONS = 5  # the schedules end before the last


def build() -> R3GAN:
    torch.manual_seed(0)
    return DoubleR3GAN(CONFIG, SPEC).double().train()


def fetch(position: int, count: int) -> Batch:
    """Return a batch of 6 that depends on its number alone."""
    assert count == 6
    generator = torch.Generator().manual_seed(position // 6)
    return {"image": torch.rand(6, *SHAPE, generator=generator, dtype=torch.float64) * 2 - 1}


def latents(n: int) -> Tensor:
    return torch.randn(n, CONFIG.latent, dtype=torch.float64)


class DoubleR3GAN(R3GAN):
    """Draws latents in double precision, so that both loops see the same numbers."""

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> Tensor:
        return latents(n)


def slope(discriminator: nn.Module, images: Tensor) -> Tensor:
    images = images.detach().requires_grad_(True)
    gradient = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)[0]
    return gradient.pow(2).sum(dim=(1, 2, 3)).mean()


def by_hand() -> R3GAN:
    """Equations 2 and 4 of arXiv:2501.05441, with nothing of ganpipe but the two networks."""
    system = build()
    g, d = system.generator, system.discriminator
    step_d = torch.optim.Adam(d.parameters(), betas=(0.0, 0.99))
    step_g = torch.optim.Adam(g.parameters(), betas=(0.0, 0.99))
    for k in range(ITERATIONS):
        seed_iteration(0, 0, 6 * k)
        left = (1 + math.cos(math.pi * min(1.0, 6 * k / 24))) / 2
        gamma, rate = 0.5 + 2.5 * left, 3e-3 * (0.25 + 0.75 * left)
        x = fetch(6 * k, 6)["image"]
        made = g(latents(6)).detach()
        loss = F.softplus(d(made) - d(x)).mean() + gamma / 2 * (slope(d, x) + slope(d, made))
        for step, cost in (
            (step_d, lambda loss=loss: loss),
            (step_g, lambda x=x: F.softplus(d(x) - d(g(latents(6)))).mean()),
        ):
            step.param_groups[0]["lr"] = rate
            step.zero_grad()
            cost().backward()
            step.step()
    return system


def test_training_equals_the_published_equations() -> None:
    ours = build()
    trainer = Trainer(ours, TRAIN, fetch)
    for _ in range(ITERATIONS):
        assert trainer.iterate() == 6
    theirs, start = by_hand().state_dict(), build().state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-10, atol=1e-10)
    assert all((value - start[name]).abs().max() > 1e-3 for name, value in ours.named_parameters())


def test_schedules_begin_end_and_stay() -> None:
    cfg = R3GAN.Config()
    assert (cfg.gamma_at(0.0), cfg.gamma_at(20_000.0), cfg.gamma_at(30_000.0)) == (2.0, 0.2, 0.2)
    assert cfg.gamma_at(10_000.0) == pytest.approx(1.1)
    assert (cfg.lr_at(0.0), cfg.lr_at(20_000.0)) == (1.0, 0.25)
    assert R3GAN.Config(decay_kimg=0).gamma_at(0.0) == 0.2


@pytest.mark.parametrize(
    ("side", "features", "generator", "discriminator"),
    [(64, 384, 22_429_824, 22_381_440), (256, 96, 23_057_952, 23_009_568)],
)
def test_the_authors_sizes(side: int, features: int, generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        networks = [
            r3gan.Generator(64, (3, side, side), features, 768, 2),
            r3gan.Discriminator((3, side, side), features, 768, 2),
        ]
    assert [sum(one.numel() for one in net.parameters()) for net in networks] == [generator, discriminator]


def test_blocks_begin_as_the_identity_and_keep_the_spread() -> None:
    torch.manual_seed(0)
    block, maps = r3gan.Block(32, depth=16), torch.randn(4, 32, 8, 8)
    assert torch.equal(block(maps), maps)
    assert block.mix.groups == 64 // 16
    spread = block.widen.weight.detach().std() * math.sqrt(32)
    assert float(spread) == pytest.approx(math.sqrt(2 / 1.04) / 2, rel=0.05)  # 16^(-1/4) is a half


def test_doubling_is_bilinear_and_halving_keeps_the_mean() -> None:
    maps = torch.rand(2, 3, 6, 6)
    wanted = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(r3gan.Doubled()(maps)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    torch.testing.assert_close(r3gan.Halved()(torch.ones(1, 2, 8, 8))[..., 1:-1, 1:-1], torch.ones(1, 2, 2, 2))


def test_each_score_depends_on_its_own_image() -> None:
    """Else the penalties would not be those of an image."""
    for network in ("r3gan", "dcgan"):
        system = R3GAN(CONFIG.model_copy(update={"network": network}), SPEC).train()
        images = torch.rand(3, *SHAPE)
        whole = system.discriminator(images)
        torch.testing.assert_close(whole[:1], system.discriminator(images[:1]))


def test_networks_of_dcgan_and_pixels_in_range() -> None:
    system = R3GAN(CONFIG.model_copy(update={"network": "dcgan"}), SPEC)
    assert isinstance(system.generator, dcgan.Generator)
    assert not [one for one in system.discriminator.modules() if isinstance(one, nn.BatchNorm2d)]
    system = R3GAN(CONFIG, SPEC)
    with torch.no_grad():
        system.generator.basis.mul_(100)
    drawn = system.generate({"latent": torch.randn(4, 5)})["image"]
    assert (drawn.min(), drawn.max()) == (-1, 1)
