"""The evaluate stage: its protocol, on known samples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import flip
from metrics.sets import column, write_samples, write_set
from miniatures import changed, smaller

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError, MetricError
from ganpipe.metrics import reference, stage
from ganpipe.metrics.reference import Reference, load_reference
from ganpipe.metrics.score import rounded

CLASSES = tuple("0123456789")


def evaluate(params: Params) -> None:
    stage.evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)


def prepare_reference(params: Params) -> None:
    reference.prepare_reference(params, paths.PACKED, paths.REFERENCE)


def loaded(name: str, field: str = "image") -> Reference:
    return load_reference(paths.REFERENCE, name, Packed.open(paths.PACKED_FILE), field, 0)


def real(field: str = "image") -> np.ndarray:
    return Packed.open(paths.PACKED_FILE).slice(field)


def write_images(images: np.ndarray, labels: np.ndarray | None = None, classes: tuple[str, ...] = CLASSES) -> None:
    beside = {} if labels is None else {"label": column(labels, "label", classes)}
    write_samples(paths.SAMPLES_FILE, {"image": column(images), **beside}, {"image": "image"})


def scores() -> dict[str, Any]:
    return json.loads(paths.METRICS.read_text())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data/reference of the digits is kept between tests."""
    return tmp_path_factory.mktemp("prepared") / "reference"


@pytest.fixture
def use_digits(workspace: Callable[[str], Params], prepared: Path) -> Callable[[str], Params]:
    """Return a function that makes a workspace of a recipe for digits, with their reference and narrow networks."""

    def use(recipe: str) -> Params:
        params = workspace(recipe)
        params = changed(params, system=smaller(params.system.options))
        if prepared.exists():
            shutil.copytree(prepared, paths.REFERENCE)
        else:
            prepare_reference(params)
            shutil.copytree(paths.REFERENCE, prepared)
        return params

    return use


@pytest.fixture
def digits(use_digits: Callable[[str], Params]) -> Params:
    return use_digits("digits-mlp")


def test_real_digits_as_samples_score_like_the_floor_and_broken_ones_do_not(digits: Params) -> None:
    images = real()
    write_images(images[np.random.default_rng(7).permutation(5000)[:1000]])
    evaluate(digits)
    found = scores()
    assert (found["n_real"], found["n_fake"]) == (1000, 1000)
    domain = found["domain"]
    assert domain["extractor"] == "lenet84@9c90933b"
    assert 0.5 < domain["fd_ratio"] < 2
    assert domain["fd_ratio"] == pytest.approx(domain["fd"] / domain["fd_floor"], rel=1e-5)
    assert domain["classes_covered"] == domain["classes"] == 10
    assert domain["class_tv"] < 0.08
    assert min(domain["precision"], domain["recall"], domain["coverage"]) > 0.85
    assert domain["fd_untrained"] > 100 * domain["fd"]

    write_images(images[real("label") < 3][::2])
    evaluate(digits)
    three = scores()["domain"]
    assert three["classes_covered"] == 3
    assert three["class_tv"] == pytest.approx(0.7, abs=0.05)
    assert three["fd"] > 20 * domain["fd"]
    assert three["recall"] < 0.5
    assert "shares_by_class" not in three
    header, *rows = (line.split(",") for line in paths.PER_CLASS.read_text().splitlines())
    assert header[:3] == ["class", "real_share", "fake_share"] and [row[0] for row in rows] == list("0123456789")
    real_shares, fake_shares = ([float(row[column]) for row in rows] for column in (1, 2))
    assert real_shares == [0.1] * 10
    assert sum(abs(r - f) for r, f in zip(real_shares, fake_shares, strict=True)) / 2 == pytest.approx(
        three["class_tv"], rel=1e-4
    )


def test_the_same_samples_give_the_same_bytes_and_every_float_is_rounded(digits: Params) -> None:
    write_images(real()[::10])
    evaluate(digits)
    first = paths.METRICS.read_bytes()
    evaluate(digits)
    assert paths.METRICS.read_bytes() == first
    values = scores()["domain"]
    assert rounded(values) == values
    assert list(scores()) == sorted(scores())


def test_halves_do_not_overlap_and_the_floor_is_between_them(digits: Params) -> None:
    found = loaded("domain")
    assert found.half_a.shape == found.half_b.shape == (2500, 84)
    both = np.concatenate([found.half_a, found.half_b])
    assert len(np.unique(both.round(9), axis=0)) == 5000


def test_constant_or_wrong_samples_are_refused_and_nothing_is_written(digits: Params) -> None:
    write_images(np.zeros((100, 28, 28, 1), np.uint8))
    with pytest.raises(MetricError, match="same picture"):
        evaluate(digits)
    write_images(np.zeros((100, 32, 32, 1), np.uint8))
    with pytest.raises(
        MetricError,
        match="output image holds images of 1 x 32 x 32, but `image` of the real data holds .* run `dvc repro sample`",
    ):
        evaluate(digits)
    write_images(real()[:5])
    with pytest.raises(MetricError, match="at least 7"):
        evaluate(digits)
    assert not paths.METRICS.exists()


def test_the_domain_extractor_asks_for_labels(workspace: Callable[[str], Params]) -> None:
    params = changed(workspace("pattern-1010"), evaluate={"extractors": ["domain"]})
    with pytest.raises(
        ConfigError,
        match="domain cannot look at pattern: it looks at images, but `vector` holds vectors of 4; use pattern, values",
    ):
        prepare_reference(params)
    assert not paths.REFERENCE.exists()


def test_the_pattern_is_scored_by_its_valid_share(workspace: Callable[[str], Params]) -> None:
    params = workspace("pattern-1010")
    prepare_reference(params)
    good = np.tile(np.array([0.9, 0.1, 0.9, 0.1], np.float32), (200, 1))
    good[:50, 0] = 0.5
    write_samples(paths.SAMPLES_FILE, {"vector": column(good, "vector")}, {"vector": "vector"})
    evaluate(params)
    found = scores()["pattern"]
    assert found["valid_share"] == 0.75
    assert found["valid_share_untrained"] == 0
    assert found["fd"] > found["fd_floor"]


def test_an_extractor_without_a_reference_says_what_to_run(digits: Params) -> None:
    write_images(real()[::10])
    with pytest.raises(MetricError, match="run `dvc repro reference`"):
        evaluate(changed(digits, evaluate={"extractors": ["domain", "pixel"]}))
    assert not paths.METRICS.exists()


def test_samples_of_the_class_asked_for_are_told_from_others(
    use_digits: Callable[[str], Params], capsys: pytest.CaptureFixture[str]
) -> None:
    params = changed(use_digits("digits-cgan"), evaluate={"extractor_epochs": 2})  # of a classifier of the samples
    images, labels = real()[::5], real("label")[::5]
    write_images(images, labels)
    evaluate(params)
    good = scores()["domain"]
    assert good["classification_accuracy"] > 0.5
    assert good["conditional_accuracy"] > 0.95
    assert good["conditional_accuracy_real"] == pytest.approx(good["conditional_accuracy"], abs=0.04)
    assert good["conditional_accuracy_by_class"].keys() == set("0123456789")
    assert np.mean(list(good["conditional_accuracy_by_class"].values())) == pytest.approx(
        good["conditional_accuracy"], abs=0.01
    )
    assert good["conditional_accuracy_untrained"] < 0.3
    assert "of the class asked for (real data: " in capsys.readouterr().out

    swapped = labels.copy()
    swapped[labels == 3] = 7
    write_images(images, swapped)
    evaluate(params)
    bad = scores()["domain"]
    assert "3" not in bad["conditional_accuracy_by_class"]
    assert bad["conditional_accuracy_by_class"]["7"] == pytest.approx(0.5, abs=0.05)
    assert bad["conditional_accuracy"] == pytest.approx(good["conditional_accuracy"] - 0.1, abs=0.02)
    assert bad["fd"] == good["fd"]


def test_samples_that_were_asked_for_nothing_have_no_conditional_accuracy(digits: Params) -> None:
    write_images(real()[::5])
    evaluate(digits)
    assert not [name for name in scores()["domain"] if name.startswith("conditional")]


def test_samples_of_other_classes_are_refused(digits: Params) -> None:
    write_images(real()[::5], np.zeros(1000, np.int64), classes=("a", "b"))
    with pytest.raises(MetricError, match="`label` was chosen among other names than the real data has: run"):
        evaluate(digits)
    assert not paths.METRICS.exists()


def test_colour_crops_are_scored_by_lite0(
    workspace: Callable[[str], Params], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = workspace("photos-dcgan")
    monkeypatch.setattr(reference, "LARGEST_HALF", 24)
    prepare_reference(params)
    found = loaded("lite0")
    assert found.half_a.shape == found.half_b.shape == (24, 1280)
    images = real()[np.random.default_rng(7).permutation(4292)[:40]]
    write_images(images)
    evaluate(params)
    assert scores()["n_fake"] == scores()["n_real"] == 24
    good = scores()["lite0"]
    assert good["extractor"] == "lite0@57934424" and {"fd", "fd_floor", "cs", "kd_x1000", "coverage"} < good.keys()
    assert not {"fid", "kid_x1000", "is_mean", "classes_covered"} & good.keys()
    assert 0.5 < good["fd_ratio"] < 1.5 < good["fd_untrained"] / good["fd"]
    assert "Note: lite0: 24 samples are few for 1280 features" in capsys.readouterr().out
    write_images(images // 64 * 64)
    evaluate(params)
    assert scores()["lite0"]["fd"] > good["fd"]


def test_features_of_another_extractor_are_refused(digits: Params) -> None:
    write_images(real()[::10])
    prepare_reference(changed(digits, evaluate={"extractors": ["pixel"]}))
    features = (paths.REFERENCE / "pixel" / reference.FEATURES).read_bytes()
    (paths.REFERENCE / "domain" / reference.FEATURES).write_bytes(features)
    with pytest.raises(MetricError, match="with extractor pixel1024, but it is lenet84@.*run `dvc repro"):
        evaluate(digits)
    assert not paths.METRICS.exists()


def test_the_features_of_real_data_are_the_same_bytes_every_time(digits: Params) -> None:
    params = changed(digits, evaluate={"extractors": ["pixel"]})
    found = set()
    for _ in range(4):
        prepare_reference(params)
        found.add((paths.REFERENCE / "pixel" / reference.FEATURES).read_bytes())
    assert len(found) == 1


def test_damaged_features_are_refused(digits: Params) -> None:
    prepare_reference(changed(digits, evaluate={"extractors": ["pixel"]}))
    path = paths.REFERENCE / "pixel" / reference.FEATURES
    whole = path.read_bytes()
    for place in (3, 10, 40, 100, len(whole) // 3, len(whole) - 2):
        flip(path, place)
        with pytest.raises(MetricError, match=rf"^{path}: damaged \(.*; run `dvc repro --force --single-item"):
            loaded("pixel")
        path.write_bytes(whole)
    path.write_bytes(whole[:-5])
    with pytest.raises(MetricError, match=f"^{path}: damaged"):
        loaded("pixel")


def test_packed_data_that_was_damaged_since_is_not_compared_with(digits: Params) -> None:
    params = changed(digits, evaluate={"extractors": ["pixel"]})
    write_images(real()[::10])
    flip(paths.PACKED_FILE, paths.PACKED_FILE.stat().st_size // 2)
    with pytest.raises(DataError, match=r"data.h5: damaged: its rows do not give its content_sha256"):
        evaluate(params)


def test_features_of_other_data_or_halves_are_refused(digits: Params) -> None:
    params = changed(digits, evaluate={"extractors": ["pixel"]})
    prepare_reference(params)
    images = real()
    write_images(images[::10])
    with pytest.raises(MetricError, match="made with evaluate.seed 0, but it is 1 now; run `dvc repro --force"):
        evaluate(changed(params, evaluate={"seed": 1}))
    write_set(paths.PACKED_FILE, {"image": column(255 - images)}, name="digits")
    with pytest.raises(MetricError, match="pixel: features of the real data were made with data [0-9a-f]{64}, but it"):
        evaluate(params)
    assert not paths.METRICS.exists()


def test_copies_of_any_training_image_are_found_and_new_images_are_not(digits: Params) -> None:
    params = changed(digits, evaluate={"extractors": ["pixel"]})
    images = real()
    rng = np.random.default_rng(0)
    copies = images[rng.permutation(5000)[:300]].astype(int) + rng.integers(-3, 4, (300, 28, 28, 1))
    prepare_reference(params)
    write_images(copies.clip(0, 255).astype(np.uint8))
    evaluate(params)
    assert scores()["pixel"]["memorised_share"] == 1
    assert scores()["pixel"]["memorised_share_floor"] < 0.1
    write_images(np.roll(images[::17], 2, axis=2))  # moved, so that they are no training images
    evaluate(params)
    assert scores()["pixel"]["memorised_share"] < 0.1
