"""Scores in between fall as the samples improve; the best generator can be published; a resume changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from metrics.sets import column, write_set
from miniatures import changed, miniature, train
from safetensors.torch import load_file

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError
from ganpipe.history.table import read_csv
from ganpipe.metrics.extractors.domain import CARD, WEIGHTS
from ganpipe.params import load
from ganpipe.training import checks
from ganpipe.training import in_training_score as scoring
from ganpipe.training import stage as run
from ganpipe.training.in_training_score import Scorer
from ganpipe.training.loop import Trainer


@pytest.fixture(autouse=True)
def few_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the classifier learn from fewer digits, in a moment, and few items be compared."""
    for name, number in {"LEARNED": 300, "EPOCHS": 2, "ITEMS": 200}.items():
        monkeypatch.setattr(scoring, name, number)


@pytest.fixture
def digits(workspace: Callable[[str], Params]) -> Params:
    return miniature(workspace("digits-dcgan"))


def evaluated(params: Params, **more: str) -> Params:
    return changed(params, train={"evaluate_kimg": params.train.kimg / 4, "log_kimg": params.train.kimg / 8, **more})


def test_digits_score_better_than_noisy_digits_and_those_than_noise(digits: Params, tmp_path) -> None:
    packed = Packed.open(paths.PACKED_FILE)
    scorer = Scorer(packed, "image", 0, tmp_path)
    assert scorer.count == scoring.ITEMS
    real = packed.slice("image")[::25]
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, real.shape, np.uint8)
    noisy = np.where(rng.random(real.shape) < 0.2, noise, real)
    scores = [scorer.score(items) for items in (real, noisy, noise)]
    assert scores[0] < 0.5
    assert scores[0] * 5 < scores[1] < scores[2]
    assert Scorer(packed, "image", 0, tmp_path).score(noisy) == scores[1], "the classifier is found again"


def test_the_unlabelled_are_compared_by_their_pixels_and_vectors_as_they_are(
    workspace: Callable[[str], Params], tmp_path
) -> None:
    workspace("pattern-1010")
    packed = Packed.open(paths.PACKED_FILE)
    real = packed.slice("vector")[:1000]
    scorer = Scorer(packed, "vector", 0, tmp_path)
    assert scorer.score(real) < 0.01 < scorer.score(1 - real)
    assert not list(tmp_path.glob("*.safetensors"))


def test_sequences_are_compared_by_their_values(tmp_path: Path) -> None:
    notes = np.random.default_rng(0).random((200, 5, 2), np.float32)
    packed = write_set(tmp_path / "data.h5", {"notes": column(notes, "sequence")})
    scorer = Scorer(packed, "notes", 0, tmp_path)
    assert scorer.count == 200
    assert scorer.score(notes) == pytest.approx(0, abs=1e-9)
    assert scorer.score(notes + 1) == pytest.approx(10)  # each of ten numbers is one further away


@pytest.mark.parametrize("damage", ["no card", "a card of nothing", "other weights"])
def test_a_classifier_that_was_not_kept_whole_is_learned_again(digits: Params, tmp_path: Path, damage: str) -> None:
    packed, folder = Packed.open(paths.PACKED_FILE), tmp_path / "kept"
    real = packed.slice("image")[: 2 * scoring.ITEMS]
    first = Scorer(packed, "image", 0, folder).score(real)
    card, weights = folder / CARD, folder / WEIGHTS
    whole = card.read_bytes(), weights.read_bytes()
    if damage == "no card":  # the training was killed after the weights were written
        card.unlink()
    elif damage == "a card of nothing":
        card.write_bytes(b"{}")
    else:
        weights.write_bytes(whole[1][:-1] + b"x")
    assert Scorer(packed, "image", 0, folder).score(real) == first
    assert (card.read_bytes(), weights.read_bytes()) == whole


def labelled(folder: Path, side: int, labels: list[int], classes: tuple[str, ...]) -> Packed:
    images = np.random.default_rng(0).integers(0, 256, (len(labels), side, side, 1), np.uint8)
    labels_beside = column(np.array(labels, np.int64), "label", classes)
    return write_set(folder / "toy.h5", {"image": column(images), "label": labels_beside})


@pytest.mark.parametrize(
    ("side", "labels", "classes", "why"),
    [
        (16, [0] * 40, ("a",), "1 classes"),
        (8, [0, 1] * 20, ("a", "b"), "images are (8, 8, 1)"),
        (16, [0] * 36 + [1] * 4, ("a", "b"), "class 'b' has 4 images"),
    ],
)
def test_what_no_classifier_can_learn_is_compared_by_pixels(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    side: int,
    labels: list[int],
    classes: tuple[str, ...],
    why: str,
) -> None:
    packed = labelled(tmp_path, side, labels, classes)
    scorer = Scorer(packed, "image", 0, tmp_path)
    real = packed.slice("image")
    assert scorer.score(real) == pytest.approx(0, abs=1e-6)
    assert scorer.score(255 - real // 2) > 0.1
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "compares pixels" in said and why in said


def test_what_scores_is_made_before_the_first_iteration_and_leaves_the_training_alone(
    digits: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at: list[int] = []
    plain = run._Run._scorer

    def seen(self: run._Run) -> Scorer | None:
        made_at.append(self.trainer.nimg)
        return plain(self)

    train(digits, "without")
    without = load_file(paths.MODEL / "generator.safetensors")
    monkeypatch.setattr(run._Run, "_scorer", seen)
    train(evaluated(digits), "with")
    assert made_at == [0]
    assert_equal(load_file(paths.MODEL / "generator.safetensors"), without)


def test_the_best_generator_is_kept_only_to_be_published(digits: Params) -> None:
    sizes = {}
    for publish in ("last", "best"):
        train(evaluated(digits, publish=publish), publish)
        folder = Path(".ganpipe/checkpoints") / publish
        state = torch.load(folder / "last.pt", weights_only=True)
        assert bool(state["best"]["weights"]) == (publish == "best")
        sizes[publish] = (folder / "last.pt").stat().st_size
    packed = Packed.open(paths.PACKED_FILE)
    foreseen = {}
    for publish in sizes:
        params = evaluated(digits, publish=publish)
        prepared = run.prepare(params, packed, torch.device("cpu"))
        trainer = Trainer(prepared.system, params.train, prepared.sampler.fetch)
        foreseen[publish] = checks.checkpoint_bytes(trainer)
    assert sizes["best"] - sizes["last"] == pytest.approx(foreseen["best"] - foreseen["last"], rel=0.3)


def test_a_row_per_evaluation_and_none_without(digits: Params) -> None:
    train(digits, "a")
    assert not any("fd" in row for row in read_csv(paths.HISTORY))
    train(evaluated(digits), "b")
    scored = [row["kimg"] for row in read_csv(paths.HISTORY) if "fd" in row]
    assert scored == pytest.approx([digits.train.kimg * part / 4 for part in (1, 2, 3, 4)])


def test_the_best_is_published(digits: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    params = evaluated(digits, publish="best")
    given = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(Scorer, "score", lambda self, items: next(given))
    train(params, "best")
    best = load_file(paths.MODEL / "generator.safetensors")
    half = changed(params, train={"kimg": params.train.kimg / 2, "publish": "last", "evaluate_kimg": None})
    train(half, "half")
    assert_equal(load_file(paths.MODEL / "generator.safetensors"), best)
    train(changed(params, train={"publish": "last", "evaluate_kimg": None}), "last")
    last = load_file(paths.MODEL / "generator.safetensors")
    assert any(not np.array_equal(last[name], best[name]) for name in best)


def assert_equal(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def test_a_training_that_stops_and_goes_on_publishes_the_same(digits: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    params = changed(evaluated(digits, publish="best"), runtime={"checkpoint_seconds": 1e-6})
    train(params, "straight")
    straight = (paths.MODEL / "generator.safetensors").read_bytes(), paths.HISTORY.read_bytes()
    evaluations = []
    plain = run._Run._evaluate

    def interrupted(self: run._Run, scorer: Scorer) -> dict[str, float]:
        evaluations.append(1)
        if len(evaluations) == 3:
            raise KeyboardInterrupt
        return plain(self, scorer)

    monkeypatch.setattr(run._Run, "_evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(params, "cut")
    train(params, "cut")
    assert ((paths.MODEL / "generator.safetensors").read_bytes(), paths.HISTORY.read_bytes()) == straight


def test_best_without_evaluations_is_refused(digits: Params) -> None:
    content = digits.model_dump(mode="json")
    content["train"] |= {"publish": "best", "evaluate_kimg": None}
    paths.PARAMS.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="publish best needs evaluate_kimg"):
        load()
