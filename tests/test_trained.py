"""The trainings that tests share are those that each test would have done itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY
from miniatures import changed, miniature, train
from once import made_once
from trained import FINGERPRINT

from ganpipe import paths
from ganpipe.config import Params


def files() -> dict[str, bytes]:
    """What a training leaves in this workspace: results and its checkpoint."""
    found = (path for folder in ("data", ".ganpipe/checkpoints") for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in found if paths.PACKED not in path.parents}


def test_a_shared_training_leaves_what_an_own_one_leaves(
    workspace: Callable[[str], Params],
    trained: Callable[[Params], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = miniature(workspace("pattern-1010"))
    trained(params)
    shared = files()
    shutil.rmtree(".ganpipe")  # the finished checkpoint: there would be nothing to train
    train(params, FINGERPRINT)
    own = files()
    assert {str(paths.HISTORY), str(paths.CURVES), str(paths.FINDINGS)} < own.keys()
    assert own.keys() == shared.keys()
    assert all(own[name] == shared[name] for name in own if name.startswith("data"))

    capsys.readouterr()
    trained(changed(params, sample={"count": 50}, runtime={"checkpoint_seconds": 1.0}))  # the same training
    assert "Training" not in capsys.readouterr().err
    trained(changed(params, train={"seed": 1}))
    assert "Training" in capsys.readouterr().err
    assert Path(paths.HISTORY).read_bytes() != own[str(paths.HISTORY)]


MAKE = """
import sys, time
from pathlib import Path
from once import made_once
def make(folder):
    folder.mkdir()
    time.sleep(0.2)
    (folder / "content").write_text(sys.argv[2])
    print("made")
made_once(Path(sys.argv[1]), make)
"""


def test_of_several_processes_one_makes_and_all_get_it(tmp_path: Path) -> None:
    folder, search = tmp_path / "folder", {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"}
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKE, folder, name], env=search, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    said = [maker.communicate()[0] for maker in makers]
    assert sorted(said) == ["", "", "made\n"]
    assert (folder / "content").read_text() == ("one", "two", "three")[said.index("made\n")]


def test_what_could_not_be_made_is_made_by_the_next(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyError

    with pytest.raises(KeyError):
        made_once(tmp_path / "folder", fail)
    made_once(tmp_path / "folder", lambda folder: folder.mkdir())
    assert not list((tmp_path / "folder").iterdir())
