"""The sampler: every epoch a permutation, every position a pure function, the ranks a partition."""

from __future__ import annotations

import os
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganpipe.core.batch import Batch
from ganpipe.data.packed import order as order_module
from ganpipe.data.packed import sampler as sampler_module
from ganpipe.data.packed.file import About, Packed, write_packed
from ganpipe.data.packed.order import GROUP_BYTES, Order, flipped
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
        about = About("numbered", "image", "", "", "", "", tuple(map(str, range(count))))
        pixels = np.random.default_rng(count).integers(0, 256, (count, 2, 3, 1), np.uint8)
        path = folder / f"{count}.h5"
        write_packed(path, about, count, [{"image": pixels, "label": np.arange(count)}])
        return Packed.open(path)

    return make


def shown(sampler: Sampler, nimg: int, batches: int) -> list[int]:
    """Return the rows that the next batches show."""
    return [row for batch in islice(sampler.batches(nimg), batches) for row in batch["label"].tolist()]


@given(sizes, seeds, batch_sizes)
@settings(max_examples=60, deadline=None)
def test_every_epoch_is_a_permutation(numbered, count: int, seed: int, batch: int) -> None:
    sampler = Sampler(numbered(count), batch, seed)
    rows = shown(sampler, 0, -(-3 * count // batch))
    for epoch in range(3):
        assert sorted(rows[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(sizes, seeds, batch_sizes, positions, st.integers(0, 6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_restart_continues_exactly(
    numbered, count: int, seed: int, batch: int, nimg: int, skip: int, world: int
) -> None:
    rank = seed % world
    straight = Sampler(numbered(count), batch, seed, rank=rank, world=world)
    again = Sampler(numbered(count), batch, seed, rank=rank, world=world)
    late = islice(straight.batches(nimg), skip, skip + 3)
    for one, other in zip(late, again.batches(nimg + skip * batch * world), strict=False):
        assert one.keys() == other.keys() and all(torch.equal(one[role], other[role]) for role in one)


@given(sizes, seeds, st.integers(1, 9), positions, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_ranks_partition_the_global_batch(
    numbered, count: int, seed: int, batch: int, nimg: int, world: int
) -> None:
    packed = numbered(count)
    alone = Sampler(packed, batch * world, seed).batches(nimg)
    ranks = [Sampler(packed, batch, seed, rank=rank, world=world).batches(nimg) for rank in range(world)]
    for _ in range(3):
        parts = [next(rank)["label"] for rank in ranks]
        assert torch.equal(torch.cat(parts), next(alone)["label"])


@given(sizes, seeds, positions, st.integers(0, 120))
@settings(max_examples=60, deadline=None)
def test_a_position_does_not_depend_on_how_it_is_reached(
    numbered, count: int, seed: int, nimg: int, ahead: int
) -> None:
    sampler = Sampler(numbered(count), 1, seed)
    assert sampler.order(nimg, ahead + 1)[-1] == sampler.order(nimg + ahead, 1)[0]


def test_epochs_and_seeds_differ(numbered) -> None:
    packed = numbered(40)
    first, second = shown(Sampler(packed, 40, 0), 0, 2)[:40], shown(Sampler(packed, 40, 0), 40, 1)
    other = shown(Sampler(packed, 40, 1), 0, 1)
    assert first != second and first != other and first != list(range(40))


def test_batches_hold_network_values(numbered) -> None:
    packed = numbered(30)
    batch = next(Sampler(packed, 50, 3).batches(11))
    rows = batch["label"].numpy()
    assert batch["image"].shape == (50, 1, 2, 3) and batch["image"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64 and batch["image"].is_contiguous()
    wanted = packed.all("image")[rows].astype(np.float32).transpose(0, 3, 1, 2) / np.float32(127.5) - 1
    assert np.array_equal(batch["image"].numpy(), wanted)


def test_vectors_come_as_stored(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((6, 4), np.float32)
    write_packed(tmp_path / "v.h5", About("v", "vector", "", "", "", ""), 6, [{"vector": vectors}])
    sampler = Sampler(Packed.open(tmp_path / "v.h5"), 6, 0)
    batch: Batch = next(sampler.batches(0))
    assert list(batch) == ["vector"] and batch["vector"].dtype == torch.float32
    assert np.array_equal(batch["vector"].numpy(), vectors[sampler.order(0, 6)])


def test_a_batch_may_be_changed_without_harm(numbered) -> None:
    sampler = Sampler(numbered(10), 10, 0)
    first = next(sampler.batches(0))
    kept = {role: values.clone() for role, values in first.items()}
    for values in first.values():
        values.zero_()
    assert all(torch.equal(next(sampler.batches(0))[role], kept[role]) for role in kept)


@pytest.mark.parametrize("ram_limit", [0.0, None])
def test_only_the_split_is_shown_in_memory_or_not(tmp_path: Path, ram_limit: float | None) -> None:
    about = About("numbered", "vector", "", "", "", "", tuple("abcdefghij"))
    block = {"vector": np.arange(10, dtype=np.float32)[:, None], "label": np.arange(10)}
    write_packed(tmp_path / "s.h5", about, 10, [block], splits={"test": (0, 4), "train": (4, 10), "none": (10, 10)})
    packed = Packed.open(tmp_path / "s.h5")
    sampler = Sampler(packed, 6, 0, ram_limit=ram_limit)
    assert isinstance(sampler._store, sampler_module._Streamed) == (ram_limit == 0) and len(sampler) == 6
    batch = next(sampler.batches(0))
    assert batch["label"].tolist() == (sampler.order(0, 6) + 4).tolist()
    assert torch.equal(batch["vector"][:, 0], batch["label"].float())
    with pytest.raises(DataError, match="the split 'none' has no rows"):
        Sampler(packed, 6, 0, split="none")


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks of 3 rows and groups of 8 blocks, so that small sets behave like those beyond the memory."""
    monkeypatch.setattr(order_module, "block_rows", lambda row_bytes: 3)
    monkeypatch.setattr(order_module, "GROUP_BYTES", 0)


function_scoped = HealthCheck.function_scoped_fixture
many_sizes = st.integers(1, 130)


@given(many_sizes, seeds, batch_sizes, positions, st.integers(0, 9), st.integers(1, 4), st.booleans())
@settings(max_examples=50, deadline=None, suppress_health_check=[function_scoped])
def test_streamed_blocks_are_the_same_as_memory_and_restart_exactly(
    numbered, small_groups: None, count: int, seed: int, batch: int, nimg: int, skip: int, world: int, flip: bool
) -> None:
    rank = seed % world
    packed = numbered(count)
    loaded = Sampler(packed, batch, seed, rank=rank, world=world, flip=flip)
    streamed = Sampler(packed, batch, seed, rank=rank, world=world, flip=flip, ram_limit=0.0)
    again = Sampler(packed, batch, seed, rank=rank, world=world, flip=flip, ram_limit=0.0)
    straight = list(islice(loaded.batches(nimg), skip + 3))
    for one, other in zip(straight, islice(streamed.batches(nimg), skip + 3), strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[role], other[role]) for role in one)
    for one, other in zip(straight[skip:], again.batches(nimg + skip * batch * world), strict=False):
        assert all(torch.equal(one[role], other[role]) for role in one)


@given(many_sizes, seeds, positions, st.integers(0, 300))
@settings(max_examples=60, deadline=None, suppress_health_check=[function_scoped])
def test_an_epoch_of_blocks_is_a_permutation(small_groups: None, count: int, seed: int, nimg: int, ahead: int) -> None:
    order = Order(count, 1, seed)
    epoch = nimg // count
    assert sorted(order.rows(epoch * count, count)) == list(range(count))
    assert order.rows(nimg, ahead + 1)[-1] == Order(count, 1, seed).rows(nimg + ahead, 1)[0]


@given(many_sizes, seeds, st.integers(1, 9), positions, st.integers(1, 5))
@settings(max_examples=30, deadline=None, suppress_health_check=[function_scoped])
def test_the_ranks_partition_the_batches_of_blocks(
    numbered, small_groups: None, count: int, seed: int, batch: int, nimg: int, world: int
) -> None:
    packed = numbered(count)
    alone = Sampler(packed, batch * world, seed).batches(nimg)
    ranks = [Sampler(packed, batch, seed, rank=at, world=world, ram_limit=0.0).batches(nimg) for at in range(world)]
    for _ in range(3):
        parts = [next(rank)["label"] for rank in ranks]
        assert torch.equal(torch.cat(parts), next(alone)["label"])


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
    plain, mirrored = (Sampler(packed, 40, 9, flip=flip).batches(0) for flip in (False, True))
    flags = []
    for _ in range(25):
        one, other = next(plain)["image"], next(mirrored)["image"]
        flags += [bool(torch.equal(a.flip(-1), b) and not torch.equal(a, b)) for a, b in zip(one, other, strict=True)]
        assert all(
            torch.equal(a.flip(-1) if flag else a, b) for a, b, flag in zip(one, other, flags[-40:], strict=True)
        )
    assert 430 < sum(flags) < 570 and flags == flipped(9, 0, 1000).tolist()
    assert len({tuple(flags[start : start + 40]) for start in range(0, 1000, 40)}) == 25


@given(seeds, st.integers(0, 2**40), st.integers(1, 50), st.integers(0, 50))
def test_a_flip_depends_on_seed_and_position_alone(seed: int, position: int, count: int, skip: int) -> None:
    assert flipped(seed, position, count + skip)[skip:].tolist() == flipped(seed, position + skip, count).tolist()


def test_vectors_are_not_mirrored(tmp_path: Path) -> None:
    write_packed(tmp_path / "v.h5", About("v", "vector", "", "", "", ""), 1, [{"vector": np.zeros((1, 4), np.float32)}])
    with pytest.raises(ConfigError, match="data.flip mirrors images, but data.name = 'v' holds vectors"):
        Sampler(Packed.open(tmp_path / "v.h5"), 1, 0, flip=True)


def test_a_file_damaged_after_opening_is_found_at_the_first_read(tmp_path: Path) -> None:
    about = About("numbered", "image", "", "", "", "")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 9, 9, 3), np.uint8)
    write_packed(tmp_path / "s.h5", about, 300, [{"image": pixels}], compression="gzip")
    sampler = Sampler(Packed.open(tmp_path / "s.h5"), 5, 0, ram_limit=0.0)
    content = bytearray((tmp_path / "s.h5").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    (tmp_path / "s.h5").write_bytes(content)
    with pytest.raises(DataError, match="damaged .*run `dvc repro pack`"):
        next(sampler.batches(0))


@pytest.mark.parametrize(("batch", "rank", "world"), [(0, 0, 1), (1, 1, 1), (1, -1, 2)])
def test_nonsense_is_refused(numbered, batch: int, rank: int, world: int) -> None:
    with pytest.raises(ValueError, match="rank"):
        Sampler(numbered(5), batch, 0, rank=rank, world=world)


@pytest.mark.parametrize(("version", "allowed"), [("2", "4096\n"), ("1", "4096"), ("2", "max\n"), ("none", "")])
def test_a_container_with_less_memory_than_its_machine_is_heeded(
    numbered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, allowed: str
) -> None:
    files = {"2": tmp_path / "memory.max", "1": tmp_path / "memory.limit_in_bytes"}
    monkeypatch.setattr(sampler_module, "_CONTAINER_LIMITS", tuple(files.values()))
    if version in files:
        files[version].write_text(allowed)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert sampler_module._physical_memory() == (4096 if "4096" in allowed else machine)
    streamed = isinstance(Sampler(numbered(300), 4, 0)._store, sampler_module._Streamed)  # 4200 bytes
    assert streamed == ("4096" in allowed)
