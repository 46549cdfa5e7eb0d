"""ESRGAN against the written description: each phase, schedules, and the blend of the weights of both phases."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from by_hand import BATCH, TRAIN, adam, same_training, step
from enlarging import DATA, TINY, fetch, relative, single
from torch import Tensor

import ganpipe
from ganpipe.config import parse
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.sampling.published import begin_with, publish_generator
from ganpipe.systems.esrgan import ESRGAN
from ganpipe.training.loop import Trainer

OPTIONS = {
    **TINY,
    "layers": ["conv1_2", "conv2_1"],
    "growth": 2,
    "pretrain_kimg": 0.0,
    "adversarial_lr": 1.0,
    "halve_at_kimg": [],
    "halve_pretrain_kimg": None,
}


def build(**options: object) -> ESRGAN:
    torch.manual_seed(0)
    system = ESRGAN(ESRGAN.Config.model_validate({**OPTIONS, **options}), DATA)
    system.build_frozen()
    return system


def alone_by_hand(system: System) -> Callable[[int], int]:
    """Phase 1: absolute error."""
    g = system.get_submodule("generator")
    optimizer = adam(g)

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        step(optimizer, (g(batch["low"]) - batch["image"]).abs().mean())
        return BATCH

    return iterate


def both_by_hand(system: System) -> Callable[[int], int]:
    """Phase 2, equations 1 to 3 of arXiv:1809.00219, nothing of ganpipe but the networks."""
    g, d, trunk = (system.get_submodule(name) for name in ("generator", "discriminator", "trunk"))
    optimizers = {"g": adam(g), "d": adam(d, "lr_discriminator")}
    system.get_buffer("pretrained").copy_(torch.cat([weight.flatten() for weight in g.parameters()]).detach())
    system.get_buffer("has_pretrained").fill_(True)

    def relativistic(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        return (real - made.mean()).sigmoid(), (made - real.mean()).sigmoid()

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        image = g(batch["low"])
        features, wanted = trunk(image), trunk(batch["image"])
        content = sum(relative(features[name], wanted[name]) for name in ("conv1_2", "conv2_1")) / 2
        real, fake = relativistic(d(batch["image"]), d(image))
        fooled = -(1 - real).log().mean() - fake.log().mean()
        step(optimizers["g"], content + 5e-3 * fooled + 1e-2 * (image - batch["image"]).abs().mean())
        real, fake = relativistic(d(batch["image"]), d(image.detach()))
        step(optimizers["d"], -real.log().mean() - (1 - fake).log().mean())
        return BATCH

    return iterate


def test_a_step_of_each_phase_is_that_of_the_paper() -> None:
    same_training(lambda: build(pretrain_kimg=1.0), alone_by_hand, fetch)
    # without the skip made pictures are nearly even at first, and batch norm enlarges rounding errors
    same_training(lambda: build(bicubic_skip=True), both_by_hand, fetch)


def test_learning_rates_are_halved() -> None:
    system = build(
        pretrain_kimg=10.0, halve_pretrain_kimg=4.0, adversarial_lr=0.5, halve_at_kimg=[1.0, 2.0], trunk="random-0"
    )
    assert [system.pretrain_lr(kimg) for kimg in (0.0, 3.9, 4.0, 7.9, 8.0)] == [1, 1, 0.5, 0.5, 0.25]
    assert [system.adversarial_lr(kimg) for kimg in (10.0, 10.9, 11.0, 12.0, 99.0)] == [0.5, 0.5, 0.25, 0.125, 0.125]
    assert build().pretrain_lr(1e6) == 1


def trained(iterations: int, **options: object) -> Trainer:
    """A training with a change of phase after 3 iterations."""
    trainer = Trainer(build(pretrain_kimg=3 * BATCH / 1000, **options), TRAIN, single)
    for _ in range(iterations):
        trainer.iterate()
    return trainer


def drawn(system: ESRGAN, alpha: float) -> Tensor:
    system.cfg = system.cfg.model_copy(update={"alpha": alpha})
    with torch.no_grad():
        return system.eval().generate({"low": single(99, 2)["low"]})["image"]


def test_alpha_leads_from_the_first_phase_to_the_last_weights_parameter_by_parameter() -> None:
    first, both = trained(3), trained(6)
    before, after = first.system, both.system
    assert isinstance(before, ESRGAN) and isinstance(after, ESRGAN)
    blended = copy.deepcopy(before)
    with torch.no_grad():
        for mine, last in zip(blended.generator.parameters(), after.generator.parameters(), strict=True):
            mine.copy_(0.7 * mine + 0.3 * last)
    with torch.no_grad():
        low = single(99, 2)["low"]
        ends = [one.eval().generator(low).clamp(-1, 1) for one in (before, after)]
    assert not torch.equal(*ends)
    assert torch.equal(drawn(after, 0.0), ends[0]) and torch.equal(drawn(after, 1.0), ends[1])
    torch.testing.assert_close(drawn(after, 0.3), drawn(blended, 1.0))


def test_the_ends_are_exact_with_channels_last() -> None:
    after = trained(6).system
    assert isinstance(after, ESRGAN)
    last = copy.deepcopy(after).to(memory_format=torch.channels_last)
    with torch.no_grad():
        low = single(99, 2)["low"]
        assert torch.equal(drawn(last, 1.0), last.generator(low).clamp(-1, 1))


def test_there_is_nothing_to_blend_before_the_phase_changes() -> None:
    system = trained(2).system
    assert isinstance(system, ESRGAN) and not system.has_pretrained
    assert torch.equal(drawn(system, 0.0), drawn(system, 1.0))


def test_what_was_kept_moves_no_more() -> None:
    at, later = (trained(iterations).system.get_buffer("pretrained") for iterations in (4, 7))
    assert at.any() and torch.equal(at, later)


def test_the_average_is_of_the_last_weights_and_the_kept_ones_stay() -> None:
    train = TRAIN.model_copy(update={"ema_half_life_kimg": 0.01})
    trainer = Trainer(build(pretrain_kimg=3 * BATCH / 1000), train, single)
    for _ in range(6):
        trainer.iterate()
    with trainer.ema.applied(trainer.system) as system:
        assert isinstance(system, ESRGAN)
        assert torch.equal(drawn(system, 1.0), system.generator(single(99, 2)["low"]).clamp(-1, 1))
        before = trained(3).system
        assert isinstance(before, ESRGAN)
        assert torch.equal(drawn(system, 0.0), drawn(before, 1.0))


def test_both_are_published_and_alpha_is_asked_for_when_drawing(tmp_path: Path) -> None:
    system = trained(6).system
    assert isinstance(system, ESRGAN) and ESRGAN.Config.drawing == ("alpha",)
    publish_generator(system, tmp_path, "fingerprint")
    found = {alpha: ganpipe.load_generator(tmp_path, {"alpha": alpha}) for alpha in (0.0, 0.4, 1.0)}
    for alpha, generator in found.items():
        assert torch.equal(generator.system.generate({"low": single(99, 2)["low"]})["image"], drawn(system, alpha))
    with pytest.raises(ConfigError, match="blocks is no option of esrgan that matters for drawing alone"):
        ganpipe.load_generator(tmp_path, {"blocks": 1})


def test_a_training_that_begins_with_published_weights_keeps_its_own(tmp_path: Path) -> None:
    publish_generator(trained(6).system, tmp_path, "fingerprint")
    system = build(pretrain_kimg=3 * BATCH / 1000)
    begin_with(system, tmp_path)
    assert system.has_pretrained
    trainer = Trainer(system, TRAIN, single)
    trainer.iterate()
    assert not system.has_pretrained
    for _ in range(2):
        trainer.iterate()
    weights = torch.cat([weight.flatten() for weight in system.generator.parameters()]).detach()
    trainer.iterate()
    assert system.has_pretrained and torch.equal(system.pretrained, weights)


@pytest.mark.parametrize("stops", [2, 3, 4])
def test_a_training_is_taken_up_bit_for_bit_around_the_change(stops: int) -> None:
    straight, first, second = trained(6), trained(stops), trained(0)
    second.restore(copy.deepcopy(first.state()))
    for _ in range(6 - stops):
        second.iterate()
    theirs = second.system.state_dict()
    for name, value in straight.system.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def test_a_phase_of_its_own_is_not_needed() -> None:
    trainer = Trainer(build(), TRAIN, single)
    start = torch.cat([weight.flatten() for weight in trainer.system.get_submodule("generator").parameters()]).detach()
    trainer.iterate()
    assert torch.equal(trainer.system.get_buffer("pretrained"), start)


def test_the_layers_suit_the_trunk_and_alpha_is_a_share() -> None:
    found = {trunk: ESRGAN.Config(trunk=trunk).compared for trunk in ("vgg19", "hed", "random-0")}
    assert found == {"vgg19": ("conv5_4",), "hed": ("conv4_3",), "random-0": ("conv4_3",)}
    with pytest.raises(ConfigError, match="alpha"):
        parse(ESRGAN.Config, {"alpha": 1.5}, "params.yaml", prefix="system.")
    with pytest.raises(ConfigError, match="there is no layer 'conv5_4'"):
        parse(ESRGAN.Config, {"trunk": "hed", "layers": ["conv5_4"]}, "params.yaml", prefix="system.")
