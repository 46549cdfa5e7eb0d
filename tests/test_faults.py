"""What the machine does, in one line and without a traceback: each fault made for real where that is possible."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import typer

from ganpipe.command import one_line_errors
from ganpipe.errors import CheckpointError
from ganpipe.faults import explained
from ganpipe.files import write_bytes
from ganpipe.training.checkpoint import Checkpoints

FULL = Path("/dev/full")
"""A device of Linux on which every write finds no space left."""


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file grow beyond a size, which is given to the test in bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield 1 << 20
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def line_of(error: BaseException) -> str:
    said = explained(error)
    assert said is not None and "\n" not in said
    return said


def test_a_file_that_grows_too_large_is_named(small_files: int, tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised:
        write_bytes(tmp_path / "large", bytes(2 * small_files))
    assert line_of(raised.value) == (
        f"{tmp_path / 'large'}: File too large; this process may write no larger file: raise `ulimit -f`, or use "
        "another disk"
    )
    assert not list(tmp_path.iterdir())


def test_what_hdf5_says_is_read(small_files: int, tmp_path: Path) -> None:
    with pytest.raises((OSError, RuntimeError)) as raised, h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.random.default_rng(0).random(small_files)
    assert "File too large; this process may write no larger file" in line_of(raised.value)
    closing = "unable to close file, errno = 28, error message = 'No space left on device'"
    said = line_of(RuntimeError(f"Can't decrement id ref count ({closing})"))
    assert said == "writing: No space left on device; make room on this disk"


def test_a_checkpoint_that_cannot_be_written_says_why(small_files: int, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "mine")
    checkpoints.save({"nimg": 1})
    with pytest.raises(CheckpointError, match="no checkpoint can be written: .*File too large.*ulimit -f"):
        checkpoints.save({"nimg": 2, "w": torch.zeros(small_files)})
    state = checkpoints.load()
    assert state is not None and state["nimg"] == 1
    assert [path.name for path in checkpoints.folder.iterdir()] == ["last.pt"]


def test_torch_on_a_full_disk() -> None:
    with pytest.raises((OSError, RuntimeError)) as raised, FULL.open("wb") as file:
        torch.save({"w": torch.zeros(1 << 20)}, file)
    assert "No space left on device; make room on this disk" in line_of(raised.value)


def test_no_memory_for_numpy_and_torch() -> None:
    with pytest.raises(MemoryError) as numpys:
        np.zeros(1 << 60, np.uint8)
    assert line_of(numpys.value).startswith("no memory is left (Unable to allocate 1.00 EiB for an array")
    with pytest.raises(RuntimeError) as torchs:
        torch.zeros(1 << 60, dtype=torch.uint8)
    assert line_of(torchs.value).startswith("no memory is left (")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EIO, "Input/output error; the disk, or the network before it, is failing"),
        (errno.EROFS, "Read-only file system; use a place that can be written"),
        (errno.EMFILE, "Too many open files; this process may open no more files: raise `ulimit -n`"),
        (errno.EBUSY, "Device or resource busy"),
    ],
)
def test_what_the_system_says(number: int, said: str) -> None:
    assert line_of(OSError(number, os.strerror(number), "data/raw/a.zip")).startswith(f"data/raw/a.zip: {said}")


def test_links_in_a_circle_and_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError) as circle:
        (tmp_path / "a").read_bytes()
    assert "links that lead to each other: remove them" in line_of(circle.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as folder:
        write_bytes(tmp_path / "folder", b"")
    assert "a folder is where a file should be: move it away" in line_of(folder.value)


def test_defects_keep_their_traceback() -> None:
    assert explained(KeyError("a")) is None
    assert explained(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    try:
        try:
            Path("/nowhere").read_bytes()
        except OSError:
            {}["a"]  # noqa: B018
    except KeyError as defect:
        assert explained(defect) is None
    with pytest.raises(KeyError), one_line_errors():
        raise KeyError("a")


def test_a_command_ends_in_one_line_and_keeps_the_traceback_on_demand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(typer.Exit) as ended, one_line_errors():
        raise OSError(errno.EIO, "Input/output error", "data/raw/a.zip")
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("Error: data/raw/a.zip: Input/output error; the disk")
    monkeypatch.setenv("GANPIPE_DEBUG", "1")
    with pytest.raises(OSError), one_line_errors():
        raise OSError(errno.EIO, "Input/output error", "data/raw/a.zip")


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "from ganpipe.cli import app; app()"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{code}" dataset list | head -1'], capture_output=True, text=True
    )
    assert done.stderr == ""


DROPPED = """
import gc, os, signal, time
from ganpipe.command import exit_on_sigterm
exit_on_sigterm()
signal.signal(signal.SIGINT, signal.default_int_handler)
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.{signal})
        for _ in range(1000): pass
Dying()
gc.collect()
time.sleep(20)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", -2)])
def test_a_signal_that_comes_while_something_is_deleted_ends_the_process(name: str, code: int) -> None:
    program = DROPPED.format(signal=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15)
    assert done.returncode == code and "Exception ignored" not in done.stderr


CLOSING = """
import errno, os, sys
from ganpipe.command import exit_on_sigterm
exit_on_sigterm()
class File:
    def __del__(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
File()
error = RuntimeError("Can't decrement id ref count (file write failed, errno = 28)")
sys.excepthook(RuntimeError, error, None)  # as h5py does where it cannot close a file
"""


def test_a_file_that_cannot_be_closed_is_a_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSING], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stderr == "writing: No space left on device; make room on this disk\n" * 2
