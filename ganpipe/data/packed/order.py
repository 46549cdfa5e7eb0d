"""The order in which rows are shown: a function of seed and position alone, not of memory, device or processes.

The rows of a space of up to half a GiB are shuffled anew in every epoch. A larger space is cut into blocks of
consecutive rows, which can be read from a disk at full speed. Every epoch shuffles the blocks, takes half a GiB of them
at a time as a group, and shuffles the rows of the group. The group is the shuffle buffer: it must be in memory to serve
its rows.

Every space has an order of its own, keyed by `space_seed`. So have the mirrors and the random crops of its images.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Int64, UInt64

GROUP_BYTES = 1 << 29
_BLOCK_ROWS = 128  # at least: fewer make reading from a disk slow
_BLOCK_BYTES = 1 << 20  # at least
_MIN_GROUP_BLOCKS = 8

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def block_rows(row_bytes: int) -> int:
    """Return how many rows of this size are read together from a disk: at least 128 and at least 1 MiB.

    The number decides the chunks of compressed files and the order in which the rows of a large space are shown.
    """
    return max(_BLOCK_ROWS, -(-_BLOCK_BYTES // row_bytes))


def space_seed(seed: int, space: str, first: str) -> int:
    """Return the key of the order of a space: the seed for the first space, a hash of seed and name for others."""
    if space == first:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed} {space}".encode()).digest()[:8], "big") >> 1


def subset(rows: range, most: int, seed: int) -> Int64[np.ndarray, " n"]:
    """Return up to `most` of the rows, drawn with `seed`, in ascending order."""
    return rows.start + np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])


@dataclass(frozen=True)
class Group:
    """Rows that are shuffled together: `blocks` are ranges of rows, `places` the order of these, laid end to end."""

    blocks: tuple[range, ...]
    places: Int64[np.ndarray, " n"]

    @cached_property
    def rows(self) -> Int64[np.ndarray, " n"]:
        """The rows in the order in which they are shown."""
        return np.concatenate([np.arange(block.start, block.stop) for block in self.blocks])[self.places]


@dataclass(frozen=True)
class Stretch:
    """Consecutive positions that lie in one group of one epoch: `start` to `stop` within the group."""

    epoch: int
    group: int
    start: int
    stop: int


class Order:
    """The endless sequence of the rows 0..count-1, one shuffled epoch after the other."""

    def __init__(self, count: int, row_bytes: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._block = block_rows(row_bytes)
        self._blocks = -(-count // self._block)
        self._in_group = max(_MIN_GROUP_BLOCKS, GROUP_BYTES // (self._block * row_bytes))
        self.groups = -(-self._blocks // self._in_group)
        self._epoch = lru_cache(maxsize=2)(self._shuffle_blocks)
        self.group = lru_cache(maxsize=2)(self._make_group)

    def stretches(self, position: int, count: int) -> list[Stretch]:
        """Return where `count` positions from `position` on lie."""
        found = []
        while count > 0:
            epoch, within = divmod(position, self._count)
            starts = self._epoch(epoch)[1]
            group = int(np.searchsorted(starts, within, side="right")) - 1
            start = within - int(starts[group])
            stop = min(start + count, int(starts[group + 1] - starts[group]))
            found.append(Stretch(epoch, group, start, stop))
            position, count = position + stop - start, count - (stop - start)
        return found

    def rows(self, position: int, count: int) -> Int64[np.ndarray, " count"]:
        """Return which rows stand at `count` positions from `position` on."""
        stretches = self.stretches(position, count)
        return np.concatenate([self.group(one.epoch, one.group).rows[one.start : one.stop] for one in stretches])

    def after(self, stretch: Stretch) -> tuple[int, int]:
        """Return the epoch and the number of the group that follows that of `stretch`."""
        last = stretch.group == self.groups - 1
        return (stretch.epoch + 1, 0) if last else (stretch.epoch, stretch.group + 1)

    def _shuffle_blocks(self, epoch: int) -> tuple[Int64[np.ndarray, " b"], Int64[np.ndarray, " g"]]:
        """Return the blocks of an epoch in order, and where in it each group starts, with the end of the last."""
        if self.groups == 1:
            return np.arange(self._blocks), np.array([0, self._count])
        blocks = self._generator(epoch).permutation(self._blocks)
        sizes = np.where(blocks == self._blocks - 1, self._count - (self._blocks - 1) * self._block, self._block)
        ends = np.cumsum(sizes)
        starts = np.concatenate([[0], ends])[:: self._in_group][: self.groups]
        return blocks, np.concatenate([starts, ends[-1:]])

    def _make_group(self, epoch: int, number: int) -> Group:
        mine = self._epoch(epoch)[0][number * self._in_group : (number + 1) * self._in_group]
        blocks = tuple(range(at * self._block, min((at + 1) * self._block, self._count)) for at in mine.tolist())
        spawn_key = () if self.groups == 1 else (number,)
        return Group(blocks, self._generator(epoch, spawn_key).permutation(sum(map(len, blocks))))

    def _generator(self, epoch: int, spawn_key: tuple[int, ...] = ()) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, epoch], spawn_key=spawn_key)))


def flipped(seed: int, position: int, count: int) -> Bool[np.ndarray, " count"]:
    """Return which of the rows shown at `count` positions from `position` on are mirrored: a fair coin for each."""
    return _random_bits(seed, position, count, draw=0) >= np.uint64(1 << 63)


def offsets(seed: int, position: int, count: int, most: int) -> Int64[np.ndarray, "count 2"]:
    """Return where the random crops at `count` positions from `position` on begin: (row, column), each in 0..most."""
    draws = [_random_bits(seed, position, count, draw) >> np.uint64(32) for draw in (1, 2)]
    return ((np.stack(draws, axis=1) * np.uint64(most + 1)) >> np.uint64(32)).astype(np.int64)


def _random_bits(seed: int, position: int, count: int, draw: int) -> UInt64[np.ndarray, " count"]:
    """Return SplitMix64 (Steele, Lea, Flood 2014) of each position, keyed by the seed and the number of the draw."""
    key = _mixed(np.array([seed], np.uint64))
    for _ in range(draw):
        key = _mixed(key + _GAMMA)
    return _mixed(np.arange(position, position + count, dtype=np.uint64) * _GAMMA + key)


def _mixed(state: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
