"""The published generator: three lines from a notebook, and what a damaged one says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conditional import Obedient, add_to_table, obedient
from miniatures import miniature
from safetensors import safe_open
from several import Several, several
from specs import images
from translating import Translator, translator

import ganpipe
from ganpipe import paths, systems
from ganpipe.config import Params, SystemSection
from ganpipe.core.spec import DataSpec, Field
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.files import read_sealed
from ganpipe.sampling.draw import all_items
from ganpipe.sampling.published import Generator, publish_generator
from ganpipe.training.stage import named_after_frozen


@pytest.fixture
def model(workspace: Callable[[str], Params], trained: Callable[[Params], None]) -> Path:
    trained(miniature(workspace("digits-mlp")))
    return paths.MODEL


def test_three_lines_from_a_notebook(model: Path) -> None:
    generator = ganpipe.load_generator(model)
    images = generator.sample(16, seed=0)
    assert images.shape == (16, 28, 28, 1)
    assert images.dtype == np.uint8
    assert np.array_equal(images, ganpipe.load_generator(model / "generator.safetensors").sample(16, seed=0))
    assert np.array_equal(images[:3], generator.sample(3))
    assert not np.array_equal(images, generator.sample(16, seed=1))
    assert generator.data.names("label") == tuple("0123456789")


def test_it_describes_itself_completely_and_holds_only_the_generator(model: Path) -> None:
    description = json.loads((model / "generator.json").read_text())
    assert description["system"]["name"] == "mlp_gan"
    assert description["system"]["latent"] == 96
    assert description["data"]["fields"]["image"]["shape"] == [1, 28, 28]
    assert description["frozen"] == {}
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
        (description, b'{"format": "ganpipe/generator/2"}', "not of format 'ganpipe/generator/3'"),
        (description, good_description.replace("ganpipe/generator/3", "ganpipe/generator/2").encode(), "own SHA-256"),
        (description, good_description.replace('"latent": 96', '"latent": 97').encode(), "own SHA-256"),
        (description, good_description.replace('"digits"', '"digitz"').encode(), "own SHA-256"),
        (description, None, "generator.json: no such file"),
    ]
    for path, content, message in cases:
        weights.write_bytes(good_weights)
        description.write_text(good_description)
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            ganpipe.load_generator(model)


def test_a_description_of_the_format_before_is_read(model: Path) -> None:
    description = read_sealed(model / "generator.json") | {"format": "ganpipe/generator/2"}
    (model / "generator.json").write_text(json.dumps(description))
    assert ganpipe.load_generator(model).data.name == "digits"


def test_it_says_system_size_and_data(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repr(ganpipe.load_generator(model)) == "Generator(mlp_gan, 28 x 28 grey images, trained on digits)"
    add_to_table(monkeypatch, Several)
    assert repr(Generator(several())) == "Generator(several, vector: vectors of 2, other: vectors of 2, trained on toy)"
    colour = systems.build(SystemSection(name="dcgan", features=2), images((3, 32, 64), name="folder"), seed=0)
    assert repr(Generator(colour)) == "Generator(dcgan, 32 x 64 colour images, trained on folder)"


def test_less_than_one_sample_is_refused(model: Path) -> None:
    with pytest.raises(ValueError, match="n = 0"):
        ganpipe.load_generator(model).sample(0)


@pytest.fixture
def conditional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Generator]:
    """Return a function that publishes an obedient generator and loads it."""
    add_to_table(monkeypatch, Obedient)

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


def test_a_system_that_counts_as_it_trains_is_published_with_its_count(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    trained(miniature(workspace("digits-wgan")))
    generator = ganpipe.load_generator(paths.MODEL)
    assert generator.sample(3).shape == (3, 28, 28, 1)
    assert generator.system.generator_steps == 11  # of 33 batches, long steps of three
    with safe_open(paths.MODEL / "generator.safetensors", "pt") as weights:
        names = set(weights.keys())
    assert "generator_steps" in names
    assert all(name.startswith("generator.") for name in names - {"generator_steps"})


# Options for drawing alone.


def test_options_for_drawing_alone_take_the_place_of_those_of_the_training(tmp_path: Path) -> None:
    """pix2pix draws with dropout and the statistics of each picture unless it is told otherwise."""
    image = Field(kind="image", shape=(1, 32, 32))
    section = SystemSection(name="pix2pix", features=4, features_discriminator=4, patch_layers=1)
    system = systems.build(section, DataSpec(name="pairs", fields={"a": image, "b": image}), seed=0)
    publish_generator(system, tmp_path, "fingerprint")
    given = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)

    def drawn(seed: int, **options: bool | str) -> np.ndarray:
        found = ganpipe.load_generator(tmp_path, options).sample(seed=seed, a=given)
        assert isinstance(found, np.ndarray)
        return found

    assert not np.array_equal(drawn(0), drawn(1)), "dropout is noise"
    still = drawn(0, dropout_when_drawing=False)
    assert np.array_equal(still, drawn(1, dropout_when_drawing=False))
    assert not np.array_equal(still, drawn(0, dropout_when_drawing=False, norm_when_drawing="average"))
    with pytest.raises(ConfigError, match="features is no option of pix2pix that matters for drawing alone"):
        drawn(0, features=8)


# Attributes.


def test_attributes_are_on_or_off_as_asked_and_open_ones_are_drawn(conditional: Callable[[str], Generator]) -> None:
    generator = conditional("attributes")
    free = generator.sample(70, seed=3)
    found = generator.sample(70, seed=3, attributes={"fox": True, "cat": False})
    assert (found[:, 2] == 255).all() and (found[:, 0] == 0).all()
    assert np.array_equal(found[:, 1], free[:, 1]) and 0 < (free[:, 1, 0, 0] == 255).mean() < 1
    assert np.array_equal(found[:, 7], free[:, 7]), "the same noise"
    assert np.array_equal(generator.sample(70, seed=3, attributes={}), free)
    assert np.array_equal(generator.sample(3, seed=3, attributes={"fox": True, "cat": False}), found[:3])


def test_attributes_that_are_not_known_or_not_taken_are_refused(conditional: Callable[[str], Generator]) -> None:
    with pytest.raises(ValueError, match="^attribute 'cow' is unknown; there are cat, dog, fox$"):
        conditional("attributes").sample(1, attributes={"cow": True})
    with pytest.raises(ValueError, match=r"attributes = {'cat': True}: .* takes no attributes \(Obedient\)"):
        conditional("label").sample(1, attributes={"cat": True})


# Rows of the data.


@pytest.fixture
def translating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Generator]:
    """Return a function that publishes a generator of negatives and loads it."""
    add_to_table(monkeypatch, Translator)

    def load(noise: bool) -> Generator:
        publish_generator(translator(noise), tmp_path, "fingerprint")
        return ganpipe.load_generator(tmp_path)

    return load


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 2, 3, 1), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 70])
def test_rows_are_given_by_the_name_of_their_field_and_one_item_is_made_of_each(
    count: int, translating: Callable[[bool], Generator]
) -> None:
    rows = pictures(count)
    made = translating(False).sample(source=rows)
    assert made.dtype == np.uint8
    assert np.array_equal(made, 255 - rows)


def test_rows_are_taken_again_from_the_first_after_the_last(translating: Callable[[bool], Generator]) -> None:
    generator, rows = translating(False), pictures(5)
    assert np.array_equal(generator.sample(3, source=rows), 255 - rows[:3])
    assert np.array_equal(generator.sample(137, source=rows), 255 - rows[np.arange(137) % 5])


def test_noise_beside_given_rows_comes_from_the_seed(translating: Callable[[bool], Generator]) -> None:
    generator, rows = translating(True), pictures(4)
    made = generator.sample(8, seed=1, source=rows)
    assert np.array_equal(made[:4].reshape(4, -1)[:, 1:], made[4:].reshape(4, -1)[:, 1:])
    assert len(np.unique(made[:, 0, 0])) > 4
    assert np.array_equal(made, generator.sample(8, seed=1, source=rows))
    assert not np.array_equal(made, generator.sample(8, seed=2, source=rows))


def test_rows_that_do_not_fit_are_refused_with_what_is_needed(translating: Callable[[bool], Generator]) -> None:
    generator, rows = translating(False), pictures(4)
    needed = r"source: rows of uint8 \(2, 3, 1\) are needed, got "
    for wrong, message in (
        ({}, r"^source is missing: this generator \(Translator\) takes source$"),
        ({"image": rows}, r"^image is not known: this generator \(Translator\) takes source$"),
        ({"source": rows, "target": rows}, r"^target is not known: this generator \(Translator\) takes source$"),
        ({"source": rows[:, :1]}, f"^{needed}uint8 \\(4, 1, 3, 1\\)$"),
        ({"source": rows[0]}, f"^{needed}uint8 \\(2, 3, 1\\)$"),
        ({"source": rows[:0]}, f"^{needed}uint8 \\(0, 2, 3, 1\\)$"),
        ({"source": rows / 255}, f"^{needed}float64 \\(4, 2, 3, 1\\)$"),
    ):
        with pytest.raises(ValueError, match=message):
            generator.sample(2, **wrong)
    with pytest.raises(ValueError, match="n = 0"):
        generator.sample(0, source=rows)


def test_a_generator_that_makes_items_of_noise_takes_no_rows(conditional: Callable[[str], Generator]) -> None:
    with pytest.raises(ValueError, match=r"^source is not known: this generator \(Obedient\) takes no rows$"):
        conditional("label").sample(2, source=pictures(2))
    with pytest.raises(ValueError, match="draw at least one"):
        conditional("label").sample()


# Several networks, several outputs.


@pytest.fixture
def level_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Several:
    """Publish a system of several networks at a level of its own."""
    add_to_table(monkeypatch, Several)
    system = several(seed=4).eval()
    system.level.fill_(2.5)
    publish_generator(system, tmp_path, "fingerprint")
    return system


def test_several_outputs_come_by_name_with_the_level_and_every_network(level_up: Several, tmp_path: Path) -> None:
    generator = ganpipe.load_generator(tmp_path)
    assert generator.system.level == 2.5
    found = generator.sample(70, seed=3)
    _, expected = all_items(level_up, 70, seed=3)
    assert found.keys() == {"vector", "other"}
    for name, values in expected.items():
        assert np.array_equal(found[name], values)
    with safe_open(tmp_path / "generator.safetensors", "pt") as weights:
        assert {name.rpartition(".")[0] for name in weights.keys()} == {"", "generator.body", "generator.head"}  # noqa: SIM118
    assert not hasattr(generator.system, "discriminator")


def test_frozen_weights_are_those_of_the_training_or_refused(
    level_up: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = json.loads((tmp_path / "generator.json").read_text())
    assert description["frozen"] == level_up.frozen_sha256
    loaded = ganpipe.load_generator(tmp_path).system
    assert loaded.frozen_sha256 == level_up.frozen_sha256
    monkeypatch.setattr(Several, "features_weight", 0.25)
    with pytest.raises(CheckpointError, match=r"frozen network features has other weights here \(sha256 \w{8}\.\.\."):
        ganpipe.load_generator(tmp_path)


def test_the_fingerprint_of_a_training_counts_frozen_weights_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert named_after_frozen("plain", obedient("label")) == "plain"
    one = named_after_frozen("plain", several())
    assert one != "plain" and one == named_after_frozen("plain", several(seed=1))
    assert one != named_after_frozen("other", several())
    monkeypatch.setattr(Several, "features_weight", 0.25)
    assert named_after_frozen("plain", several()) not in ("plain", one)
