"""Serves training batches in an order that is a pure function of (seed, position): a resume needs no saved state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ganpipe.core.batch import Batch, to_float
from ganpipe.data.packed import Packed
from ganpipe.errors import DataError

_MEMORY_SHARE = 0.25  # of the physical memory that the ranks together may fill with copies of the set


class Sampler:
    """An endless sequence of items: one permutation of the split per epoch, laid end to end.

    Positions count images shown over all ranks. A global batch is `batch * world` consecutive positions, of which
    each rank takes `batch` consecutive ones. Batches may straddle epochs, and a split may be smaller than a batch.
    """

    def __init__(
        self,
        packed: Packed,
        batch: int,
        seed: int,
        device: str | torch.device = "cpu",
        rank: int = 0,
        world: int = 1,
        split: str = "train",
    ) -> None:
        """`batch` is the number of items per rank. Raises `DataError` where the split is missing or empty."""
        if batch < 1 or not 0 <= rank < world:
            raise ValueError(f"batch {batch}, rank {rank} of {world}")
        self._rows = packed.rows(split)
        if not self._rows:
            raise DataError(f"{packed.path}: the split {split!r} has no rows to learn from")
        self._packed, self._batch, self._seed = packed, batch, seed
        self._device, self._rank, self._world = torch.device(device), rank, world
        self._permutation = lru_cache(maxsize=2)(self._shuffle)
        self._loaded = self._load() if packed.nbytes * world <= _MEMORY_SHARE * _physical_memory() else None

    def __len__(self) -> int:
        """Return the number of items of the split, which is the length of an epoch."""
        return len(self._rows)

    def batches(self, nimg: int) -> Iterator[Batch]:
        """Yield the batches of this rank from position `nimg` on, for ever.

        `batches(0)` without its first k batches is `batches(k * batch * world)`, bit for bit.
        """
        position = nimg + self._rank * self._batch
        while True:
            yield self._fetch(self.order(position, self._batch))
            position += self._batch * self._world

    def order(self, position: int, count: int) -> Int64[np.ndarray, " count"]:
        """Return which items of the split stand at `count` positions from `position` on."""
        pieces = []
        while count > 0:
            epoch, start = divmod(position, len(self))
            pieces.append(self._permutation(epoch)[start : start + count])
            position += len(pieces[-1])
            count -= len(pieces[-1])
        return np.concatenate(pieces)

    def _shuffle(self, epoch: int) -> Int64[np.ndarray, " n"]:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, epoch])))
        return generator.permutation(len(self))

    def _fetch(self, items: Int64[np.ndarray, " n"]) -> Batch:
        return {role: _to_network(role, self._take(role, items).to(self._device)) for role in self._packed.roles}

    def _take(self, role: str, items: Int64[np.ndarray, " n"]) -> Tensor:
        if self._loaded is not None:
            return self._loaded[role].index_select(0, torch.from_numpy(items))
        return torch.from_numpy(self._packed.read(items + self._rows.start, role))

    def _load(self) -> dict[str, Tensor]:
        return {role: torch.from_numpy(self._packed.all(role, self._rows)) for role in self._packed.roles}


def _to_network(role: str, values: Tensor) -> Tensor:
    """Convert stored values on their device: pixels to [-1, 1], all else as it is."""
    return to_float(values) if role == "image" else values


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
