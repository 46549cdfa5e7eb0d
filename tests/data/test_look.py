"""The fingerprint of the user's own files: it changes with what would be gathered, and with nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ganpipe.config import Data
from ganpipe.data.download.look import look_at_source

SEEN = Path("data/source.json")


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    folder = Path("mine")
    (folder / "cat").mkdir(parents=True)
    (folder / "cat/1.png").write_bytes(b"one")
    (folder / "cat/2.png").symlink_to("../../elsewhere.png")
    Path("elsewhere.png").write_bytes(b"two")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    return folder


def seen(name: str = "folder", source: str | None = "mine", **params: object) -> dict[str, object]:
    look_at_source(Data(name=name, source=source, **params), SEEN)
    return json.loads(SEEN.read_text())


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


NOTICED: dict[str, Callable[[Path], object]] = {
    "a new file": lambda mine: (mine / "cat/3.png").write_bytes(b""),
    "a file less": lambda mine: (mine / "cat/1.png").unlink(),
    "another name": lambda mine: (mine / "cat/1.png").rename(mine / "cat/0.png"),
    "another size": lambda mine: grow(mine / "cat/1.png"),
    "another time": lambda mine: os.utime(mine / "cat/1.png", (1, 1)),
    "another target of a link": lambda mine: grow(Path("elsewhere.png")),
    "a link that leads nowhere": lambda mine: Path("elsewhere.png").unlink(),
    "an empty folder": lambda mine: (mine / "dog").mkdir(),
}


@pytest.mark.parametrize("change", NOTICED)
def test_a_change_is_noticed(mine: Path, change: str) -> None:
    before = seen()
    assert before["files"] == 3
    NOTICED[change](mine)
    assert seen() != before


UNNOTICED: dict[str, Callable[[Path], object]] = {
    "nothing": lambda mine: None,
    "a hidden file": lambda mine: (mine / ".DS_Store").write_bytes(b""),
    "permissions": lambda mine: (mine / "cat/1.png").chmod(0o600),
    "another place": lambda mine: mine.rename("yours").rename("mine"),
    "a file beside": lambda mine: Path("other.png").write_bytes(b""),
}


@pytest.mark.parametrize("change", UNNOTICED)
def test_what_changes_no_raw_file_is_not_noticed(mine: Path, change: str) -> None:
    before = seen()
    UNNOTICED[change](mine)
    assert seen() == before


def test_links_that_are_not_followed_do_not_count(mine: Path) -> None:
    before = seen(follow_links=False)
    assert before["files"] == 2
    grow(Path("elsewhere.png"))
    assert seen(follow_links=False) == before


def test_an_archive_and_the_raw_files_of_a_published_set_are_looked_at() -> None:
    Path("a.zip").write_bytes(b"PK")
    before = seen(source="a.zip")
    grow(Path("a.zip"))
    assert before["files"] == 1 and seen(source="a.zip") != before
    Path("celeba").mkdir()
    Path("celeba/list_eval_partition.txt").write_bytes(b"1")
    before = seen("celeba", "celeba")
    Path("celeba/notes.txt").write_bytes(b"")
    assert before["files"] == 1 and seen("celeba", "celeba") == before
    grow(Path("celeba/list_eval_partition.txt"))
    assert seen("celeba", "celeba") != before


@pytest.mark.parametrize("source", [None, "https://example.org/"])
def test_without_files_here_there_is_nothing_to_look_at(source: str | None) -> None:
    assert seen("celeba", source) == {"source": "nothing on this machine to look at"}


def test_a_source_that_is_not_on_this_machine_leaves_what_was_seen(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = seen()
    mine.rename("away")
    assert seen() == before
    assert "data.source = 'mine' is not on this machine, so changes go unnoticed" in capsys.readouterr().err
    SEEN.unlink()
    assert seen() == {"source": "is missing"}
