"""Which rows a training learns from, and which ones are kept for a generator that makes its output from a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganpipe.core.spec import Field
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.splits import held_out, training_rows
from ganpipe.errors import DataError

ABOUT = About(name="toy", source="", licence="", citation="", transform="none")


def packed(folder: Path, **spaces: dict[str, int]) -> Packed:
    """Vectors that hold their own row number; lengths of splits by name, by space."""
    fields, rows = {}, {}
    for space, splits in spaces.items():
        ends = np.cumsum([0, *splits.values()]).tolist()
        fields[f"{space}_number"] = Field(kind="vector", shape=(1,), space=space)
        ranges = dict(zip(splits, zip(ends, ends[1:], strict=False), strict=True))
        numbers = np.arange(ends[-1], dtype=np.float32)[:, np.newaxis]
        rows[space] = SpaceRows(ends[-1], [{f"{space}_number": numbers}], ranges)
    write_packed(folder / "data.h5", ABOUT, fields, rows)
    return Packed.open(folder / "data.h5")


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": 50, "valid": 5, "test": 7}, range(55, 62)),
        ({"train": 50, "valid": 5}, range(50, 55)),
        ({"train": 50, "test": 0}, range(38, 50)),  # 12 of 50: a quarter
        ({"train": 100}, range(84, 100)),  # 16
        ({"train": 400}, range(360, 400)),  # a tenth
        ({"train": 20_000}, range(19_000, 20_000)),  # 1000
        ({"train": 3}, range(2, 3)),
    ],
)
def test_rows_are_held_out_of_the_best_split_there_is(tmp_path: Path, splits: dict[str, int], expected: range) -> None:
    assert held_out(packed(tmp_path, items=splits), "items") == expected


def test_a_set_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        held_out(packed(tmp_path, items={"train": 0}), "items")


def test_training_leaves_out_held_out_rows_of_the_spaces_that_are_given_and_only_those(tmp_path: Path) -> None:
    data = packed(tmp_path, a={"train": 40}, b={"train": 40}, c={"train": 40, "test": 5})
    assert training_rows(data, ()) == {"a": range(40), "b": range(40), "c": range(40)}
    given = training_rows(data, {"a", "c"})
    assert given == {"a": range(30), "b": range(40), "c": range(40)}
    assert not set(given["a"]) & set(held_out(data, "a"))


def test_given_rows_are_the_held_out_ones_and_come_again_from_the_first(tmp_path: Path) -> None:
    rows = GivenRows(packed(tmp_path, a={"train": 10, "test": 3}, b={"train": 10, "valid": 2}))
    assert (rows.count("a"), rows.count("b")) == (3, 2)
    order = rows.numbers("a", 0, 3).tolist()
    assert sorted(order) == [10, 11, 12]
    assert rows.fetch("a_number", 1, 5)[:, 0].tolist() == [*order[1:], *order]
    assert sorted(rows.fetch("b_number", 0, 2)[:, 0].tolist()) == [10, 11]
