"""Iterations of any shape: their batches, sides that rest, players of several networks, networks that are frozen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from several import several
from torch import nn
from toy import SPEC, Toy, assert_same, fetch, stepped, trainer, weights

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Constant
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import ConfigError
from ganpipe.history.table import read_csv
from ganpipe.training.loop import Trainer, seed_iteration

# Which rows of the data an iteration takes.


def recorded(calls: list[tuple[int, int]]) -> Callable[[int, int], Batch]:
    def note(position: int, count: int) -> Batch:
        calls.append((position, count))
        return fetch(position, count)

    return note


def test_batches_of_any_size_follow_each_other_and_are_counted() -> None:
    calls: list[tuple[int, int]] = []
    it = Iteration(100, recorded(calls), batch=8)
    assert it.kimg == 0.1
    sizes = [len(it.next_batch(n)["vector"]) for n in (None, 3, 5, None)]
    assert sizes == [8, 3, 5, 8]
    assert calls == [(100, 8), (108, 3), (111, 5), (116, 8)]
    assert it.shown == 24 and it.nimg == 100 and it.kimg == 0.1


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_each_process_takes_its_own_share_of_the_same_batch(rank: int) -> None:
    calls: list[tuple[int, int]] = []
    it = Iteration(12, recorded(calls), batch=6, rank=rank, world=3)
    assert len(it.next_batch()["vector"]) == 2
    assert len(it.next_batch(9)["vector"]) == 3
    assert calls == [(12 + 2 * rank, 2), (18 + 3 * rank, 3)]
    assert it.shown == 15


@pytest.mark.parametrize("n", [2, 4, 7])
def test_a_batch_that_does_not_divide_among_the_processes_is_refused_and_not_counted(n: int) -> None:
    calls: list[tuple[int, int]] = []
    it = Iteration(0, recorded(calls), batch=6, rank=1, world=3)
    with pytest.raises(ConfigError, match=f"a batch of {n} items does not divide among 3 processes"):
        it.next_batch(n)
    assert not calls and not it.shown


def test_the_next_iteration_goes_on_where_the_last_one_ended() -> None:
    class Greedy(Toy):
        def updates(self, it: Iteration) -> Updates:
            for n in (None, 4):
                yield Update("discriminator", self.discriminator_loss, it.next_batch(n))

    calls: list[tuple[int, int]] = []
    training = Trainer(Greedy().double(), trainer(Toy()).train, recorded(calls))
    assert [training.iterate(), training.iterate()] == [12, 12]
    assert calls == [(0, 8), (8, 4), (12, 8), (20, 4)]
    assert training.nimg == 24


# Phases in which a side rests, and systems that have one side only.


class Phased(Toy):
    """First the discriminator alone, then the generator alone."""

    def updates(self, it: Iteration) -> Updates:
        player = "discriminator" if it.kimg < 0.008 else "generator"
        loss = self.discriminator_loss if player == "discriminator" else self.generator_loss
        yield Update(player, loss, it.next_batch())


def test_a_side_may_rest_and_its_columns_are_blank(tmp_path: Path) -> None:
    system = Phased()
    training = trainer(system, ema_half_life_kimg=0.01)
    before = {name: weights(system.get_submodule(name)) for name in system.players}
    for moving, resting in (("discriminator", "generator"), ("generator", "discriminator")):
        training.iterate()
        row = training.history.close_row(training.nimg / 1000)
        assert f"loss_{moving}" in row and f"loss_{resting}" not in row
        assert not any(name.startswith(resting) for name in row)
        after = {name: weights(system.get_submodule(name)) for name in system.players}
        assert all(torch.equal(a, b) for a, b in zip(after[resting], before[resting], strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(after[moving], before[moving], strict=True))
        before = after
    training.history.write_csv(tmp_path / "history.csv")
    header, first, second = (line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines())
    assert header[:3] == ["kimg", "loss_generator", "loss_discriminator"]
    assert first[1] == "" and first[2] != ""
    assert second[1] != "" and second[2] == ""
    assert [row.keys() for row in read_csv(tmp_path / "history.csv")] == [row.keys() for row in training.history.rows]


class Waiting(Toy):
    """The generator waits in the first iteration."""

    def updates(self, it: Iteration) -> Updates:
        yield Update("discriminator", self.discriminator_loss, it.next_batch())
        yield Update("generator", self.generator_loss, it.next_batch(), lr=float(it.nimg > 0))


def test_a_player_that_waits_stands_still_with_its_optimizer_and_its_loss_is_known() -> None:
    system = Waiting()
    training = trainer(system, optimizer={"name": "adam"})
    before, optimizer = weights(system.generator), copy.deepcopy(training.state()["optimizers"]["generator"])
    training.iterate()
    assert all(torch.equal(a, b) for a, b in zip(weights(system.generator), before, strict=True))
    assert training.state()["optimizers"]["generator"]["state"] == optimizer["state"] == {}
    assert training.history.close_row(0.016)["loss_generator"] > 0
    training.iterate()
    assert not any(torch.equal(a, b) for a, b in zip(weights(system.generator), before, strict=True))


class Alone(System):
    """A generator without adversary: it is pulled to the mean of the data."""

    adversaries = ()
    inputs = {"seed": Constant(1.0)}
    outputs = {"vector": "vector"}

    def __init__(self) -> None:
        super().__init__(None, SPEC)
        torch.manual_seed(0)
        self.generator = nn.Linear(1, 2)

    def updates(self, it: Iteration) -> Updates:
        yield Update("generator", self.loss, it.next_batch())

    def loss(self, batch: Batch) -> Terms:
        made = self.generate({"seed": self.draw("seed", len(batch["vector"])).double()})["vector"]
        return {"distance": (made - batch["vector"]).square().mean()}


def test_a_system_without_an_adversary_trains(tmp_path: Path) -> None:
    system = Alone()
    assert system.players == ("generator",)
    assert system.realness(fetch(0, 8)) is None
    training = trainer(system, ema_half_life_kimg=0.01)
    losses = []
    for _ in range(20):
        training.iterate()
        row = training.history.close_row(training.nimg / 1000)
        assert row.keys() == {"kimg", "loss_generator", "generator/distance", "generator/gradient_norm"}
        losses.append(row["loss_generator"])
    assert sum(losses[-5:]) < sum(losses[:5])
    training.history.write_csv(tmp_path / "history.csv")
    lines = [line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines()]
    assert lines[0][:5] == ["kimg", "loss_generator", "loss_discriminator", "score_generator", "score_discriminator"]
    assert all(line[2:5] == ["", "", ""] and line[1] for line in lines[1:])


# Players of several networks, and networks that nobody trains.


def test_the_networks_of_a_player_step_together_and_are_averaged_together() -> None:
    system = several().double()
    before = copy.deepcopy(system)
    training = trainer(system, ema_half_life_kimg=0.01)
    training.iterate()
    for name, parameter in system.generator.named_parameters():
        assert not torch.equal(parameter, before.generator.get_parameter(name)), name
        average = training.ema.shadow["generator"].get_parameter(name)
        assert not torch.equal(average, before.generator.get_parameter(name)), name
        assert average.dtype == torch.float64
    assert training.history.close_row(0.008)["generator/gradient_norm"] > 0
    with training.ema.applied(system) as lent:
        assert lent.generator["head"] is training.ema.shadow["generator"]["head"]


def test_a_player_of_several_networks_takes_one_step_on_the_sum_of_its_terms() -> None:
    system, expected = several().double(), several().double().train()
    training = trainer(system)
    training.iterate()
    seed_iteration(0, 0, 0)
    torch.randn(8, 3)  # the latents of the discriminator's step
    expected.discriminator.load_state_dict(system.discriminator.state_dict())
    parameters = list(expected.generator.parameters())
    terms = expected.generator_loss(fetch(0, 8))
    gradients = torch.autograd.grad(terms["adversarial"] + terms["features"], parameters)
    assert_same(weights(system.generator), stepped(weights(expected.generator), gradients, 0.1))


def test_a_frozen_network_stays_as_it_is_while_gradients_pass_through_it() -> None:
    system = several().double()
    training = trainer(system, ema_half_life_kimg=0.01)
    before = copy.deepcopy(dict(system.features.named_parameters()) | dict(system.features.named_buffers()))
    assert system.training and system.generator["body"].training and not system.features[1].training
    training.iterate()
    assert all(parameter.grad is None for parameter in system.features.parameters())
    for name, value in [*system.features.named_parameters(), *system.features.named_buffers()]:
        assert torch.equal(value, before[name]), name
    with training.ema.applied(system):
        assert not system.features.training
    assert system.training and not system.features.training
    assert "features" not in training.ema.shadow
    assert training._optimizers.keys() == {"generator", "discriminator"}


def test_a_training_with_a_frozen_network_is_taken_up_where_it_was() -> None:
    straight, first, second = (trainer(several().double(), ema_half_life_kimg=0.01) for _ in range(3))
    for _ in range(4):
        straight.iterate()
    first.iterate()
    first.iterate()
    state = copy.deepcopy(first.state())
    assert not [name for name in state["system"] if name.startswith("features")]
    assert state["system"]["level"] == 0.5
    second.restore(state)
    second.iterate()
    second.iterate()
    assert second.system.level == 1.0
    for (name, ours), theirs in zip(
        straight.system.state_dict().items(), second.system.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    for ours, theirs in zip(straight.ema.state_dict().values(), second.ema.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
