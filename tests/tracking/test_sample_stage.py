"""The command of the sample stage, with its run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY
from miniatures import miniature
from typer.testing import CliRunner

from ganpipe import paths
from ganpipe.config import Params
from stages.sample import app


@pytest.fixture
def sigterm_kept() -> Iterator[None]:
    """A command makes an exit of SIGTERM, which is not for pytest."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_finished_checkpoint_is_no_longer_needed_when_the_stage_has_drawn_samples(
    workspace: Callable[[str], Params], trained: Callable[[Params], None], migrated_store: Path, sigterm_kept: None
) -> None:
    params = miniature(workspace("pattern-1010"))
    shutil.copy(migrated_store, "mlflow.db")
    paths.PARAMS.write_text(params.model_dump_json())  # JSON is YAML
    for name in ("ganpipe", "stages", "dvc.yaml"):
        Path(name).symlink_to(REPOSITORY / name)
    trained(params)
    folder = paths.state_dir() / "checkpoints"
    assert (folder / "fingerprint" / "last.pt").exists()
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0, result.output
    assert paths.SAMPLES_FILE.exists()
    assert [path.name for path in folder.iterdir()] == ["fingerprint.lock"]
