"""Words of others: the same spelling everywhere, no line end or formula in a table, no password in a line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
import raw_files
from typer.testing import CliRunner

from ganpipe import recipes
from ganpipe.cli import app
from ganpipe.config import Data, load_params
from ganpipe.data.download.stage import SOURCE, download
from ganpipe.data.pack.left_out import QUARANTINE
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.per_class import write_per_class
from ganpipe.report.params_table import written
from ganpipe.tracking.run_metadata import run_params
from ganpipe.words import address, cell, masked, one_line, printable

SECRET = "https://me:s3cret@host.example/data"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 🌸 \u200d.png", "plain é 🌸 \u200d.png"),
        ("a\nb\r\x1b[2Jc\x7f\x85", r"a\nb\r\x1b[2Jc\x7f\x85"),
        ("photo\u202egnp.exe", r"photo\u202egnp.exe"),
        (os.fsdecode(b"\xff\xfe.png"), r"\xff\xfe.png"),
        (os.fsdecode("é".encode() + b"\xc3"), "é" + r"\xc3"),
        ("\ud800", r"\ud800"),
        ("\ud800\udcff", r"\ud800\udcff"),
    ],
)
def test_what_is_not_printable_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown == printable(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@a", "'@a"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("-1.5", "-1.5"),
        ("a=b", "a=b"),
        ("\t=a", r"\t=a"),
    ],
)
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"at {SECRET} and {SECRET}", "at https://***@host.example/data and https://***@host.example/data"),
        ("postgresql://u:p/w@ssword@host/db", "postgresql://u:p/w@ssword@host/db"),
        ("mysql+pymysql://u:pass@word@host/db", "mysql+pymysql://***@host/db"),
        ("https://token@[::1", "https://***@[::1"),
        ("https://host/me@home", "https://host/me@home"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_names_and_passwords_of_addresses_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_line_is_one_line() -> None:
    assert one_line(f"a\nb\x1b[2J\r\n{SECRET}") == r"a b\x1b[2J https://***@host.example/data"


@pytest.mark.parametrize("url", ["https://[::1", "https://", "ftp://host", "https://host:port", "https://host:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="^is no address"):
        address(url)


BROKEN = "https://[::1"


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["recipe", "use", "digits-dcgan", "--force", "--source", BROKEN], {}),
        (["ui"], {"MLFLOW_TRACKING_URI": BROKEN}),
    ],
)
def test_a_broken_address_ends_in_one_line(
    command: list[str], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipes.use("digits-dcgan", Path("params.yaml"))
    result = CliRunner().invoke(app, command, env=environment)
    assert result.exit_code in (1, 2) and isinstance(result.exception, SystemExit)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and "Traceback" not in result.output
    assert "is no address (Invalid IPv6 URL)" in last


def test_a_password_is_in_no_row_page_or_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipes.use("digits-dcgan", Path("params.yaml"))
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  source:\n", f"  source: {SECRET}\n"))
    params = load_params(Path("params.yaml"))
    assert params.data.source == SECRET
    assert "s3cret" not in json.dumps(run_params(params)) and "***" in run_params(params)["data.source"]
    assert written(SECRET) == "https://***@host.example/data"
    result = CliRunner().invoke(app, ["recipe", "use", "digits-dcgan", "--source", f"{SECRET[:-12]}["])
    assert "s3cret" not in result.output and "Traceback" not in result.output


def test_names_of_files_are_spelled_alike_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, raw = tmp_path / "own", tmp_path / "raw"
    for name in (b"=cmd\x1b|'\n\xff", b"dog"):
        folder = own / os.fsdecode(name)
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"{number}.png").write_bytes(raw_files.encoded(raw_files.picture(seed=number), "PNG"))
        (folder / os.fsdecode(b"=\xfe.png")).write_bytes(b"")
    (own / os.fsdecode(b".hidden\n\xff")).write_bytes(b"")
    download(Data(name="folder", source=str(own)), raw)
    pack(Data(name="folder", source=str(own), size=32), raw, tmp_path / "packed", 1)
    shown = r"=cmd\x1b|'\n\xff"
    packed = Packed.open(tmp_path / "packed" / "data.h5")
    assert packed.spec.names("label") == (shown, "dog")
    with (tmp_path / "packed" / QUARANTINE).open(newline="") as table:
        assert [row["name"] for row in csv.DictReader(table)][:2] == [rf"'{shown}/=\xfe.png", r"dog/=\xfe.png"]
    assert json.loads((raw / SOURCE).read_text())["files"]["folder.tar"]["left_out"] == {r".hidden\n\xff": "hidden"}
    told = capsys.readouterr().err
    assert rf"{shown}/=\xfe.png" in told and "\x1b" not in told
    write_per_class(tmp_path / "per_class.csv", {shown: {"real": 0.5, "fake": 0.5}}, {})
    assert rf"'{shown}," in (tmp_path / "per_class.csv").read_text()
