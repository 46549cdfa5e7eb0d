"""The sample stage: its files, the same every time, and what its pictures show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np
import pytest
from conditional import Obedient, add_to_table, obedient
from damage import flip
from miniatures import changed, miniature, sample
from PIL import Image

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.config.schema import Picture
from ganpipe.core.inputs import Given
from ganpipe.core.spec import Field
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.errors import DataError
from ganpipe.sampling.draw import all_items, choices
from ganpipe.sampling.needs import NEEDS
from ganpipe.sampling.published import load_generator, publish_generator
from ganpipe.systems import configure


def contents() -> dict[str, bytes]:
    """The content of all files that the stage wrote, by name."""
    files = (path for path in paths.SAMPLES.rglob("*") if path.is_file())
    return {path.relative_to(paths.SAMPLES).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("recipe", ["digits-dcgan", "pattern-1010"])
def test_samples_are_what_the_generator_draws_and_the_same_every_time(
    recipe: str, workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    params = changed(miniature(workspace(recipe)), sample={"count": 70, "seed": 4})
    trained(params)
    sample(params)
    first = contents()
    assert first.keys() == {"samples.h5", "photographs/index.json"} | {f"{name}.png" for name in params.sample.pictures}
    samples = Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    assert np.array_equal(
        samples.slice("vector" if recipe == "pattern-1010" else "image"), load_generator(paths.MODEL).sample(70, seed=4)
    )
    sample(params)
    assert contents() == first


def test_packed_data_that_was_damaged_since_is_not_drawn_from(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    params = miniature(workspace("digits-dcgan"))
    trained(params)
    flip(paths.PACKED_FILE, paths.PACKED_FILE.stat().st_size // 2)
    with pytest.raises(DataError, match=r"data.h5: damaged: its rows do not give its content_sha256"):
        sample(params)


def test_each_row_of_the_strip_goes_from_one_sample_to_the_next(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    params = changed(miniature(workspace("digits-mlp")), sample={"interpolation_pairs": 2, "interpolation_steps": 5})
    trained(params)
    sample(params)
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


def write_toys(fields: Mapping[str, Field], rows: Mapping[str, np.ndarray]) -> None:
    """Pack ten rows."""
    about = About(name="toys", source="", licence="", citation="", transform="")
    paths.MANIFEST.unlink(missing_ok=True)  # that of another set
    write_packed(paths.PACKED_FILE, about, fields, {"items": SpaceRows(10, [rows])})


@pytest.fixture
def toys(workspace: Callable[[str], Params], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    """Return a function that publishes an obedient generator, packs ten of its images, and asks for pictures."""
    add_to_table(monkeypatch, Obedient)

    def make(on: str, *pictures: str) -> Params:
        params = changed(workspace("digits-dcgan"), sample={"count": 70, "grid": 4, "pictures": list(pictures)})
        system = obedient(on)
        publish_generator(system, paths.MODEL, "fingerprint")
        inputs, made = all_items(system, 10, seed=9)
        write_toys(system.data.fields, {**made, **choices(system, inputs)})
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
    pictures = [name for name in get_args(Picture) if Given not in NEEDS[name] and name != "music"]
    params = toys("label", *pictures)
    sample(params)
    first = contents()
    others = {"samples.h5", "nearest.json", "photographs/index.json"}
    assert first.keys() == others | {f"{name}.png" for name in pictures}
    sample(params)
    assert contents() == first


def test_pictures_of_an_earlier_choice_are_removed(toys: Callable[..., Params]) -> None:
    sample(toys("label", "classes", "nearest"))
    sample(toys("label", "grid"))
    assert contents().keys() == {"samples.h5", "grid.png", "photographs/index.json"}


@pytest.mark.parametrize("on", ["label", "attributes"])
def test_classes_are_rows_and_a_column_has_the_same_noise(on: str, toys: Callable[..., Params]) -> None:
    sample(toys(on, "classes"))
    found = cells("classes.png", columns=4, rows=3)
    for row in range(3):
        white = [255 if number == row else 0 for number in range(3)]
        assert found[row, :, :3, 0].tolist() == [white] * 4
    assert (found[:, :, 7] == found[:1, :, 7]).all()
    assert not np.array_equal(found[0, 0, 7], found[0, 1, 7])


@pytest.mark.parametrize("recipe", ["digits-mlp", "pattern-1010"])
def test_every_picture_that_its_inputs_allow_is_drawn(
    recipe: str, workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    params = miniature(workspace(recipe))
    kinds = {type(one) for one in configure(params.system).inputs.values()}
    pictures = [name for name, needed in NEEDS.items() if kinds.issuperset(needed) and name != "music"]
    assert len(pictures) == (6 if recipe == "digits-mlp" else 2)
    params = changed(params, sample={"pictures": pictures})
    trained(params)
    sample(params)
    assert {path.stem for path in paths.SAMPLES.glob("*.png")} == set(pictures)


def test_samples_carry_the_label_they_were_asked_for(toys: Callable[..., Params]) -> None:
    sample(toys("label"))
    samples = Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    labels, images = samples.slice("label"), samples.slice("image")
    assert samples.spec.names("label") == ("cat", "dog", "fox")
    assert sum(samples.class_counts("label")) == 70
    assert min(samples.class_counts("label")) > 10
    assert np.array_equal(images[:, :3, 0, 0] == 255, labels[:, None] == np.arange(3))
    assert np.array_equal(images, load_generator(paths.MODEL).sample(70))


def test_samples_carry_the_attributes_they_were_asked_for(toys: Callable[..., Params]) -> None:
    sample(toys("attributes"))
    samples = Packed.open(paths.SAMPLES_FILE)
    assert samples.spec.names("attributes") == ("cat", "dog", "fox")
    assert set(samples.fields) == {"attributes", "image"}
    assert np.array_equal(samples.slice("image")[:, :3, 0, 0] == 255, samples.slice("attributes") == 1)


def test_each_sample_stands_before_its_nearest_training_images(
    toys: Callable[..., Params], capsys: pytest.CaptureFixture[str]
) -> None:
    params = toys("label", "nearest")
    sample(params)
    found = cells("nearest.png", columns=4, rows=4)
    written = json.loads(paths.NEAREST.read_text())
    images = load_generator(paths.MODEL).sample(100)
    real = Packed.open(paths.PACKED_FILE).slice("image").astype(float)
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
    other = Field(kind="image", shape=(1, 4, 4))
    write_toys({"image": other}, {"image": np.zeros((10, 4, 4, 1), np.uint8)})
    with pytest.raises(DataError, match="not what the generator was trained on"):
        sample(params)
