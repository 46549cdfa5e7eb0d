"""What every GAN of ganpipe is made of: a `System` yields `Update`s, the training loop performs them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config import Closed
from ganpipe.core.batch import Batch, DataSpec

Terms = Mapping[str, Tensor]
"""Named, already weighted summands of a loss: scalar tensors, each the mean over the items it was given."""

Loss = Callable[[Batch], "Terms | tuple[Terms, Mapping[str, Tensor]]"]
"""Computes the terms of one piece of a batch, and optionally tensors with one row per item to hand back."""


@dataclass(frozen=True)
class Update:
    """One optimizer step: the player that moves, the loss that moves it, the data the loss sees."""

    player: str
    loss: Loss
    batch: Batch


@dataclass(frozen=True)
class Outcome:
    """What `yield Update(...)` returns: the detached terms and kept tensors of the performed update."""

    terms: Mapping[str, Tensor]
    kept: Mapping[str, Tensor]


Updates = Generator[Update, Outcome, None]


@dataclass
class Iteration:
    """What a system may ask for while it plans the updates of one iteration."""

    nimg: int  # real images shown before this iteration, over all ranks
    draw: Callable[[], Batch]
    world: int = 1  # processes training together; each draws its own share
    shown: int = 0
    observed: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def kimg(self) -> float:
        """Progress at the start of this iteration, in thousands of real images: the clock of every schedule."""
        return self.nimg / 1000

    def next_batch(self) -> Batch:
        """Return the next real batch and count its images as shown."""
        batch = self.draw()
        self.shown += len(next(iter(batch.values()))) * self.world
        return batch

    def observe(self, values: Mapping[str, Tensor]) -> None:
        """Note detached scalars to be averaged into the training history, such as the scores of both players."""
        for name, value in values.items():
            self.observed.setdefault(name, []).append(value.detach())


class System(nn.Module):
    """A GAN: its networks, its losses, the order of its updates. Knows no device, precision, optimizer step or file.

    A subclass nests a closed `Config` with the paper's defaults, builds one submodule per player and writes `updates`.
    All that must survive a restart belongs to its `state_dict`.
    """

    Config: ClassVar[type[Closed]]
    generators: ClassVar[tuple[str, ...]] = ("generator",)  # players trained with train.lr, averaged and published
    adversaries: ClassVar[tuple[str, ...]] = ("discriminator",)  # players trained with train.lr_discriminator

    def __init__(self, cfg: Any, data: DataSpec) -> None:
        super().__init__()
        self.cfg = cfg
        self.data = data

    def updates(self, it: Iteration) -> Updates:
        """Yield the updates of one iteration in order. Control flow only; arithmetic lives in named methods."""
        raise NotImplementedError

    def latents(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n z"]:
        """Draw `n` standard normal latents of length `cfg.latent`, on the CPU for the same numbers on every device."""
        return torch.randn(n, self.cfg.latent, generator=generator).to(self.device)

    def asked(self, latents: Tensor) -> Batch:
        """Return what each latent asks for: `label` (n,) or `attributes` (n, K); {}: nothing, the default.

        A conditional system keeps the condition in its latents, in the last columns, so that one tensor is all that
        drawing, interpolation and sampling have to carry.
        """
        return {}

    def ask(self, latents: Tensor, condition: Tensor) -> Tensor:
        """Return the latents with another condition: labels (n,) or attributes (n, K), as `asked` would return them."""
        raise TypeError(f"{type(self).__name__} draws what it likes: it has no condition")

    def generate(self, latents: Tensor) -> Tensor:
        """Turn latents into data: images in [-1, 1] (NCHW) or vectors (N, D)."""
        return self.get_submodule("generator")(latents)

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return one number per item, the higher the more real: what the first adversary says of images or vectors.

        A system whose adversary also looks at a condition, or answers with more than one number, says here how.
        """
        return self.get_submodule(self.adversaries[0])(batch[self.data.kind])

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance, by their names in the history, to be drawn into the curves; {}: none are known."""
        return {}

    @property
    def smallest_batch(self) -> int:
        """The number of items that a loss needs at least: batch norm over vectors needs two."""
        return 1

    @property
    def players(self) -> tuple[str, ...]:
        """The names of all players, generators first."""
        return self.generators + self.adversaries

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device
