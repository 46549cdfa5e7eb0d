"""Extractors that come with ganpipe: whole, small, accurate, and used for the sets that they belong to."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from metrics.sets import column, write_set
from miniatures import changed
from safetensors.torch import load_file

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.spec import DataSpec, Field
from ganpipe.data.catalogue.sets import DATASETS
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.extractors.committed import WEIGHTS_FOLDER, committed_folder
from ganpipe.metrics.extractors.domain import CARD, WEIGHTS, DomainExtractor
from ganpipe.metrics.reference import load_reference, prepare_reference

IDENTITIES = {"digits": "lenet84@9c90933b", "fashion-mnist": "lenet84@61be05cb"}
CLASSES = {
    "digits": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip
SETS = {"digits": "digits", "mnist": "digits", "fashion-mnist": "fashion-mnist"}


def spec(name: str, classes: tuple[str, ...], shape: tuple[int, ...] = (1, 28, 28), space: str = "items") -> DataSpec:
    image = Field(kind="image", shape=shape)
    return DataSpec(
        name=name, fields={"image": image, "label": Field(kind="label", shape=(), names=classes, space=space)}
    )


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_files_are_small_and_are_what_their_card_says(name: str) -> None:
    folder = WEIGHTS_FOLDER / name
    content = (folder / WEIGHTS).read_bytes()
    extractor = DomainExtractor.load(folder)
    assert len(content) <= 400_000
    assert extractor.card.sha256 == hashlib.sha256(content).hexdigest()
    assert extractor.identity == IDENTITIES[name]
    assert extractor.card.shape == (28, 28, 1) and extractor.card.classes == CLASSES[name]
    assert {value.dtype for value in load_file(folder / WEIGHTS).values()} == {torch.float16}


def test_no_other_file_is_committed() -> None:
    assert sorted(path.name for path in WEIGHTS_FOLDER.iterdir()) == sorted(IDENTITIES)
    assert {path.name for path in WEIGHTS_FOLDER.glob("*/*")} == {CARD, WEIGHTS}


def test_they_reach_the_accuracy_that_their_recipes_ask_for(digits) -> None:
    extractor = DomainExtractor.load(WEIGHTS_FOLDER / "digits")
    found = extractor.extract(digits.images)
    assert np.mean(found.probabilities.argmax(axis=1) == digits.labels) >= extractor.card.accuracy - 0.005
    assert extractor.card.accuracy >= 0.97
    assert np.sqrt(np.mean(found.features**2)) == pytest.approx(1, abs=0.05)
    assert DomainExtractor.load(WEIGHTS_FOLDER / "fashion-mnist").card.accuracy >= 0.88


@pytest.mark.parametrize("name", SETS)
def test_each_set_has_its_own(name: str) -> None:
    classes = DATASETS[name].fields["label"].names
    assert classes == CLASSES[SETS[name]]
    assert committed_folder(spec(name, classes), "image") == WEIGHTS_FOLDER / SETS[name]


@pytest.mark.parametrize(
    "other",
    [
        spec("digits", CLASSES["digits"], (1, 32, 32)),
        spec("mnist", CLASSES["digits"], (3, 28, 28)),
        spec("folder", CLASSES["digits"]),
        spec("digits", ("even", "odd")),
        spec("digits", CLASSES["digits"], space="elsewhere"),
    ],
    ids=["another size", "colour", "another set", "other classes", "no labels beside"],
)
def test_other_data_has_none(other: DataSpec) -> None:
    assert committed_folder(other, "image") is None


def test_features_are_those_of_any_process(digits) -> None:
    """One thread or several, this process or another: the same identity, the same numbers up to rounding."""
    code = (
        "import sys, numpy as np, torch; torch.set_num_threads(2)\n"
        "from ganpipe.metrics.extractors.committed import WEIGHTS_FOLDER\n"
        "from ganpipe.metrics.extractors.domain import DomainExtractor\n"
        "one = DomainExtractor.load(WEIGHTS_FOLDER / 'digits')\n"
        "images = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, 28, 28, 1)\n"
        "print(one.identity, repr(float(one.extract(images).features.sum())))"
    )
    images = digits.images[:50]
    run = subprocess.run([sys.executable, "-c", code], input=images.tobytes(), capture_output=True, check=True)
    identity, total = run.stdout.decode().split()
    here = DomainExtractor.load(WEIGHTS_FOLDER / "digits")
    assert identity == here.identity
    assert float(total) == pytest.approx(here.extract(images).features.sum(), abs=1e-3)


@pytest.fixture
def impatient(workspace: Callable[[str], Params]) -> Params:
    """Digits with settings that no classifier could satisfy: whatever is trained fails."""
    return changed(workspace("digits-mlp"), evaluate={"extractor_epochs": 1, "extractor_accuracy": 1.0})


def test_the_pipeline_uses_them_and_says_so(impatient: Params, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_reference(impatient, paths.PACKED, paths.REFERENCE)
    said = capsys.readouterr().out
    assert said == (
        "domain: uses lenet84@9c90933b, which comes with ganpipe for digits; evaluate.extractor_epochs and "
        "evaluate.extractor_accuracy do not apply\n"
    )
    found = load_reference(paths.REFERENCE, "domain", Packed.open(paths.PACKED_FILE), "image", 0)
    assert found.extractor.identity == "lenet84@9c90933b"
    assert [path.name for path in (paths.REFERENCE / "domain").iterdir()] == ["features.safetensors"]


def test_the_same_digits_of_another_size_train_their_own(impatient: Params) -> None:
    packed = Packed.open(paths.PACKED_FILE)
    large = np.pad(packed.slice("image")[::10], ((0, 0), (2, 2), (2, 2), (0, 0)))
    columns = {"image": column(large), "label": column(packed.slice("label")[::10], "label", CLASSES["digits"])}
    write_set(paths.PACKED_FILE, columns, name="digits")
    params = changed(impatient, evaluate={"extractor_accuracy": 0.1})
    prepare_reference(params, paths.PACKED, paths.REFERENCE)
    found = load_reference(paths.REFERENCE, "domain", Packed.open(paths.PACKED_FILE), "image", 0)
    assert found.extractor.identity not in IDENTITIES.values()
    assert DomainExtractor.load(paths.REFERENCE / "domain").identity == found.extractor.identity
