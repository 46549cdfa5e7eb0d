"""`ganpipe track sync` makes the run of the workspace complete, from files DVC vouches for and from nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganpipe.errors import DataError, GanpipeError
from ganpipe.identity import identify_workspace
from ganpipe.tracking import api
from ganpipe.tracking.api import sync_workspace, track

LOSS = "train/loss_generator"
PIPELINE = {
    "stages": {
        "train": {
            "cmd": "true",
            "deps": ["ganpipe/nets"],
            "params": ["train"],
            "outs": [{"data/history.csv": {"cache": False}}],
        },
        "sample": {"cmd": "true", "deps": ["data/history.csv"], "params": ["sample"], "outs": ["data/samples"]},
        "evaluate": {
            "cmd": "true",
            "deps": ["data/samples"],
            "params": ["evaluate"],
            "metrics": [{"data/metrics.json": {"cache": False}}],
        },
    }
}


@pytest.fixture
def everything_is_up_to_date(monkeypatch) -> None:
    monkeypatch.setattr(api, "finished_stages", lambda: ["train", "sample", "evaluate"])


def test_sync_rebuilds_a_lost_run_and_then_does_nothing(checkout, migrated_store, everything_is_up_to_date) -> None:
    params = checkout.params()
    checkout.repro(params)
    (live,) = checkout.runs()
    shutil.copy(migrated_store, "mlflow.db")
    line = sync_workspace(params)
    assert line == f"MLflow: run {live.info.run_name}: added train, sample, evaluate"
    (built,) = checkout.runs()
    assert built.info.status == "FINISHED"
    assert built.data.metrics == live.data.metrics and built.data.params == live.data.params
    assert checkout.points(built, LOSS) == [(1000, 1.0), (2000, 0.5), (3000, 1 / 3)]
    before = built.to_dictionary()
    assert sync_workspace(params) == f"MLflow: run {live.info.run_name} is up to date"
    assert [run.to_dictionary() for run in checkout.runs()] == [before]


def test_sync_completes_an_interrupted_run_without_doubling_points(checkout, everything_is_up_to_date) -> None:
    params = checkout.params()
    with pytest.raises(KeyboardInterrupt):
        checkout.train(params, upto=2, error=KeyboardInterrupt())
    with pytest.raises(RuntimeError), track("train", params, identify_workspace(params)) as run:
        checkout.training(run, 3)  # the files are complete, the tracking was not
        raise RuntimeError
    assert "added train" in sync_workspace(params)
    (run,) = checkout.runs()
    assert checkout.points(run, LOSS) == [(1000, 1.0), (2000, 0.5), (3000, 1 / 3)]
    assert len(checkout.files(run, "images")) == 6 and run.info.status == "FINISHED"


def test_sync_of_other_numbers_makes_a_new_attempt(checkout, everything_is_up_to_date) -> None:
    params = checkout.params()
    checkout.repro(params)
    Path("data/metrics.json").write_text(json.dumps({"domain": {"fd": 8.0}}))
    sync_workspace(params)
    old, new = checkout.runs()
    assert (old.data.metrics["eval/domain/fd"], new.data.metrics["eval/domain/fd"]) == (2.5, 8.0)
    assert new.data.tags["ganpipe.source_run"] == old.info.run_id


def test_sync_leaves_a_running_stage_alone(checkout, everything_is_up_to_date) -> None:
    params = checkout.params()
    with track("train", params, identify_workspace(params)) as run:
        checkout.training(run, 3)
        assert "being written" in sync_workspace(params)
    assert len(checkout.runs()) == 1


def test_sync_without_a_store_is_one_line(checkout, monkeypatch, everything_is_up_to_date) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    line = r"MLflow at http://127.0.0.1:1 unreachable \(.*\); nothing was synced"
    with pytest.raises(GanpipeError, match=line) as caught:
        sync_workspace(checkout.params())
    assert "\n" not in str(caught.value)


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "--quiet"], check=True)


def write_params(params) -> None:
    Path("params.yaml").write_text(params.model_dump_json(indent=2))  # JSON is YAML


def test_only_stages_that_are_up_to_date_are_synced(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    shutil.rmtree(".dvc")
    dvc("init")
    Path("dvc.yaml").write_text(json.dumps(PIPELINE))
    write_params(params)
    dvc("commit", "--force")
    assert api.finished_stages() == ["train", "sample", "evaluate"]

    write_params(checkout.params(sample__count=99))
    assert api.finished_stages() == ["train"], "sampling is stale, and so is everything after it"

    write_params(params)
    Path("ganpipe/nets/dcgan.py").write_text("width = 32\n")
    with pytest.raises(DataError, match="train is not up to date; run `dvc repro`"):
        sync_workspace(params)


def test_without_dvc_sync_says_so(checkout) -> None:
    shutil.rmtree(".dvc")
    with pytest.raises(DataError, match="`dvc status` failed: .*DVC") as caught:
        sync_workspace(checkout.params())
    assert "\n" not in str(caught.value)
