"""What hand-written training loops share: short trainings in double precision, and the comparison of their ends."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.core.system import System
from ganpipe.training.loop import Trainer, seed_iteration

BATCH = 4
RATES = {"lr": 2e-4, "lr_discriminator": 1e-4}
TRAIN = Train.model_validate(
    {
        "kimg": 1,
        "batch": BATCH,
        **RATES,
        "optimizer": {"name": "adam", "betas": (0.5, 0.999)},
        "preview_kimg": 1,
        "log_kimg": 1,
    }
)


def adam(network: nn.Module, rate: str = "lr") -> torch.optim.Optimizer:
    """Return the optimizer of a player."""
    return torch.optim.Adam(network.parameters(), lr=RATES[rate], betas=(0.5, 0.999))


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take a step on a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def same_training(
    build: Callable[[], System],
    by_hand: Callable[[System], Callable[[int], int]],
    fetch: Callable[[int, int], Batch],
    began: int = 0,
) -> None:
    """Train a system with ganpipe's loop, and its twin by hand: all weights must agree to 1e-10 after an iteration.

    Two more iterations, whose weights agree to 1e-7, because Adam enlarges differences of small gradients.

    `by_hand` returns a function that performs one iteration, given the number of images shown, and returns how many
    more it has shown. Both trainings begin as if `began` images had been shown.
    """
    ours, theirs = build().double(), build().double()
    trainer, iterate = Trainer(ours, TRAIN, fetch), by_hand(theirs.train())
    trainer.nimg = shown = began
    for close in (1e-10, 1e-7, 1e-7):
        trainer.iterate()
        seed_iteration(TRAIN.seed, 0, shown)
        shown += iterate(shown)
        assert trainer.nimg == shown
        for (name, mine), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            if torch.is_tensor(mine):
                torch.testing.assert_close(mine, other, rtol=close, atol=close, msg=lambda text, n=name: f"{n}: {text}")
