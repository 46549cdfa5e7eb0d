"""ProGAN against the paper: a hand-written loop, the schedule, fresh optimizers, a resume within a fade, drawing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from by_hand import BATCH, TRAIN, adam, same_training, step
from miniatures import changed, miniature
from specs import images
from torch import Tensor

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Noise
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError
from ganpipe.preflight.checks import against_noise
from ganpipe.sampling.published import load_generator, publish_generator
from ganpipe.systems.progan import ProGAN
from ganpipe.training import distributed
from ganpipe.training.loop import Trainer
from ganpipe.training.prepared import prepare

SIDE = 16
DATA = images((2, SIDE, SIDE))
OPTIONS = {
    "latent": 5,
    "features_base": 32,
    "features_most": 6,
    "stable_kimg": (0.008, 0.012),
    "fade_kimg": (0.016, 0.020),
    "batches": (8,),
    "drift_weight": 0.3,
}
GROWTH = {  # images shown -> level and alpha
    0: (0, 1),
    7: (0, 1),
    8: (1, 0),
    12: (1, 0.25),
    16: (1, 0.5),
    20: (1, 0.75),
    23: (1, 15 / 16),
    24: (1, 1),
    35: (1, 1),
    36: (2, 0),
    46: (2, 0.5),
    50: (2, 0.7),
    54: (2, 0.9),
    56: (2, 1),
    10**9: (2, 1),
}


class Double(ProGAN):
    """Draws latents in double precision, so that both loops see the same numbers."""

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, 5, generator=generator, dtype=torch.float64)


def build(cls: type[ProGAN] = Double, **options: object) -> ProGAN:
    torch.manual_seed(0)
    return cls(cls.Config.model_validate({**OPTIONS, **options}), DATA)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {"image": torch.rand(count, 2, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1}


def box(x: Tensor, factor: int) -> Tensor:
    """The means of boxes."""
    return x.unflatten(3, (-1, factor)).unflatten(2, (-1, factor)).mean(dim=(3, 5))


def twice(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def by_hand(system: System) -> Callable[[int], int]:
    """Section 2 and appendix A.1 of arXiv:1710.10196, nothing of ganpipe but layers."""
    g, d = system.get_submodule("generator"), system.get_submodule("critic")
    optimizers: dict[str, torch.optim.Optimizer] = {}
    last = [-1]

    def draw(level: int, alpha: float, n: int) -> Tensor:
        maps = [g.first(torch.randn(n, 5, dtype=torch.float64))]
        for block in list(g.grow)[:level]:
            maps.append(block(maps[-1]))
        new = g.to_image[level](maps[level])
        return alpha * new + (1 - alpha) * twice(g.to_image[level - 1](maps[level - 1])) if level else new

    def score(level: int, alpha: float, x: Tensor) -> Tensor:
        h = d.from_image[level](x)
        if level:
            h = alpha * d.shrink[level - 1](h) + (1 - alpha) * d.from_image[level - 1](box(x, 2))
        for number in range(level - 2, -1, -1):
            h = d.shrink[number](h)
        return d.last(h).flatten()

    def iterate(shown: int) -> int:
        level, alpha = GROWTH[shown]
        if level != last[0]:
            optimizers.update(g=adam(g), d=adam(d, "lr_discriminator"))
            last[0] = level
        n = 8 if level == 0 else BATCH
        x = box(fetch(shown, n)["image"], SIDE // (4 << level))
        if level:
            x = alpha * x + (1 - alpha) * twice(box(x, 2))
        fake = draw(level, alpha, n).detach()
        place = torch.rand(n, 1, 1, 1, dtype=torch.float64)
        between = (place * x + (1 - place) * fake).requires_grad_(True)
        real = score(level, alpha, x)
        critic = score(level, alpha, fake).mean() - real.mean()
        (slope,) = torch.autograd.grad(score(level, alpha, between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).square().sum(dim=1).sqrt() - 1).square().mean()
        step(optimizers["d"], critic + 10 * penalty + 0.3 * real.square().mean())
        step(optimizers["g"], -score(level, alpha, draw(level, alpha, n)).mean())
        system.get_buffer("level").fill_(level)
        system.get_buffer("alpha").fill_(alpha)
        return n

    return iterate


@pytest.mark.parametrize("began", [0, 12, 46], ids=["4x4", "8x8 fades in", "16x16 fades in"])
def test_a_step_is_that_of_the_paper(began: int) -> None:
    same_training(build, by_hand, fetch, began)


def test_level_and_alpha_are_a_function_of_the_images_shown() -> None:
    config = build().cfg
    for shown, expected in GROWTH.items():
        assert config.growth(shown, 2) == pytest.approx(expected), shown
    assert [config.batch(level) for level in range(3)] == [8, None, None]
    assert build().batch_sizes(16) == [8, 16, 16]


def test_the_published_schedule() -> None:
    config = ProGAN.Config()
    assert config.growth(799_999, 8) == (0, 1)
    assert config.growth(800_000 + 1_600_000 * 2 + 200_000, 8) == (3, 0.25)
    assert config.growth(800_000 + 1_600_000 * 7 + 400_000, 8) == (8, 0.5)
    assert config.growth(800_000 + 1_600_000 * 7 + 800_000, 8) == (8, 1)


def training(system: ProGAN | None = None) -> Trainer:
    train = TRAIN.model_copy(update={"ema_half_life_kimg": 0.01})
    return Trainer(system or build().double(), train, fetch)


def test_optimizers_are_fresh_exactly_when_a_level_begins() -> None:
    trainer, restarted = training(), {}
    fresh = trainer.restart
    trainer.restart = lambda player: (restarted.setdefault(player, []).append(trainer.nimg), fresh(player))[1]
    shown = []
    while trainer.nimg < 80:
        shown.append(trainer.nimg)
        trainer.iterate()
    assert shown == [0, *range(8, 80, 4)]  # batches of 8, then of 4
    assert restarted == {"generator": [8, 36], "critic": [8, 36]}


@pytest.mark.parametrize("at", [8, 12, 36, 48])
def test_a_resume_is_bit_for_bit_also_within_a_fade(at: int) -> None:
    straight, first = training(), training()
    while first.nimg < at:
        straight.iterate()
        first.iterate()
    second = training(build(latent=5).double())
    for parameter in second.system.parameters():
        torch.nn.init.zeros_(parameter)
    second.restore(copy.deepcopy(first.state()))
    for _ in range(6):
        straight.iterate()
        second.iterate()
    assert second.nimg == straight.nimg
    for one, other in (
        (straight.system.state_dict(), second.system.state_dict()),
        (straight.ema.state_dict(), second.ema.state_dict()),
    ):
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(("shown", "level", "alpha"), [(0, 0, 1.0), (16, 1, 0.5), (28, 1, 1.0), (60, 2, 1.0)])
def test_outputs_have_the_size_of_the_data_at_every_level(shown: int, level: int, alpha: float, tmp_path: Path) -> None:
    system = build(ProGAN)
    trainer = Trainer(system, TRAIN, lambda position, count: {"image": fetch(position, count)["image"].float()})
    trainer.nimg = shown
    trainer.iterate()
    assert (int(system.level), float(system.alpha)) == (level, alpha)
    inputs = {"latent": system.draw("latent", 3)}
    made = system.generate(inputs)["image"]
    assert made.shape == (3, 2, SIDE, SIDE) and made.abs().max() <= 1
    small = system.generator(inputs["latent"], level, alpha)
    assert torch.equal(made, F.interpolate(small, SIDE).clamp(-1, 1))
    assert small.abs().max() > 1  # the networks do not squash
    assert system.realness({"image": made}).shape == (3,)
    publish_generator(system, tmp_path, "fingerprint")
    assert torch.equal(load_generator(tmp_path).system.generate(inputs)["image"], made)


def test_the_average_holds_no_level_of_its_own() -> None:
    trainer = training()
    while trainer.nimg < 20:
        trainer.iterate()
    with trainer.ema.applied(trainer.system) as lent:
        assert (int(lent.level), float(lent.alpha)) == (1, 0.5)
    assert not list(trainer.system.generator.buffers())


def test_the_published_options_are_the_defaults() -> None:
    config = ProGAN.Config()
    assert config.inputs == {"latent": Noise((512,))}
    assert (config.penalty_weight, config.drift_weight, config.batch(0)) == (10, 0.001, None)


@pytest.mark.parametrize(
    ("options", "side", "problem"),
    [
        ({}, 28, "set data.size: 16 or 32"),
        ({"stable_kimg": (1.0, 1.0, 1.0)}, 16, "system.stable_kimg has 3 entries, but 16x16 has 2 levels"),
        ({"batches": (8, 8, 8)}, 16, "system.batches has 3 entries.*give 2 at most"),
        ({"features_base": 4}, 16, "set system.features_base: 8 or more"),
    ],
)
def test_what_does_not_fit_the_size_is_refused(options: dict[str, object], side: int, problem: str) -> None:
    config = ProGAN.Config.model_validate({**OPTIONS, **options})
    with pytest.raises(ConfigError, match=problem):
        config.require_size(side, side)
    with pytest.raises(ConfigError, match=problem):
        ProGAN(config, images((1, side, side)))


def test_noise_stands_for_the_generator_of_the_check_at_every_level() -> None:
    rehearsal = against_noise(build(ProGAN), TRAIN, lambda at, count: {"image": fetch(at, count)["image"].float()})
    shown = 0
    while shown < 64:
        shown += rehearsal.trainer.iterate()
    verdict = rehearsal.verdict()
    assert rehearsal.moved and len(verdict.real) == len(verdict.fake) == 64


def test_the_batches_of_all_levels_are_checked_before_the_training(
    workspace: Callable[[str], Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = changed(miniature(workspace("digits-progan")), system={"batches": [6]})
    monkeypatch.setattr(distributed, "world", lambda: 4)
    with pytest.raises(ConfigError, match="params.yaml: a batch of 6 does not divide among 4 processes"):
        prepare(params, Packed.open(paths.PACKED_FILE), torch.device("cpu"))
