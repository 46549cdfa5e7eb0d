"""pix2pix against the written description: a hand-written loop, what each player pays for, how pictures are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from by_hand import BATCH, adam, same_training, step
from pydantic import ValidationError
from specs import pictures
from torch import Tensor, nn

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Given
from ganpipe.core.system import System
from ganpipe.systems.pix2pix import Pix2Pix

SPEC = pictures((1, 16, 16), (2, 16, 16))


def build(**options: object) -> Pix2Pix:
    torch.manual_seed(0)
    small = {"features": 2, "features_discriminator": 2, "patch_layers": 1}
    return Pix2Pix(Pix2Pix.Config.model_validate({**small, **options}), SPEC)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {
        name: torch.rand(count, channels, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1
        for name, channels in (("a", 1), ("b", 2))
    }


def by_hand(system: System) -> Callable[[int], int]:
    """Equations 1, 3 and 4 of arXiv:1611.07004, D's cost halved, one step of D and then one of G."""
    translate, judge = system.get_submodule("generator"), system.get_submodule("discriminator")
    optimizers = {"generator": adam(translate), "discriminator": adam(judge, "lr_discriminator")}

    def logits(x: Tensor, y: Tensor) -> Tensor:
        return judge(torch.cat([x, y], dim=1))

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        x, y = batch["a"], batch["b"]
        made = translate(x).detach()
        real, fake = torch.sigmoid(logits(x, y)), torch.sigmoid(logits(x, made))
        step(optimizers["discriminator"], (-real.log().mean() - (1 - fake).log().mean()) / 2)
        made = translate(x)
        step(optimizers["generator"], -torch.sigmoid(logits(x, made)).log().mean() + 100 * (y - made).abs().mean())
        return BATCH

    return iterate


def test_a_step_is_that_of_the_paper() -> None:
    same_training(build, by_hand, fetch)


class Fixed(nn.Module):
    """The same logits for all patches, one number for the real pair and one for the made one."""

    def __init__(self, real: float, fake: float) -> None:
        super().__init__()
        self.real, self.fake = real, fake

    def forward(self, pairs: Tensor) -> Tensor:
        real = (pairs[:, 1] == 0.5).all()  # the wanted picture of the tests below
        return torch.full((len(pairs), 2, 3), self.real if real else self.fake)


class Zero(nn.Module):
    """Makes grey pictures."""

    def forward(self, source: Tensor) -> Tensor:
        return torch.zeros(len(source), 2, 16, 16)


@pytest.mark.parametrize(
    ("objective", "real", "fake", "fooled"),
    [
        ("non_saturating", math.log(1 + math.exp(-1.5)), math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(0.5))),
        ("least_squares", 0.25, 0.25, 2.25),
    ],
)
def test_what_each_player_pays(objective: str, real: float, fake: float, fooled: float) -> None:
    system = build(objective=objective, adversarial_weight=3.0, l1_weight=10.0)
    system.generator, system.discriminator = Zero(), Fixed(1.5, -0.5)
    batch = {"a": torch.zeros(3, 1, 16, 16), "b": torch.full((3, 2, 16, 16), 0.5)}
    terms, outputs = system.discriminator_loss(batch)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx({"real": real / 2, "fake": fake / 2})
    assert outputs["real"].tolist() == [1.5] * 3 and outputs["fake"].tolist() == [-0.5] * 3
    paid = {name: value.item() for name, value in system.generator_loss(batch).items()}
    assert paid == pytest.approx({"adversarial": 3 * fooled, "l1": 10 * 0.5})
    assert system.realness(batch).tolist() == [1.5] * 3  # type: ignore[union-attr]


def test_the_wasserstein_critic_has_no_batch_norm_and_pays_for_its_slope() -> None:
    system = build(objective="wasserstein_gp")
    assert not any(isinstance(one, nn.BatchNorm2d) for one in system.discriminator.modules())
    terms, _ = system.discriminator_loss(fetch_single())
    assert terms.keys() == {"wasserstein", "gradient_penalty"} and terms["gradient_penalty"] > 0
    assert system.ideal == {}


def fetch_single() -> Batch:
    return {name: values.float() for name, values in fetch(0, 3).items()}


def test_without_the_adversarial_term_there_is_no_discriminator() -> None:
    system = build(adversarial_weight=0.0)
    assert system.players == ("generator",) and not hasattr(system, "discriminator")
    assert system.generator_loss(fetch_single()).keys() == {"l1"}
    assert system.realness(fetch_single()) is None
    with pytest.raises(ValidationError, match="adversarial_weight and l1_weight are both 0"):
        build(adversarial_weight=0.0, l1_weight=0.0)


def test_the_other_direction() -> None:
    system = build(direction="b_to_a")
    assert system.inputs == {"source": Given("b")} and system.outputs == {"translated": "a"}
    made = system.eval().generate({"source": torch.zeros(2, 2, 16, 16)})
    assert made["translated"].shape == (2, 1, 16, 16)


def test_a_picture_is_drawn_alone_and_with_dropout_as_in_the_paper() -> None:
    source = torch.rand(4, 1, 32, 32) * 2 - 1
    spec = pictures((1, 32, 32), (1, 32, 32))
    small = {"features": 2, "features_discriminator": 2, "patch_layers": 1}

    def drawn(pick: slice, **options: object) -> Tensor:
        torch.manual_seed(0)
        system = Pix2Pix(Pix2Pix.Config.model_validate({**small, **options}), spec).eval()
        torch.manual_seed(1)
        return system.generate({"source": source[pick]})["translated"]

    quiet = {"dropout_when_drawing": False}
    torch.testing.assert_close(drawn(slice(None), **quiet)[2:3], drawn(slice(2, 3), **quiet))
    average = drawn(slice(None), **quiet, norm_when_drawing="average")
    assert (average - drawn(slice(None), **quiet)).abs().max() > 1e-3
    assert (drawn(slice(None)) - drawn(slice(None), **quiet)).abs().max() > 1e-4
