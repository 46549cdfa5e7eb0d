"""params.yaml is closed: whatever is wrong gives one line that says what, where, the value and what would do."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field
from ruamel.yaml import YAML
from typer.testing import CliRunner

import stages.train
from ganpipe import params, paths, recipes
from ganpipe.config import Closed, Params, flatten, load_params, parse, read_yaml
from ganpipe.errors import ConfigError

HAND_EDITS = {
    "misspelt key": (
        "  lr: 0.0005",
        "  lrr: 0.0005",
        r"train.lrr is an unknown key, did you mean 'lr'\?; allowed: kimg, .*",
    ),
    "misspelt section": ("sample:", "sampel:", "sampel is an unknown key, did you mean 'sample'"),
    "unknown key of a system": (
        "  latent: 64",
        "  latnet: 64",
        "system.latnet is an unknown key, did you mean 'latent'",
    ),
    "unknown system": ("name: dcgan", "name: dcgann", "system.name 'dcgann' is unknown, did you mean 'dcgan'"),
    "key of another system": (
        "name: dcgan",
        "name: pattern_gan",
        "system.latent is an unknown key; allowed: seed_value",
    ),
    "unknown data set": ("name: digits", "name: digit", "data.name 'digit' is unknown, did you mean 'digits'"),
    "unknown extractor": ("- domain", "- inceptoin", "evaluate.extractors 'inceptoin' is unknown.*allowed: domain"),
    "extractor that cannot look": ("- domain", "- pattern", "evaluate.extractors: pattern cannot score.*; use domain"),
    "unknown optimizer": ("name: adam", "name: adamm", "train.optimizer.name 'adamm' is unknown, did you mean 'adam'"),
    "key of another optimizer": ("weight_decay: 0.0", "momentum: 0.9", "train.optimizer.momentum is an unknown key"),
    "word for a number": ("  lr: 0.0005", "  lr: fast", 'train.lr = "fast": should be a valid number'),
    "quoted number": ("  lr: 0.0005", '  lr: "0.0005"', 'train.lr = "0.0005": should be a valid number'),
    "fraction for a count": ("  batch: 64", "  batch: 64.5", "train.batch = 64.5: should be a valid integer"),
    "truth for a number": ("  batch: 64", "  batch: true", "train.batch = true: should be a valid integer"),
    "negative rate": ("  lr: 0.0005", "  lr: -0.0005", "train.lr = -0.0005: should be greater than 0"),
    "less than one image": (
        "  kimg: 160",
        "  kimg: 0.0001",
        "train.kimg = 0.0001: should be greater than or",
    ),
    "absurd size": (
        "  features: 64",
        "  features: 10000000",
        "system.features = 10000000: should be less",
    ),
    "too few to judge": ("  count: 2500", "  count: 6", "sample.count 6 is below the 7 that precision and recall need"),
    "zero batch": ("  batch: 64", "  batch: 0", "train.batch = 0: should be greater than or equal to 1"),
    "beta out of range": ("    - 0.5", "    - 1.5", "train.optimizer.betas.0 = 1.5: should be less than 1"),
    "one beta": ("    - 0.5\n", "", "train.optimizer.betas.1 is missing"),
    "infinity": ("  kimg: 160", "  kimg: .inf", "train.kimg = Infinity: should be a finite number"),
    "not a number": ("  lr: 0.0005", "  lr: .nan", "train.lr = NaN: should be a finite number"),
    "blank that may not be": ("  lr: 0.0005", "  lr:", "train.lr = null: should be a valid number"),
    "unknown precision": (
        "precision: fp32",
        "precision: fp16",
        "train.precision = \"fp16\" is unknown, did you mean 'bf16'",
    ),
    "missing key": ("  batch: 64\n", "", "train.batch is missing"),
    "missing length": ("  kimg: 160\n", "", "train.kimg is missing"),
    "contradiction": ("micro_batch:", "micro_batch: 65 #", "train: micro_batch 65 is larger than batch 64"),
    "key twice": ("  batch: 64", "  batch: 64\n  batch: 32", "not valid YAML: found duplicate key .*line"),
    "broken yaml": ("  batch: 64", "  batch: [64", "not valid YAML: .*line"),
}


def edited(case: str) -> tuple[str, str]:
    """`digits-dcgan` with the first line of it that holds the old text edited, and what is to be said of it."""
    old, new, message = HAND_EDITS[case]
    text = recipes.path_of("digits-dcgan").read_text()
    assert old in text, "the recipe was tuned: write its value into this table"
    return text.replace(old, new, 1), message


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", HAND_EDITS)
def test_a_hand_edit_that_is_wrong_gives_one_line_exit_code_2_and_writes_nothing(case: str, empty_folder: Path) -> None:
    content, message = edited(case)
    paths.PARAMS.write_text(content)
    result = CliRunner().invoke(stages.train.app)
    assert result.exit_code == 2, result.output
    assert re.fullmatch(rf"Error: params.yaml: {message}[^\n]*\n", result.stderr), result.stderr
    assert [path.name for path in empty_folder.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data", "digits", 'data = "digits" is not a section with keys; allowed: name, source'),
        ("train", "quick", 'train = "quick" is not a section with keys; allowed: kimg, batch'),
        ("train", None, "train = null is not a section"),
        ("system", "dcgan", 'system = "dcgan" is not a section with keys; allowed: name'),
        ("system", ["dcgan"], r'system = \["dcgan"\] is not a section'),
        ("train.optimizer", "adam", 'train.optimizer = "adam": should be a section with keys'),
        ("evaluate.extractors", "domain", 'evaluate.extractors = "domain": should be a list'),
        ("evaluate.extractors", ["domain", "domain"], "evaluate: extractors domain, domain names one twice"),
        ("evaluate.extractors", [], r"evaluate.extractors = \[\]: the list should have at least 1 item"),
        ("data.crop", "half", "data.crop = \"half\": should be a valid integer or 'whole'"),
        ("data.crop", 0, "data.crop = 0: should be greater than or equal to 1 or 'whole'"),
    ],
)
def test_a_section_or_list_replaced_by_something_else(
    key: str, value: object, message: str, empty_folder: Path
) -> None:
    content = read_yaml(recipes.path_of("digits-dcgan"))
    *sections, last = key.split(".")
    functools.reduce(lambda here, name: here[name], sections, content)[last] = value
    YAML().dump(content, paths.PARAMS)
    result = CliRunner().invoke(stages.train.app)
    assert result.exit_code == 2
    assert re.fullmatch(rf"Error: params.yaml: {message}[^\n]*\n", result.stderr), result.stderr
    assert [path.name for path in empty_folder.iterdir()] == ["params.yaml"]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 8)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(BOMB, "more than 100000 values, aliases counted .line 6", id="aliases that explode"),
        pytest.param("a: &a [*a]", "the alias .a stands within what it is an alias of", id="an alias of itself"),
        pytest.param("a: " + "[" * 5000, "nested more than 40 deep", id="brackets"),
        pytest.param("- " * 5000 + "a", "nested more than 40 deep", id="dashes"),
        pytest.param("a: " + "{a: " * 5000, "nested more than 40 deep", id="braces"),
        pytest.param("a: " + "x" * (1 << 20), "more than 1048576 bytes, which no params have", id="a long file"),
        pytest.param("[1, 2]", "expected the sections data, system", id="no mapping"),
    ],
)
def test_texts_that_would_take_minutes_or_all_memory_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        read_yaml(path)
    assert "\n" not in str(raised.value)


def test_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: &x {b: [1, 2]}\nc:\n  <<: *x\n  d: *x\n")
    assert read_yaml(path) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2], "d": {"b": [1, 2]}}}


class Buffer(Closed):
    """A pool of images, and in its name an option of its own, so that only the place in the file tells them apart."""

    name: Literal["buffer"]
    size: int = 50
    buffer: int = 0


class Newest(Closed):
    """No pool."""

    name: Literal["newest"]


class WithPools(Closed):
    """Options with a tagged union that is not called `optimizer`, alone and in a list."""

    pool: Annotated[Buffer | Newest, Field(discriminator="name")] = Newest(name="newest")
    pools: tuple[Annotated[Buffer | Newest, Field(discriminator="name")], ...] = ()


@pytest.mark.parametrize(
    ("pool", "problem"),
    [
        ({"name": "buffer", "size": "big"}, '.size = "big": should be a valid integer'),
        ({"name": "buffer", "buffer": 1, "size": 0.5}, ".size = 0.5: should be a valid integer"),
        ({"name": "buffer", "buffer": "big"}, '.buffer = "big": should be a valid integer'),
        ({"name": "buffer", "seize": 1}, ".seize is an unknown key, did you mean 'size'?; allowed: name, size, buffer"),
        ({"name": "newest", "size": 1}, ".size is an unknown key; allowed: name"),
        ({"name": "bufer"}, ".name 'bufer' is unknown, did you mean 'buffer'?; allowed: buffer, newest"),
        ({"size": 1}, ".name is missing"),
    ],
)
def test_the_alternative_of_a_section_is_no_key_of_it(pool: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(WithPools, {"pool": pool}, "params.yaml", prefix="system.")
    assert str(refused.value) == f"params.yaml: system.pool{problem}"
    with pytest.raises(ConfigError) as refused:
        parse(WithPools, {"pools": [{"name": "newest"}, pool]}, "params.yaml", prefix="system.")
    assert str(refused.value) == f"params.yaml: system.pools.1{problem}"


def test_no_params_at_all(empty_folder: Path) -> None:
    result = CliRunner().invoke(stages.train.app)
    assert result.exit_code == 2
    assert result.stderr == "Error: params.yaml: no such file; run `ganpipe recipe use digits-cgan-heads` to make one\n"


@pytest.mark.parametrize("content", ["? [a, b]\n: 1\n", "a: &x [*x]\n", "data: \x00\n", f"data: {'9' * 5000}\n"])
def test_yaml_that_is_no_params(content: str, empty_folder: Path) -> None:
    paths.PARAMS.write_text(content)
    with pytest.raises(ConfigError, match=r"^params.yaml: [^\n]+$"):
        load_params(paths.PARAMS)


def test_a_folder_for_a_file(empty_folder: Path) -> None:
    paths.PARAMS.mkdir()
    with pytest.raises(ConfigError, match="params.yaml: cannot be read: Is a directory"):
        load_params(paths.PARAMS)


@pytest.mark.parametrize("content", ["", "- a\n", "quick\n", "42\n"])
def test_a_file_that_is_no_mapping(content: str, empty_folder: Path) -> None:
    paths.PARAMS.write_text(content)
    with pytest.raises(ConfigError, match="expected the sections data, system, train, sample, evaluate, runtime"):
        load_params(paths.PARAMS)


def test_several_problems_are_counted(empty_folder: Path) -> None:
    text = recipes.path_of("pattern-1010").read_text().replace("batch: 1", "batch: 0").replace("lr: 0.01", "lr: -1")
    paths.PARAMS.write_text(text)
    with pytest.raises(ConfigError, match=r"\(and 1 more\)$"):
        load_params(paths.PARAMS)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_good_complete_and_in_the_normal_form_of_dvc(name: str) -> None:
    path = recipes.path_of(name)
    params.load(path)
    shown = flatten(read_yaml(path))
    known = flatten(load_params(path).model_dump(mode="json"))
    assert shown == known, "a recipe shows every key there is"
    text = path.read_text()
    assert not re.search(r"[\[\]{}\"']|: null", re.sub(r"#.*", "", text)), "block lists, blank nulls, no quotes"


def test_numbers_are_read_as_yaml_1_2(empty_folder: Path) -> None:
    text = recipes.path_of("pattern-1010").read_text()
    for written, value in {"1e-10": 1e-10, "2e-4": 2e-4, "3": 3.0, "0.5": 0.5}.items():
        paths.PARAMS.write_text(text.replace("lr: 0.01", f"lr: {written}"))
        assert load_params(paths.PARAMS).train.lr == value


def test_params_cannot_be_changed_in_flight(workspace: Callable[[str], Params]) -> None:
    with pytest.raises(ValueError, match="frozen"):
        workspace("pattern-1010").train.lr = 1.0  # type: ignore[misc]


def test_flatten() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None}) == {"a.b.c": 1, "a.d": [1, 2], "e": None}
