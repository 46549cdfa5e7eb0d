"""Sharpness, cycle error and what was kept, on pictures whose scores are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from metrics.sets import column, write_set

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.attributes import attribute_scores
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.translation import kept_labels, slope, translation_scores

CFG = Evaluate(extractors=("pixel",), extractor_epochs=3)
SIDE, TRAIN, TEST = 16, 200, 40
SHAPES = ("bar", "disc")


def drawn(shape: int, seed: int, level: int = 255) -> np.ndarray:
    """A bar or a disc at a random place."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE]
    at = rng.integers(6, 10, 2)
    inside = np.abs(across - at[1]) <= 1 if shape == 0 else (down - at[0]) ** 2 + (across - at[1]) ** 2 <= 25
    return (inside * level).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Bright shapes (a) and dark ones (b) in spaces of their own, each with its label, and a label of one class."""
    n = TRAIN + TEST
    kinds = np.arange(n) % 2
    a = np.stack([drawn(kind, number) for number, kind in enumerate(kinds)])
    b = np.stack([255 - drawn(kind, 1000 + number, 128) for number, kind in enumerate(kinds)])
    columns = {
        "a": column(a, space="a"),
        "a_shape": column(kinds, "label", SHAPES, space="a"),
        "a_other": column(np.zeros(n, np.int64), "label", ("x", "y"), space="a"),
        "b": column(b, space="b"),
        "b_shape": column(kinds, "label", SHAPES, space="b"),
    }
    path = tmp_path_factory.mktemp("shapes") / "data.h5"
    return write_set(path, columns, {"train": (0, TRAIN), "test": (TRAIN, n)})


def made(packed: Packed, items: np.ndarray, back: np.ndarray | None = None) -> Output:
    rows = np.arange(TRAIN, TRAIN + TEST)
    return Output("fake_b", "b", items, source="a", source_rows=rows, back=back)


def test_slopes_by_hand() -> None:
    picture = np.zeros((1, 3, 3, 1), np.uint8)
    picture[0, 1, 1] = 255  # of the four corners of slopes: (0, 0) none, (0, 1) down, (1, 0) right, (1, 1) both
    assert slope(picture) == pytest.approx((0 + 1 + 1 + math.sqrt(2)) / 4)
    assert slope(np.full((2, 4, 4, 3), 9, np.uint8)) == 0


def test_real_pictures_are_as_sharp_as_real_ones(shapes: Packed) -> None:
    real = shapes.slice("b", range(TRAIN, TRAIN + TEST))
    found = translation_scores(shapes, made(shapes, real), CFG)
    assert found is not None and found["sharpness"] == pytest.approx(1)
    assert found["sharpness_copy"] == pytest.approx(255 / 128, rel=0.1), "bright shapes are twice as steep"
    half = translation_scores(shapes, made(shapes, (255 - (255 - real) // 2).astype(np.uint8)), CFG)
    assert half is not None and half["sharpness"] == pytest.approx(0.5, abs=0.01)


def test_what_comes_back_is_compared_with_what_was_given(shapes: Packed) -> None:
    given = shapes.slice("a", range(TRAIN, TRAIN + TEST))
    assert "cycle_l1" not in (translation_scores(shapes, made(shapes, 255 - given), CFG) or {})
    same = translation_scores(shapes, made(shapes, 255 - given, given), CFG)
    apart = translation_scores(shapes, made(shapes, 255 - given, 255 - given), CFG)
    assert same is not None and apart is not None
    assert same["cycle_l1"] == 0 and apart["cycle_l1"] == 1


def test_a_classifier_sees_whether_the_class_was_kept(shapes: Packed) -> None:
    real = shapes.slice("b", range(TRAIN, TRAIN + TEST))
    kept = translation_scores(shapes, made(shapes, real), CFG)
    swapped = translation_scores(shapes, made(shapes, np.roll(real, 1, axis=0)), CFG)
    assert kept is not None and swapped is not None
    assert kept["kept_a_shape"] > 0.95 and kept["kept_a_shape_real"] > 0.95
    assert swapped["kept_a_shape"] < 0.05, "every output shows the other shape, as sharply as before"
    assert swapped["sharpness"] == kept["sharpness"]
    assert "kept_a_shape_copy" in kept and "kept_a_other" not in kept


def test_labels_are_kept_where_the_output_has_the_same_classes_and_none_was_chosen(shapes: Packed) -> None:
    output = made(shapes, shapes.slice("b", range(TEST)))
    assert list(kept_labels(shapes, output)) == [("a_shape", "b_shape")]
    own = Output("image", "a", output.items, {"a_shape": np.zeros(TEST, np.int64)}, source="a")
    assert list(kept_labels(shapes, own)) == [("a_other", "a_other")]


def test_a_label_that_no_classifier_can_learn_is_said(shapes: Packed, capsys: pytest.CaptureFixture[str]) -> None:
    given = shapes.slice("a", range(TRAIN, TRAIN + TEST))
    own = Output("image", "a", given, {"a_shape": np.zeros(TEST, np.int64)}, source="a")
    own = Output("image", "a", given, own.chosen, source="a", source_rows=np.arange(TRAIN, TRAIN + TEST))
    found = translation_scores(shapes, own, CFG)
    assert found is not None and not [name for name in found if name.startswith("kept")]
    said = capsys.readouterr()
    assert (
        "kept_a_other is not measured: no classifier can learn it: domain set: 1 classes, a classifier needs 2"
        in said.out + said.err
    )


def test_pictures_out_of_nothing_are_no_translation(shapes: Packed) -> None:
    items = shapes.slice("b", range(TEST))
    assert translation_scores(shapes, Output("image", "b", items), CFG) is None


@pytest.fixture(scope="module")
def hats(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Pictures with a bar on top or not, a bar below or not, and an attribute that all have."""
    n = TRAIN + TEST
    rng = np.random.default_rng(0)
    attributes = np.concatenate([rng.integers(0, 2, (n, 2)), np.ones((n, 1))], axis=1).astype(np.uint8)
    columns = {
        "image": column(with_bars(attributes)),
        "attributes": column(attributes, "attributes", ("top", "below", "all")),
    }
    path = tmp_path_factory.mktemp("hats") / "data.h5"
    return write_set(path, columns, {"train": (0, TRAIN), "test": (TRAIN, n)})


def with_bars(attributes: np.ndarray) -> np.ndarray:
    pictures = np.zeros((len(attributes), SIDE, SIDE, 1), np.uint8)
    pictures[:, 2:5] = 255 * attributes[:, 0, None, None, None]
    pictures[:, 11:14] = 255 * attributes[:, 1, None, None, None]
    return pictures


def test_attributes_asked_for_and_attributes_kept(hats: Packed) -> None:
    rows = np.arange(TRAIN, TRAIN + TEST)
    own = hats.read_rows("attributes", rows)
    asked = 1 - own[:, :1]
    right = with_bars(np.concatenate([asked, own[:, 1:]], axis=1))
    lost = with_bars(np.concatenate([asked, 1 - own[:, 1:]], axis=1))
    cfg = Evaluate(extractors=("pixel",), extractor_epochs=10)

    def scores(items: np.ndarray) -> dict[str, float]:
        output = Output("image", "image", items, {"attributes": asked}, source="image", source_rows=rows)
        found = attribute_scores(hats, output, "attributes", ("top",), cfg)
        assert found is not None
        return found

    good, bad = scores(right), scores(lost)
    assert good["attribute_accuracy"] > 0.95 and good["attribute_accuracy_copy"] < 0.05
    assert good["attributes_kept"] > 0.95 and good["attributes_kept_copy"] > 0.95
    assert bad["attribute_accuracy"] > 0.95 and bad["attributes_kept"] < 0.05
    assert good["attribute_accuracy_real"] > 0.95 and good["attribute_accuracy_lowest"] == good["attribute_accuracy"]


def test_attributes_of_pictures_out_of_noise_have_nothing_to_keep(hats: Packed) -> None:
    asked = hats.read_rows("attributes", np.arange(TEST))
    output = Output("image", "image", with_bars(asked), {"attributes": asked})
    found = attribute_scores(hats, output, "attributes", ("top", "below", "all"), CFG)
    assert found is not None and not [name for name in found if "kept" in name or "copy" in name]
    assert attribute_scores(hats, Output("image", "image", with_bars(asked)), "attributes", ("top",), CFG) is None


def test_an_attribute_that_all_have_cannot_be_learned(hats: Packed, capsys: pytest.CaptureFixture[str]) -> None:
    asked = hats.read_rows("attributes", np.arange(TEST))[:, 2:]
    output = Output("image", "image", hats.slice("image", range(TEST)), {"attributes": asked})
    assert attribute_scores(hats, output, "attributes", ("all",), CFG) is None
    said = capsys.readouterr()
    assert "attribute_accuracy is not measured: no chosen attribute is on and off often enough" in said.out + said.err


def test_words_of_the_scores_are_in_the_report() -> None:
    from ganpipe.report.scores import read_blocks

    content = {"translation": {"fake_b": {"kept_a_shape": 0.9, "kept_a_shape_real": 1.0, "kept_a_shape_copy": 0.2}}}
    (block,) = read_blocks(json.loads(json.dumps(content)))
    (score,) = block.scores
    assert (score.title, score.better, score.floor) == ("Kept: a_shape", "higher", 1.0)
    assert score.baselines == {"copy of the input": 0.2} and block.output == "fake_b"
