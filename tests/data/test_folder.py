"""A folder of one's own: one tar file with the same bytes for the same pictures, and nothing in it that is no file."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from ganpipe.config import Data
from ganpipe.data.download import stage as fetch
from ganpipe.errors import ConfigError, DataError

RAW = Path("raw")
PICTURES = {"cats/1.png": b"one", "cats/deep/2.png": b"two", "dogs/ünï\n3.png": b"", "dogs/4.png": b"x" * 20_000}


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def filled(folder: str, names: list[str]) -> Path:
    for name in names:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PICTURES[name])
    return Path(folder)


def gathered(folder: str) -> bytes:
    fetch.download(Data(name="folder", source=folder), RAW)
    assert sorted(path.name for path in RAW.iterdir()) == [fetch.SOURCE, "folder.tar"]
    return (RAW / "folder.tar").read_bytes()


def members() -> dict[str, bytes]:
    with tarfile.open(RAW / "folder.tar") as tar:
        assert all(member.isreg() for member in tar)
        return {name: tar.extractfile(name).read() for name in tar.getnames()}


def test_all_files_come_in_sorted_order() -> None:
    filled("mine", list(PICTURES))
    gathered("mine")
    assert members() == PICTURES and list(members()) == sorted(PICTURES, key=os.fsencode)
    assert set(json.loads((RAW / fetch.SOURCE).read_text())["files"]["folder.tar"]) == {"bytes", "sha256"}


def test_the_same_pictures_give_the_same_bytes() -> None:
    first = filled("mine", list(PICTURES))
    second = filled("yours", list(PICTURES)[::-1])
    os.utime(second / "dogs/4.png", (1, 1))
    (second / "cats/1.png").chmod(0o600)
    assert gathered(str(first)) == gathered(str(second))
    record = (RAW / fetch.SOURCE).read_text()
    assert "mine" not in record and "yours" not in record
    (second / "dogs/4.png").write_bytes(b"y" * 20_000)
    assert gathered(str(first)) != gathered(str(second))


def test_a_folder_without_files_is_kept_for_it_may_be_a_class() -> None:
    mine = filled("mine", ["cats/1.png"])
    (mine / "birds/all").mkdir(parents=True)
    gathered("mine")
    with tarfile.open(RAW / "folder.tar") as tar:
        assert [(member.name, member.isdir()) for member in tar] == [("birds/all", True), ("cats/1.png", False)]


def odd_entries() -> None:
    """Write a picture to the folder `mine`, and beside it whatever is no file."""
    mine = filled("mine", ["cats/1.png"])
    (mine / "cats/link.png").symlink_to("1.png")
    (mine / "cats/dangling\n.png").symlink_to("nowhere")
    (mine / "cats/self").symlink_to("self")
    (mine / "loop").symlink_to(".")
    (mine / ".DS_Store").write_bytes(b"?")
    filled("mine/.git", ["cats/1.png"])
    os.mkfifo(mine / "pipe")


def left_out() -> dict[str, str]:
    return json.loads((RAW / fetch.SOURCE).read_text())["files"]["folder.tar"]["left_out"]


def test_odd_entries_are_left_out_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    odd_entries()
    gathered("mine")
    assert members() == dict.fromkeys(("cats/1.png", "cats/link.png"), PICTURES["cats/1.png"])
    nowhere = dict.fromkeys(("cats/dangling\\n.png", "cats/self"), "a link that leads nowhere")
    others = {".DS_Store": "hidden", ".git": "hidden", "pipe": "not a file"}
    assert left_out() == {**nowhere, **others, "loop": "a link to a folder that it lies in"}
    report = capsys.readouterr().err
    assert (
        "left out .DS_Store (hidden), .git (hidden), cats/dangling\\n.png (a link that" in report and "1 more" in report
    )


def test_links_are_left_out_where_the_params_say_so() -> None:
    odd_entries()
    fetch.download(Data(name="folder", source="mine", follow_links=False), RAW)
    assert list(members()) == ["cats/1.png"]
    links = ("cats/link.png", "cats/dangling\\n.png", "cats/self", "loop")
    link = "a link, and data.follow_links is false"
    assert left_out() == {**dict.fromkeys(links, link), ".DS_Store": "hidden", ".git": "hidden", "pipe": "not a file"}


def test_folders_that_link_to_each_other_end() -> None:
    elsewhere = filled("elsewhere", ["dogs/4.png"])
    mine = filled("mine", ["cats/1.png"])
    (mine / "more").symlink_to(elsewhere.resolve())
    (elsewhere / "back").symlink_to(mine.resolve())
    (elsewhere / "again").symlink_to("dogs")
    gathered("mine")
    assert list(members()) == ["cats/1.png", "more/again/4.png", "more/dogs/4.png"]
    assert left_out() == {"more/back": "a link to a folder that it lies in"}


@pytest.mark.parametrize(
    ("follow_links", "reason"),
    [(False, "a.png (a link, and data.follow_links is false)"), (True, "b.png (a link that leads nowhere)")],
)
def test_a_folder_of_links_says_so(follow_links: bool, reason: str) -> None:
    mine = filled("mine", [])
    mine.mkdir()
    (mine / "b.png").symlink_to("nowhere")
    if not follow_links:
        filled("elsewhere", ["cats/1.png"])
        (mine / "a.png").symlink_to("../elsewhere/cats/1.png")
    with pytest.raises(ConfigError, match="data.source = 'mine': there is nothing to take.*left out ") as caught:
        fetch.download(Data(name="folder", source="mine", follow_links=follow_links), RAW)
    assert reason in str(caught.value) and "\n" not in str(caught.value) and list(RAW.iterdir()) == []


def test_a_name_that_is_no_text_is_kept() -> None:
    mine = filled("mine", ["cats/1.png"])
    name = os.fsdecode(b"cats/\xff\xfe.png")
    (mine / name).write_bytes(b"odd")
    gathered("mine")
    assert members()[name] == b"odd"


def test_the_source_itself_may_be_a_link() -> None:
    filled("mine", ["cats/1.png"])
    Path("link").symlink_to("mine")
    gathered("link")
    assert list(members()) == ["cats/1.png"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "data.source = None: is missing"),
        ("nowhere", "no such folder"),
        ("a file", "'a file': is no zip, tar, .npy or .npz file that can be read; data.name = 'folder' needs"),
        ("empty", "no files in this folder"),
        ("https://example.org/", "no such folder"),
    ],
)
def test_what_is_no_folder_of_files_is_a_configuration_error(source: str | None, problem: str) -> None:
    Path("a file").write_bytes(b"")
    Path("empty/er").mkdir(parents=True)
    with pytest.raises(ConfigError, match=problem) as caught:
        fetch.download(Data(name="folder", source=source), RAW)
    assert "\n" not in str(caught.value) and list(RAW.iterdir()) == []


def test_a_file_that_shrinks_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    filled("mine", list(PICTURES))
    add = tarfile.TarFile.addfile

    def shrinking(self: tarfile.TarFile, member: tarfile.TarInfo, content: object) -> None:
        if member.name == "dogs/4.png":
            Path("mine/dogs/4.png").write_bytes(b"short")
        add(self, member, content)

    monkeypatch.setattr(tarfile.TarFile, "addfile", shrinking)
    with pytest.raises(DataError, match="mine/dogs/4.png: cannot be gathered: unexpected end of data"):
        gathered("mine")
    assert list(RAW.iterdir()) == []
