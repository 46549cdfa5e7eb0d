"""The loop: who moves and who does not, micro-batches, the guard, schedules, phases, what is frozen."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from several import several
from specs import vectors
from torch import Tensor, nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Constant, Noise
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import ConfigError, TrainingDiverged
from ganpipe.history.table import read_csv
from ganpipe.training import loop
from ganpipe.training.loop import Trainer, only_trains, seed_iteration

SPEC = vectors(2)


class Toy(System):
    """A generator and a discriminator of one layer each, whose losses record what they see."""

    inputs = {"latent": Noise((3,))}
    outputs = {"vector": "vector"}

    def __init__(self, poison: float | None = None) -> None:
        super().__init__(None, SPEC)
        torch.manual_seed(0)
        self.generator = nn.Linear(3, 2)
        self.discriminator = nn.Linear(2, 1)
        self.poison = poison
        self.seen: list[Any] = []

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        outcome = yield Update("discriminator", self.discriminator_loss, batch)
        self.seen.append(outcome)
        it.log({"score": outcome.tensors["logits"].mean()})
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        self.seen.append([p.requires_grad for p in self.generator.parameters()])
        logits = self.discriminator(batch["vector"]).flatten()
        terms = {"square": (logits - 1).square().mean(), "pull": 0.1 * logits.mean()}
        if self.poison is not None:
            terms["poison"] = logits.mean() * self.poison
        return terms, {"logits": logits}

    def generator_loss(self, batch: Batch) -> Terms:
        fixed = self.generator(torch.ones(len(batch["vector"]), 3, dtype=batch["vector"].dtype))
        return {"adversarial": self.discriminator(fixed).square().mean()}


def fetch(position: int, count: int) -> Batch:
    """Return rows that depend on their position alone."""
    generator = torch.Generator().manual_seed(position)
    return {"vector": torch.randn(count, 2, generator=generator, dtype=torch.float64)}


def trainer(system: System, **values: Any) -> Trainer:
    base = {
        "kimg": 1,
        "batch": 8,
        "lr": 0.1,
        "optimizer": {"name": "sgd"},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
    return Trainer(system.double(), Train.model_validate(base | values), fetch)


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_each_update_moves_its_player_alone() -> None:
    system = Toy()
    with only_trains(system, "generator"):
        assert all(p.requires_grad for p in system.generator.parameters())
        assert not any(p.requires_grad for p in system.discriminator.parameters())
    assert all(p.requires_grad for p in system.parameters())
    trainer(system).iterate()
    assert system.seen[0] == [False, False]


def test_a_step_is_plain_gradient_descent_on_the_sum_of_the_terms() -> None:
    system, expected = Toy(), Toy().double()
    batch = fetch(0, 8)
    trainer(system).iterate()
    logits = expected.discriminator(batch["vector"]).flatten()
    loss = (logits - 1).square().mean() + 0.1 * logits.mean()
    gradients = torch.autograd.grad(loss, list(expected.discriminator.parameters()))
    for now, before, gradient in zip(
        weights(system.discriminator), weights(expected.discriminator), gradients, strict=True
    ):
        torch.testing.assert_close(now, before - 0.1 * gradient, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("micro", [1, 3, 7, 8])
def test_micro_batches_change_nothing(micro: int) -> None:
    whole, cut = Toy(), Toy()
    trainer(whole).iterate()
    trainer(cut, micro_batch=micro).iterate()
    for a, b in zip(weights(whole), weights(cut), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(whole.seen[-1].tensors["logits"], cut.seen[-1].tensors["logits"])
    torch.testing.assert_close(whole.seen[-1].terms["square"], cut.seen[-1].terms["square"])


def test_what_an_update_returns_is_detached_and_history_holds_means() -> None:
    system = Toy()
    training = trainer(system)
    training.iterate()
    first = system.seen[-1]
    assert not first.terms["square"].requires_grad
    assert not first.tensors["logits"].requires_grad
    training.iterate()
    row = training.history.close_row(training.nimg / 1000)
    second = system.seen[-1]
    for name, value in {"square": "discriminator/square", "pull": "discriminator/pull"}.items():
        assert row[value] == pytest.approx((first.terms[name] + second.terms[name]).item() / 2)
    assert row["loss_discriminator"] == pytest.approx(row["discriminator/square"] + row["discriminator/pull"])
    assert row["loss_generator"] == row["generator/adversarial"]
    assert row["score"] == pytest.approx((first.tensors["logits"].mean() + second.tensors["logits"].mean()).item() / 2)
    assert row["kimg"] == 0.016


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_term_that_is_not_finite_is_named_and_no_step_is_taken(poison: float) -> None:
    system = Toy(poison)
    before = weights(system)
    with pytest.raises(TrainingDiverged, match=r"discriminator/poison is (nan|-?inf) after 0 kimg.*train.lr \(0.1\)"):
        trainer(system).iterate()
    assert all(torch.equal(a, b) for a, b in zip(before, weights(system), strict=True))


def test_broken_weights_are_not_saved() -> None:
    training = trainer(Toy())
    with torch.no_grad():
        training.system.get_parameter("generator.bias")[0] = float("inf")
    with pytest.raises(TrainingDiverged, match="generator.bias are not finite"):
        training.state()


def test_learning_rates_of_both_sides_and_their_schedule() -> None:
    training = trainer(Toy(), lr=0.1, lr_discriminator=0.3, lr_decay_from_kimg=0)
    training.nimg = 500
    training.iterate()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in training._optimizers.items()}
    assert rates == pytest.approx({"generator": 0.05, "discriminator": 0.15})


def test_a_system_that_draws_no_batch_is_a_defect_and_does_not_run_for_ever() -> None:
    class Idle(Toy):
        def updates(self, it: Iteration) -> Updates:
            yield Update("generator", self.generator_loss, fetch(0, 8))

    with pytest.raises(RuntimeError, match="Idle.updates drew no batch"):
        trainer(Idle()).iterate()


def test_random_numbers_of_an_iteration_depend_on_seed_rank_and_progress() -> None:
    drawn = {}
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 64)]:
        seed_iteration(*key)
        drawn[key] = torch.rand(3).tolist()
    seed_iteration(0, 0, 64)
    assert torch.rand(3).tolist() == drawn[(0, 0, 64)]
    assert len({tuple(values) for values in drawn.values()}) == 4


def test_bf16_is_close_to_fp32_but_not_the_same() -> None:
    exact, fast = trainer(Toy()), trainer(Toy(), precision="bf16")
    for training in (exact, fast):
        training.system.float()
        training._fetch = lambda position, count: {"vector": fetch(position, count)["vector"].float()}
        training.iterate()
    pairs = list(zip(weights(exact.system), weights(fast.system), strict=True))
    assert all(torch.allclose(a, b, atol=0.05) for a, b in pairs)
    assert any(not torch.equal(a, b) for a, b in pairs)


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """A training that does not read its losses in every iteration."""
    training = trainer(Toy())
    monkeypatch.setattr(training, "_device", torch.device("meta"))
    monkeypatch.setattr(loop, "autocast", lambda device, precision: contextlib.nullcontext())
    return training


def test_a_loss_that_is_read_later_is_dated_back(monkeypatch: pytest.MonkeyPatch) -> None:
    training = as_on_a_gpu(monkeypatch)
    for _ in range(3):
        training.iterate()
    assert training.nimg == 24 and not training.history.rows
    training._unread[1][1]["loss_generator"].fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="loss_generator is nan after 0.008 kimg"):
        training.read_losses()


def test_losses_are_read_in_the_same_iteration_whatever_was_read_for_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = as_on_a_gpu(monkeypatch)
    for _ in range(31):
        training.iterate()
    training.state()
    training.iterate()
    assert not training._unread


def test_terms_in_bf16_are_summed_over_micro_batches_in_fp32() -> None:
    class Narrow(Toy):
        def generator_loss(self, batch: Batch) -> Terms:
            fixed = self.generator(torch.ones(len(batch["vector"]), 3, dtype=batch["vector"].dtype))
            return {"adversarial": (130 + 0 * self.discriminator(fixed).mean()).bfloat16()}

    training = trainer(Narrow(), micro_batch=1)
    training.iterate()
    assert training.history.close_row(0.008)["loss_generator"] == 130.0  # 129 where shares are summed in bf16


def stepped(before: list[Tensor], gradients: Sequence[Tensor], rate: float) -> list[Tensor]:
    """What plain gradient descent makes of weights."""
    return [weight - rate * gradient for weight, gradient in zip(before, gradients, strict=True)]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-15)


class Scheduled(Toy):
    """Its generator steps with a quarter of the learning rate, then with all of it."""

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        yield Update("generator", self.generator_loss, batch, lr=0.25)
        self.seen.append(weights(self.generator))
        yield Update("generator", self.generator_loss, batch)


def test_an_update_may_ask_for_a_part_of_the_learning_rate() -> None:
    system, expected = Scheduled(), Toy().double()
    trainer(system).iterate()
    for rate, found in ((0.025, system.seen[0]), (0.1, weights(system.generator))):
        parameters = list(expected.generator.parameters())
        gradients = torch.autograd.grad(expected.generator_loss(fetch(0, 8))["adversarial"], parameters)
        by_hand = stepped(weights(expected.generator), gradients, rate)
        assert_same(found, by_hand)
        with torch.no_grad():
            for parameter, value in zip(parameters, by_hand, strict=True):
                parameter.copy_(value)


def test_the_factor_is_one_on_the_scheduled_rate_of_the_side() -> None:
    class Slower(Toy):
        def updates(self, it: Iteration) -> Updates:
            batch = it.next_batch()
            yield Update("discriminator", self.discriminator_loss, batch, lr=0.1)
            yield Update("generator", self.generator_loss, batch, lr=0.0)

    system = Slower()
    before = weights(system.double().generator)
    training = trainer(system, lr=0.1, lr_discriminator=0.3, lr_decay_from_kimg=0)
    training.nimg = 500
    training.iterate()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in training._optimizers.items()}
    assert rates == pytest.approx({"generator": 0, "discriminator": 0.015})
    assert all(torch.equal(a, b) for a, b in zip(before, weights(system.generator), strict=True))


class Restarting(Toy):
    """Begins a new phase after 16 images: its generator forgets its steps."""

    restarts = True

    def updates(self, it: Iteration) -> Updates:
        if it.nimg == 16 and self.restarts:
            it.restart("generator")
        batch = it.next_batch()
        yield Update("generator", self.generator_loss, batch)
        yield Update("discriminator", self.discriminator_loss, batch)


class Steady(Restarting):
    restarts = False


def adam(system: System) -> Trainer:
    return trainer(system, lr=0.01, optimizer={"name": "adam"})


def test_a_restarted_player_steps_like_one_that_never_stepped() -> None:
    restarted, steady = adam(Restarting()), adam(Steady())
    for training in (restarted, steady):
        training.iterate()
        training.iterate()
    fresh = adam(copy.deepcopy(steady.system))
    fresh.nimg = 16
    for training in (restarted, steady, fresh):
        training.iterate()
    new, old, first = (weights(training.system.get_submodule("generator")) for training in (restarted, steady, fresh))
    assert all(torch.equal(a, b) for a, b in zip(new, first, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(new, old, strict=True))
    steps = {
        name: float(optimizer.state_dict()["state"][0]["step"]) for name, optimizer in restarted._optimizers.items()
    }
    assert steps == {"generator": 1, "discriminator": 3}


def test_the_first_adam_step_after_a_restart_has_the_length_of_a_first_step() -> None:
    """Its size is the learning rate, whatever the gradient: m / sqrt(v) is the sign of the gradient."""
    system = Restarting()
    training = adam(system)
    training.iterate()
    training.iterate()
    before = weights(system.generator)
    training.iterate()
    for now, earlier in zip(weights(system.generator), before, strict=True):
        torch.testing.assert_close((now - earlier).abs(), torch.full_like(now, 0.01), rtol=1e-4, atol=0)


def test_a_restart_takes_up_weights_that_have_grown() -> None:
    class Growing(Toy):
        def updates(self, it: Iteration) -> Updates:
            if it.nimg == 8:
                self.generator = nn.Sequential(self.generator, nn.Linear(2, 2).double())
                it.restart("generator")
                self.seen.append(weights(self.generator))
            batch = it.next_batch()
            yield Update("generator", self.generator_loss, batch)

    system = Growing()
    training = trainer(system)
    training.iterate()
    training.iterate()
    assert len(system.seen[-1]) == 4
    assert not any(torch.equal(a, b) for a, b in zip(system.seen[-1], weights(system.generator), strict=True))


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
