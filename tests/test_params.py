"""What only the tables of data sets and systems know about params."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conditional import TABLE_LINE

from ganpipe import params, paths, recipes, systems
from ganpipe.config import read_yaml
from ganpipe.errors import ConfigError


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(pictures: list[str], **system: str) -> None:
    content = read_yaml(recipes.path_of("digits-dcgan"))
    content["sample"]["pictures"] = pictures
    content["system"] = system or content["system"]
    paths.PARAMS.write_text(json.dumps(content))  # JSON is YAML


def test_a_row_per_class_needs_a_conditional_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(systems.SYSTEMS, *TABLE_LINE)
    write(["grid", "classes"])
    with pytest.raises(ConfigError) as refused:
        params.load()
    assert str(refused.value) == (
        "params.yaml: sample.pictures: classes needs a conditional system, but system.name = 'dcgan' takes no "
        "condition; leave it out"
    )
    write(["grid", "nearest"])
    assert params.load().sample.pictures == ("grid", "nearest")
    write(["grid", "classes"], name="obedient")
    assert params.load().sample.pictures == ("grid", "classes")


def test_an_unknown_picture_is_named() -> None:
    write(["gird"])
    with pytest.raises(ConfigError, match=r'"gird" is unknown, did you mean .grid.\?'):
        params.load()
