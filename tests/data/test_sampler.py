"""The sampler: every epoch a permutation, every position a pure function, the ranks a partition."""

from __future__ import annotations

from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganpipe.core.batch import Batch
from ganpipe.data import sampler as sampler_module
from ganpipe.data.packed import About, Packed, write_packed
from ganpipe.data.sampler import Sampler
from ganpipe.errors import DataError

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


@pytest.mark.parametrize("memory", [0, 2**40])
def test_only_the_split_is_shown_in_memory_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(sampler_module, "_physical_memory", lambda: memory)
    about = About("numbered", "vector", "", "", "", "", tuple("abcdefghij"))
    block = {"vector": np.arange(10, dtype=np.float32)[:, None], "label": np.arange(10)}
    write_packed(tmp_path / "s.h5", about, 10, [block], splits={"test": (0, 4), "train": (4, 10), "none": (10, 10)})
    packed = Packed.open(tmp_path / "s.h5")
    sampler = Sampler(packed, 6, 0)
    assert (sampler._loaded is None) == (memory == 0) and len(sampler) == 6
    batch = next(sampler.batches(0))
    assert batch["label"].tolist() == (sampler.order(0, 6) + 4).tolist()
    assert torch.equal(batch["vector"][:, 0], batch["label"].float())
    with pytest.raises(DataError, match="the split 'none' has no rows"):
        Sampler(packed, 6, 0, split="none")


@pytest.mark.parametrize(("batch", "rank", "world"), [(0, 0, 1), (1, 1, 1), (1, -1, 2)])
def test_nonsense_is_refused(numbered, batch: int, rank: int, world: int) -> None:
    with pytest.raises(ValueError, match="rank"):
        Sampler(numbered(5), batch, 0, rank=rank, world=world)
