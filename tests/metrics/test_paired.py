"""Paired scores by hand: of the output, of the mean image and of a copy of the input."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from metrics.sets import column, write_set

from ganpipe.data.packed.file import Packed
from ganpipe.metrics import paired
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.paired import paired_scores

SPLITS = {"train": (0, 2), "test": (2, 4)}


def flat(*levels: int, side: int = 2) -> np.ndarray:
    return np.tile(np.array(levels, np.uint8)[:, None, None, None], (1, side, side, 1))


@pytest.fixture
def data(tmp_path: Path) -> Packed:
    """Grey levels; the mean of the training split of `b` is 102."""
    columns = {
        "a": column(flat(0, 0, 51, 0)),
        "b": column(flat(51, 153, 102, 255)),
        "small": column(flat(1, 2, 3, 4, side=1)),
        "elsewhere": column(flat(0, 0, 0, 0), space="elsewhere"),
    }
    return write_set(tmp_path / "data.h5", columns, SPLITS)


def output(items: np.ndarray, field: str = "b", rows: tuple[int, ...] | None = (2, 3)) -> Output:
    return Output("made", field, items, None, None if rows is None else np.array(rows, np.int64))


def decibel(*errors: float) -> float:
    return float(np.mean([-20 * math.log10(error) for error in errors]))


def test_by_hand(data: Packed) -> None:
    made = flat(153, 204)  # targets 102 and 255
    assert paired_scores(data, output(made), ["a"]) == pytest.approx(
        {
            "l1": 0.2,
            "psnr": decibel(0.2, 0.2),
            "l1_mean_image": 0.3,  # 0 and 153 of 255
            "psnr_mean_image": (decibel(0.6) + 10 * math.log10(12 * 255**2)) / 2,
            "l1_copy": 0.6,  # 51 and 255 of 255
            "psnr_copy": decibel(0.2, 1.0),
        }
    )


def test_rows_decide_the_target(data: Packed) -> None:
    found = paired_scores(data, output(flat(255, 102), rows=(3, 2)), ["a"])
    assert found is not None and found["l1"] == 0
    assert found["psnr"] == pytest.approx(10 * math.log10(12 * 255**2)) == pytest.approx(58.92, abs=0.01)


def test_an_input_of_another_size_cannot_be_copied(data: Packed) -> None:
    found = paired_scores(data, output(flat(0, 0)), ["small"])
    assert found is not None and set(found) == {"l1", "psnr", "l1_mean_image", "psnr_mean_image"}
    both = paired_scores(data, output(flat(0, 0)), ["small", "a"])
    assert both is not None and both["l1_copy"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (output(flat(0, 0), rows=None), ["a"]),  # its input is not of this space
        (output(flat(0, 0)), []),
        (output(flat(0, 0)), ["b"]),  # its target would be its own input
        (output(flat(0, 0)), ["elsewhere"]),  # unpaired
    ],
)
def test_without_a_target_there_is_no_score(data: Packed, made: Output, given: list[str]) -> None:
    assert paired_scores(data, made, given) is None


def test_sequences_have_no_paired_score(tmp_path: Path) -> None:
    notes = np.zeros((4, 3, 2), np.float32)
    data = write_set(
        tmp_path / "notes.h5", {"low": column(notes, "sequence"), "high": column(notes, "sequence")}, SPLITS
    )
    assert paired_scores(data, output(notes[:2], "high"), ["low"]) is None


def test_parts_in_memory_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b, made = (rng.integers(0, 256, (30, 4, 4, 3), np.uint8) for _ in range(3))
    data = write_set(tmp_path / "data.h5", {"a": column(a), "b": column(b)})
    rows = tuple(range(30))
    whole = paired_scores(data, output(made, rows=rows), ["a"])
    monkeypatch.setattr(paired, "ROWS", 7)
    assert paired_scores(data, output(made, rows=rows), ["a"]) == pytest.approx(whole)
    expected = np.abs(made.astype(float) - b).mean() / 255
    assert whole is not None and whole["l1"] == pytest.approx(expected)
    mean = b.astype(float).mean(axis=0)
    assert whole["l1_mean_image"] == pytest.approx(np.abs(mean - b).mean() / 255)
