"""The published generator: three lines from a notebook, and what a damaged one says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conditional import TABLE_LINE, obedient
from miniatures import miniature
from safetensors import safe_open

import ganpipe
from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.errors import CheckpointError
from ganpipe.sampling.published import Generator, publish_generator
from ganpipe.training.stage import train


@pytest.fixture
def model(workspace: Callable[[str], Params]) -> Path:
    train(miniature(workspace("digits-mlp")), "fingerprint")
    return paths.MODEL


def test_three_lines_from_a_notebook(model: Path) -> None:
    generator = ganpipe.load_generator(model)
    images = generator.sample(16, seed=0)
    assert images.shape == (16, 28, 28, 1)
    assert images.dtype == np.uint8
    assert np.array_equal(images, ganpipe.load_generator(model / "generator.safetensors").sample(16, seed=0))
    assert np.array_equal(images[:3], generator.sample(3))
    assert not np.array_equal(images, generator.sample(16, seed=1))
    assert generator.data.classes == tuple("0123456789")


def test_it_describes_itself_completely_and_holds_only_the_generator(model: Path) -> None:
    description = json.loads((model / "generator.json").read_text())
    assert description["system"]["name"] == "mlp_gan"
    assert description["system"]["latent"] == 96
    assert description["data"]["shape"] == [1, 28, 28]
    assert description["train_fingerprint"] == "fingerprint"
    system = ganpipe.load_generator(model).system
    assert not hasattr(system, "discriminator")
    assert not any(parameter.requires_grad for parameter in system.parameters())


def test_it_is_what_training_averaged(model: Path) -> None:
    """The last preview was drawn from the same weights with the training's seed."""
    from ganpipe.pictures import save_png, sheet

    last = sorted(paths.PREVIEWS.iterdir())[-1]
    save_png(sheet(ganpipe.load_generator(model).sample(64, seed=0)), Path("again.png"))
    assert Path("again.png").read_bytes() == last.read_bytes()


def test_damage_is_named(model: Path) -> None:
    weights, description = model / "generator.safetensors", model / "generator.json"
    good_weights, good_description = weights.read_bytes(), description.read_text()
    cases = [
        (weights, good_weights[:-1], "damaged, or not the weights"),
        (weights, None, "generator.safetensors: no such file; run `dvc repro train`"),
        (description, b"{", "not the description of a generator"),
        (description, b"{}", "not of format 'ganpipe/generator/1'"),
        (description, None, "generator.json: no such file"),
    ]
    for path, content, message in cases:
        weights.write_bytes(good_weights)
        description.write_text(good_description)
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            ganpipe.load_generator(model)


def test_less_than_one_sample_is_refused(model: Path) -> None:
    with pytest.raises(ValueError, match="n = 0"):
        ganpipe.load_generator(model).sample(0)


@pytest.fixture
def conditional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Generator]:
    """Return a function that publishes an obedient generator and loads it."""
    monkeypatch.setitem(systems.SYSTEMS, *TABLE_LINE)

    def load(on: str) -> Generator:
        publish_generator(obedient(on), tmp_path, "fingerprint")
        return ganpipe.load_generator(tmp_path)

    return load


def test_a_conditional_generator_draws_the_class_it_is_asked_for(conditional: Callable[[str], Generator]) -> None:
    generator = conditional("label")
    foxes = generator.sample(70, seed=3, label="fox")
    assert (foxes[:, 2] == 255).all()
    assert (foxes[:, :2] == 0).all()
    for two in (2, np.int64(2), np.uint8(2)):
        assert np.array_equal(foxes, generator.sample(70, seed=3, label=two))
    free = generator.sample(70, seed=3)
    assert np.array_equal(free[:, 7], foxes[:, 7]), "the same noise"
    assert all((free[:, row] == 255).any() for row in range(3))


@pytest.mark.parametrize("label", ["cow", 3, -1, True, np.int64(3)])
def test_an_unknown_class_is_refused(label: int | str, conditional: Callable[[str], Generator]) -> None:
    said = f"label = {label!r} is unknown; the classes 0..2 are cat, dog, fox"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        conditional("label").sample(1, label=label)


def test_only_a_generator_that_takes_labels_is_asked_for_one(
    model: Path, conditional: Callable[[str], Generator]
) -> None:
    with pytest.raises(ValueError, match=r"label = 3: this generator takes no label \(MLPGAN\)"):
        ganpipe.load_generator(model).sample(1, label=3)
    with pytest.raises(ValueError, match=r"takes no label \(Obedient\)"):
        conditional("attributes").sample(1, label="cat")


def test_a_system_that_counts_as_it_trains_is_published_without_its_count(workspace: Callable[[str], Params]) -> None:
    train(miniature(workspace("digits-wgan")), "fingerprint")
    generator = ganpipe.load_generator(paths.MODEL)
    assert generator.sample(3).shape == (3, 28, 28, 1)
    assert "generator_steps" in generator.system.state_dict()
    with safe_open(paths.MODEL / "generator.safetensors", "pt") as weights:
        assert all(name.startswith("generator.") for name in weights.keys())  # noqa: SIM118
