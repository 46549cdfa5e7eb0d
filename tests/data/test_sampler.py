"""The sampler: every epoch a permutation, every position a pure function, consecutive positions one sequence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from data.packed_sets import write_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganpipe import machine
from ganpipe.core.batch import Batch, batch_size
from ganpipe.data.packed import order as order_module
from ganpipe.data.packed import sampler as sampler_module
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import GROUP_BYTES, Order, flipped, subset
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import ConfigError, DataError

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**63 - 1)
batch_sizes = st.integers(1, 50)
positions = st.integers(0, 10**7)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory):
    """Return a maker of sets whose labels are the numbers of their rows."""
    folder: Path = tmp_path_factory.mktemp("sets")

    @cache
    def make(count: int) -> Packed:
        pixels = np.random.default_rng(count).integers(0, 256, (count, 2, 3, 1), np.uint8)
        return write_set(folder / f"{count}.h5", {"items": {"image": pixels, "label": np.arange(count)}})

    return make


def batches(sampler: Sampler, position: int, batch: int, count: int) -> Iterator[Batch]:
    """Yield `count` consecutive batches."""
    return (sampler.fetch(position + number * batch, batch) for number in range(count))


def equal(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@given(sizes, seeds, batch_sizes)
@settings(max_examples=60, deadline=None)
def test_every_epoch_is_a_permutation(numbered, count: int, seed: int, batch: int) -> None:
    shown = list(batches(Sampler(numbered(count), seed), 0, batch, -(-3 * count // batch)))
    rows = [row for one in shown for row in one["label"].tolist()]
    for epoch in range(3):
        assert sorted(rows[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(sizes, seeds, batch_sizes, positions, st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_a_restart_continues_exactly(numbered, count: int, seed: int, batch: int, position: int, skip: int) -> None:
    straight = list(batches(Sampler(numbered(count), seed, flip=True), position, batch, skip + 3))[skip:]
    again = batches(Sampler(numbered(count), seed, flip=True), position + skip * batch, batch, 3)
    assert all(equal(one, other) for one, other in zip(straight, again, strict=True))


@given(sizes, seeds, st.lists(st.integers(1, 9), min_size=1, max_size=5), positions, st.booleans())
@settings(max_examples=60, deadline=None)
def test_parts_of_any_size_are_one_sequence(
    numbered, count: int, seed: int, parts: list[int], position: int, flip: bool
) -> None:
    """So the shares of several processes, and micro-batches of a growing network, are the batch of one."""
    packed = numbered(count)
    whole = Sampler(packed, seed, flip=flip).fetch(position, sum(parts))
    starts = [position + sum(parts[:number]) for number in range(len(parts))]
    shares = [Sampler(packed, seed, flip=flip).fetch(at, part) for at, part in zip(starts, parts, strict=True)]
    assert equal({name: torch.cat([share[name] for share in shares]) for name in whole}, whole)


@given(sizes, seeds, positions, st.integers(0, 120))
@settings(max_examples=60, deadline=None)
def test_a_position_does_not_depend_on_how_it_is_reached(
    numbered, count: int, seed: int, position: int, ahead: int
) -> None:
    sampler = Sampler(numbered(count), seed)
    last = sampler.order("items", position, ahead + 1)[-1]
    assert last == sampler.order("items", position + ahead, 1)[0]


TODAY = {
    (40, 0, 0): "10bd80bb98b96c6cdc047bec87fc2f8ae3d2cc778caf9cd229c91f73879fe7bd",
    (37, 2**63 - 1, 10**7): "ea52c674fd0ab2dc2514ba1dcf2882764df55c9ec754fb7ea368560625360d7b",
    (130, 5, 99): "60e05aa395546a39a8a5f295909ddf52e0ecf5d71aeda4ac9080c5288728d655",
}
"""What schema `ganpipe/1` served by (rows, seed, position): nine mirrored batches of 16."""


def digest(shown: Iterable[Batch]) -> str:
    hashed = hashlib.sha256()
    for batch in shown:
        for name in sorted(batch):
            hashed.update(name.encode() + batch[name].contiguous().numpy().tobytes())
    return hashed.hexdigest()


def patterned(path: Path, count: int) -> Packed:
    pixels = (np.arange(count * 6) * 7 % 256).astype(np.uint8).reshape(count, 2, 3, 1)
    return write_set(path, {"items": {"image": pixels, "label": np.arange(count)}})


@pytest.mark.parametrize("case", TODAY)
def test_sets_of_one_space_are_served_as_they_always_were(tmp_path: Path, case: tuple[int, int, int]) -> None:
    count, seed, position = case
    packed = patterned(tmp_path / "data.h5", count)
    assert digest(batches(Sampler(packed, seed, flip=True, jitter=0), position, 16, 9)) == TODAY[case]
    assert subset(range(130), 9, 3).tolist() == [24, 27, 28, 53, 60, 72, 94, 101, 128]


def test_blocks_are_served_as_they_always_were(tmp_path: Path, small_groups: None) -> None:
    sampler = Sampler(patterned(tmp_path / "data.h5", 130), 5, flip=True, ram_limit=0.0)
    assert digest(batches(sampler, 99, 16, 20)) == "47bbdb2d76d03bdb60a11e7311c3fe01377f75fe547bcf8951ed4d1800bdeea1"


def test_epochs_and_seeds_differ(numbered) -> None:
    packed = numbered(40)
    first, second = (Sampler(packed, 0).order("items", at, 40).tolist() for at in (0, 40))
    other = Sampler(packed, 1).order("items", 0, 40).tolist()
    assert first != second and first != other and first != list(range(40))


def test_batches_hold_network_values(numbered) -> None:
    packed = numbered(30)
    batch = Sampler(packed, 3).fetch(11, 50)
    rows = batch["label"].numpy()
    assert batch["image"].shape == (50, 1, 2, 3) and batch["image"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64 and batch["image"].is_contiguous() and batch_size(batch) == 50
    wanted = packed.slice("image")[rows].astype(np.float32).transpose(0, 3, 1, 2) / np.float32(127.5) - 1
    assert np.array_equal(batch["image"].numpy(), wanted)


def test_vectors_come_as_stored(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((6, 4), np.float32)
    sampler = Sampler(write_set(tmp_path / "v.h5", {"items": {"vector": vectors}}), 0)
    batch = sampler.fetch(0, 6)
    assert list(batch) == ["vector"] and batch["vector"].dtype == torch.float32
    assert np.array_equal(batch["vector"].numpy(), vectors[sampler.order("items", 0, 6)])


def test_a_batch_may_be_changed_without_harm(numbered) -> None:
    sampler = Sampler(numbered(10), 0)
    first = sampler.fetch(0, 10)
    kept = {name: values.clone() for name, values in first.items()}
    for values in first.values():
        values.zero_()
    assert equal(sampler.fetch(0, 10), kept)


@pytest.mark.parametrize("ram_limit", [0.0, None])
def test_only_the_rows_asked_for_are_shown_in_memory_or_not(tmp_path: Path, ram_limit: float | None) -> None:
    columns = {"vector": np.arange(10, dtype=np.float32)[:, None], "label": np.arange(10)}
    splits = {"items": {"test": (0, 4), "train": (4, 10), "none": (10, 10)}}
    packed = write_set(tmp_path / "s.h5", {"items": columns}, splits=splits)
    sampler = Sampler(packed, 0, ram_limit=ram_limit)
    store = sampler._spaces[0]._store
    assert isinstance(store, sampler_module._Streamed) == (ram_limit == 0)
    batch = sampler.fetch(0, 6)
    assert batch["label"].tolist() == sampler.order("items", 0, 6).tolist() and sorted(batch["label"]) == [
        *range(4, 10)
    ]
    assert torch.equal(batch["vector"][:, 0], batch["label"].float())
    some = Sampler(packed, 0, rows={"items": range(5, 8)}, ram_limit=ram_limit).fetch(0, 3)
    assert sorted(some["label"].tolist()) == [5, 6, 7]
    with pytest.raises(DataError, match="the space 'items' has no rows to learn from"):
        Sampler(packed, 0, rows={"items": packed.rows("none", "items")})


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks of 3 rows and groups of 8 blocks, so that small sets behave like those beyond the memory."""
    monkeypatch.setattr(order_module, "block_rows", lambda row_bytes: 3)
    monkeypatch.setattr(order_module, "GROUP_BYTES", 0)


function_scoped = HealthCheck.function_scoped_fixture
many_sizes = st.integers(1, 130)


@given(many_sizes, seeds, batch_sizes, positions, st.integers(0, 9), st.booleans())
@settings(max_examples=50, deadline=None, suppress_health_check=[function_scoped])
def test_streamed_blocks_are_the_same_as_memory_and_restart_exactly(
    numbered, small_groups: None, count: int, seed: int, batch: int, position: int, skip: int, flip: bool
) -> None:
    packed = numbered(count)
    loaded = Sampler(packed, seed, flip=flip)
    streamed = Sampler(packed, seed, flip=flip, ram_limit=0.0)
    again = Sampler(packed, seed, flip=flip, ram_limit=0.0)
    straight = list(batches(loaded, position, batch, skip + 3))
    for one, other in zip(straight, batches(streamed, position, batch, skip + 3), strict=True):
        assert equal(one, other)
    for one, other in zip(straight[skip:], batches(again, position + skip * batch, batch, 3), strict=True):
        assert equal(one, other)


@given(many_sizes, seeds, positions, st.integers(0, 300))
@settings(max_examples=60, deadline=None, suppress_health_check=[function_scoped])
def test_an_epoch_of_blocks_is_a_permutation(small_groups: None, count: int, seed: int, nimg: int, ahead: int) -> None:
    order = Order(count, 1, seed)
    epoch = nimg // count
    assert sorted(order.rows(epoch * count, count)) == list(range(count))
    assert order.rows(nimg, ahead + 1)[-1] == Order(count, 1, seed).rows(nimg + ahead, 1)[0]


@given(many_sizes, seeds, st.integers(1, 9), positions, st.integers(1, 5))
@settings(max_examples=30, deadline=None, suppress_health_check=[function_scoped])
def test_the_processes_partition_the_batches_of_blocks(
    numbered, small_groups: None, count: int, seed: int, batch: int, position: int, world: int
) -> None:
    packed = numbered(count)
    alone = Sampler(packed, seed)
    ranks = [Sampler(packed, seed, world=world, ram_limit=0.0) for _ in range(world)]
    for start in range(position, position + 3 * batch * world, batch * world):
        parts = [rank.fetch(start + at * batch, batch)["label"] for at, rank in enumerate(ranks)]
        assert torch.equal(torch.cat(parts), alone.fetch(start, batch * world)["label"])


def test_blocks_mix_rows_from_far_apart(small_groups: None) -> None:
    order = Order(3000, 1, 0)
    assert order.groups == 125
    first = order.rows(0, 24)
    assert first.max() - first.min() > 1000 and not np.array_equal(np.sort(first), first)
    assert len({row // 3 for row in first.tolist()}) == 8
    assert not np.array_equal(order.rows(3000, 24), first)


def test_real_blocks_are_at_least_128_rows_and_a_mebibyte() -> None:
    order = Order(10**7, 3 * 64 * 64, 0)
    group = order.group(0, 0)
    assert {len(block) for block in group.blocks} == {128} and group.rows.nbytes
    assert 0.9 * GROUP_BYTES < len(group.places) * 3 * 64 * 64 <= GROUP_BYTES
    assert {len(block) for block in Order(10**7, 784, 0).group(0, 0).blocks} == {-(-(2**20) // 784)}


def test_half_of_the_images_are_mirrored(numbered) -> None:
    packed = numbered(40)
    plain, mirrored = (Sampler(packed, 9, flip=flip) for flip in (False, True))
    flags = []
    for position in range(0, 1000, 40):
        one, other = (sampler.fetch(position, 40)["image"] for sampler in (plain, mirrored))
        flags += [bool(torch.equal(a.flip(-1), b) and not torch.equal(a, b)) for a, b in zip(one, other, strict=True)]
        assert all(
            torch.equal(a.flip(-1) if flag else a, b) for a, b, flag in zip(one, other, flags[-40:], strict=True)
        )
    assert 430 < sum(flags) < 570 and flags == flipped(9, 0, 1000).tolist()
    assert len({tuple(flags[start : start + 40]) for start in range(0, 1000, 40)}) == 25


@given(seeds, st.integers(0, 2**40), st.integers(1, 50), st.integers(0, 50))
def test_a_flip_depends_on_seed_and_position_alone(seed: int, position: int, count: int, skip: int) -> None:
    assert flipped(seed, position, count + skip)[skip:].tolist() == flipped(seed, position + skip, count).tolist()


@pytest.mark.parametrize(("key", "value", "does"), [("flip", True, "mirrors"), ("jitter", 3, "crops")])
def test_a_set_without_images_cannot_be_augmented(tmp_path: Path, key: str, value: int, does: str) -> None:
    packed = write_set(tmp_path / "v.h5", {"items": {"vector": np.zeros((1, 4), np.float32)}}, name="v")
    with pytest.raises(
        ConfigError, match=rf"data.{key} {does} images, but data.name = 'v' holds vector \(vectors of 4\)"
    ):
        Sampler(packed, 0, **{key: value})


def test_a_file_damaged_after_opening_is_found_at_the_first_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 9, 9, 3), np.uint8)
    sampler = Sampler(write_set(tmp_path / "s.h5", {"items": {"image": pixels}}, compression="gzip"), 0, ram_limit=0.0)
    content = bytearray((tmp_path / "s.h5").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    (tmp_path / "s.h5").write_bytes(content)
    with pytest.raises(DataError, match="damaged .*run `dvc repro pack`"):
        sampler.fetch(0, 5)


@pytest.mark.parametrize(("version", "allowed"), [("2", "4096\n"), ("1", "4096"), ("2", "max\n"), ("none", "")])
def test_a_container_with_less_memory_than_its_machine_is_heeded(
    numbered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, allowed: str
) -> None:
    files = {"2": tmp_path / "memory.max", "1": tmp_path / "memory.limit_in_bytes"}
    monkeypatch.setattr(machine, "_CONTAINER_LIMITS", tuple(files.values()))
    if version in files:
        files[version].write_text(allowed)
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.physical_memory() == (4096 if "4096" in allowed else whole)
    streamed = isinstance(Sampler(numbered(300), 0)._spaces[0]._store, sampler_module._Streamed)  # 4200 bytes
    assert streamed == ("4096" in allowed)
