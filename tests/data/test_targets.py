"""The row that an output should equal: in its own row, in an aligned split, among the counterparts in another class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from metrics.sets import column, write_set

from ganpipe.core.inputs import source_of
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.targets import ALIGNED, COUNTERPARTS, UNKNOWN, target_rows

PEOPLE, TONES = ("ann", "bob", "cyd"), ("light", "dark")


def images(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2, 1), np.uint8)


def labels(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def people(path: Path, extra: dict[str, str] | None = None) -> Packed:
    """Ann and Bob in both tones; Cyd in one."""
    columns = {
        "image": column(images(5)),
        "label": column(labels(0, 1, 1, 0, 0), "label", TONES),
        "person": column(labels(0, 0, 1, 1, 2), "label", PEOPLE),
    }
    told = {COUNTERPARTS: json.dumps(["person"])} if extra is None else extra
    return write_set(path, columns, {"train": (0, 0), "test": (0, 5)}, extra=told)


@pytest.mark.parametrize(
    ("field", "given", "source"),
    [("b", ["a"], "a"), ("a", ["a", "b"], "b"), ("b", ["a", "b"], "a"), ("image", ["image"], "image"), ("b", [], None)],
)
def test_the_source_is_another_field_where_there_is_one(field: str, given: list[str], source: str | None) -> None:
    assert source_of(field, given) == source


def test_in_one_space_the_target_is_in_the_same_row(tmp_path: Path) -> None:
    packed = write_set(tmp_path / "data.h5", {"a": column(images(4)), "b": column(images(4))})
    rows = labels(3, 1)
    assert target_rows(packed, "b", "a", rows, {}).tolist() == [3, 1]
    assert target_rows(packed, "b", "a", rows, {"label": labels(0, 0)}) is None, "another class was chosen"


def test_a_picture_sent_to_a_class_has_its_counterpart_as_target(tmp_path: Path) -> None:
    packed = people(tmp_path / "data.h5")
    rows = labels(0, 0, 2, 3, 4, 4)
    wanted = labels(0, 1, 0, 1, 0, 1)
    assert target_rows(packed, "image", "image", rows, {"label": wanted}).tolist() == [0, 1, 3, 2, 4, UNKNOWN]
    assert target_rows(packed, "image", "image", rows, {}) is None, "no class was chosen"
    other = people(tmp_path / "other.h5", {})
    assert target_rows(other, "image", "image", rows, {"label": wanted}) is None, "nothing says who is who"


def test_between_spaces_only_aligned_splits_have_targets(tmp_path: Path) -> None:
    columns = {"a": column(images(6), space="a"), "b": column(images(6), space="b")}
    splits = {"train": (0, 2), "test": (2, 6)}
    plain = write_set(tmp_path / "plain.h5", columns, splits)
    aligned = write_set(tmp_path / "aligned.h5", columns, splits, extra={ALIGNED: json.dumps(["test"])})
    assert target_rows(plain, "b", "a", labels(4, 2), {}) is None
    assert target_rows(aligned, "b", "a", labels(4, 2), {}).tolist() == [4, 2]
    assert target_rows(aligned, "b", "a", labels(1, 2), {}) is None, "row 1 is of the training split"


def test_given_rows_come_mixed_and_alike_in_spaces_of_equal_length(tmp_path: Path) -> None:
    columns = {"a": column(images(40), space="a"), "b": column(images(40), space="b")}
    packed = write_set(tmp_path / "data.h5", columns, {"train": (0, 10), "test": (10, 40)})
    given = GivenRows(packed)
    numbers = given.numbers("a", 0, 30)
    assert sorted(numbers) == list(range(10, 40)) != numbers.tolist()
    assert np.array_equal(numbers, given.numbers("b", 0, 30))
    assert np.array_equal(given.numbers("a", 28, 4), [*numbers[28:], *numbers[:2]])
    read = (given.fetch("a", 3, 5)[:, 0, 0, 0] + 1) * 127.5
    assert np.allclose(read, numbers[3:8], atol=1e-3)


def test_given_rows_know_their_own_class_and_what_is_wanted(tmp_path: Path) -> None:
    given = GivenRows(people(tmp_path / "data.h5"))
    rows = given.numbers("items", 0, 5)
    assert given.own("label", TONES, 0, 5).tolist() == [[0, 1, 1, 0, 0][row] for row in rows]
    wanted = given.wanted("image", "image", 0, 5, {"label": np.zeros(5, np.int64)})
    assert wanted is not None
    light = {0: 0, 1: 0, 2: 3, 3: 3, 4: 4}
    assert np.allclose((wanted[:, 0, 0, 0] + 1) * 127.5, [light[row] for row in rows], atol=1e-3)
    assert given.wanted("image", "image", 0, 5, {"label": np.ones(5, np.int64)}) is None, "cyd has no dark picture"


def test_attributes_of_their_own_are_those_that_are_asked_for(tmp_path: Path) -> None:
    attributes = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    columns = {"image": column(images(2)), "attributes": column(attributes, "attributes", ("hat", "tie", "bag"))}
    given = GivenRows(write_set(tmp_path / "data.h5", columns, {"train": (0, 0), "test": (0, 2)}))
    own = given.own("attributes", ("hat", "bag"), 0, 2)
    assert own.tolist() == attributes[given.numbers("items", 0, 2)][:, [0, 2]].tolist()
