"""The untrained system of a training on its device, with the batches that it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ganpipe import config, paths, systems
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.sampler import Sampler
from ganpipe.data.packed.splits import training_rows
from ganpipe.errors import ConfigError
from ganpipe.sampling.draw import given_fields, given_spaces
from ganpipe.sampling.published import begin_with
from ganpipe.training import distributed


@dataclass(frozen=True)
class Prepared:
    """An untrained system on its device, with the data it learns from."""

    system: System
    packed: Packed
    sampler: Sampler
    given: GivenRows  # held-out rows, from which previews and samples are made
    started_from: str | None  # sha256 of the published weights that it begins with; None: random ones


def prepare(params: config.Params, packed: Packed, device: torch.device, start: Path = paths.START) -> Prepared:
    """Build the untrained system on its device, and the sampler of its batches.

    With `train.start_from` its generators have the weights in the folder `start`, where the stage `check` has put them.
    The rows that the generator is given in previews and samples are held out of the training. Raises `ConfigError` if
    system and data do not fit, or for a batch that the system or the processes cannot share.
    """
    system = systems.build(params.system, packed.spec, params.train.seed)
    system.build_frozen()
    started_from = begin_with(system, start) if params.train.start_from is not None else None
    system.to(device)
    for values in (*system.parameters(), *system.buffers()):
        if values.dim() == 4:  # convolutions are a tenth to a fifth faster with channels last
            values.data = values.data.to(device, memory_format=torch.channels_last)
    for batch in system.batch_sizes(params.train.batch):
        _require_fitting_batch(batch, params.train, system.smallest_batch)
    sampler = Sampler(
        packed,
        params.train.seed,
        device,
        rows=training_rows(packed, given_spaces(system)),
        world=distributed.world(),
        flip=params.data.flip,
        jitter=params.data.jitter,
        ram_limit=params.runtime.ram_limit,
    )
    return Prepared(system, packed, sampler, GivenRows(packed, given_fields(system)), started_from)


def _require_fitting_batch(batch: int, train: config.Train, smallest: int) -> None:
    """Raise `ConfigError` unless each process's micro-batches of such a batch hold `smallest` items."""
    share, rest = divmod(batch, distributed.world())
    where = f"params.yaml: train.batch = {batch}" if batch == train.batch else f"params.yaml: a batch of {batch}"
    if rest:
        raise ConfigError(f"{where} does not divide among {distributed.world()} processes")
    count = -(-share // train.micro_batch) if train.micro_batch else 1
    if share // count < smallest:
        raise ConfigError(
            f"{where} with train.micro_batch = {train.micro_batch or 'blank'} leaves {share // count} items at a time, "
            f"but this system needs {smallest}"
        )
