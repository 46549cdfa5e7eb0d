"""Trainings of one side of a system alone, to see whether it can learn at all. Nothing of them is kept."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe import config
from ganpipe.core.batch import Batch
from ganpipe.core.system import Iteration, Outcome, System, Update, Updates
from ganpipe.training.loop import Trainer

Side = Literal["generators", "adversaries"]

_JUDGED = 64  # items of either kind, at least, that a verdict rests on
_FIRST_VERDICT = 5  # iterations; the next after twice as many, and so on


class Noise(nn.Module):
    """Takes the place of a generator: numbers uniform in [low, high), whatever it is asked for."""

    def __init__(self, shape: tuple[int, ...], low: float, high: float) -> None:
        super().__init__()
        self.shape, self.low, self.high = shape, low, high

    def forward(self, latents: Tensor, *conditions: Tensor) -> Tensor:
        """Return one item per latent."""
        uniform = torch.rand(len(latents), *self.shape, device=latents.device)
        return self.low + (self.high - self.low) * uniform


class OneSided(System):
    """A system of which one side learns, by the very losses and in the very order of the whole.

    Updates of the other side are computed, since the system may want their outcome, and not performed.
    """

    generators = ("generator_side",)
    adversaries = ("adversary_side",)

    def __init__(self, system: System, side: Side) -> None:
        super().__init__(system.cfg, system.data)
        self.system, self._side = system, side
        names = system.generators if side == "generators" else system.adversaries
        self._names = names
        self.add_module(self.players[0], nn.ModuleList(system.get_submodule(name) for name in names))

    @property
    def players(self) -> tuple[str, ...]:
        """The one side, as one player."""
        return self.generators if self._side == "generators" else self.adversaries

    def updates(self, it: Iteration) -> Updates:
        """The updates of the system, those of the resting side left out."""
        steps = self.system.updates(it)
        with contextlib.suppress(StopIteration):
            update = next(steps)
            while True:
                if update.player in self._names:
                    outcome = yield Update(self.players[0], update.loss, update.batch)
                else:
                    outcome = _not_performed(update)
                update = steps.send(outcome)


def _not_performed(update: Update) -> Outcome:
    result = update.loss(update.batch)
    terms, kept = result if isinstance(result, tuple) else (result, {})
    return Outcome(*({name: value.detach() for name, value in found.items()} for found in (terms, kept)))


@dataclass(frozen=True)
class Verdict:
    """What the first adversary says of real items and of others, see `System.realness`."""

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

    It needs no threshold, and so means the same for logits and for the scores of a critic.
    """
    difference = upper[:, None] - lower[None, :]
    return float(((difference > 0).double() + (difference == 0).double() / 2).mean())


class Rehearsal:
    """Lets one side of `system` learn, and asks its discriminator for verdicts after 5, 10, 20, ... iterations.

    `system` is changed: hand over a copy. `judged` are the real batches of which the verdicts are made; the others are
    what the generator draws for as many latents.
    """

    def __init__(
        self,
        system: System,
        side: Side,
        train: config.Train,
        batches: Callable[[int], Iterator[Batch]],
        judged: list[Batch] | None = None,
    ) -> None:
        self._system = system
        self.trainer = Trainer(OneSided(system, side), train.model_copy(update={"ema_half_life_kimg": 0.0}), batches)
        count = -(-_JUDGED // train.batch)
        self._real = judged or list(itertools.islice(batches(0), count))
        self._batch, self._count = train.batch, count

    def learn(self, iterations: int, until: Callable[[Verdict], bool]) -> tuple[Verdict, int]:
        """Perform at most `iterations`, fewer where a verdict is good; return the last verdict and how many."""
        due = _FIRST_VERDICT
        for done in range(1, iterations):
            self.trainer.iterate()
            if done == due:
                due *= 2
                if until(verdict := self.verdict()):
                    return verdict, done
        self.trainer.iterate()
        return self.verdict(), iterations

    @torch.no_grad()
    def verdict(self) -> Verdict:
        """Judge real items and others in batches of the training's size, in training mode, as in training."""
        real = [self._system.realness(batch) for batch in self._real]
        return Verdict(torch.cat(real), torch.cat([self._judge_fakes() for _ in range(self._count)]))

    def _judge_fakes(self) -> Tensor:
        system, latents = self._system, self._system.latents(self._batch)
        return system.realness({**system.asked(latents), system.data.kind: system.generate(latents)})
