"""The base class of all GANs: a `System` yields `Update`s, and the training loop performs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config import Closed
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Choice, Constant, Given, Input, Noise
from ganpipe.core.spec import DataSpec
from ganpipe.errors import ConfigError

Terms = Mapping[str, Tensor]
"""Named, already weighted summands of a loss: scalar tensors, each the mean over the items it was given."""

Loss = Callable[[Batch], "Terms | tuple[Terms, Mapping[str, Tensor]]"]
"""Computes the terms of one micro-batch, and optionally tensors with one row per item to hand back."""


@dataclass(frozen=True)
class Update:
    """One optimizer step: the player that moves, the loss that moves it, the data the loss sees."""

    player: str
    loss: Loss
    batch: Batch
    lr: float = 1.0  # factor on the learning rate of params.yaml; 0: the player waits, only its loss is computed


@dataclass(frozen=True)
class Outcome:
    """The value of `yield Update(...)`: the terms of the update and the tensors that its loss returned, detached."""

    terms: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]


Updates = Generator[Update, Outcome, None]


@dataclass
class Iteration:
    """One iteration, as `System.updates` sees it: the progress, batches of real items, fresh optimizers and a log."""

    nimg: int  # real items shown before this iteration, over all processes, counted in rows of the first space
    fetch: Callable[[int, int], Batch]  # position, count -> that many rows of every space
    batch: int  # items of a batch, over all processes
    restart: Callable[[str], None] = lambda player: None
    """Give a player a fresh optimizer, as at the start of a training: for a new phase or a new level of growth."""
    average: Callable[[Tensor], Tensor] = lambda value: value
    """Return the mean of a number over the processes: for decisions, which all must take alike."""
    rank: int = 0
    world: int = 1  # processes that train together; each takes its own share of a batch
    shown: int = 0
    logged: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def kimg(self) -> float:
        """Progress at the start of this iteration, in thousands of real items shown: the clock of every schedule."""
        return self.nimg / 1000

    def reaches(self, kimg: float) -> bool:
        """Return whether this is the first iteration from `kimg` on, where a phase begins. Each must show one batch."""
        return (self.nimg - self.batch) / 1000 < kimg <= self.kimg

    def next_batch(self, n: int | None = None) -> Batch:
        """Return this process's share of the next `n` real items (None: `train.batch`), and count all `n` as shown.

        Raises `ConfigError` if `n` does not divide evenly among the processes.
        """
        size = self.batch if n is None else n
        share, rest = divmod(size, self.world)
        if rest or not share:
            raise ConfigError(f"a batch of {size} items does not divide among {self.world} processes")
        batch = self.fetch(self.nimg + self.shown + self.rank * share, share)
        self.shown += size
        return batch

    def log(self, values: Mapping[str, Tensor]) -> None:
        """Add scalars to the training history, such as the scores of both players. The history keeps their means."""
        for name, value in values.items():
            self.logged.setdefault(name, []).append(value.detach())


class System(nn.Module):
    """A GAN: its networks, its losses, the order of its updates. Knows no device, precision, optimizer step or file.

    A subclass names its options (`Config`), builds one submodule per player and writes `updates`. A player may hold
    several networks that step together, in an `nn.ModuleDict`. All that must survive a restart is in `state_dict`.
    Networks named in `frozen` belong to no player: they stay in evaluation mode, are neither trained nor averaged, and
    are in no checkpoint and no published file. The sha256 of their weights is part of the training's fingerprint. Those
    that losses alone look at are built in `build_frozen`, which the training calls: a published generator needs none.
    """

    Config: ClassVar[type[Closed]]
    generators: ClassVar[tuple[str, ...]] = ("generator",)  # players trained with train.lr, averaged and published
    adversaries: ClassVar[tuple[str, ...]] = ("discriminator",)  # players trained with train.lr_discriminator
    frozen: ClassVar[tuple[str, ...]] = ()
    outputs: Mapping[str, str] = {"image": "image"}  # name of an output -> the field that it should look like

    def __init__(self, cfg: Any, data: DataSpec) -> None:
        super().__init__()
        self.cfg = cfg
        self.data = data
        self.register_state_dict_post_hook(_without_frozen)
        self.register_load_state_dict_post_hook(_accept_without_frozen)

    def build_frozen(self) -> None:
        """Build the frozen networks that losses alone look at. A system that only draws goes without them."""

    def updates(self, it: Iteration) -> Updates:
        """Yield the updates of one iteration in order. Control flow only; arithmetic lives in named methods."""
        raise NotImplementedError

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs of the generator for one item, by name, in the order in which they are drawn."""
        return self.cfg.inputs

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw the input `name` for `n` items, in network form on the system's device.

        The numbers are drawn on the CPU, so they are the same for every device. Every label is equally likely, and
        every attribute is on with probability 1/2. Raises `TypeError` for a `Given` input: its rows come from the data.
        """
        match self.inputs[name]:
            case Noise(shape, "normal"):
                values = torch.randn(n, *shape, generator=generator)
            case Noise(shape, "uniform"):
                values = torch.rand(n, *shape, generator=generator)
            case Constant(value, shape):
                values = torch.full((n, *shape), value)
            case Choice(field):
                values = self._choices(field, n, generator)
            case Given(field):
                raise TypeError(f"input {name!r} of {type(self).__name__} is a row of the field {field!r}: fetch it")
        return values.to(self.device)

    def generate(self, inputs: Batch) -> Batch:
        """Return one row of every output for each row of the inputs, in network form, see `Batch`.

        The default is for systems with one output: it calls `generator` with the inputs in their order.
        """
        if len(self.outputs) != 1:
            raise NotImplementedError(f"{type(self).__name__} has several outputs: write its `generate`")
        (output,) = self.outputs
        return {output: self.get_submodule(self.generators[0])(*(inputs[name] for name in self.inputs))}

    def direct_loss(self, batch: Batch) -> Callable[[Batch], Terms]:
        """Return those terms of the generator's loss that need no player, as a function of outputs by their names.

        `batch` holds given rows and rows that the outputs should look like, by field; frozen networks are built. So
        pixels can be moved downhill without a generator, as a baseline: the picture `gatys`. Systems that have it say
        so in `SystemConfig.direct_steps`.
        """
        raise NotImplementedError(f"the losses of {type(self).__name__} need its networks")

    def realness(self, batch: Batch) -> Float[Tensor, " n"] | None:
        """Return one number per item from the first adversary: the higher, the more real. None without adversaries.

        `batch` holds fields by name. They are real rows, or outputs under the names of the fields that they look like,
        together with the given rows and choices from which they were made. The default shows the adversary the field
        of the first output. Override it if the adversary looks at several fields or returns several numbers per item.
        """
        if not self.adversaries:
            return None
        return self.get_submodule(self.adversaries[0])(batch[next(iter(self.outputs.values()))])

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance, by their names in the history; the curves show them. {}: they are unknown."""
        return {}

    @property
    def smallest_batch(self) -> int:
        """The smallest number of items on which all losses work. Batch norm over vectors, for example, needs two."""
        return 1

    def batch_sizes(self, batch: int) -> Sequence[int]:
        """Return the sizes of all batches that `updates` takes where `train.batch` is `batch`: the default has one."""
        return (batch,)

    @property
    def given_multiple(self) -> int | None:
        """Given pictures may be larger than those of the data if their sides are multiples of this. None: they may not.

        Images among the outputs grow with them: the proportion of the sides stays that of the data.
        """
        return None

    @property
    def reach(self) -> int | None:
        """How many pixels around a place of a given picture decide what is made there. None: all of them.

        With a number, large pictures are made tile by tile. Statistics of instance norms do not count, see
        `nets.norm_statistics`.
        """
        return None

    @property
    def players(self) -> tuple[str, ...]:
        """The names of all players, generators first."""
        return self.generators + self.adversaries

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    @property
    def frozen_sha256(self) -> Mapping[str, str]:
        """The sha256 of each frozen network that is built, over the names, types, shapes and values of its state."""
        return {name: _sha256(self.get_submodule(name)) for name in self.frozen if hasattr(self, name)}

    def train(self, mode: bool = True) -> System:
        """Switch to training or evaluation mode. Frozen networks always stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            if hasattr(self, name):
                self.get_submodule(name).eval()
        return self

    def _choices(self, field: str, n: int, generator: torch.Generator | None) -> Tensor:
        count = len(self.data.names(field))
        if self.data.fields[field].kind == "label":
            return torch.randint(count, (n,), generator=generator)
        return torch.randint(2, (n, count), generator=generator).float()


def _without_frozen(system: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Remove the frozen networks from the result of `state_dict`, in place."""
    assert isinstance(system, System)
    for name in system.frozen:
        for key in [key for key in state if key.startswith(f"{prefix}{name}.")]:
            del state[key]


def _accept_without_frozen(system: nn.Module, incompatible: Any) -> None:
    """Let `load_state_dict` of a system accept a state without frozen networks: their keys are not missing."""
    assert isinstance(system, System)
    frozen = tuple(f"{name}." for name in system.frozen)
    missing = incompatible.missing_keys
    missing[:] = [key for key in missing if not (frozen and key.startswith(frozen))]


def _sha256(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        stored = value.detach().cpu().contiguous()
        digest.update(f"{name}\0{stored.dtype}\0{tuple(stored.shape)}\0".encode())
        digest.update(stored.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
