"""What the scores need of the data is known before the training: the prediction is that of really scoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapes
from metrics.sets import column, write_samples, write_set
from miniatures import changed, miniature
from raw_files import encoded, picture, write_folder
from typer.testing import CliRunner

import stages.pack
from ganpipe import paths, recipes, systems
from ganpipe.cli import app
from ganpipe.config import Params, load_params
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, GanpipeError
from ganpipe.metrics import reference
from ganpipe.metrics.extractors import EXTRACTORS
from ganpipe.metrics.extractors.domain import DomainExtractor
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.rows_needed import missing_rows, require_rows
from ganpipe.metrics.stage import evaluate
from ganpipe.training.in_training_score import Scorer
from ganpipe.training.stage import train

SIDE = 16
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    Path(".dvc").mkdir()


def images(n: int, side: int = SIDE) -> np.ndarray:
    return RNG.integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def of_folder(neighbours: int = 5, extractor: str = "pixel", **sections: dict[str, Any]) -> Params:
    """A miniature experiment on pictures of one's own."""
    params = miniature(load_params(recipes.path_of("photos-dcgan")))
    evaluated = {"extractors": [extractor], "neighbours": neighbours}
    return changed(params, data={"name": "folder", "source": "mine", "size": SIDE}, evaluate=evaluated, **sections)


def packed(n: int, labels: list[int] | None = None, **splits: int) -> Packed:
    """Pack `n` pictures for training, and others of further splits."""
    columns = {"image": column(images(n + sum(splits.values())))}
    if labels is not None:
        columns["label"] = column(np.array(labels), "label", ("cat", "dog"))
    ends = {"train": (0, n)} | {name: (n, n + count) for name, count in splits.items()}
    return write_set(paths.PACKED_FILE, columns, ends, name="folder")


def scored(params: Params) -> str | None:
    """Score samples against the packed set without a look at the rows first; return what fails."""
    write_samples(paths.SAMPLES_FILE, {"image": column(images(params.sample.count))}, {"image": "image"})
    try:
        prepare_reference(params, paths.PACKED, paths.REFERENCE)
        evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)
    except (GanpipeError, ValueError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("neighbours", [1, 4, 5])
def test_the_prediction_is_what_happens(rows: int, neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    params = of_folder(neighbours)
    missing = missing_rows(params, packed(rows, test=20))
    monkeypatch.setattr(reference, "require_rows", lambda *_: None)
    assert (scored(params) is None) == (not missing) == (rows >= 2 * max(neighbours + 2, 5))


@pytest.mark.parametrize("rows", [1, 5, 10, 11, 13, 40])
def test_the_remedy_remedies(rows: int) -> None:
    sentence = "".join(missing_rows(of_folder(20), packed(rows)))
    assert "evaluate.neighbours = 20" in sentence and f"44 in all, and it has {rows} rows" in sentence
    if rows < 10:
        assert sentence.endswith("give at least 10 and set evaluate.neighbours: 3")
        assert not missing_rows(of_folder(3), packed(10))
    else:
        lower = rows // 2 - 2
        assert sentence.endswith(f"set evaluate.neighbours: {lower}, or give at least 44")
        assert not missing_rows(of_folder(lower), packed(rows)) and missing_rows(of_folder(lower + 1), packed(rows))
    assert not missing_rows(of_folder(20), packed(44))


@pytest.mark.parametrize("rows", [7, 8])
def test_vectors_of_the_pattern_need_no_neighbours(rows: int) -> None:
    params = miniature(load_params(recipes.path_of("pattern-1010")))
    write_set(paths.PACKED_FILE, {"vector": column(RNG.random((rows, 4), np.float32), "vector")}, name="pattern")
    found = missing_rows(params, Packed.open(paths.PACKED_FILE))
    assert len(found) == (rows < 8) and all("(evaluate.extractors: pattern), 8 in all" in one for one in found)


@pytest.mark.parametrize("cats", [0, 4, 5])
def test_classes_that_a_classifier_cannot_learn_are_named(cats: int) -> None:
    params = of_folder(extractor="domain")
    found = missing_rows(params, packed(30, [0] * cats + [1] * (30 - cats)))
    arguments = (images(30), np.array([0] * cats + [1] * (30 - cats)), ("cat", "dog"), 1, 0, 0.0)
    if cats == 5:
        DomainExtractor.fit(*arguments)
        assert not found
        return
    with pytest.raises(GanpipeError, match=f"class 'cat' has {cats} images, 5 are needed"):
        DomainExtractor.fit(*arguments)
    assert found == [
        f"evaluate.extractors: domain learns two classes or more from 5 rows of each in the split train, and 'cat' has "
        f"{cats}: use lite0, inception, dinov2, pixel, or give more"
    ]


def test_classes_that_are_only_tested_are_not_learnt() -> None:
    assert "'dog' has 0" in missing_rows(of_folder(extractor="domain"), packed(20, [0] * 20 + [1] * 9, test=9))[0]


def test_a_classifier_needs_labels_and_pictures_that_it_can_see() -> None:
    params = of_folder(extractor="domain")
    assert (
        "domain cannot look at folder: it needs labels beside `image`; use lite0" in missing_rows(params, packed(20))[0]
    )
    pictures = {"image": column(images(20, 15)), "label": column(np.arange(20) % 2, "label", ("cat", "dog"))}
    small = write_set(paths.PACKED_FILE, pictures, name="folder")
    assert missing_rows(params, small) == [
        "evaluate.extractors: domain needs images of at least 16 pixels a side, those of `image` are 15 x 15: raise "
        "data.size, or use lite0, inception, dinov2, pixel"
    ]
    with pytest.raises(GanpipeError, match="16 x 16 is the least"):
        DomainExtractor.fit(images(20, 15), np.arange(20) % 2, ("cat", "dog"), 1, 0, 0.0)


def test_a_classifier_that_comes_with_ganpipe_needs_no_rows_of_a_class() -> None:
    params = miniature(load_params(recipes.path_of("digits-dcgan")))
    digits = {
        "image": column(RNG.integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)),
        "label": column(np.arange(20) % 2, "label", tuple("0123456789")),
    }
    assert not missing_rows(params, write_set(paths.PACKED_FILE, digits, name="digits"))


def test_one_picture_has_no_covariance(tmp_path: Path) -> None:
    one = packed(1)
    params = of_folder(train={"evaluate_kimg": 0.05})
    assert any(
        "train.evaluate_kimg scores the generator against 2 rows or more" in said for said in missing_rows(params, one)
    )
    with pytest.raises(GanpipeError, match="at least 2 are needed"):
        Scorer(one, "image", 0, tmp_path).score(images(4))
    assert not any("evaluate_kimg" in said for said in missing_rows(params, packed(2)))


@pytest.fixture
def translating(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Params, Packed]]:
    """Return a function that packs pairs for a generator which makes one item of each held-out row."""
    monkeypatch.setattr(systems, "SYSTEMS", dict(systems.SYSTEMS))
    shapes.register()

    def made(n: int, **splits: int) -> tuple[Params, Packed]:
        columns = {name: column(images(n + sum(splits.values()), shapes.SIDE)) for name in "ab"}
        ends = {"train": (0, n)} | {name: (n, n + count) for name, count in splits.items()}
        return shapes.params_of("translation"), write_set(paths.PACKED_FILE, columns, ends, name="paired_folders")

    return made


@pytest.mark.parametrize(("rows", "tested", "fine"), [(20, 6, False), (20, 7, True), (27, 0, False), (28, 0, True)])
def test_held_out_rows_are_counted(
    rows: int, tested: int, fine: bool, translating: Callable[..., tuple[Params, Packed]]
) -> None:
    params, pairs = translating(rows, **({"test": tested} if tested else {}))
    found = missing_rows(changed(params, evaluate={"neighbours": 5}), pairs)
    assert (not found) == fine
    assert all("makes one item of each held-out row" in one and "evaluate.neighbours: 4" in one for one in found)


def test_an_only_pair_cannot_be_held_out_and_learnt(translating: Callable[..., tuple[Params, Packed]]) -> None:
    (sentence,) = missing_rows(*translating(1))
    assert "held out for samples, so none is left to learn from; give one more row, or a split test" in sentence


@pytest.mark.parametrize("count", [1, 10])
def test_few_pictures_pack_with_a_warning_and_are_refused_before_the_training(count: int) -> None:
    params = of_folder()
    paths.PARAMS.write_text(params.model_dump_json())
    write_folder(paths.RAW, {f"{n}.png": encoded(picture(20, 20, n), "PNG") for n in range(count)})
    done = CliRunner().invoke(stages.pack.app)
    assert done.exit_code == 0 and paths.PACKED_FILE.is_file() and paths.MANIFEST.is_file()
    warning = next(line for line in done.stderr.splitlines() if line.startswith("Warning: "))
    assert f"14 in all, and it has {count} rows" in warning and "set evaluate.neighbours: 3" in warning
    with pytest.raises(ConfigError, match="evaluate.neighbours: 3") as refused:
        train(params, "f", paths.PACKED, paths.DATA, paths.state_dir())
    assert "\n" not in str(refused.value) and not (paths.MODEL).exists()
    with pytest.raises(ConfigError, match="evaluate.neighbours: 3"):
        prepare_reference(params, paths.PACKED, paths.REFERENCE)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 2 and result.stderr.startswith("Error: ") and "evaluate.neighbours: 3" in result.stderr


def test_enough_pictures_are_not_mentioned(capfd: pytest.CaptureFixture[str]) -> None:
    params = of_folder()
    write_folder(paths.RAW, {f"{n}.png": encoded(picture(20, 20, n), "PNG") for n in range(14)})
    pack(params.data, paths.RAW, paths.PACKED, 1)
    require_rows(params, Packed.open(paths.PACKED_FILE))
    assert "Warning" not in capfd.readouterr().err


def test_all_needs_are_told_in_one_line() -> None:
    params = of_folder(extractor="domain", train={"evaluate_kimg": 0.05})
    with pytest.raises(ConfigError) as refused:
        require_rows(params, packed(1, [0]))
    told = str(refused.value)
    assert "\n" not in told and told.count("; also, ") == 2
    assert all(key in told for key in ("evaluate.neighbours", "evaluate.extractors", "train.evaluate_kimg"))


def test_the_table_says_which_extractors_have_such_needs() -> None:
    assert [name for name, entry in EXTRACTORS.items() if entry.fewest_of_class or not entry.neighbours] == [
        "domain",
        "pattern",
    ]
