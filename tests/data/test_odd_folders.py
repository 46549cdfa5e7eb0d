"""Odd sources of the user's own pictures: the right rows and all that is left out, or one true line of error."""

from __future__ import annotations

import csv
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from data.odd_folders import CASES, FORMATS, PNG, Case, heic, put

from ganpipe.config import Data
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, GanpipeError

RAW, PACKED = Path("raw"), Path("packed")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def packed_of(case: Case) -> Packed:
    """Write the source of a case, download and pack it."""
    Path("mine").mkdir()
    if callable(case.source):
        case.source(Path())
    else:
        put(Path("mine"), case.source)
    data = Data(name=case.name, source=case.path, **({"size": 8} | case.params))
    download(data, RAW)
    pack(data, RAW, PACKED, workers=1)
    packed = Packed.open(PACKED / "data.h5")
    packed.verify()
    return packed


def listed() -> dict[str, str]:
    """Return all that was left out, with the reasons."""
    if not (PACKED / "quarantine.csv").exists():
        return {}
    with (PACKED / "quarantine.csv").open(encoding="utf-8", newline="") as table:
        return {row["name"]: row["reason"] for row in csv.DictReader(table)}


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.error])
def test_odd_sources_are_packed_and_what_is_left_out_is_listed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    packed = packed_of(case)
    space, manifest = packed.spaces[0], json.loads((PACKED / "manifest.json").read_text())
    assert packed.count(space) == case.rows
    assert {split: len(rows) for split, rows in packed.splits(space).items()} == (case.splits or {"train": case.rows})
    label = packed.fields.get("label")
    assert (label.names if label else ()) == case.classes
    assert listed() == {**case.bad, **case.beside}
    assert manifest["left_out"] == len(case.bad) and manifest.get("skipped", {}) == case.skipped
    told = capfd.readouterr().err
    assert case.told in told and "Traceback" not in told
    assert told.count("Left out") == bool(case.bad) + any("link" not in kind for kind in case.skipped)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.error])
def test_sources_that_will_not_do_are_one_true_line(name: str) -> None:
    case = CASES[name]
    with pytest.raises(GanpipeError) as caught:
        packed_of(case)
    assert str(caught.value) == case.error and "\n" not in case.error
    assert not PACKED.exists() or list(PACKED.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, case in FORMATS.items() if not callable(case.source)])
def test_every_file_is_a_row_or_listed(name: str) -> None:
    packed = packed_of(CASES[name])
    assert packed.count("items") + len(listed()) == len([path for path in Path("mine").rglob("*") if path.is_file()])


def test_heic_without_the_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError) as caught:
        packed_of(Case({"a.jpg": PNG, "b/c.heic": content}))
    assert str(caught.value) == (
        "raw/folder.tar: 'b/c.heic' is a HEIC picture, which needs `pip install 'ganpipe[heic]'`"
    )


def test_an_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all files, so that the test says itself which are forbidden."""
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("secret.png"))
    assert packed_of(Case({"a.png": PNG, "secret.png": PNG})).count("items") == 1
    assert listed() == {"secret.png": "not readable"}
    assert json.loads((PACKED / "manifest.json").read_text())["skipped"] == {"not readable": 1}


def test_a_folder_and_its_archives_have_the_same_content_hash() -> None:
    case = CASES["splits of classes in any case"]
    plain = packed_of(case)
    for number, folder in enumerate(("", "wrapped/")):
        with zipfile.ZipFile(f"{number}.zip", "w") as out:
            for path in sorted(Path("mine").rglob("*.png"), reverse=True):
                out.write(path, folder + path.relative_to("mine").as_posix())
        data = Data(name="folder", source=f"{number}.zip", size=8)
        download(data, RAW)
        assert sorted(path.name for path in RAW.iterdir()) == ["SOURCE.json", "archive.zip"]
        pack(data, RAW, PACKED, workers=1)
        assert Packed.open(PACKED / "data.h5").content_sha256 == plain.content_sha256
