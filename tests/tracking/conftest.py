"""Fixtures of the tracking tests: a checkout with git, and a real sqlite store that was migrated once per session."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from ganpipe import paths
from ganpipe.config import Params, parse
from ganpipe.history.table import History
from ganpipe.identity import identify_workspace
from ganpipe.tracking import background
from ganpipe.tracking.api import track
from ganpipe.tracking.run import Run
from ganpipe.tracking.stage_outputs import train_metrics

if TYPE_CHECKING:  # every process of a test run reads this file, and few of them run these tests
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

CONTENT: dict[str, Any] = {
    "data": {"name": "digits", "source": None},
    "system": {"name": "dcgan", "latent": 8},
    "train": {
        "kimg": 3.0,
        "batch": 4,
        "lr": 1e-3,
        "optimizer": {"name": "adam", "betas": [0.5, 0.9]},
        "preview_kimg": 1.0,
        "log_kimg": 1.0,
    },
    "sample": {"count": 10},
    "evaluate": {"extractors": ["domain"]},
    "runtime": {"device": "cpu"},
}
PIPELINE = """\
stages:
  train:
    cmd: python -m stages.train
    deps:
    - data/packed
    - ganpipe/nets
    - ganpipe/systems/${system.name}.py
    - stages/train.py
  evaluate:
    cmd: python -m stages.evaluate
    deps:
    - ganpipe/metrics
"""


DVC_PIPELINE = {
    "stages": {
        "train": {
            "cmd": "true",
            "deps": ["ganpipe/nets"],
            "params": ["train"],
            "outs": ["data/history.csv", "data/model", "data/previews"],
        },
        "sample": {
            "cmd": "true",
            "deps": ["data/history.csv", "data/model"],
            "params": ["sample"],
            "outs": ["data/samples"],
        },
        "evaluate": {
            "cmd": "true",
            "deps": ["data/samples/samples.h5", "data/packed/manifest.json"],
            "params": ["evaluate"],
            "metrics": ["data/metrics.json"],
        },
        "pack": {"cmd": "true", "outs": ["data/packed"]},
    }
}
"""The stages of a checkout whose outputs DVC keeps in its cache."""


class Checkout:
    """A user's checkout as the current folder. Its stages write the files real ones would, in no time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def client(self) -> MlflowClient:
        return self.client_of("mlflow.db")

    def client_of(self, store: str) -> MlflowClient:
        """Open an sqlite store of this checkout."""
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.root}/{store}")

    def params(self, **changes: Any) -> Params:
        """The params with changes by dotted key, dots written as two underscores."""
        content = copy.deepcopy(CONTENT)
        for dotted, value in changes.items():
            *sections, key = dotted.split("__")
            section = content
            for name in sections:
                section = section[name]
            section[key] = value
        return parse(Params, content, "test")

    def train(self, params: Params, upto: int = 3, error: BaseException | None = None, noise: float = 0.0) -> None:
        """Train to `upto` kimg, raising `error` after the last; always from the start, as resumed points are equal."""
        with track("train", params, identify_workspace(params)) as run:
            self.training(run, upto, noise)
            if error:
                raise error

    def training(self, run: Run, upto: int, noise: float = 0.0) -> None:
        """What the training stage does: live points and previews, then the files."""
        history = History()
        for kimg in range(1, upto + 1):
            history.add({"loss_generator": 1 / kimg + noise, "loss_discriminator": kimg / 3})
            run.metrics(train_metrics(history.close_row(float(kimg))), kimg * 1000)
            preview = paths.PREVIEWS / f"kimg-{kimg:09.3f}.png"
            self.picture(preview, kimg)
            run.image("samples", kimg * 1000, preview)
        history.write_csv(paths.HISTORY)
        paths.MODEL.mkdir(exist_ok=True)
        (paths.MODEL / "generator.safetensors").write_bytes(b"weights" + repr(noise).encode())
        (paths.MODEL / "generator.json").write_text("{}")

    def sample(self, params: Params, shade: int = 7) -> None:
        with track("sample", params, identify_workspace(params)):
            self.picture(paths.SAMPLES / "grid.png", shade)
            paths.SAMPLES_FILE.write_bytes(bytes(shade))

    def evaluate(self, params: Params, fd: float = 2.5, block_name: str = "domain") -> None:
        with track("evaluate", params, identify_workspace(params)):
            block = {"extractor": "lenet84@b7320f18", "fd": fd, "floor": {"fd": 0.5}, "images": 10}
            scores = {"n_fake": 10, block_name: block}
            paths.METRICS.write_text(json.dumps(scores))

    def repro(self, params: Params, noise: float = 0.0) -> None:
        self.train(params, noise=noise)
        self.sample(params)
        self.evaluate(params)

    def picture(self, path: Path, shade: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), shade).save(path)

    def runs(self) -> list[MlflowRun]:
        """All runs, in the order of their creation."""
        experiment = self.client.get_experiment_by_name("ganpipe")
        ids = [experiment.experiment_id] if experiment else []
        return list(self.client.search_runs(ids, order_by=["attributes.start_time"]))

    def points(self, run: MlflowRun, key: str) -> list[tuple[int, float]]:
        """All stored points of a metric, duplicates included, by step."""
        return sorted((point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, key))

    def files(self, run: MlflowRun, folder: str | None = None) -> set[str]:
        return {file.path for file in self.client.list_artifacts(run.info.run_id, folder) if not file.is_dir}

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def dvc(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-P", "-m", "dvc", *arguments, "--quiet"], check=True)

    def write_params(self, params: Params) -> None:
        paths.PARAMS.write_text(params.model_dump_json(indent=2))  # JSON is YAML

    def record(self, params: Params) -> None:
        """Let DVC take over what lies in the workspace as outputs of these params, and commit it."""
        self.write_params(params)
        self.dvc("commit", "--force")
        self.git("add", "-A")
        self.git("add", "-f", "dvc.lock")
        self.git("commit", "-q", "-m", "recorded", "--allow-empty")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite store with all tables and nothing in it; making one takes seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}")
    return file


@pytest.fixture
def fresh_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A checkout without a store, as the current folder; the background sender hurries."""
    for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_TRACKING", "RANK", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DVC_TEST", "true")  # no process that asks for a newer DVC after each command
    monkeypatch.setattr(background, "FLUSH_SECONDS", 0.02)
    root = tmp_path / "checkout"
    for folder in (".dvc", "data/packed", "ganpipe/nets", "ganpipe/metrics", "ganpipe/systems", "stages"):
        (root / folder).mkdir(parents=True)
    monkeypatch.chdir(root)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("ganpipe/nets/dcgan.py").write_text("width = 8\n")
    Path("ganpipe/metrics/frechet.py").write_text("order = 2\n")
    for name in ("dcgan", "wgan"):
        Path(f"ganpipe/systems/{name}.py").write_text("players = 2\n")
    Path("stages/train.py").write_text("pass\n")
    Path(".gitignore").write_text("/data\n/mlflow.db\n/mlartifacts\n/.ganpipe\n")
    paths.MANIFEST.write_text(json.dumps({"content_sha256": "d" * 64}))
    checkout = Checkout(root)
    checkout.git("init", "-q")
    checkout.git("add", "-A")
    checkout.git("commit", "-q", "-m", "start")
    yield checkout


@pytest.fixture
def checkout(fresh_checkout: Checkout, migrated_store: Path) -> Checkout:
    """A checkout with an empty store."""
    shutil.copy(migrated_store, fresh_checkout.root / "mlflow.db")
    return fresh_checkout


@pytest.fixture(scope="session")
def dvc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder .dvc of a new repository; to make one takes a second."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=root, check=True)
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    return root / ".dvc"


@pytest.fixture
def dvc_checkout(checkout: Checkout, dvc_folder: Path) -> Checkout:
    """A checkout with an empty store, whose outputs DVC keeps."""
    shutil.copytree(dvc_folder, ".dvc", dirs_exist_ok=True)
    paths.PIPELINE.write_text(json.dumps(DVC_PIPELINE))
    Path(".gitignore").write_text(
        "/data\n/mlflow.db\n/mlartifacts\n/.ganpipe\n/.dvc/tmp\n/.dvc/cache\n/.dvc/config.local\n*.bak\n"
    )
    checkout.git("add", "-A")
    checkout.git("commit", "-q", "-m", "pipeline")
    return checkout
