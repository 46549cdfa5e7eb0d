"""Steps that are not finite: left out one by one, or undone by going back to the last checkpoint with other data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganpipe.core.system import System
from ganpipe.errors import TrainingDiverged
from ganpipe.training import distributed

MOST_SKIPPED = 100
"""So many steps left out one after the other end a training: nothing is learned any more."""


class Skips:
    """The steps that were left out because a loss or a gradient was not finite, in any process: all decide alike."""

    def __init__(self) -> None:
        self.count = 0
        self._in_a_row: dict[str, int] = {}

    def leave_out(self, player: str, terms: Mapping[str, Tensor], network: nn.Module) -> bool:
        """Return whether a step of a player is to be left out, whose terms and averaged gradients these are.

        Raises `TrainingDiverged` after `MOST_SKIPPED` in a row of one player with one loss.
        """
        what = f"{player}/{'+'.join(sorted(terms))}"
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        numbers = [*terms.values(), *torch._foreach_norm(gradients)] if gradients else list(terms.values())
        sound = bool(torch.isfinite(torch.stack([number.double() for number in numbers])).all())
        if not distributed.anywhere(not sound):
            self._in_a_row[what] = 0
            return False
        self.count, self._in_a_row[what] = self.count + 1, self._in_a_row.get(what, 0) + 1
        if self._in_a_row[what] >= MOST_SKIPPED:
            raise TrainingDiverged(
                f"{MOST_SKIPPED} steps of {what} in a row were not finite and were left out",
                "set train.on_nonfinite: rollback, or lower train.lr",
            )
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return all counts."""
        return {"count": self.count, "in_a_row": dict(self._in_a_row)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.count, self._in_a_row = state["count"], dict(state["in_a_row"])


class Buffers:
    """What a step may change beside weights: the statistics of the networks, as they were before it."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._before = [buffer.clone() for buffer in system.buffers()]

    def restore(self) -> None:
        """Undo what the step has done to them."""
        for buffer, before in zip(self._system.buffers(), self._before, strict=True):
            buffer.copy_(before)


class Detours:
    """How often a training went back to a checkpoint, and how many real items further on it reads since."""

    def __init__(self) -> None:
        self.count = 0
        self.shift = 0

    def add(self, items: int) -> None:
        """Count one more, after which reading goes on `items` later than it would have."""
        self.count, self.shift = self.count + 1, self.shift + items

    def state_dict(self) -> dict[str, int]:
        """Return both numbers."""
        return {"count": self.count, "shift": self.shift}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.count, self.shift = state["count"], state["shift"]


class LastFinite:
    """The last finite value of every number of a training, and after how many images it was seen."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def note(self, nimg: int, values: Mapping[str, float]) -> None:
        """Take finite values."""
        self._seen |= {name: (nimg, value) for name, value in values.items()}

    def of(self, name: str) -> str:
        """Return what is known of a number, as the end of a line; empty where it never was finite."""
        if name not in self._seen:
            return ""
        nimg, value = self._seen[name]
        return f", was {value:.4g} after {nimg / 1000:g} kimg"

    @property
    def values(self) -> dict[str, float]:
        """All of them."""
        return {name: value for name, (_, value) in self._seen.items()}
