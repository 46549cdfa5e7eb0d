"""Serves training batches in an order that is a pure function of (seed, position): a resume needs no saved state."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ganpipe.core.batch import Batch, to_float
from ganpipe.data.packed.columns import length
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import Order, Stretch, flipped
from ganpipe.errors import ConfigError, DataError
from ganpipe.machine import physical_memory
from ganpipe.paths import PARAMS

_MEMORY_SHARE = 0.25  # of the physical memory, or of the free memory of a GPU
_GIB = 1 << 30


class Sampler:
    """An endless sequence of items: one shuffled epoch of the split after the other, laid end to end.

    Positions count images shown over all ranks. A global batch is `batch * world` consecutive positions, of which
    each rank takes `batch` consecutive ones. Batches may straddle epochs, and a split may be smaller than a batch.

    The rows lie on the GPU where they fit there, else in memory where they fit `ram_limit`, else on the disk, from
    which they are read in shuffled blocks, ahead of time. Order and values are the same in each case, bit for bit.
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
        flip: bool = False,
        ram_limit: float | None = None,
    ) -> None:
        """`batch` is the number of items per rank, `ram_limit` is in GiB for all ranks; None: a quarter of the memory
        of this machine or container.

        `flip` mirrors each image with a chance of one half, drawn from (seed, position). Raises `DataError` where the
        split is missing or empty, `ConfigError` where there is nothing to mirror.
        """
        if batch < 1 or not 0 <= rank < world:
            raise ValueError(f"batch {batch}, rank {rank} of {world}")
        if flip and "image" not in packed.roles:
            raise ConfigError(
                f"{PARAMS}: data.flip mirrors images, but data.name = {packed.name!r} holds {packed.kind}s"
            )
        rows = packed.rows(split)
        if not rows:
            raise DataError(f"{packed.path}: the split {split!r} has no rows to learn from")
        self._batch, self._seed, self._flip = batch, seed, flip
        self._device, self._rank, self._world = torch.device(device), rank, world
        self._count, self._order = len(rows), Order(len(rows), packed.row_bytes, seed)
        self._store = _store(packed, rows, self._order, self._device, world, ram_limit)

    def __len__(self) -> int:
        """Return the number of items of the split, which is the length of an epoch."""
        return self._count

    def batches(self, nimg: int) -> Iterator[Batch]:
        """Yield the batches of this rank from position `nimg` on, for ever.

        `batches(0)` without its first k batches is `batches(k * batch * world)`, bit for bit.
        """
        position = nimg + self._rank * self._batch
        while True:
            yield self._fetch(position)
            position += self._batch * self._world

    def order(self, position: int, count: int) -> Int64[np.ndarray, " count"]:
        """Return which items of the split stand at `count` positions from `position` on."""
        return self._order.rows(position, count)

    def _fetch(self, position: int) -> Batch:
        found = self._store.take(self._order.stretches(position, self._batch))
        values = {role: rows.to(self._device) for role, rows in found.items()}
        if self._flip:
            values["image"] = _mirrored(values["image"], flipped(self._seed, position, self._batch))
        return {role: _to_network(role, rows) for role, rows in values.items()}


class _Loaded:
    """All rows of a split, in memory or on a GPU; images with their channels first, as networks want them."""

    def __init__(self, packed: Packed, rows: range, order: Order, device: torch.device) -> None:
        self._order = order
        self._columns: dict[str, Tensor] = {}
        done = 0
        for block in packed.blocks(rows):
            for role, values in block.items():
                part = _channels_first(role, torch.from_numpy(values))
                if role not in self._columns:
                    self._columns[role] = part.new_empty((len(rows), *part.shape[1:]), device=device)
                self._columns[role][done : done + len(part)] = part
            done += length(block)

    def take(self, stretches: list[Stretch]) -> dict[str, Tensor]:
        groups = [self._order.group(one.epoch, one.group).rows[one.start : one.stop] for one in stretches]
        items = torch.from_numpy(np.concatenate(groups))
        found = {role: rows.index_select(0, items.to(rows.device)) for role, rows in self._columns.items()}
        return {role: _channels_last(role, rows) for role, rows in found.items()}


class _Streamed:
    """The rows of one group at a time, read block by block, while a thread reads the next group."""

    def __init__(self, packed: Packed, rows: range, order: Order) -> None:
        self._packed, self._first, self._order = packed, rows.start, order
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="blocks")
        self._buffers: dict[tuple[int, int], Future[dict[str, np.ndarray]]] = {}

    def take(self, stretches: list[Stretch]) -> dict[str, Tensor]:
        pieces = [self._piece(one) for one in stretches]
        return {role: torch.from_numpy(np.concatenate([piece[role] for piece in pieces])) for role in pieces[0]}

    def _piece(self, stretch: Stretch) -> dict[str, np.ndarray]:
        here, following = (stretch.epoch, stretch.group), self._order.after(stretch)
        due = {self._key(*here): here, self._key(*following): following}
        self._buffers = {  # the group before is let go
            key: self._buffers.get(key) or self._reader.submit(self._read, *group) for key, group in due.items()
        }
        places = self._order.group(*here).places[stretch.start : stretch.stop]
        return {role: rows[places] for role, rows in self._buffers[self._key(*here)].result().items()}

    def _key(self, epoch: int, number: int) -> tuple[int, int]:
        """Name the rows of a group: an only group holds the same ones in every epoch."""
        return (epoch if self._order.groups > 1 else 0, number)

    def _read(self, epoch: int, number: int) -> dict[str, np.ndarray]:
        blocks = self._order.group(epoch, number).blocks
        pieces = [range(block.start + self._first, block.stop + self._first) for block in blocks]
        return {role: self._packed.gather(role, pieces) for role in self._packed.roles}


def _store(
    packed: Packed, rows: range, order: Order, device: torch.device, world: int, ram_limit: float | None
) -> _Loaded | _Streamed:
    """Return the rows where they are served fastest."""
    needed = packed.row_bytes * len(rows)
    if device.type == "cuda" and needed <= _MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return _Loaded(packed, rows, order, device)
    allowed = _MEMORY_SHARE * physical_memory() if ram_limit is None else ram_limit * _GIB
    if needed * world <= allowed:
        return _Loaded(packed, rows, order, torch.device("cpu"))
    return _Streamed(packed, rows, order)


def _channels_first(role: str, rows: Tensor) -> Tensor:
    return rows.permute(0, 3, 1, 2) if role == "image" else rows


def _channels_last(role: str, rows: Tensor) -> Tensor:
    return rows.permute(0, 2, 3, 1) if role == "image" else rows


def _mirrored(images: Tensor, chosen: Bool[np.ndarray, " n"]) -> Tensor:
    """Mirror the chosen ones of stored images (n, h, w, c), left to right."""
    mask = torch.from_numpy(chosen).to(images.device)[:, None, None, None]
    return torch.where(mask, images.flip(2), images)


def _to_network(role: str, values: Tensor) -> Tensor:
    """Convert stored values on their device: pixels to [-1, 1], attributes to floats, all else as it is."""
    if role == "attributes":
        return values.float()
    return to_float(values) if role == "image" else values
