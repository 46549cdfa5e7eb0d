"""`ganpipe check` on systems that are not two players at every step: what applies to them and what does not."""

from __future__ import annotations

import re

import pytest
import torch
from line_gan import TRAIN, Line, parameters, reals, wide
from several import several
from torch import Tensor, nn
from translating import Translator, pairs

from ganpipe.core.batch import Batch
from ganpipe.core.system import Iteration, Terms, Update, Updates
from ganpipe.errors import PreflightError
from ganpipe.preflight import checks as preflight
from ganpipe.preflight.one_sided import OneSided, Rehearsal
from ganpipe.training.loop import Trainer

# What does not apply.


class Alone(Line):
    """Its generator learns the mean of the data, with nobody to fool."""

    adversaries = ()
    sign = 1.0

    def updates(self, it: Iteration) -> Updates:
        yield Update("generator", self.loss, it.next_batch())

    def loss(self, batch: Batch) -> Terms:
        made = self.generator(self.draw("latent", len(batch["vector"])))
        return {"distance": self.sign * (made - batch["vector"]).square().mean()}


def test_a_system_without_an_adversary_must_lower_its_loss() -> None:
    assert preflight.describe_noise_test(Alone(), TRAIN, reals) == "does not apply: Alone has no adversary"
    told = preflight.describe_one_batch(Alone(), TRAIN, reals(0, 64))
    assert re.match(r"the generator's loss falls from \d[\d.]* to \d[\d.]* in \d+ iterations; no adversary", told)
    stuck = TRAIN.model_copy(update={"lr": 1e-12})
    with pytest.raises(PreflightError, match=r"one batch: the generator does not learn it: its loss is .* after 200 "):
        preflight.describe_one_batch(Alone(), stuck, reals(0, 64))


class Later(Line):
    """One side waits for a phase that the check does not reach."""

    waits = "discriminator"

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        if self.waits != "discriminator":
            yield Update("discriminator", self.discriminator_loss, batch)
        if self.waits != "generator":
            yield Update("generator", self.generator_loss, batch)

    def generator_loss(self, batch: Batch) -> Terms:
        made = self.generator(self.draw("latent", len(batch["vector"])))
        return {"distance": (made - batch["vector"]).square().mean(), **super().generator_loss(batch)}


def test_a_side_that_waits_for_a_later_phase_is_not_judged() -> None:
    system = Later()
    told = preflight.describe_noise_test(system, TRAIN, reals)
    assert told == "does not apply: the discriminator waits for a later phase of the training"
    assert preflight.describe_one_batch(system, TRAIN, reals(0, 64)).startswith("the generator's loss falls from ")
    system.waits = "generator"
    assert "against uniform noise: 9" in preflight.describe_noise_test(system, TRAIN, wide)
    told = preflight.describe_one_batch(system, TRAIN, reals(0, 64))
    assert told.endswith("; the generator waits for a later phase of the training")


def test_noise_cannot_stand_for_several_networks() -> None:
    told = preflight.describe_noise_test(several(), TRAIN, lambda position, count: {"vector": torch.zeros(count, 2)})
    assert told == "does not apply: Several has several generators, and noise can stand for one only"


def test_the_resting_side_cannot_be_restarted() -> None:
    class Restless(Line):
        def updates(self, it: Iteration) -> Updates:
            it.restart("discriminator")
            it.restart("generator")
            return (yield from super().updates(it))

    whole, half = Trainer(Restless(), TRAIN, reals), Trainer(OneSided(Restless(), "generators"), TRAIN, reals)
    for training in (whole, half):
        training.iterate()
    assert parameters(half.system.system.discriminator) == parameters(Line().discriminator)
    assert half._optimizers.keys() == {"generator_side"}


def test_frozen_networks_rest_in_a_rehearsal_too() -> None:
    system = several()
    train = TRAIN.model_copy(update={"lr": 1e-3})
    rows = {"vector": torch.randn(64, 2)}
    before = system.frozen_sha256
    rehearsal = Rehearsal(system, "generators", train, lambda position, count: rows, [rows])
    rehearsal.trainer.iterate()
    assert rehearsal.moved and system.frozen_sha256 == before and not system.features.training
    assert not [name for name in rehearsal.trainer.system.state_dict() if "features" in name]


def test_given_rows_and_choices_are_judged_beside_what_was_made_of_them() -> None:
    """The verdict of a fake is on the pair of what it was made from and what was made."""

    class Pairs(Translator):
        adversaries = ("discriminator",)

        def __init__(self) -> None:
            super().__init__(Translator.Config(), pairs())
            self.discriminator = nn.Linear(1, 1)
            self.judged: list[Batch] = []

        def realness(self, batch: Batch) -> Tensor:
            self.judged.append(batch)
            return (batch["source"] + batch["target"]).flatten(1).mean(dim=1)

    rows = {"source": torch.rand(64, 1, 2, 3), "target": torch.zeros(64, 1, 2, 3)}
    system = Pairs()
    verdict = Rehearsal(system, "generators", TRAIN, lambda position, count: rows, [rows]).verdict()
    real, fake = system.judged
    assert fake.keys() == {"source", "target"} and torch.equal(fake["source"], rows["source"])
    assert torch.equal(fake["target"], -rows["source"])
    assert torch.equal(verdict.fake, torch.zeros(64)) and (verdict.real > 0).all() and verdict.ranked == 1.0
