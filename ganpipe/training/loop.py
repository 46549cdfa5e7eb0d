"""The training loop performs the updates of a system. No other module freezes networks, differentiates or steps."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganpipe import config
from ganpipe.core.batch import Batch, batch_size, micro_batches
from ganpipe.core.optim import build_optimizer, learning_rate
from ganpipe.core.system import Iteration, Outcome, System, Terms, Update
from ganpipe.errors import TrainingDiverged
from ganpipe.history.table import History
from ganpipe.losses.precision import at_least_fp32
from ganpipe.training import distributed
from ganpipe.training.ema import Ema
from ganpipe.training.nonfinite import Buffers, Detours, LastFinite, Skips

_ITERATIONS_BETWEEN_SYNCS = 32  # on a GPU, where reading a loss waits for it


class Trainer:
    """A system in training: its optimizers, moving average, history and progress in real images shown (`nimg`).

    `fetch(position, count)` returns real items as a pure function. Randomness within an iteration depends on (seed,
    rank, nimg) alone. So `state` and `restore` hold no state of a random generator or a reader, and a resumed training
    is bit for bit the uninterrupted one.
    """

    def __init__(self, system: System, train: config.Train, fetch: Callable[[int, int], Batch]) -> None:
        self.system = system.train()
        self.train = train
        self.ema = Ema(system, train.ema_half_life_kimg)
        self.history = History()
        self.nimg = 0
        self._device = system.device
        self._fetch = fetch
        self._unread: list[tuple[int, Mapping[str, Tensor]]] = []
        self._iterations = 0
        self.skips, self.detours, self.last_finite = Skips(), Detours(), LastFinite()
        self._drawn = 0  # real images of the iteration that runs, or ran last
        self._infinite = {name for name, value in system.named_buffers() if not torch.isfinite(value).all()}
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        for player in system.players:
            self.restart(player)

    @property
    def total_nimg(self) -> int:
        """The number of real images after which training is complete."""
        return round(self.train.kimg * 1000)

    def restart(self, player: str) -> None:
        """Give a player a fresh optimizer, without memory of earlier steps."""
        parameters = self.system.get_submodule(player).parameters()
        self._optimizers[player] = build_optimizer(self.train.optimizer, parameters)

    def iterate(self) -> int:
        """Perform one iteration of the system's updates and return how many real images it showed.

        Raises `TrainingDiverged` if a loss is not finite. On the CPU it is raised before the step is taken; on a GPU up
        to 32 iterations later, because reading a loss waits for the GPU. The error is the same in every process and
        names the number of images shown before that iteration. With `train.on_nonfinite` = `skip` the step is left out
        instead, which waits for the GPU at every step.
        """
        rank, world = distributed.rank(), distributed.world()
        seed_iteration(self.train.seed, rank, self.nimg, self.detours.count)
        it = Iteration(self.nimg, self._next_rows, self.train.batch, self.restart, distributed.average, rank, world)
        noted: dict[str, list[Tensor]] = {}
        steps = self.system.updates(it)
        outcome: Outcome | None = None
        with contextlib.suppress(StopIteration):
            while True:
                update = steps.send(outcome) if outcome is not None else next(steps)
                outcome = self._perform(update, noted)
                self._drawn = it.shown
        if not it.shown:
            raise RuntimeError(f"{type(self.system).__name__}.updates drew no batch: training would never end")
        began, self.nimg = self.nimg, self.nimg + it.shown
        self.ema.update(self.system, it.shown, self.nimg)
        distributed.broadcast_buffers(self.system.get_submodule(player) for player in self.system.players)
        self._keep(began, {**noted, **it.logged})
        return it.shown

    def _next_rows(self, position: int, count: int) -> Batch:
        return self._fetch(position + self.detours.shift, count)

    def _perform(self, update: Update, noted: dict[str, list[Tensor]]) -> Outcome:
        """Take one optimizer step for one player, all others frozen, and note its losses.

        A player that waits takes no step, and neither is one taken that is left out.
        """
        optimizer = self._optimizers[update.player]
        adversary = update.player in self.system.adversaries
        for group in optimizer.param_groups:
            group["lr"] = update.lr * learning_rate(self.train, self.nimg, adversary)
        player = self.system.get_submodule(update.player)
        before = Buffers(self.system) if self.train.on_nonfinite == "skip" else None
        with only_trains(self.system, update.player):
            optimizer.zero_grad(set_to_none=True)
            outcome = self._differentiate(update)
            if before is not None and self.skips.leave_out(update.player, outcome.terms, player):
                before.restore()
                return outcome
            if update.lr:
                optimizer.step()
        self._note(noted, update.player, outcome.terms)
        return outcome

    def _differentiate(self, update: Update) -> Outcome:
        """Accumulate the gradients of the update's loss over its micro-batches, and average them over the processes."""
        items = batch_size(update.batch)
        terms: dict[str, Tensor] = {}
        returned: list[Mapping[str, Tensor]] = []
        for piece in micro_batches(update.batch, self.train.micro_batch):
            share = batch_size(piece) / items
            with autocast(self._device, self.train.precision):
                result = update.loss(piece)
            computed, tensors = result if isinstance(result, tuple) else (result, {})
            found = {name: at_least_fp32(value) for name, value in computed.items()}
            (total(found) * share).backward()
            for name, value in found.items():
                terms[name] = terms.get(name, 0) + value.detach() * share
            returned.append({name: value.detach() for name, value in tensors.items()})
        if self._device.type == "cpu" and self.train.on_nonfinite != "skip":
            seen = distributed.spread_non_finite(terms)
            self._check(update.player, {name: value.item() for name, value in seen.items()}, self.nimg)
        distributed.average_gradients(self.system.get_submodule(update.player).parameters())
        return Outcome(terms, {name: torch.cat([part[name] for part in returned]) for name in returned[0]})

    def _note(self, noted: dict[str, list[Tensor]], player: str, terms: Terms) -> None:
        role = "loss_discriminator" if player in self.system.adversaries else "loss_generator"
        noted.setdefault(role, []).append(total(terms))
        for name, value in terms.items():
            noted.setdefault(f"{player}/{name}", []).append(value)
        noted.setdefault(f"{player}/gradient_norm", []).append(gradient_norm(self.system.get_submodule(player)))

    def _keep(self, nimg: int, noted: Mapping[str, list[Tensor]]) -> None:
        """Keep the means of the iteration that began after `nimg` images, until they are read.

        On the CPU they are read at once. On a GPU all processes read them in every 32nd iteration and at each log
        point; rank 0 also reads them for a checkpoint.
        """
        means = {name: torch.stack([value.double() for value in values]).mean() for name, values in noted.items()}
        self._unread.append((nimg, distributed.spread_non_finite(means)))
        self._iterations += 1
        if self._device.type == "cpu" or self._iterations % _ITERATIONS_BETWEEN_SYNCS == 0:
            self.read_losses()

    def read_losses(self) -> None:
        """Move all kept means into the history. Raises `TrainingDiverged` if one is not finite."""
        rows = [(nimg, list(means)) for nimg, means in self._unread]
        flat = [value for _, means in self._unread for value in means.values()]
        numbers = iter(torch.stack(flat).tolist() if flat else [])
        self._unread.clear()
        for nimg, names in rows:
            values = {name: next(numbers) for name in names}
            if self.train.on_nonfinite == "skip":
                values = {name: value for name, value in values.items() if np.isfinite(value)}
            self._check("", values, nimg)
            self.last_finite.note(nimg, values)
            self.history.add(values)

    def _check(self, player: str, values: Mapping[str, float], nimg: int) -> None:
        bad = next((name for name, value in values.items() if not np.isfinite(value)), None)
        if bad is not None:
            name = f"{player}/{bad}" if player else bad
            raise TrainingDiverged(
                f"{name} is {values[bad]} after {nimg / 1000:g} kimg{self.last_finite.of(name)}",
                f"lower train.lr ({self.train.lr:g}) or use train.precision fp32",
            )

    def state(self) -> dict[str, Any]:
        """Return everything a resume needs. Raises `TrainingDiverged` rather than save broken weights."""
        self.read_losses()
        system = self.system.state_dict()
        for name, value in system.items():
            if name not in self._infinite and torch.is_tensor(value) and not torch.isfinite(value).all():
                raise TrainingDiverged(
                    f"weights {name} are not finite after {self.nimg / 1000:g} kimg",
                    f"lower train.lr ({self.train.lr:g})",
                )
        return {
            "nimg": self.nimg,
            "system": system,
            "ema": self.ema.state_dict(),
            "optimizers": {player: optimizer.state_dict() for player, optimizer in self._optimizers.items()},
            "history": self.history.state_dict(),
            "skips": self.skips.state_dict(),
            "detours": self.detours.state_dict(),
        }

    @property
    def troubles(self) -> dict[str, float]:
        """How many steps were left out and how often the training went back, for the history; {} for neither."""
        counts = {"skipped_steps": self.skips.count, "rollbacks": self.detours.count}
        return {name: float(count) for name, count in counts.items() if count}

    def as_it_is(self) -> dict[str, Any]:
        """Return weights, optimizers and last finite values for inspection, finite or not."""
        return {
            "nimg": self.nimg,
            "system": self.system.state_dict(),
            "optimizers": {player: optimizer.state_dict() for player, optimizer in self._optimizers.items()},
            "last_finite": self.last_finite.values,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.nimg = state["nimg"]
        self.system.load_state_dict(state["system"])
        self.ema.load_state_dict(state["ema"])
        for player, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][player])
        self.history.load_state_dict(state["history"])
        self.skips.load_state_dict(state["skips"])
        self.detours.load_state_dict(state["detours"])

    def go_back_to(self, state: Mapping[str, Any]) -> None:
        """Continue from an earlier `state`, with the data and the random numbers after those that led here."""
        reached, drawn, detours = self.nimg, self._drawn or self.train.batch, self.detours.state_dict()
        self._unread.clear()
        self.restore(state)
        self.detours.load_state_dict(detours)
        self.detours.add(reached + drawn - self.nimg)


def total(terms: Terms) -> Tensor:
    """Return the sum of a loss's terms."""
    return functools.reduce(torch.add, terms.values())


def gradient_norm(player: nn.Module) -> Tensor:
    """Return the Euclidean norm of the gradient of a player's last step, over all its parameters that had one."""
    gradients = [parameter.grad for parameter in player.parameters() if parameter.grad is not None]
    if not gradients:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


def seed_iteration(seed: int, rank: int, nimg: int, detours: int = 0) -> None:
    """Seed torch for the iteration that starts after `nimg` images: the same numbers whenever it is run.

    They are others after each of the `detours` that the training has made.
    """
    entropy = [seed, rank, nimg, detours] if detours else [seed, rank, nimg]
    number = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1
    torch.default_generator.manual_seed(number)  # torch.manual_seed formats a traceback: slower than a small network
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


@contextlib.contextmanager
def only_trains(system: System, player: str) -> Iterator[None]:
    """Freeze every parameter but the player's, so that no gradient is computed for a network that does not move."""
    mine = {id(parameter) for parameter in system.get_submodule(player).parameters()}
    before = [(parameter, parameter.requires_grad) for parameter in system.parameters()]
    for parameter, wanted in before:
        parameter.requires_grad_(wanted and id(parameter) in mine)
    try:
        yield
    finally:
        for parameter, wanted in before:
            parameter.requires_grad_(wanted)


def autocast(device: torch.device, precision: Literal["fp32", "bf16"]) -> AbstractContextManager[None]:
    """Return the context in which losses are computed: bf16 where it is safe, or fp32 throughout."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
