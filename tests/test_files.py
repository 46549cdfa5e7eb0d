"""Files are whole under their name or not there."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest

from ganpipe import files
from ganpipe.files import replacing, temporary, write_bytes, write_json


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


def test_two_writers_of_one_file_have_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as one:
        one.write_bytes(b"one")
        with replacing(path) as other:
            other.write_bytes(b"other")
        assert path.read_bytes() == b"other"
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not where somebody has foreseen the name."""
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    monkeypatch.setattr(files, "_numbers", itertools.repeat(0))
    temporary(tmp_path / "file").symlink_to(kept)
    with pytest.raises(FileExistsError):
        write_bytes(tmp_path / "file", b"new")
    assert kept.read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["file", "[a]*?", "x" * 250])
def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path: Path, name: str) -> None:
    path, dead = tmp_path / name, subprocess.Popen(["true"])
    dead.wait()
    own = temporary(path).name
    left = [tmp_path / own.replace(f"-{os.getpid()}-", f"-{number}-") for number in (dead.pid, os.getppid())]
    for part in left:
        part.write_bytes(b"half")
    write_bytes(path, b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, left[1].name])


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
