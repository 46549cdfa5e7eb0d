"""Scores of pictures drawn from texts: right and wrong pictures, in splits of their own."""

from __future__ import annotations

import numpy as np
import pytest
from packed_texts import write_captioned

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.texts import Matcher, diversity_of_one, text_scores, vectors_of
from ganpipe.pretrained.encoders import RandomEncoder

CFG = Evaluate(extractors=("pixel",), extractor_epochs=6)
SPLITS = {"train": 240, "valid": 30, "test": 30}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return write_captioned(tmp_path_factory.mktemp("set"), SPLITS, side=16)


def drawn(packed: Packed, shift: int) -> Output:
    """For every row the real picture `shift` rows further on, with noise; each row twice."""
    rows = np.repeat(np.arange(300), 2)
    noise = np.random.default_rng(1).integers(-20, 20, (600, 16, 16, 3))
    items = packed.read_rows("image", (rows + shift) % 300).astype(int) + noise
    return Output("image", "image", items.clip(0, 255).astype(np.uint8), source="caption", source_rows=rows)


def test_right_pictures_pass_and_wrong_ones_do_not(packed: Packed) -> None:
    right, wrong = (text_scores(packed, drawn(packed, shift), CFG) for shift in (0, 1))
    assert right is not None and wrong is not None and right.keys() == wrong.keys()
    names = {f"{score}_{split}" for score in ("label", "fd", "r_precision", "diversity") for split in SPLITS}
    assert right.keys() == names | {"label_real", "r_precision_real", "r_precision_chance"}
    assert right["r_precision_chance"] == 1 / 100 and right["label_real"] > 0.95
    for split in SPLITS:
        assert right[f"label_{split}"] > 0.95 and wrong[f"label_{split}"] < 0.05
        assert right[f"fd_{split}"] < wrong[f"fd_{split}"] + 1
        assert 0 < right[f"diversity_{split}"] < 0.6
    assert right["r_precision_train"] > 2 * max(0.01, wrong["r_precision_train"])


def test_outputs_that_are_not_drawn_from_texts_have_no_such_scores(packed: Packed) -> None:
    output = drawn(packed, 0)
    assert text_scores(packed, Output("image", "image", output.items), CFG) is None
    given = Output("image", "image", output.items, source="image", source_rows=output.source_rows)
    assert text_scores(packed, given, CFG) is None


def test_diversity_by_hand() -> None:
    items = np.array([0, 10, 100, 140], np.uint8).reshape(4, 1, 1, 1)
    rows = np.array([7, 7, 2, 2])
    assert diversity_of_one(items, rows) == pytest.approx((10 + 40) / 2 / 100)  # 100 and 0 are the first of each row
    assert diversity_of_one(items[[0, 2, 1, 3]], rows[[0, 2, 1, 3]]) == pytest.approx(0.25)
    assert diversity_of_one(items, np.arange(4)) is None and diversity_of_one(items, np.zeros(4, int)) is None
    assert diversity_of_one(np.zeros_like(items), rows) is None


def test_texts_have_vectors_of_length_one_that_are_apart() -> None:
    features = RandomEncoder(0).encode([f"a {word} thing" for word in ("red", "blue", "green", "small")])[0].numpy()
    vectors = vectors_of(features)
    assert vectors.shape == (4, 3) and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors @ vectors.T, np.eye(4) * 4 / 3 - 1 / 3, atol=1e-5)  # corners of a tetrahedron


def test_a_judge_that_has_learned_nothing_guesses(packed: Packed) -> None:
    matcher = Matcher(packed, "image", "caption", CFG.model_copy(update={"extractor_epochs": 1}))
    noise = np.random.default_rng(0).integers(0, 256, (600, 16, 16, 3)).astype(np.uint8)
    assert matcher.matched(noise, np.repeat(np.arange(300), 2)).mean() < 0.05
