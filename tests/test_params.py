"""What only the tables of data sets and systems know about params."""

from __future__ import annotations

from pathlib import Path

import pytest
from conditional import TABLE_LINE

from ganpipe import params, paths, recipes, systems
from ganpipe.errors import ConfigError


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(recipe: str, **lines: str) -> None:
    text = recipes.path_of(recipe).read_text()
    for old, new in lines.items():
        assert old in text
        text = text.replace(old, new)
    paths.PARAMS.write_text(text)


def test_a_row_per_class_needs_a_conditional_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(systems.SYSTEMS, *TABLE_LINE)
    with_classes = {"  - grid\n": "  - grid\n  - classes\n"}
    write("digits-dcgan", **with_classes)
    with pytest.raises(ConfigError) as refused:
        params.load()
    assert str(refused.value) == (
        "params.yaml: sample.pictures: classes needs a conditional system, but system.name = 'dcgan' takes no "
        "condition; leave it out"
    )
    write("digits-dcgan", **with_classes, **{"name: dcgan\n": "name: obedient\n", "  features: 64\n": ""})
    assert params.load().sample.pictures == ("grid", "classes", "interpolation")


def test_an_unknown_picture_is_named() -> None:
    write("digits-dcgan", **{"  - grid\n": "  - gird\n"})
    with pytest.raises(ConfigError, match=r'"gird" is unknown, did you mean .grid.\?'):
        params.load()
