"""The translators of published sets: archives of the real layout on an HTTP server, through all five stages.

The recipes are those for a GPU, unchanged but for sizes, lengths and the extractor; tests/acts/test_recipes.py has
every recipe with its own extractors, on data that need no download.
"""

from __future__ import annotations

import functools
import http.server
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from miniatures import changed, miniature, sample, small_pictures, train
from once import made_once, shared_folder
from PIL import Image
from raw_files import FOUR_FOLDERS, write_celeba, write_translation

from ganpipe import paths, recipes
from ganpipe.config import Params, load_params
from ganpipe.core.spec import Field
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.stage import SOURCE, download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate

WRITTEN = {
    "facades-pix2pix": lambda folder: write_translation(folder, "facades", paired=True),
    "maps-pix2pix": lambda folder: write_translation(folder, "maps", paired=True),
    "horse2zebra-cyclegan": lambda folder: write_translation(folder, "horse2zebra", paired=False),
    "celeba-stargan": lambda folder: write_celeba(folder, count=90),
}
"""How the raw files of each recipe are made."""

SPLITS = {
    **dict.fromkeys(("facades-pix2pix", "maps-pix2pix"), {"items": {"train": 40, "test": 16}}),
    "horse2zebra-cyclegan": {"a": {"train": 40, "test": 16}, "b": {"train": 44, "test": 18}},
    "celeba-stargan": {"items": {"train": 60, "valid": 15, "test": 15}},
}
DOMAINS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
ROWS = 16  # at most, of each made output


def params_of(recipe: str, source: str) -> Params:
    """The recipe with small networks and pictures and four iterations of training, scored by pixels."""
    params = miniature(small_pictures(load_params(recipes.path_of(recipe))))
    lengths = {name: value / 4 for name, value in params.train.model_dump().items() if name.endswith("kimg") and value}
    return changed(
        params,
        data={"source": source, "verify": False},
        train=lengths,
        sample={"count": ROWS, "grid": 3},
        evaluate={"extractors": ["pixel"]},
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a folder for each recipe, for those that are asked for."""
    root = tmp_path_factory.mktemp("served")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:  # noqa: N802
            recipe = self.path.split("/")[1]
            made_once(root / recipe, lambda folder: WRITTEN[recipe](folder))
            super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root))) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


@pytest.fixture
def done(
    tmp_path_factory: pytest.TempPathFactory, server: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Params]:
    """Return a function that goes through all stages with a recipe once, and enters the folder of its results."""
    root = shared_folder(tmp_path_factory, "translations")

    def enter(recipe: str) -> Params:
        params = params_of(recipe, f"{server}/{recipe}")
        monkeypatch.delenv("DVC_ROOT", raising=False)
        monkeypatch.chdir(made_once(root / recipe, lambda folder: _all_stages(params, folder)))
        return params

    return enter


def _all_stages(params: Params, folder: Path) -> None:
    (folder / ".dvc").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        download(params.data, paths.RAW)
        pack(params.data, paths.RAW, paths.PACKED, 1)
        train(params, "fingerprint")
        sample(params)
        prepare_reference(params, paths.PACKED, paths.REFERENCE)
        evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)


def images(*fields: str, space: str = "items") -> dict[str, Field]:
    return {name: Field(kind="image", shape=(3, 64, 64), space=space) for name in fields}


@pytest.mark.parametrize("recipe", WRITTEN)
def test_the_archive_is_known_to_be_another_one_and_its_rows_are_where_they_belong(
    recipe: str, done: Callable[[str], Params]
) -> None:
    done(recipe)
    source = json.loads((paths.RAW / SOURCE).read_text())
    assert source["files"].keys() == {file.name for file in lookup(source["name"]).files}
    assert all(file["as_published"] is False for file in source["files"].values())
    packed = Packed.open(paths.PACKED_FILE)
    packed.verify()
    assert not (paths.PACKED / "quarantine.csv").exists()
    assert {
        space: {name: len(rows) for name, rows in packed.splits(space).items()} for space in packed.spaces
    } == SPLITS[recipe]
    pictures = {name: field for name, field in packed.fields.items() if field.kind == "image"}
    if recipe == "celeba-stargan":
        assert pictures == images("image") and len(packed.fields["attributes"].names) == 40
    elif recipe == "horse2zebra-cyclegan":
        assert pictures == images("a", space="a") | images("b", space="b")
    else:
        assert pictures == images("a", "b")
        a, b = (packed.slice(name).astype(int) for name in "ab")
        assert np.abs(a + b - 255).mean() < 3, "the pictures of a pair belong together"


@pytest.mark.parametrize("recipe", WRITTEN)
def test_samples_hold_what_was_made_of_which_row(recipe: str, done: Callable[[str], Params]) -> None:
    params = done(recipe)
    data, samples = Packed.open(paths.PACKED_FILE), Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    outputs = json.loads(samples.attributes["outputs"])
    target = {"facades-pix2pix": "a", "maps-pix2pix": "b"}  # facades are drawn from their labels, maps from photographs
    if recipe in target:
        assert outputs == {"translated": target[recipe]}
    elif recipe == "horse2zebra-cyclegan":
        assert outputs == {"fake_b": "b", "fake_a": "a"}
    else:
        assert outputs == {"image": "image"}
        assert samples.fields["attributes"].names == DOMAINS
        assert set(np.unique(samples.slice("attributes"))) == {0, 1}
    assert samples.count("items") == min(ROWS, *(splits["test"] for splits in SPLITS[recipe].values())) or (
        recipe == "celeba-stargan" and samples.count("items") == ROWS  # more than one of a row, for other attributes
    )
    for space in data.spaces:
        rows, held_out = samples.slice(f"row_{space}"), data.rows("test", space)
        assert set(rows) <= set(held_out) and len(set(rows)) == min(len(rows), len(held_out))
    for output, field in outputs.items():
        made = samples.slice(output)
        assert made.dtype == np.uint8 and made.shape[1:] == data.fields[field].stored_shape
        assert made.reshape(len(made), -1).std(axis=1).min() > 0, "of one colour"
        assert len(np.unique(made, axis=0)) == len(made)
    assert params.system.name in samples.attributes["source"]


@pytest.mark.parametrize("recipe", WRITTEN)
def test_pictures_show_something_and_scores_are_finite(recipe: str, done: Callable[[str], Params]) -> None:
    params = done(recipe)
    names = {path.stem for path in paths.SAMPLES.glob("*.png")}
    assert set(params.sample.pictures) <= names
    assert ("grid_fake_a" in names) == (recipe == "horse2zebra-cyclegan")
    for path in [*paths.SAMPLES.glob("*.png"), *paths.PREVIEWS.glob("*.png"), paths.CURVES]:
        shown = np.asarray(Image.open(path).convert("L"))
        assert min(shown.shape) >= 64 and shown.std() > 1, path
    scores = json.loads(paths.METRICS.read_text())
    assert scores["n_fake"] == min(ROWS, *(splits["test"] for splits in SPLITS[recipe].values())) or (
        recipe == "celeba-stargan" and scores["n_fake"] == ROWS
    )
    numbers = list(leaves(scores))
    assert len(numbers) > 10 and np.isfinite(numbers).all()
    pixel = scores["pixel"]
    blocks = list(pixel.values()) if recipe == "horse2zebra-cyclegan" else [pixel]
    assert all({"fd", "fd_floor", "fd_untrained", "kd_x1000"} <= block.keys() and block["fd"] > 0 for block in blocks)
    assert ("paired" in scores) == recipe.endswith("pix2pix")
    if recipe.endswith("pix2pix"):
        paired = scores["paired"]["translated"]
        assert 0 < paired["l1"] < 1 and paired["l1_copy"] > 0.2, "copying a picture is far from its negative"


def leaves(value: object) -> Iterator[float]:
    """All numbers of a JSON value."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_the_archive_has_the_folders_of_the_published_one(done: Callable[[str], Params]) -> None:
    done("horse2zebra-cyclegan")
    with zipfile.ZipFile(paths.RAW / "horse2zebra.zip") as archive:
        names = archive.namelist()
    found = {f"horse2zebra/{folder}": count for folder, count in FOUR_FOLDERS.items()}
    assert {folder: sum(name.startswith(f"{folder}/") for name in names) - 1 for folder in found} == found
    assert "horse2zebra/testB/n02391049_1.jpg" in names
