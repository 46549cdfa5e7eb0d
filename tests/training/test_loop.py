"""The loop: who moves and who does not, micro-batches, the guard, schedules, restarts."""

from __future__ import annotations

import contextlib
import copy

import pytest
import torch
from torch import nn
from toy import Toy, assert_same, fetch, stepped, trainer, weights

from ganpipe.core.batch import Batch
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import TrainingDiverged
from ganpipe.training import loop
from ganpipe.training.loop import Trainer, only_trains, seed_iteration


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
