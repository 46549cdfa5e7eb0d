"""SRGAN against the written description: each phase is a hand-written loop; where a phase begins; what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from by_hand import BATCH, TRAIN, adam, same_training, step
from enlarging import DATA, SCALE, SIDE, TINY, fetch, relative, single
from specs import images

import ganpipe
from ganpipe.config import parse
from ganpipe.core.inputs import Given
from ganpipe.core.system import Iteration, System
from ganpipe.errors import ConfigError
from ganpipe.pretrained import trunks
from ganpipe.sampling.published import publish_generator
from ganpipe.systems.srgan import SRGAN
from ganpipe.training.loop import Trainer

OPTIONS = {**TINY, "layers": ["relu1_2", "relu2_1"], "pretrain_kimg": 0.0, "lower_lr_from_kimg": None}


def drawing(**options: object) -> SRGAN:
    torch.manual_seed(0)
    return SRGAN(SRGAN.Config.model_validate({**OPTIONS, **options}), DATA)


def build(**options: object) -> SRGAN:
    system = drawing(**options)
    system.build_frozen()
    return system


def alone_by_hand(system: System) -> Callable[[int], int]:
    """Phase 1: squared error."""
    g = system.get_submodule("generator")
    optimizer = adam(g)

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        step(optimizer, (g(batch["low"]) - batch["image"]).pow(2).mean())
        return BATCH

    return iterate


def both_by_hand(system: System) -> Callable[[int], int]:
    """Phase 2, equations 2 to 6 of arXiv:1609.04802, nothing of ganpipe but the networks."""
    g, d, trunk = (system.get_submodule(name) for name in ("generator", "discriminator", "trunk"))
    optimizers = {"g": adam(g), "d": adam(d, "lr_discriminator")}

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        real, made = d(batch["image"]), d(g(batch["low"]).detach())
        step(optimizers["d"], -real.sigmoid().log().mean() - (1 - made.sigmoid()).log().mean())
        image = g(batch["low"])
        features, wanted = trunk(image), trunk(batch["image"])
        content = sum(relative(features[name], wanted[name]) for name in ("relu1_2", "relu2_1")) / 2
        step(optimizers["g"], 2 * content - 1e-3 * d(image).sigmoid().log().mean())
        return BATCH

    return iterate


def test_a_step_of_each_phase_is_that_of_the_paper() -> None:
    same_training(lambda: build(pretrain_kimg=1.0), alone_by_hand, fetch)
    same_training(lambda: build(perceptual_weight=2.0), both_by_hand, fetch)


def test_the_phase_begins_with_fresh_optimizers_at_the_first_batch_from_its_place_on() -> None:
    restarted: list[tuple[int, str]] = []
    moved: list[list[str]] = []
    for nimg in range(0, 32, BATCH):
        it = Iteration(nimg, single, BATCH, lambda player, n=nimg: restarted.append((n, player)))  # type: ignore[misc]
        moved.append(players_of(build(pretrain_kimg=0.014), it))
    assert restarted == [(16, "generator")]
    assert moved == [["generator"]] * 4 + [["discriminator", "generator"]] * 4


def players_of(system: System, it: Iteration) -> list[str]:
    """The players that an iteration moves, without moving them."""
    from ganpipe.core.system import Outcome

    found, steps = [], system.updates(it)
    update = next(steps)
    while True:
        found.append(update.player)
        result = update.loss(update.batch)
        terms, tensors = result if isinstance(result, tuple) else (result, {})
        try:
            update = steps.send(Outcome(terms, tensors))
        except StopIteration:
            return found


def test_the_memory_of_the_first_phase_is_lost_and_its_weights_are_not() -> None:
    system = build(pretrain_kimg=3 * BATCH / 1000)
    trainer = Trainer(system, TRAIN, single)
    for _ in range(3):
        trainer.iterate()
    assert optimizer_steps(trainer, "generator") == {3} and not optimizer_steps(trainer, "discriminator")
    before = copy.deepcopy(system.generator.state_dict())
    restart, seen = trainer.restart, []
    trainer.restart = lambda player: (  # type: ignore[method-assign]
        seen.append(all(torch.equal(before[k], v) for k, v in system.generator.state_dict().items())),
        restart(player),
    )
    trainer.iterate()
    assert seen == [True]
    assert optimizer_steps(trainer, "generator") == {1} == optimizer_steps(trainer, "discriminator")
    trainer.iterate()
    assert optimizer_steps(trainer, "generator") == {2}


def optimizer_steps(trainer: Trainer, player: str) -> set[int]:
    return {int(state["step"]) for state in trainer._optimizers[player].state.values()}


def test_the_gan_phase_has_two_learning_rates() -> None:
    system = build(pretrain_kimg=8.0, adversarial_lr=0.5, lower_lr_from_kimg=10.0)
    assert [system.adversarial_lr(kimg) for kimg in (8.0, 9.999, 10.0, 20.0)] == [0.5, 0.5, 0.05, 0.05]
    assert SRGAN.Config().lower_lr_from_kimg == 17_600


@pytest.mark.parametrize("stops", [2, 3, 4])
def test_a_training_is_taken_up_bit_for_bit_around_the_change(stops: int) -> None:
    straight, first, second = (Trainer(build(pretrain_kimg=0.012), TRAIN, single) for _ in range(3))
    for _ in range(6):
        straight.iterate()
    for _ in range(stops):
        first.iterate()
    second.restore(copy.deepcopy(first.state()))
    for _ in range(6 - stops):
        second.iterate()
    same(straight.system.state_dict(), second.system.state_dict())


def same(ours: Mapping[str, object], theirs: Mapping[str, object]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert not torch.is_tensor(value) or torch.equal(value, theirs[name]), name  # type: ignore[arg-type]


def test_the_generator_is_given_a_small_picture_of_any_size_and_draws_pixels() -> None:
    system = drawing().eval()
    assert system.inputs == {"low": Given("low")} and system.given_multiple == 1
    with torch.no_grad():
        system.generator.tail[-1].bias += 3
        made = system.generate({"low": torch.zeros(2, 3, 5, 7)})["image"]
    assert made.shape == (2, 3, 20, 28) and made.max() == 1


def test_a_published_generator_needs_no_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = build(trunk="random-7")
    publish_generator(system, tmp_path, "fingerprint")
    monkeypatch.setattr(trunks, "_drawn", None)
    monkeypatch.setattr("ganpipe.systems.srgan.load_trunk", None)
    generator = ganpipe.load_generator(tmp_path)
    low = torch.zeros(1, 3, SIDE // SCALE, SIDE // SCALE)
    assert torch.equal(generator.system.generate({"low": low})["image"], system.eval().generate({"low": low})["image"])
    assert "trunk" in (tmp_path / "generator.json").read_text()


def test_batch_norm_is_frozen_when_a_picture_is_drawn() -> None:
    system, low = build().eval(), single(0, 4)["low"]
    alone = torch.cat([system.generate({"low": one[None]})["image"] for one in low])
    torch.testing.assert_close(system.generate({"low": low})["image"], alone)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": ["relu5_4"], "trunk": "hed"}, "there is no layer 'relu5_4' in the trunk"),
        ({"trunk": "vgg"}, "'vgg' is no trunk"),
    ],
)
def test_an_unknown_layer_or_trunk_is_refused_with_the_params(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(SRGAN.Config, options, "params.yaml", prefix="system.")


def test_the_layers_suit_the_trunk() -> None:
    found = {trunk: SRGAN.Config(trunk=trunk).compared for trunk in ("vgg19", "hed", "random-0")}
    assert found == {"vgg19": ("relu5_4",), "hed": ("relu4_3",), "random-0": ("relu4_3",)}


def test_pictures_too_small_for_the_trunk_are_refused_with_the_params() -> None:
    SRGAN.Config().require_size(16, 20)
    SRGAN.Config(trunk="hed").require_size(4, 4)  # whose pools keep the last row
    with pytest.raises(ConfigError, match="looks at relu5_4 in images of 16 pixels or more, not of 15"):
        SRGAN.Config().require_size(40, 15)


def test_data_without_a_small_side_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs images in a field 'low', but data.name = 'toy' has image"):
        SRGAN(SRGAN.Config.model_validate(OPTIONS), images((3, 16, 16)))


def test_the_objective_at_balance_is_known() -> None:
    assert build().ideal == {"loss_discriminator": pytest.approx(2 * float(F.softplus(torch.zeros(()))))}
    assert build().smallest_batch == 2
