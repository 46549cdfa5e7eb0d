"""Files are whole under their name or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganpipe.files import replacing, write_bytes, write_json


def test_the_name_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with replacing(path) as part:
        part.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(KeyError), replacing(path) as part:
        part.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_json_never_holds_what_json_has_no_word_for(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "metrics.json", {"fd": bad})
    assert not list(tmp_path.iterdir())


def test_json_is_sorted_and_the_same_every_time(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": {"d": 2, "c": "é"}})
    write_json(tmp_path / "b", {"a": {"c": "é", "d": 2}, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == {"a": {"c": "é", "d": 2}, "b": 1}
