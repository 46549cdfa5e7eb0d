"""Several spaces in one file, augmentation alike for all images of a row, rows that are given to a generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from data.packed_sets import write_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ganpipe.core.batch import Batch
from ganpipe.data.packed import order as order_module
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.order import offsets, space_seed
from ganpipe.data.packed.sampler import Sampler
from ganpipe.data.packed.splits import held_out, training_rows
from ganpipe.errors import ConfigError, DataError

seeds = st.integers(0, 2**63 - 1)
positions = st.integers(0, 10**6)
MEMORY = [None, 0.0]
once = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """17 rows of `a` with a number and a picture each, 11 rows of `b`."""
    rng = np.random.default_rng(0)
    spaces = {
        "b": {"b": rng.integers(0, 256, (11, 4, 4, 1), np.uint8), "number_b": np.arange(11)},
        "a": {"a": rng.integers(0, 256, (17, 6, 6, 3), np.uint8), "number_a": np.arange(17)},
    }
    splits = {"a": {"train": (0, 14), "test": (14, 17)}, "b": {"train": (1, 11), "valid": (0, 1)}}
    return write_set(tmp_path_factory.mktemp("sets") / "data.h5", spaces, splits=splits)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """9 rows of a picture, the same at a quarter of the size, one that is not square, and a label."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 256, (9, 4, 6, 3), np.uint8)
    columns = {
        "low": low,
        "high": low.repeat(4, axis=1).repeat(4, axis=2),
        "mask": low[..., :1].copy(),
        "label": np.arange(9),
    }
    return write_set(tmp_path_factory.mktemp("sets") / "data.h5", {"items": columns})


def equal(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_file_tells_its_spaces(unpaired: Packed) -> None:
    unpaired.verify()
    assert unpaired.spaces == unpaired.spec.spaces == ("a", "b")
    assert [unpaired.count(space) for space in unpaired.spaces] == [17, 11]
    assert unpaired.rows("train", "b") == range(1, 11) and unpaired.row_bytes("a") == 6 * 6 * 3 + 8
    assert unpaired.nbytes == 17 * (108 + 8) + 11 * (16 + 8)
    with pytest.raises(DataError, match="the space 'b' has no split 'test', only train, valid"):
        unpaired.rows("test", "b")


@pytest.mark.parametrize("ram_limit", MEMORY)
def test_each_space_has_its_own_endless_order(unpaired: Packed, ram_limit: float | None) -> None:
    sampler = Sampler(unpaired, 5, ram_limit=ram_limit)
    batch = sampler.fetch(0, 140)
    a, b = batch["number_a"].tolist(), batch["number_b"].tolist()
    assert all(sorted(a[at : at + 14]) == list(range(14)) for at in range(0, 140, 14))
    assert all(sorted(b[at : at + 10]) == list(range(1, 11)) for at in range(0, 140, 10))
    assert a == sampler.order("a", 0, 140).tolist() and b == sampler.order("b", 0, 140).tolist()
    pictures = torch.from_numpy(unpaired.slice("b"))[batch["number_b"]].permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(batch["b"], pictures) and batch["a"].shape == (140, 3, 6, 6)


def test_the_orders_of_two_spaces_are_independent(tmp_path: Path) -> None:
    spaces = {name: {f"n_{name}": np.arange(50)} for name in "abc"}
    sampler = Sampler(write_set(tmp_path / "three.h5", spaces), 0)
    orders = {name: tuple(sampler.order(name, 0, 50)) for name in "abc"}
    assert len(set(orders.values())) == 3
    alone = Sampler(write_set(tmp_path / "one.h5", {"items": {"n": np.arange(50)}}), 0)
    assert orders["a"] == tuple(alone.order("items", 0, 50))  # the first space is shown like the only one
    renamed = Sampler(write_set(tmp_path / "two.h5", {"a": spaces["a"], "d": {"n_d": np.arange(50)}}), 0)
    assert tuple(renamed.order("a", 0, 50)) == orders["a"] and tuple(renamed.order("d", 0, 50)) != orders["b"]


@given(seeds, positions, st.integers(1, 20), st.integers(0, 30), st.booleans(), st.integers(0, 3))
@once
def test_two_spaces_continue_from_any_position(
    unpaired: Packed, seed: int, position: int, count: int, skip: int, flip: bool, jitter: int
) -> None:
    whole = Sampler(unpaired, seed, flip=flip, jitter=jitter).fetch(position, skip + count)
    for ram_limit in MEMORY:
        again = Sampler(unpaired, seed, flip=flip, jitter=jitter, ram_limit=ram_limit).fetch(position + skip, count)
        assert equal(again, {name: values[skip:] for name, values in whole.items()})


def test_blocks_of_two_spaces_are_streamed_the_same(unpaired: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "block_rows", lambda row_bytes: 1)
    monkeypatch.setattr(order_module, "GROUP_BYTES", 0)
    loaded, streamed = (Sampler(unpaired, 3, flip=True, ram_limit=ram_limit) for ram_limit in MEMORY)
    assert [space._order.groups for space in loaded._spaces] == [2, 2]
    for position in (0, 7, 90, 14, 3):  # also backwards
        assert equal(loaded.fetch(position, 9), streamed.fetch(position, 9))


@pytest.mark.parametrize("ram_limit", MEMORY)
def test_all_images_of_a_row_are_mirrored_alike(paired: Packed, ram_limit: float | None) -> None:
    plain, mirrored = (Sampler(paired, 3, flip=flip, ram_limit=ram_limit).fetch(0, 90) for flip in (False, True))
    assert torch.equal(plain["label"], mirrored["label"])
    turned = [not torch.equal(one, other) for one, other in zip(plain["low"], mirrored["low"], strict=True)]
    assert 25 < sum(turned) < 65
    for name in ("low", "high", "mask"):
        wanted = [one.flip(-1) if turn else one for one, turn in zip(plain[name], turned, strict=True)]
        assert torch.equal(mirrored[name], torch.stack(wanted))


@pytest.mark.parametrize("ram_limit", MEMORY)
def test_all_images_of_a_row_are_cropped_alike(paired: Packed, ram_limit: float | None) -> None:
    """Against a loop over the rows: enlarge, then cut. The window of the high resolution is four times as large."""
    plain, cropped = (Sampler(paired, 3, jitter=jitter, ram_limit=ram_limit).fetch(100, 60) for jitter in (0, 2))
    corners = offsets(3, 100, 60, 2)
    assert {tuple(corner) for corner in corners.tolist()} == {(y, x) for y in range(3) for x in range(3)}
    for name, scale in (("low", 1), ("mask", 1), ("high", 4)):
        height, width = plain[name].shape[2:]
        for row, (y, x) in enumerate((scale * corners).tolist()):
            size = (height + 2 * scale, width + 2 * scale)
            larger = functional.interpolate(plain[name][row : row + 1], size, mode="bilinear")
            assert torch.equal(cropped[name][row], larger[0, :, y : y + height, x : x + width])
    assert torch.equal(plain["label"], cropped["label"]) and cropped["high"].is_contiguous()
    assert all(cropped[name].abs().max() <= 1 for name in ("low", "high", "mask"))


def test_spaces_are_augmented_independently_of_each_other(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None], (5, 8, 8, 1)).copy()
    packed = write_set(tmp_path / "data.h5", {"a": {"a": pixels}, "b": {"b": pixels}})
    batch = Sampler(packed, 0, flip=True, jitter=3).fetch(0, 64)
    assert not torch.equal(batch["a"], batch["b"])
    assert space_seed(0, "a", "a") == 0 and 0 <= space_seed(0, "b", "a") < 2**63


@given(seeds, st.integers(0, 2**40), st.integers(1, 50), st.integers(0, 50), st.integers(0, 30))
def test_a_crop_depends_on_seed_and_position_alone(seed: int, position: int, count: int, skip: int, most: int) -> None:
    later = offsets(seed, position, count + skip, most)[skip:]
    assert later.tolist() == offsets(seed, position + skip, count, most).tolist()
    assert later.min() >= 0 and later.max() <= most


def test_crops_are_even_and_their_two_numbers_independent() -> None:
    corners = offsets(1, 0, 9000, 2)
    counts = np.bincount(corners[:, 0] * 3 + corners[:, 1], minlength=9)
    assert counts.min() > 880 and counts.max() < 1120


def test_sizes_that_are_no_multiples_cannot_be_cropped_alike(tmp_path: Path) -> None:
    sizes = {"small": (4, 4), "other": (6, 6)}
    columns = {name: np.zeros((3, *size, 1), np.uint8) for name, size in sizes.items()}
    packed = write_set(tmp_path / "data.h5", {"items": columns})
    Sampler(packed, 0, flip=True)
    with pytest.raises(
        ConfigError, match=r"data.jitter = 2 .*other \(6 x 6 pixels\) is no whole multiple of small"
    ) as e:
        Sampler(packed, 0, jitter=2)
    assert "\n" not in str(e.value)


def test_all_kinds_are_served_in_network_form(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    notes = rng.normal(size=(5, 4, 3)).astype(np.float32)
    caption = rng.integers(0, 9, (5, 7)).astype(np.int32)
    traits = rng.integers(0, 2, (5, 2), np.uint8)
    columns = {"notes": notes, "caption": caption, "traits": traits}
    packed = write_set(tmp_path / "data.h5", {"items": columns}, {"traits": ("x", "y")})
    for ram_limit in MEMORY:
        sampler = Sampler(packed, 0, ram_limit=ram_limit)
        batch, rows = sampler.fetch(2, 9), sampler.order("items", 2, 9)
        assert torch.equal(batch["notes"], torch.from_numpy(notes[rows]))
        assert batch["caption"].dtype == torch.int64 and batch["caption"].tolist() == caption[rows].tolist()
        assert batch["traits"].dtype == torch.float32 and batch["traits"].tolist() == traits[rows].tolist()


def numbered(path: Path, count: int, splits: dict[str, tuple[int, int]] | None = None) -> Packed:
    return write_set(path, {"items": {"label": np.arange(count)}}, splits=splits and {"items": splits})


@pytest.mark.parametrize(
    ("count", "splits", "kept", "left"),
    [
        (30, {"train": (0, 20), "valid": (20, 24), "test": (24, 30)}, range(24, 30), range(20)),
        (30, {"valid": (0, 4), "train": (4, 30)}, range(4), range(4, 30)),
        (30, {"train": (0, 28), "test": (28, 28), "valid": (28, 30)}, range(28, 30), range(28)),
        (30, None, range(23, 30), range(23)),
        (100, None, range(84, 100), range(84)),
        (200, None, range(180, 200), range(180)),
        (5, None, range(4, 5), range(4)),
        (20_500, None, range(19_500, 20_500), range(19_500)),
    ],
)
def test_rows_are_held_out_of_the_training_of_systems_that_are_given_some(
    tmp_path: Path, count: int, splits: dict[str, tuple[int, int]] | None, kept: range, left: range
) -> None:
    packed = numbered(tmp_path / "data.h5", count, splits)
    assert held_out(packed, "items") == kept and training_rows(packed, {"items"}) == {"items": left}
    assert training_rows(packed, set()) == {"items": packed.rows("train", "items")}
    assert set(kept).isdisjoint(left)


def test_only_the_spaces_that_are_given_lack_rows(unpaired: Packed, tmp_path: Path) -> None:
    assert training_rows(unpaired, {"a", "b"}) == {"a": range(14), "b": range(1, 11)}
    spaces = {"a": {"a": np.arange(20)}, "b": {"b": np.arange(30)}}
    packed = write_set(tmp_path / "data.h5", spaces)
    assert training_rows(packed, {"b"}) == {"a": range(20), "b": range(23)}
    shown = Sampler(packed, 0, rows=training_rows(packed, {"b"})).fetch(0, 300)
    assert set(shown["a"].tolist()) == set(range(20)) and set(shown["b"].tolist()) == set(range(23))


def test_no_row_to_learn_from_or_to_give_is_an_error(tmp_path: Path) -> None:
    packed = numbered(tmp_path / "data.h5", 3, {"train": (0, 0)})
    with pytest.raises(DataError, match="the split 'train' of the space 'items' has no rows"):
        held_out(packed, "items")
    single = numbered(tmp_path / "single.h5", 1)
    with pytest.raises(DataError, match="none is left to learn from"):
        Sampler(single, 0, rows=training_rows(single, {"items"}))


def test_given_rows_come_in_an_order_of_their_own_and_begin_again(unpaired: Packed) -> None:
    rows = GivenRows(unpaired)
    assert rows.count("a") == 3 and rows.count("b") == 1
    order = rows.numbers("a", 0, 3).tolist()
    assert sorted(order) == [14, 15, 16]
    assert rows.fetch("number_a", 0, 8).tolist() == [*order, *order, *order[:2]]
    assert rows.fetch("number_a", 5, 2).tolist() == [order[2], order[0]]
    assert rows.fetch("number_b", 2, 3).tolist() == [0, 0, 0]
    pictures = rows.fetch("a", 1, 2)
    assert pictures.shape == (2, 3, 6, 6) and pictures.dtype == torch.float32 and pictures.abs().max() <= 1
    wanted = torch.from_numpy(unpaired.read_rows("a", np.array(order[1:]))).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(pictures, wanted)
