"""Paired scores by hand: of the output, of the mean image and of a copy of the input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from metrics.sets import column, write_set

from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.targets import COUNTERPARTS, target_rows
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


def output(items: np.ndarray, source: str = "a", field: str = "b", targets: tuple[int, ...] | None = (2, 3)) -> Output:
    rows = None if targets is None else np.array(targets, np.int64)
    return Output("made", field, items, source=source, source_rows=rows, targets=rows)


def decibel(*errors: float) -> float:
    return float(np.mean([-20 * math.log10(error) for error in errors]))


def test_by_hand(data: Packed) -> None:
    made = flat(153, 204)  # targets 102 and 255
    assert paired_scores(data, output(made)) == pytest.approx(
        {
            "l1": 0.2,
            "psnr": decibel(0.2, 0.2),
            "l1_differing": 0.2,
            "l1_mean_image": 0.3,  # 0 and 153 of 255
            "psnr_mean_image": (decibel(0.6) + 10 * math.log10(12 * 255**2)) / 2,
            "l1_differing_mean_image": 0.3,
            "l1_copy": 0.6,  # 51 and 255 of 255
            "psnr_copy": decibel(0.2, 1.0),
            "l1_differing_copy": 0.6,
            "differing_share": 1.0,
        }
    )


def test_only_pixels_that_had_to_change_count_as_differing(tmp_path: Path) -> None:
    given, target, made = (np.full((2, 2, 2, 3), 255, np.uint8) for _ in range(3))
    target[0, 0, 0] = (0, 255, 255)  # one of eight pixels differs, in one channel
    made[0, 0, 0] = (102, 255, 255)
    made[1, 1, 1] = 0  # wrong where nothing had to change
    data = write_set(tmp_path / "data.h5", {"a": column(given), "b": column(target)})
    found = paired_scores(data, output(made, targets=(0, 1)))
    assert found is not None and found["differing_share"] == 1 / 8
    assert found["l1_differing"] == pytest.approx(0.4 / 3)
    assert found["l1_differing_copy"] == pytest.approx(1 / 3)
    assert found["l1_copy"] == pytest.approx(1 / 3 / 8)
    assert found["l1"] == pytest.approx((0.4 / 3 + 1) / 8)


def test_where_input_and_target_are_equal_nothing_differs(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data.h5", {"a": column(flat(1, 2)), "b": column(flat(1, 2))})
    found = paired_scores(data, output(flat(1, 3), targets=(0, 1)))
    assert found is not None and not [name for name in found if "differing" in name]


def test_targets_that_are_not_known_do_not_count(data: Packed) -> None:
    found = paired_scores(data, output(flat(0, 102), targets=(-1, 2)))
    assert found is not None and found["l1"] == 0
    assert paired_scores(data, output(flat(0, 102), targets=(-1, -1))) is None


def test_targets_decide(data: Packed) -> None:
    found = paired_scores(data, output(flat(255, 102), targets=(3, 2)))
    assert found is not None and found["l1"] == 0
    assert found["psnr"] == pytest.approx(10 * math.log10(12 * 255**2)) == pytest.approx(58.92, abs=0.01)


def test_an_input_of_another_size_cannot_be_copied(data: Packed) -> None:
    found = paired_scores(data, output(flat(0, 0), source="small"))
    assert found is not None and set(found) == {"l1", "psnr", "l1_mean_image", "psnr_mean_image"}


def test_without_a_target_there_is_no_score(data: Packed) -> None:
    assert paired_scores(data, output(flat(0, 0), targets=None)) is None


def test_sequences_have_no_paired_score(tmp_path: Path) -> None:
    notes = np.zeros((4, 3, 2), np.float32)
    data = write_set(
        tmp_path / "notes.h5", {"low": column(notes, "sequence"), "high": column(notes, "sequence")}, SPLITS
    )
    assert paired_scores(data, output(notes[:2], "low", "high")) is None


def people(path: Path, persons: tuple[int, ...]) -> Packed:
    """Pictures in three tones: grey levels 0, 51 and 255."""
    tones = tuple(range(3)) * (len(persons) // 3)
    columns = {
        "image": column(flat(*((0, 51, 255)[tone] for tone in tones))),
        "label": column(np.array(tones, np.int64), "label", ("light", "medium", "dark")),
        "person": column(np.array(persons, np.int64), "label", ("ann", "bob")),
    }
    splits = {"train": (0, 3), "test": (3, 6)}
    return write_set(path, columns, splits, extra={COUNTERPARTS: json.dumps(["person"])})


def sent(packed: Packed, items: np.ndarray, rows: tuple[int, ...], asked: tuple[int, ...]) -> Output:
    given, chosen = np.array(rows, np.int64), {"label": np.array(asked, np.int64)}
    targets = target_rows(packed, "image", "image", given, chosen)
    return Output("image", "image", items, chosen, "label", "image", given, targets)


def test_the_nearest_counterpart_tells_the_class(tmp_path: Path) -> None:
    packed = people(tmp_path / "data.h5", (0, 0, 0, 1, 1, 1))
    made = sent(packed, flat(20, 30, 200, 140), rows=(3, 3, 4, 5), asked=(0, 1, 2, 2))
    scores = paired_scores(packed, made)
    assert scores is not None
    assert scores["nearest_label"] == 0.75, "20 is nearest to 0, 30 to 51, 200 to 255, and 140 to 51 instead of 255"
    assert scores["nearest_label_copy"] == 0.5, "two are asked for the class they have"
    alone = people(tmp_path / "alone.h5", (0, 0, 1, 1, 1, 1))
    known = paired_scores(alone, sent(alone, flat(0), rows=(1,), asked=(1,)))
    assert known is not None and "nearest_label" not in known, "not all counterparts are known"


def test_structural_similarity_is_that_of_the_paper(tmp_path: Path) -> None:
    """Wang et al. 2004, equation 13, at the middle of an image as large as the window: by hand."""
    rng = np.random.default_rng(0)
    b, made = (rng.integers(0, 256, (1, 11, 11, 1), np.uint8) for _ in range(2))
    data = write_set(tmp_path / "data.h5", {"a": column(b), "b": column(b)})
    found = paired_scores(data, output(made, targets=(0,)))
    equal = paired_scores(data, output(b, targets=(0,)))
    assert equal is not None and equal["ssim"] == 1 and equal["ssim_copy"] == 1
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = (one[0, ..., 0].astype(float) for one in (b, made))
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * x * x).sum() - mean_x**2, (window * y * y).sum() - mean_y**2
    together = (window * x * y).sum() - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * together + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    assert found is not None and found["ssim"] == pytest.approx(expected, rel=1e-9)


def test_parts_in_memory_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b, made = (rng.integers(0, 256, (30, 12, 12, 3), np.uint8) for _ in range(3))
    a[:, :6] = b[:, :6]
    data = write_set(tmp_path / "data.h5", {"a": column(a), "b": column(b)})
    rows = tuple(range(30))
    whole = paired_scores(data, output(made, targets=rows))
    monkeypatch.setattr(paired, "ROWS", 7)
    assert paired_scores(data, output(made, targets=rows)) == pytest.approx(whole)
    expected = np.abs(made.astype(float) - b).mean() / 255
    assert whole is not None and whole["l1"] == pytest.approx(expected)
    assert whole["differing_share"] == pytest.approx(0.5)
    assert whole["l1_differing"] == pytest.approx(np.abs(made.astype(float) - b)[:, 6:].mean() / 255)
    mean = b.astype(float).mean(axis=0)
    assert whole["l1_mean_image"] == pytest.approx(np.abs(mean - b).mean() / 255)
