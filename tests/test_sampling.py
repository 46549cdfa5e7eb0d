"""The sample stage: its files, the same every time, and what its pictures show."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from conditional import TABLE_LINE, obedient
from miniatures import changed, miniature
from PIL import Image

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.config.schema import Picture
from ganpipe.data.packed.file import About, Packed, write_packed
from ganpipe.errors import ConfigError, DataError
from ganpipe.sampling.published import Generator, load_generator, publish_generator
from ganpipe.sampling.stage import sample
from ganpipe.training.stage import train


@pytest.mark.parametrize("recipe", ["digits-dcgan", "pattern-1010"])
def test_samples_are_what_the_generator_draws_and_the_same_every_time(
    recipe: str, workspace: Callable[[str], Params]
) -> None:
    params = changed(miniature(workspace(recipe)), sample={"count": 70, "seed": 4})
    train(params, "fingerprint")
    sample(params, "fingerprint")
    first = {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()}
    assert first.keys() == {"samples.h5", "grid.png", "interpolation.png"}
    samples = Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    assert np.array_equal(samples.all(samples.kind), load_generator(paths.MODEL).sample(70, seed=4))
    sample(params, "fingerprint")
    assert {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()} == first


def test_the_finished_checkpoint_is_no_longer_needed(workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace("pattern-1010"))
    train(params, "fingerprint")
    assert (paths.state_dir() / "checkpoints" / "fingerprint" / "last.pt").exists()
    sample(params, "fingerprint")
    assert not (paths.state_dir() / "checkpoints" / "fingerprint").exists()


def test_each_row_of_the_strip_goes_from_one_sample_to_the_next(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("digits-mlp")), sample={"interpolation_pairs": 2, "interpolation_steps": 5})
    train(params, "fingerprint")
    sample(params, "fingerprint")
    strip = np.asarray(Image.open(paths.SAMPLES / "interpolation.png"))
    images = load_generator(paths.MODEL).sample(4)[..., 0]
    cell = (strip.shape[1] - 2) // 5
    scale = (cell - 2) // 28
    cells = [
        [strip[2 + r * cell :, 2 + c * cell :][: 28 * scale : scale, : 28 * scale : scale] for c in range(5)]
        for r in range(2)
    ]
    for row in range(2):
        assert np.array_equal(cells[row][0], images[2 * row])
        assert np.array_equal(cells[row][4], images[2 * row + 1])
        assert not np.array_equal(cells[row][2], images[2 * row])


@pytest.fixture
def toys(workspace: Callable[[str], Params], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    """Return a function that publishes an obedient generator, packs ten of its images, and asks for pictures."""
    monkeypatch.setitem(systems.SYSTEMS, *TABLE_LINE)

    def make(on: str, *pictures: str) -> Params:
        params = changed(workspace("digits-dcgan"), sample={"count": 70, "grid": 4, "pictures": list(pictures)})
        system = obedient(on)
        publish_generator(system, paths.MODEL, "fingerprint")
        images = Generator(system).sample(10, seed=9)
        about = About(name="toys", kind="image", source="", licence="", citation="", transform="")
        write_packed(paths.PACKED_FILE, about, 10, [{"image": images}])
        return params

    return make


def cells(name: str, columns: int, rows: int) -> np.ndarray:
    """Cut a picture of 8 x 8 images, enlarged eight times, into its cells: (rows, columns, 8, 8)."""
    picture = np.asarray(Image.open(paths.SAMPLES / name))
    margin = picture.shape[1] - (columns * 66 + 2)
    assert margin >= 0
    assert picture.shape[0] == rows * 66 + 2
    grid = picture[2:, margin + 2 :].reshape(rows, 66, columns, 66).swapaxes(1, 2)
    return grid[:, :, :64:8, :64:8]


def test_every_picture_is_drawn_where_it_is_asked_for_and_the_same_every_time(toys: Callable[..., Params]) -> None:
    params = toys("label", *get_args(Picture))
    sample(params, "fingerprint")
    first = {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()}
    assert first.keys() == {f"{name}.png" for name in get_args(Picture)} | {"samples.h5", "nearest.json"}
    sample(params, "fingerprint")
    assert {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()} == first


def test_pictures_of_an_earlier_choice_are_removed(toys: Callable[..., Params]) -> None:
    sample(toys("label", "classes", "nearest"), "fingerprint")
    sample(toys("label", "grid"), "fingerprint")
    assert {path.name for path in paths.SAMPLES.iterdir()} == {"samples.h5", "grid.png"}


@pytest.mark.parametrize("on", ["label", "attributes"])
def test_classes_are_rows_and_a_column_has_the_same_noise(on: str, toys: Callable[..., Params]) -> None:
    sample(toys(on, "classes"), "fingerprint")
    found = cells("classes.png", columns=4, rows=3)
    for row in range(3):
        white = [255 if number == row else 0 for number in range(3)]
        assert found[row, :, :3, 0].tolist() == [white] * 4
    assert (found[:, :, 7] == found[:1, :, 7]).all()
    assert not np.array_equal(found[0, 0, 7], found[0, 1, 7])


@pytest.mark.parametrize("recipe", ["digits-mlp", "pattern-1010"])
def test_classes_of_a_system_without_condition_are_refused_before_anything_is_written(
    recipe: str, workspace: Callable[[str], Params]
) -> None:
    params = changed(miniature(workspace(recipe)), sample={"pictures": ["grid", "classes"]})
    train(params, "fingerprint")
    with pytest.raises(ConfigError, match=r"sample\.pictures: classes needs a conditional system"):
        sample(params, "fingerprint")
    assert not paths.SAMPLES.exists()


@pytest.mark.parametrize("recipe", ["digits-mlp", "pattern-1010"])
def test_every_other_picture_can_be_drawn_without_a_condition(recipe: str, workspace: Callable[[str], Params]) -> None:
    pictures = [name for name in get_args(Picture) if name != "classes"]
    params = changed(miniature(workspace(recipe)), sample={"pictures": pictures})
    train(params, "fingerprint")
    sample(params, "fingerprint")
    assert {path.stem for path in paths.SAMPLES.glob("*.png")} == set(pictures)


def test_samples_carry_the_label_they_were_asked_for(toys: Callable[..., Params]) -> None:
    sample(toys("label"), "fingerprint")
    samples = Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    labels, images = samples.all("label"), samples.all("image")
    assert samples.classes == ("cat", "dog", "fox")
    assert sum(samples.class_counts) == 70
    assert min(samples.class_counts) > 10
    assert np.array_equal(images[:, :3, 0, 0] == 255, labels[:, None] == np.arange(3))
    assert np.array_equal(images, load_generator(paths.MODEL).sample(70))


def test_samples_carry_the_attributes_they_were_asked_for(toys: Callable[..., Params]) -> None:
    sample(toys("attributes"), "fingerprint")
    samples = Packed.open(paths.SAMPLES_FILE)
    assert samples.attribute_names == ("cat", "dog", "fox")
    assert samples.roles == ("attributes", "image")
    assert np.array_equal(samples.all("image")[:, :3, 0, 0] == 255, samples.all("attributes") == 1)


def test_each_sample_stands_before_its_nearest_training_images(
    toys: Callable[..., Params], capsys: pytest.CaptureFixture[str]
) -> None:
    params = toys("label", "nearest")
    sample(params, "fingerprint")
    found = cells("nearest.png", columns=4, rows=4)
    written = json.loads(paths.NEAREST.read_text())
    images = load_generator(paths.MODEL).sample(100)
    real = Packed.open(paths.PACKED_FILE).all("image").astype(float)
    assert len(written["samples"]) == 100
    for number, near in enumerate(written["samples"]):
        distances = np.sqrt(np.square(real - images[number]).mean(axis=(1, 2, 3)))
        assert near["rows"] == np.argsort(distances)[:3].tolist()
        assert near["distances"] == pytest.approx(np.sort(distances)[:3], rel=1e-5)
    for row in range(4):
        expected = [images[row], *real[written["samples"][row]["rows"]]]
        assert np.array_equal(found[row], np.stack(expected)[..., 0])
    assert f"ratio {written['ratio']:.2f}" in capsys.readouterr().out


def test_nearest_wants_the_data_the_generator_was_trained_on(toys: Callable[..., Params]) -> None:
    params = toys("label", "nearest")
    about = About(name="others", kind="image", source="", licence="", citation="", transform="")
    write_packed(paths.PACKED_FILE, about, 10, [{"image": np.zeros((10, 4, 4, 1), np.uint8)}])
    with pytest.raises(DataError, match="not what the generator was trained on"):
        sample(params, "fingerprint")
