"""Short trainings of one side of a system alone, which show whether it can learn at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe import config
from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.system import Iteration, Outcome, System, Update, Updates
from ganpipe.training.loop import Trainer

Side = Literal["generators", "adversaries"]
Fetch = Callable[[int, int], Batch]

_JUDGED = 64  # a verdict rests on at least this number of real items and of outputs
_FIRST_VERDICT = 5  # iterations; the next after twice as many, and so on


class UniformNoise(nn.Module):
    """A stand-in for a generator: its items are uniform in [low, high) and ignore their inputs."""

    def __init__(self, shape: tuple[int, ...], low: float, high: float) -> None:
        super().__init__()
        self.shape, self.low, self.high = shape, low, high

    def forward(self, *inputs: object, **named: object) -> Tensor:
        """Return one item per row of the first tensor among the arguments."""
        first = next(value for value in (*inputs, *named.values()) if torch.is_tensor(value))
        uniform = torch.rand(len(first), *self.shape, device=first.device)
        return self.low + (self.high - self.low) * uniform


class OneSided(System):
    """A system of which one side learns, with the losses and the order of updates of the whole system.

    Updates of the other side are computed, because the system may use their outcome, but not performed.
    """

    generators = ("generator_side",)
    adversaries = ("adversary_side",)

    def __init__(self, system: System, side: Side) -> None:
        super().__init__(system.cfg, system.data)
        self.system, self._side = system, side
        self.losses: list[float] = []
        self._names = system.generators if side == "generators" else system.adversaries
        self.add_module(self.players[0], nn.ModuleList(system.get_submodule(name) for name in self._names))

    @property
    def players(self) -> tuple[str, ...]:
        """The one side, as one player."""
        return self.generators if self._side == "generators" else self.adversaries

    def updates(self, it: Iteration) -> Updates:
        """The updates of the system without those of the resting side."""
        restart = it.restart

        def restart_side(player: str) -> None:
            if player in self._names:
                restart(self.players[0])

        it.restart = restart_side
        steps = self.system.updates(it)
        with contextlib.suppress(StopIteration):
            update = next(steps)
            while True:
                if update.player in self._names:
                    outcome = yield replace(update, player=self.players[0])
                    self.losses.append(sum(value.item() for value in outcome.terms.values()))
                else:
                    outcome = _not_performed(update)
                update = steps.send(outcome)


def _not_performed(update: Update) -> Outcome:
    result = update.loss(update.batch)
    terms, tensors = result if isinstance(result, tuple) else (result, {})
    return Outcome(*({name: value.detach() for name, value in found.items()} for found in (terms, tensors)))


@dataclass(frozen=True)
class Verdict:
    """The scores of the first adversary for real items and for others, see `System.realness`."""

    real: Float[Tensor, " n"]
    fake: Float[Tensor, " m"]

    @property
    def ranked(self) -> float:
        """The share of all pairs in which the real item is judged more real than the other."""
        return ranked(self.real, self.fake)

    def __str__(self) -> str:
        means = (
            f"{name} {values.mean():.3g} (sigmoid: {torch.sigmoid(values).mean():.3f})"
            for name, values in (("real", self.real), ("the other", self.fake))
        )
        return f"{self.ranked:.0%} of pairs told apart; mean score {', '.join(means)}"


def ranked(upper: Float[Tensor, " n"], lower: Float[Tensor, " m"]) -> float:
    """Return the share of all pairs in which `upper` is above `lower`; 0.5 is guessing.

    It needs no threshold, so it has the same meaning for logits and for the scores of a critic.
    """
    difference = upper[:, None] - lower[None, :]
    return float(((difference > 0).double() + (difference == 0).double() / 2).mean())


class Rehearsal:
    """Trains one side of `system`, with verdicts of its adversary after 5, 10, 20, ... iterations.

    `system` is changed: pass a copy. Verdicts compare the real batches `judged` with outputs for the same number of
    inputs; given rows are taken from these batches.
    """

    def __init__(
        self, system: System, side: Side, train: config.Train, fetch: Fetch, judged: Sequence[Batch] | None = None
    ) -> None:
        self._system = system
        self._one_sided = OneSided(system, side)
        self.trainer = Trainer(self._one_sided, train.model_copy(update={"ema_half_life_kimg": 0.0}), fetch)
        count = -(-_JUDGED // train.batch)
        self._real = judged or [fetch(number * train.batch, train.batch) for number in range(count)]
        self._fakes_of = [self._real[number % len(self._real)] for number in range(count)]

    @property
    def moved(self) -> bool:
        """Whether the side has taken a step. It has not if it waits for a later phase of the training."""
        return len(self.losses) > 0

    @property
    def losses(self) -> Sequence[float]:
        """The loss of the side at each of its steps."""
        return self._one_sided.losses

    @property
    def fallen(self) -> float:
        """By how much the loss fell from the first step to the last, as a share of the size of the first."""
        if not self.losses:
            return 0.0
        return (self.losses[0] - self.losses[-1]) / max(abs(self.losses[0]), 1e-9)

    def learn(self, iterations: int, until: Callable[[Verdict], bool]) -> tuple[Verdict, int]:
        """Perform at most `iterations`; return the last verdict and how many were performed.

        They end early with a good verdict, or if the side has not moved before the first verdict.
        """
        due = _FIRST_VERDICT
        for done in range(1, iterations):
            self.trainer.iterate()
            if done == due:
                due *= 2
                if until(verdict := self.verdict()) or not self.moved:
                    return verdict, done
        self.trainer.iterate()
        return self.verdict(), iterations

    @torch.no_grad()
    def verdict(self) -> Verdict:
        """Judge real items and others in batches of the training's size, in training mode, as in training."""
        real = [self._judged(batch) for batch in self._real]
        return Verdict(torch.cat(real), torch.cat([self._judged(self._fake(batch)) for batch in self._fakes_of]))

    def _judged(self, batch: Batch) -> Tensor:
        realness = self._system.realness(batch)
        assert realness is not None  # there is an adversary: see `checks`
        return realness

    def _fake(self, batch: Batch) -> Batch:
        """Return outputs under the names of the fields they look like, with the given rows and choices behind them."""
        inputs = inputs_from(self._system, batch)
        made = self._system.generate(inputs)
        used = {one.field: inputs[name] for name, one in self._system.inputs.items() if isinstance(one, Choice | Given)}
        return {**used, **{field: made[output] for output, field in self._system.outputs.items()}}


def inputs_from(system: System, batch: Batch) -> Batch:
    """Return inputs for the items of a real batch. Given rows are those of the batch; all others are drawn."""
    return {
        name: batch[one.field] if isinstance(one, Given) else system.draw(name, batch_size(batch))
        for name, one in system.inputs.items()
    }
