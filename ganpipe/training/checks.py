"""What is looked at before the first step of a training, and what is forecast after the first ones."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe import config
from ganpipe.core.system import System
from ganpipe.errors import PreflightError
from ganpipe.files import readable_size, require_space
from ganpipe.progress import say
from ganpipe.sampling.draw import BLOCK, draw_latents
from ganpipe.training import distributed
from ganpipe.training.loop import Trainer

_CHECKPOINTS = 3  # on the disk at once: two are kept while a third is written
_BEYOND = 1e-3  # what rounding may add to the ends of [-1, 1]
_FORECAST_AFTER = 3.0  # seconds; shorter trainings need none
WARM_UP = 2  # iterations, in which memory is allocated and kernels are chosen


def describe_output(system: System) -> str:
    """Return the shape and statistics of what the system's generator draws, without touching torch's global generator.

    Raises `PreflightError` unless it has the data's shape and is finite, and within [-1, 1] where it is images.
    """
    items = _drawn(system)
    name, wanted = type(system).__name__, (BLOCK, *system.data.shape)
    if items.shape != wanted:
        raise PreflightError(
            f"the generator of {name} draws {tuple(items.shape[1:])}, but the packed data is {system.data.shape}: "
            "its last layer must fit the data"
        )
    bad = int((~torch.isfinite(items)).sum())
    if bad:
        raise PreflightError(
            f"{bad} of {items.numel()} numbers that the generator of {name} draws are not finite: mend how its weights "
            "begin"
        )
    if system.data.kind == "image" and items.abs().max() > 1 + _BEYOND:
        raise PreflightError(
            f"the generator of {name} draws pixels from {items.min():.3g} to {items.max():.3g}, but images are within "
            "[-1, 1]: end it with tanh"
        )
    return statistics(items)


@torch.no_grad()
def _drawn(system: System) -> Tensor:
    training = system.training
    items = system.eval().generate(draw_latents(system, BLOCK, seed=0))
    system.train(training)
    return items


def statistics(items: Float[Tensor, "n ..."]) -> str:
    """Return range, mean and standard deviation of all numbers."""
    return f"{items.min():.2f} to {items.max():.2f}, mean {items.mean():.2f}, std {items.std():.2f}"


def describe_disk(trainer: Trainer, folder: Path) -> str:
    """Return the size of the training's checkpoints in `folder`, of which some may exist, and what the disk has left.

    Raises `DataError` where they have no room.
    """
    size = checkpoint_bytes(trainer)
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.is_dir())
    written = sum(file.stat().st_size for file in folder.glob("*.pt"))
    require_space(existing, max(0, _CHECKPOINTS * size - written))
    free = readable_size(shutil.disk_usage(existing).free)
    return f"checkpoints of {readable_size(size)}, {_CHECKPOINTS} at a time, {free} free"


def checkpoint_bytes(trainer: Trainer) -> int:
    """Return how large a checkpoint becomes.

    It holds the networks, their moving average, what the optimizer remembers per weight and, where the best generators
    shall be published, a copy of these.
    """
    system, average, train = trainer.system, trainer.ema, trainer.train
    players = [system.get_submodule(name) for name in system.players]
    weights = sum(_bytes(player.parameters()) for player in players)
    best = sum(_stored(system.get_submodule(name)) for name in system.generators) if train.publish == "best" else 0
    return _stored(system) + _stored(average) + weights * _numbers_remembered(train.optimizer) + best


def _numbers_remembered(optimizer: config.Optimizer) -> int:
    """Return how many numbers per weight the optimizer keeps."""
    match optimizer:
        case config.Adam():
            return 2
        case config.RMSprop():
            return 1
        case config.SGD():
            return 1 if optimizer.momentum else 0


def _stored(module: nn.Module) -> int:
    return _bytes(value for value in module.state_dict().values() if torch.is_tensor(value))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class Forecast:
    """Says once, in no file, how long the rest of a training will take."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._iterations = 0
        self._begin = (time.monotonic(), trainer.nimg)
        self._due = distributed.rank() == 0

    def tell_once(self) -> None:
        """Count an iteration; after the first seconds of them, say how long the rest will take."""
        self._iterations += 1
        now, nimg = time.monotonic(), self._trainer.nimg
        if self._iterations == WARM_UP:
            self._begin = (now, nimg)
        seconds = now - self._begin[0]
        if self._due and self._iterations > WARM_UP and seconds >= _FORECAST_AFTER:
            self._due = False
            left = max(0, self._trainer.total_nimg - nimg)
            say(f"Training: {duration(left, (nimg - self._begin[1]) / seconds)}")


def duration(nimg: int, rate: float) -> str:
    """Return how long `nimg` images take at `rate` images per second, as people write it."""
    return f"about {_readable_time(nimg / rate)} for {nimg / 1000:g} kimg at {_readable_rate(rate)} img/s"


def _readable_rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def _readable_time(seconds: float) -> str:
    """Return a time by its two largest units: `3 min 50 s`, `2 h 5 min`, `12 s`."""
    whole = round(seconds)
    for unit, name, part, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {small}"
    return f"{whole} s"
