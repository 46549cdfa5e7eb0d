"""Rows and DVC: stages that DVC skips, experiments beside the workspace, and runs that are made again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from dvc.fs import LocalFileSystem
from dvc.rwlock import rwlock

from ganpipe import paths
from ganpipe.config import load_params
from ganpipe.errors import ConfigError, DataError
from ganpipe.tracking.api import sync_workspace
from ganpipe.tracking.reproduce import reproduce
from ganpipe.tracking.sync import sync_experiments

SLOTS = ("train", "sample", "evaluate")


def slots(run) -> list[str | None]:
    return [run.data.tags.get(f"ganpipe.slot.{stage}") for stage in SLOTS]


def load():
    return load_params(paths.PARAMS)


def test_a_row_takes_over_stages_that_dvc_will_skip(dvc_checkout, migrated_store) -> None:
    params = dvc_checkout.params()
    dvc_checkout.repro(params)
    dvc_checkout.record(params)
    shutil.copy(migrated_store, "mlflow.db")
    trained = str(Path("data/history.csv").absolute())
    with rwlock(
        ".dvc/tmp", LocalFileSystem(), "dvc repro -f -s train", [], [trained], hardlink=False
    ):  # as DVC holds it
        dvc_checkout.train(params)
    (run,) = dvc_checkout.runs()
    assert slots(run) == ["done", "replayed", "replayed"] and run.info.status == "FINISHED"
    assert run.data.metrics["eval/domain/fd"] == 2.5 and dvc_checkout.files(run, "samples") == {"samples/grid.png"}


def test_a_row_that_lacks_them_takes_them_when_the_work_is_repeated(dvc_checkout, migrated_store) -> None:
    params = dvc_checkout.params()
    dvc_checkout.repro(params)
    shutil.copy(migrated_store, "mlflow.db")
    dvc_checkout.train(params)
    assert slots(dvc_checkout.runs()[0]) == ["done", None, None], "DVC has recorded nothing"
    dvc_checkout.record(params)
    dvc_checkout.sample(params)
    (run,) = dvc_checkout.runs()
    assert slots(run) == ["done", "done", "replayed"]
    dvc_checkout.train(params)
    assert [again.to_dictionary() for again in dvc_checkout.runs()] == [run.to_dictionary()]


def test_stages_that_dvc_will_run_are_not_taken_over(dvc_checkout) -> None:
    params = dvc_checkout.params()
    dvc_checkout.repro(params)
    dvc_checkout.record(params)
    dvc_checkout.train(params, noise=0.5)
    assert slots(dvc_checkout.runs()[1]) == ["done", None, None], "other weights"
    other = dvc_checkout.params(sample__count=20)
    dvc_checkout.write_params(other)
    dvc_checkout.train(other)
    assert slots(dvc_checkout.runs()[2]) == ["done", None, None], "other params"


@pytest.fixture
def two_experiments(dvc_checkout, migrated_store):
    """Experiments `fine` and `coarse` in DVC, the latter in the workspace; the store is empty."""
    for name, seed in (("fine", 1), ("coarse", 2)):
        params = dvc_checkout.params(train__seed=seed)
        dvc_checkout.repro(params, noise=float(seed))
        dvc_checkout.record(params)
        head = dvc_checkout.git("rev-parse", "HEAD~1")
        dvc_checkout.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")  # what DVC leaves
    shutil.copy(migrated_store, "mlflow.db")
    shutil.rmtree("mlartifacts")
    return dvc_checkout


def files_here() -> dict[str, bytes]:
    kept = (path for path in Path().rglob("*") if path.is_file())
    ours = ("mlflow.db", "mlartifacts", ".git", ".ganpipe")
    return {
        str(path): path.read_bytes() for path in kept if path.parts[0] not in ours and path.parts[:2] != (".dvc", "tmp")
    }


def test_experiments_are_synced_beside_the_workspace(two_experiments) -> None:
    before, environment = files_here(), dict(os.environ)
    status = two_experiments.git("status", "--porcelain")
    assert list(sync_experiments(["fine"], None, load)) == ["fine: MLflow: run fine: added train, sample, evaluate"]
    (run,) = two_experiments.runs()
    assert run.info.run_name == "fine" and run.info.status == "FINISHED" and run.data.params["train.seed"] == "1"
    assert slots(run) == ["replayed"] * 3 and len(two_experiments.files(run, "images")) == 6
    assert two_experiments.files(run, "pipeline") == {
        f"pipeline/{name}" for name in ("params.yaml", "dvc.yaml", "dvc.lock")
    }
    assert run.data.tags["mlflow.source.git.commit"] == two_experiments.git("rev-parse", "HEAD~1")
    assert (files_here(), os.environ, Path.cwd()) == (before, environment, two_experiments.root)
    assert two_experiments.git("status", "--porcelain") == status and not list(Path(".ganpipe").glob("sync-*"))
    next(path for path in Path(".dvc/cache/files/md5").rglob("*") if is_weights(path, 2.0)).unlink()
    lines: list[str] = []
    with pytest.raises(DataError, match="1 of 2 experiments could not be synced"):
        for line in sync_experiments([], None, load):
            lines.append(line)
    fine, coarse = sorted(lines, reverse=True)
    assert fine == "fine: up to date"
    assert coarse.startswith("coarse: DVC's cache lacks files of it (") and "fetch them with --remote" in coarse


def is_weights(path: Path, noise: float) -> bool:
    return path.is_file() and path.read_bytes() == b"weights" + repr(noise).encode()


def test_an_unknown_experiment_is_one_line(checkout) -> None:
    head = checkout.git("rev-parse", "HEAD")
    checkout.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/fine", "HEAD")
    with pytest.raises(ConfigError, match="experiment 'fin' is unknown, did you mean 'fine'"):
        list(sync_experiments(["fin"], None, load))
    with pytest.raises(DataError, match="`dvc exp pull nowhere fine` failed: "):
        list(sync_experiments(["fine"], "nowhere", load))


def note(run) -> str:
    return run.data.tags["mlflow.note.content"]


def test_the_description_says_what_makes_a_run_again(dvc_checkout) -> None:
    params = dvc_checkout.params()
    dvc_checkout.write_params(params)
    dvc_checkout.git("add", "-A")
    dvc_checkout.git("commit", "-q", "-m", "params")
    commit = dvc_checkout.git("rev-parse", "HEAD")[:12]
    dvc_checkout.train(params)
    other = dvc_checkout.params(train__seed=5)
    dvc_checkout.write_params(other)
    dvc_checkout.train(other)
    clean, changed = dvc_checkout.runs()
    assert f"Reproduce: `git checkout {commit}`, then `dvc repro`" in note(clean)
    assert f"Reproduce: `ganpipe reproduce {changed.info.run_id[:8]}`; git has commit {commit}" in note(changed)
    assert "this run had changes in params.yaml." in note(changed)
    kept = Path(dvc_checkout.client.download_artifacts(changed.info.run_id, "pipeline/params.yaml"))
    assert json.loads(kept.read_text())["train"]["seed"] == 5


def test_a_run_is_reproduced_from_the_files_it_holds(dvc_checkout, capfd) -> None:
    first = dvc_checkout.params()
    dvc_checkout.repro(first)
    dvc_checkout.record(first)
    assert "added" not in sync_workspace(first)
    dvc_checkout.sample(first, shade=9)  # a row with dvc.lock in it
    run = dvc_checkout.runs()[1]
    other = dvc_checkout.params(train__seed=5)
    dvc_checkout.write_params(other)
    with pytest.raises(
        ConfigError, match=r"params\.yaml hold changes that are not committed: commit them, or add --force"
    ):
        reproduce(run.info.run_id)
    assert load() == other, "nothing was touched"
    Path("ganpipe/nets/dcgan.py").write_text("width = 9\n")
    capfd.readouterr()
    reproduce(run.info.run_id[:8], force=True)
    said = capfd.readouterr().out
    assert f"params.yaml, dvc.yaml, dvc.lock are now those of run {run.info.run_name}." in said
    assert "The code here is not that of the run" in said and "Running stage 'train'" in said
    assert load() == first and load_params(Path("params.yaml.bak")) == other


def test_a_run_without_these_files_cannot_be_reproduced(checkout) -> None:
    checkout.train(checkout.params())
    (run,) = checkout.runs()
    shutil.rmtree(Path("mlartifacts", run.info.run_id, "artifacts/pipeline"))
    with pytest.raises(ConfigError, match="holds no params.yaml"):
        reproduce(run.info.run_name)
    with pytest.raises(ConfigError, match="run 'nobody' is unknown; see `ganpipe ui`"):
        reproduce("nobody")
