"""Params that the schema accepts and the tables of data sets, systems, extractors and pictures do not."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from ganpipe import params, paths, recipes, systems
from ganpipe.config import Data, read_yaml
from ganpipe.config.schema import Picture
from ganpipe.core.inputs import Given, Input
from ganpipe.data.catalogue import sets as catalogue
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError
from ganpipe.metrics import extractors
from ganpipe.sampling.needs import NEEDS
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """Options of a system that turns pictures into others, and draws nothing."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        return {"source": Given("source")}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a system in the table whose generator is given pictures."""
    module = ModuleType("ganpipe.systems.configs.translator")
    module.Config = Config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(systems.SYSTEMS, "translator", "Translator")
    return "translator"


def write(recipe: str, **sections: dict[str, Any]) -> None:
    """Make a recipe params.yaml, with other values in some sections; a section `system` replaces the recipe's."""
    content = read_yaml(recipes.path_of(recipe))
    for section, values in sections.items():
        content[section] = values if section == "system" else content[section] | values
    paths.PARAMS.write_text(json.dumps(content))  # JSON is YAML


def refusal() -> str:
    with pytest.raises(ConfigError) as refused:
        params.load()
    return str(refused.value)


def test_every_picture_says_what_it_needs() -> None:
    assert set(NEEDS) == set(get_args(Picture))


def test_a_row_per_class_needs_a_choice() -> None:
    write("digits-dcgan", sample={"pictures": ["grid", "classes"]})
    assert refusal() == (
        "params.yaml: sample.pictures: classes needs a generator that is given a choice of classes or attributes, but "
        "that of system.name = 'dcgan' is given latent (noise); leave classes out"
    )
    write("digits-dcgan", sample={"pictures": ["grid", "nearest"]})
    assert params.load().sample.pictures == ("grid", "nearest")
    write("digits-cgan", sample={"pictures": ["grid", "classes"]})
    assert params.load().sample.pictures == ("grid", "classes")


@pytest.mark.parametrize("picture", ["interpolation", "line", "arithmetic", "truncation"])
def test_walks_and_sums_of_latents_need_noise(picture: str, translator: str) -> None:
    write("pattern-1010", sample={"pictures": [picture]})
    assert refusal() == (
        f"params.yaml: sample.pictures: {picture} needs a generator that is given noise, but that of "
        f"system.name = 'pattern_gan' is given seed (a constant); leave {picture} out"
    )
    write("digits-dcgan", sample={"pictures": [picture]}, system={"name": translator})
    assert "needs a generator that is given noise" in refusal()
    write("digits-cgan", sample={"pictures": [picture]})
    assert params.load().sample.pictures == (picture,)


def test_strips_need_rows_to_translate(translator: str) -> None:
    write("digits-cgan", sample={"pictures": ["strips"]})
    assert refusal() == (
        "params.yaml: sample.pictures: strips needs a generator that is given rows of the data, but that of "
        "system.name = 'conditional_gan' is given latent (noise), condition (a choice of classes or attributes); leave "
        "strips out"
    )
    write("digits-dcgan", sample={"pictures": ["grid", "strips", "nearest"]}, system={"name": translator})
    assert params.load().sample.pictures == ("grid", "strips", "nearest")


def test_options_for_drawing_alone_are_those_that_the_system_names() -> None:
    write("glyphs-pix2pix", sample={"options": {"dropout_when_drawing": False}})
    assert params.load().sample.options == {"dropout_when_drawing": False}
    write("glyphs-pix2pix", sample={"options": {"l1_weight": 1.0}})
    assert refusal() == (
        "params.yaml: sample.options: l1_weight is no option of pix2pix that matters for drawing alone; those of "
        "system.name = 'pix2pix' are dropout_when_drawing, norm_when_drawing"
    )
    write("glyphs-pix2pix", sample={"options": {"norm_when_drawing": "none"}})
    assert 'norm_when_drawing = "none" is unknown; allowed: picture, average' in refusal()
    write("digits-dcgan", sample={"options": {"latent": 3}})
    assert (
        refusal()
        == "params.yaml: sample.options: latent is no option of dcgan that matters for drawing alone; it has none"
    )


def test_sizes_that_translators_cannot_make_are_refused() -> None:
    write("glyphs-pix2pix", data={"size": 60})
    assert "data.size = 60" in refusal() and "a U-Net takes squares of a power of 2" in refusal()
    write("glyphs-pix2pix", data={"size": 8})
    assert "too small for a PatchGAN of 2 layers; it needs 12 pixels, or fewer layers" in refusal()
    write("digits-uci-cyclegan", data={"size": 30})
    assert "multiples of 4" in refusal()


def test_an_unknown_picture_is_named() -> None:
    write("digits-dcgan", sample={"pictures": ["gird"]})
    assert "\"gird\" is unknown, did you mean 'grid'?" in refusal()


@pytest.mark.parametrize(
    ("recipe", "extractor", "use"),
    [
        ("pattern-1010", "pixel", "pattern, values"),
        ("digits-dcgan", "pattern", "domain, lite0, inception, dinov2, pixel"),
        ("photos-dcgan", "pattern", "domain, lite0, inception, dinov2, pixel"),
    ],
)
def test_an_extractor_must_fit_the_data(recipe: str, extractor: str, use: str) -> None:
    write(recipe, evaluate={"extractors": [extractor]})
    name = read_yaml(recipes.path_of(recipe))["data"]["name"]
    assert refusal() == (f"params.yaml: evaluate.extractors: {extractor} cannot score data.name = {name!r}; use {use}")


def test_an_extractor_that_learns_classes_needs_some() -> None:
    write("celeba-dcgan", evaluate={"extractors": ["domain"]})
    assert refusal().endswith("domain cannot score data.name = 'celeba'; use lite0, inception, dinov2, pixel")
    write("celeba-dcgan", data={"name": "folder", "source": "pictures"}, evaluate={"extractors": ["domain"]})
    assert params.load().data.name == "folder"  # its subfolders may be classes


def test_an_extractor_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = extractors.Entry("pixel:PixelExtractor", extra="telescope", packages=("a_package_that_is_not_there",))
    monkeypatch.setitem(extractors.EXTRACTORS, "pixel", missing)
    write("digits-dcgan", evaluate={"extractors": ["pixel"]})
    assert refusal().endswith("package a_package_that_is_not_there is missing; run `pip install 'ganpipe[telescope]'`")


@pytest.mark.parametrize(
    ("recipe", "data", "system", "told"),
    [
        (
            "photos-dcgan",
            {"size": 60},
            {},
            "data.size = 60: images of 60x60 do not halve evenly to a side of 4 to 7; set",
        ),
        ("digits-dcgan", {"crop": 26}, {}, "data.crop = 26: images of 26x26 do not halve evenly"),
        (
            "celeba-dcgan",
            {"crop": 100, "size": 50},
            {},
            "data.crop = 100, data.size = 50: images of 50x50 do not halve",
        ),
        ("photos-dcgan", {"size": 60}, {"network": "flowers"}, "data.size: 56 or 64"),
        ("photos-dcgan", {"size": 4}, {"network": "dense_start"}, "data.size: 8"),
        ("photos-dcgan", {"size": 60}, {"network": "faces"}, "do not fit 8x8 convolutions; set data.size: 56, 64, 72"),
        ("celeba-faces-conv", {"crop": "whole"}, {}, "data.crop = whole: images with a side of 218 do not fit"),
        ("celeba-dcgan", {"crop": "whole", "size": None}, {}, "images of 218x178 do not halve evenly"),
        (
            "cifar10-wgan-gp",
            {"size": 8},
            {},
            "images of 8x8 are too small to be halved twice; set data.size: 9 or more",
        ),
        ("cifar10-wgan-gp-resnet", {"size": 34}, {}, "images of 34x34 do not halve evenly"),
        ("digits-wgan", {"size": 30}, {}, "data.size: 28 or 32"),
        ("digits-cgan", {"size": 30}, {}, "data.size: 28 or 32"),
    ],
)
def test_a_size_that_the_networks_cannot_make_is_refused_before_packing(
    recipe: str, data: dict[str, Any], system: dict[str, Any], told: str
) -> None:
    write(recipe, data=data, system=read_yaml(recipes.path_of(recipe))["system"] | system)
    found = refusal()
    assert found.startswith("params.yaml: data.") and told in found and "\n" not in found
    for side in [side for sides in re.findall(r"data.size: (\d+)(?: or (\d+))?", found) for side in sides if side]:
        write(recipe, data=data | {"crop": None, "size": int(side)})
        assert params.load()


def test_sizes_of_fully_connected_networks_and_of_unknown_pictures_are_free() -> None:
    write("digits-mlp", data={"size": 30})
    assert params.load()
    write("photos-dcgan", data={"name": "folder", "source": "mine", "crop": "whole", "size": None})
    assert params.load(), "only the pictures tell"
    write("pattern-1010")
    assert params.load()


@pytest.mark.parametrize("data", [{}, {"size": 20}, {"crop": 24}, {"crop": 24, "size": 12}, {"crop": "whole"}])
@pytest.mark.parametrize("name", ["mnist", "cifar10", "celeba", "flowers"])
def test_the_size_is_known_before_packing(
    name: str, data: dict[str, Any], packed_folder: Callable[[Data], Path]
) -> None:
    wanted = catalogue.DATASETS[name].packed_size(data.get("crop"), data.get("size"))
    if (name, data) == ("flowers", {"crop": "whole"}):
        assert wanted is None, "photographs of many shapes"
        return
    packed = Packed.open(packed_folder(Data(name=name, **data)) / "data.h5")
    assert packed.fields["image"].shape[1:] == wanted


def test_a_whole_picture_is_measured_by_its_shorter_side(packed_folder: Callable[[Data], Path]) -> None:
    packed = Packed.open(packed_folder(Data(name="celeba", crop="whole", size=32)) / "data.h5")
    assert packed.fields["image"].shape[1:] == (39, 32) == catalogue.DATASETS["celeba"].packed_size("whole", 32)
    assert catalogue.DATASETS["pattern"].packed_size(None, None) is None
