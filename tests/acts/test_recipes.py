"""Every recipe through the whole pipeline, in miniature, on small data in the layout of the published files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from miniatures import changed, miniature, sample
from once import made_once, shared_folder
from PIL import Image

from ganpipe import paths, recipes
from ganpipe.config import Params, flatten, load_params
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.metrics import reference
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate
from ganpipe.sampling.draw import most_items
from ganpipe.sampling.pictures import PLANS
from ganpipe.sampling.published import load_generator

COMPARED = 25  # samples at most, of the 40 that are drawn


SIBLINGS = {
    f"{name}-cyclegan": "horse2zebra-cyclegan"
    for name in ("apple2orange", "monet2photo", "summer2winter", "vangogh2photo")
}
"""Recipes that differ from another one in the data set alone, whose archive has the same layout: one of them is run."""

COUNTED = ("train.kimg", "train.lr_decay_from_kimg", "train.preview_kimg", "sample.count")

JUDGED_BY_TRUNKS = ("photos-srgan", "folder-style")
"""Recipes whose photographs and textures are compared by a frozen network, which takes seconds."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Params], None]:
    """Return a function that brings data/reference, made once for all recipes on the same data, as DVC would."""
    root = shared_folder(tmp_path_factory, "references")

    def prepare(params: Params) -> None:
        content = Packed.open(paths.PACKED_FILE).content_sha256
        folder = root / f"{content}-{'-'.join(params.evaluate.extractors)}"
        made_once(folder, lambda into: prepare_reference(params, paths.PACKED, into))
        shutil.copytree(folder, paths.REFERENCE)

    return prepare


def content(recipe: str) -> dict[str, object]:
    """What a recipe says, without the name of its data and what follows from how many pictures there are."""
    flat = flatten(load_params(recipes.path_of(recipe)).model_dump(mode="json"))
    return {key: value for key, value in flat.items() if key != "data.name" and key not in COUNTED}


def test_siblings_differ_in_their_data_alone() -> None:
    for sibling, recipe in SIBLINGS.items():
        assert content(sibling) == content(recipe), sibling


@pytest.mark.parametrize("recipe", [name for name in recipes.names() if name not in SIBLINGS])
def test_a_recipe_runs_through_the_whole_pipeline(
    recipe: str,
    workspace: Callable[[str], Params],
    trained: Callable[[Params], None],
    prepared: Callable[[Params], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference, "LARGEST_HALF", COMPARED)
    params = miniature(workspace(recipe))
    if recipe in JUDGED_BY_TRUNKS:
        params = changed(params, evaluate={"trunks": ["lite0"]})
    trained(params)
    sample(params)
    prepared(params)
    evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)

    real, samples = Packed.open(paths.PACKED_FILE), Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    system = load_generator(paths.MODEL).system
    outputs = system.outputs
    assert json.loads(samples.attributes["outputs"]) == outputs
    for output, field in outputs.items():
        made, wanted = samples.fields[output], real.fields[field]
        assert (made.kind, made.shape) == (wanted.kind, wanted.shape)
    count = most_items(system, 40, GivenRows(real))
    assert samples.count("items") == count
    pictures = {path.stem: path for path in paths.SAMPLES.glob("*.png")}
    others = {f"{name}_{output}" for name in params.sample.pictures if name in PLANS for output in list(outputs)[1:]}
    assert pictures.keys() == {*params.sample.pictures, *others} - {"music"}
    assert sorted(path.suffix for path in paths.MUSIC.glob("00.*")) == [".mid", ".wav"] * (
        "music" in params.sample.pictures
    )
    assert all(min(Image.open(path).size) > 8 for path in pictures.values())
    assert len(list(Path(paths.PREVIEWS).glob("kimg-*.png"))) == 3
    scores = json.loads(paths.METRICS.read_text())
    halves = [len(real.rows("train", real.fields[field].space)) // 2 for field in outputs.values()]
    assert scores["n_fake"] == min(COMPARED, count, *halves)
    for extractor in params.evaluate.extractors:
        for block in [scores[extractor]] if len(outputs) == 1 else scores[extractor].values():
            assert {"extractor", "fd", "fd_floor", "fd_untrained", "kd_x1000"} <= block.keys()
            assert block["fd"] > 0
