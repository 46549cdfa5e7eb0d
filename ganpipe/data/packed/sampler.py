"""Serves training batches as a pure function of (seed, position): a resume needs no saved state.

Read-time augmentation is drawn once per row and applied to all images of the row. `data.flip` mirrors half of the rows.
`data.jitter` is the random jitter of pix2pix (Isola et al. 2017, arXiv:1611.07004, section 6.1): the sides of a picture
are enlarged by this number of pixels, and a window of the old size is cut out at a random place. The paper does not
name the interpolation. Bilinear is the default of `image.scale` in the authors' first code (Torch) and, unlike bicubic,
it stays within [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from ganpipe.core.batch import Batch, to_network
from ganpipe.core.spec import Field
from ganpipe.data.packed.columns import length, row_bytes
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import Order, Stretch, flipped, offsets, space_seed
from ganpipe.errors import ConfigError, DataError
from ganpipe.machine import physical_memory
from ganpipe.paths import PARAMS

_MEMORY_SHARE = 0.25  # of the physical memory, or of the free memory of a GPU
_GIB = 1 << 30


class Sampler:
    """The rows of every space in an endless sequence: one shuffled epoch after the other, laid end to end.

    Positions count rows of the first space shown over all processes. Every other space is read at the same position of
    its own order over its own rows. A batch may straddle epochs, and a space may be smaller than a batch.

    The rows lie on the GPU where they fit there, else in memory where they fit `ram_limit`, else on the disk, from
    which they are read in shuffled blocks, ahead of time. Order and values are the same in each case, bit for bit.
    """

    def __init__(
        self,
        packed: Packed,
        seed: int,
        device: str | torch.device = "cpu",
        rows: Mapping[str, range] | None = None,
        world: int = 1,
        flip: bool = False,
        jitter: int = 0,
        ram_limit: float | None = None,
    ) -> None:
        """`rows` has the range of rows of every space to learn from; None: the split `train`.

        `ram_limit` is in GiB for all `world` processes; None: a quarter of the memory of this machine or container.
        `flip` and `jitter` are the augmentations of this module. Raises `DataError` where there is no row to learn
        from, `ConfigError` where an augmentation does not suit the images.
        """
        if rows is None:
            rows = {space: packed.rows("train", space) for space in packed.spaces}
        for space, mine in rows.items():
            if not mine:
                raise DataError(f"{packed.path}: the space {space!r} has no rows to learn from")
        _require_images(packed, flip, jitter)
        self._device = torch.device(device)
        place = _place(packed, rows, self._device, world, ram_limit)
        self._texts = _texts_of(packed, place)
        self._spaces = [
            _Space(
                packed, space, rows[space], space_seed(seed, space, packed.spaces[0]), place, flip, jitter, self._texts
            )
            for space in packed.spaces
        ]

    def fetch(self, position: int, count: int) -> Batch:
        """Return the rows of every field at `count` positions from `position` on, in network form on the device."""
        return {name: values for space in self._spaces for name, values in space.fetch(position, count, self._device)}

    def order(self, space: str, position: int, count: int) -> Int64[np.ndarray, " count"]:
        """Return the rows of a space, numbered as in the packed file, at `count` positions from `position` on."""
        return next(one.order(position, count) for one in self._spaces if one.name == space)


class _Space:
    """One space: its order, its rows and their augmentation."""

    def __init__(
        self,
        packed: Packed,
        name: str,
        rows: range,
        seed: int,
        place: torch.device | None,
        flip: bool,
        jitter: int,
        texts: Tensor | None,
    ) -> None:
        """`place` is where the rows are kept; None: on the disk. `texts` is what the encoder says of each text."""
        self._texts = texts
        self.name, self._rows, self._seed, self._flip = name, rows, seed, flip
        self._fields = {field: told for field, told in packed.fields.items() if told.space == name}
        self._mirrored = packed.mirrored
        self._jitter = _jitter_of(self._fields, jitter) if jitter else {}
        self._order = Order(len(rows), packed.row_bytes(name), seed)
        self._store: _Loaded | _Streamed = (
            _Streamed(packed, list(self._fields), rows, self._order)
            if place is None
            else _Loaded(packed, name, rows, self._order, place)
        )

    def order(self, position: int, count: int) -> Int64[np.ndarray, " count"]:
        return self._order.rows(position, count) + self._rows.start

    def fetch(self, position: int, count: int, device: torch.device) -> list[tuple[str, Tensor]]:
        stored = self._store.take(self._order.stretches(position, count))
        if self._texts is not None:
            stored |= {name: self._texts[stored[name].to(self._texts.device)] for name in stored if self._is_text(name)}
        values = {name: rows.to(device) for name, rows in stored.items()}
        if self._flip:
            chosen = flipped(self._seed, position, count)
            values |= {name: _mirrored(values[name], chosen) for name in values if name in self._mirrored}
        values = {name: to_network(self._fields[name].kind, rows) for name, rows in values.items()}
        for name, (scale, most) in self._jitter.items():
            corners = scale * offsets(self._seed, position, count, most)
            values[name] = _cropped(values[name], scale * most, corners)
        return list(values.items())

    def _is_text(self, field: str) -> bool:
        return self._fields[field].kind == "text"


class _Loaded:
    """The rows of a space in memory or on a GPU; images with their channels first, as networks want them."""

    def __init__(self, packed: Packed, space: str, rows: range, order: Order, device: torch.device) -> None:
        self._order = order
        self._images = {name for name, field in packed.fields.items() if field.kind == "image"}
        self._columns: dict[str, Tensor] = {}
        done = 0
        for block in packed.blocks(space, rows):
            for name, values in block.items():
                part = torch.from_numpy(values)
                part = part.permute(0, 3, 1, 2) if name in self._images else part
                if name not in self._columns:
                    self._columns[name] = part.new_empty((len(rows), *part.shape[1:]), device=device)
                self._columns[name][done : done + len(part)] = part
            done += length(block)

    def take(self, stretches: list[Stretch]) -> dict[str, Tensor]:
        groups = [self._order.group(one.epoch, one.group).rows[one.start : one.stop] for one in stretches]
        items = torch.from_numpy(np.concatenate(groups))
        found = {name: rows.index_select(0, items.to(rows.device)) for name, rows in self._columns.items()}
        return {name: rows.permute(0, 2, 3, 1) if name in self._images else rows for name, rows in found.items()}


class _Streamed:
    """The rows of one group of a space at a time, read block by block, while a thread reads the next group."""

    def __init__(self, packed: Packed, fields: list[str], rows: range, order: Order) -> None:
        self._packed, self._fields, self._first, self._order = packed, fields, rows.start, order
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="blocks")
        self._buffers: dict[tuple[int, int], Future[dict[str, np.ndarray]]] = {}

    def take(self, stretches: list[Stretch]) -> dict[str, Tensor]:
        pieces = [self._piece(one) for one in stretches]
        return {name: torch.from_numpy(np.concatenate([piece[name] for piece in pieces])) for name in pieces[0]}

    def _piece(self, stretch: Stretch) -> dict[str, np.ndarray]:
        here, following = (stretch.epoch, stretch.group), self._order.after(stretch)
        due = {self._key(*here): here, self._key(*following): following}
        self._buffers = {  # the group before is let go
            key: self._buffers.get(key) or self._reader.submit(self._read, *group) for key, group in due.items()
        }
        places = self._order.group(*here).places[stretch.start : stretch.stop]
        return {name: rows[places] for name, rows in self._buffers[self._key(*here)].result().items()}

    def _key(self, epoch: int, number: int) -> tuple[int, int]:
        """Name the rows of a group: an only group holds the same rows in every epoch."""
        return (epoch if self._order.groups > 1 else 0, number)

    def _read(self, epoch: int, number: int) -> dict[str, np.ndarray]:
        blocks = self._order.group(epoch, number).blocks
        ranges = [range(block.start + self._first, block.stop + self._first) for block in blocks]
        return {name: self._packed.read_ranges(name, ranges) for name in self._fields}


def _place(
    packed: Packed, rows: Mapping[str, range], device: torch.device, world: int, ram_limit: float | None
) -> torch.device | None:
    """Return where the rows of all spaces are served fastest; None: they stay on the disk."""
    needed = sum(packed.row_bytes(space) * len(rows[space]) for space in packed.spaces)
    if packed.texts is not None:
        needed += len(packed.texts.names) * row_bytes(packed.texts.features)
    if device.type == "cuda" and needed <= _MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return device
    allowed = _MEMORY_SHARE * physical_memory() if ram_limit is None else ram_limit * _GIB
    return torch.device("cpu") if needed * world <= allowed else None


def _texts_of(packed: Packed, place: torch.device | None) -> Tensor | None:
    """Return what the encoder says of all texts, in memory wherever the rows are; None: there are no texts."""
    if packed.texts is None:
        return None
    return torch.from_numpy(packed.texts.whole).to(place or torch.device("cpu"))


def _require_images(packed: Packed, flip: bool, jitter: int) -> None:
    """Refuse an augmentation of images for data without any."""
    held = ", ".join(f"{name} ({field})" for name, field in packed.fields.items())
    if flip and not packed.mirrored:
        raise ConfigError(f"{PARAMS}: data.flip mirrors images, but data.name = {packed.name!r} holds {held}")
    if jitter and not any(field.kind == "image" for field in packed.fields.values()):
        raise ConfigError(f"{PARAMS}: data.jitter crops images, but data.name = {packed.name!r} holds {held}")


def _jitter_of(fields: Mapping[str, Field], jitter: int) -> dict[str, tuple[int, int]]:
    """Return for each image field how many times the smallest image of the row it is, and the jitter of that one.

    So the same part of a low and a high resolution picture is cut. Raises `ConfigError` where sizes are no multiples.
    """
    sizes = {name: field.shape[1:] for name, field in fields.items() if field.kind == "image"}
    if not sizes:
        return {}
    smallest, (height, width) = min(sizes.items(), key=lambda item: (item[1], item[0]))
    for name, size in sizes.items():
        if size != (size[0] // height * height, size[0] // height * width):
            raise ConfigError(
                f"{PARAMS}: data.jitter = {jitter} crops all images of a row alike, but {name} ({size[0]} x {size[1]} "
                f"pixels) is no whole multiple of {smallest} ({height} x {width}); set data.jitter: 0"
            )
    return {name: (size[0] // height, jitter) for name, size in sizes.items()}


def _mirrored(images: Tensor, chosen: Bool[np.ndarray, " n"]) -> Tensor:
    """Mirror the chosen ones of stored images (n, h, w, c), left to right."""
    mask = torch.from_numpy(chosen).to(images.device)[:, None, None, None]
    return torch.where(mask, images.flip(2), images)


def _cropped(
    images: Float[Tensor, "n c h w"], more: int, corners: Int64[np.ndarray, "n 2"]
) -> Float[Tensor, "n c h w"]:
    """Enlarge images by `more` pixels a side, and cut each to its old size from its own corner (row, column) on."""
    n, _, height, width = images.shape
    larger = functional.interpolate(images, (height + more, width + more), mode="bilinear", align_corners=False)
    windows = larger.unfold(2, height, 1).unfold(3, width, 1)  # (n, c, row of corner, column of corner, h, w), a view
    down, right = torch.from_numpy(corners).to(images.device).unbind(1)
    return windows[torch.arange(n, device=images.device), :, down, right].contiguous()
