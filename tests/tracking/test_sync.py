"""`ganpipe track sync` makes the run of the workspace complete, from files DVC vouches for and from nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ganpipe import paths
from ganpipe.errors import DataError, GanpipeError
from ganpipe.identity import identify_workspace
from ganpipe.machine import cpu_name, cpu_threads
from ganpipe.tracking import api
from ganpipe.tracking.api import sync_workspace, track
from ganpipe.tracking.pipeline import experiments_here, finished_stages
from ganpipe.tracking.run_metadata import run_facts
from ganpipe.tracking.stage_outputs import note_peak_memory

LOSS = "train/loss_generator"


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


def test_sync_says_finished_where_the_process_died_before_it_could(checkout, everything_is_up_to_date) -> None:
    params = checkout.params()
    checkout.repro(params)
    (run,) = checkout.runs()
    checkout.client.set_tag(run.info.run_id, "ganpipe.host", "elsewhere")  # nobody here can see that process
    for status in ("KILLED", "RUNNING"):
        checkout.client.update_run(run.info.run_id, status)
        assert sync_workspace(params) == f"MLflow: run {run.info.run_name} is complete: {status} is now FINISHED"
        assert checkout.runs()[0].info.status == "FINISHED"


def test_a_synced_run_has_the_peak_memory_of_its_training(checkout, migrated_store, everything_is_up_to_date) -> None:
    params = checkout.params()
    checkout.repro(params)
    note_peak_memory({"cpu": 300.5, "gpu": 1000.25}, nimg=3000)
    shutil.copy(migrated_store, "mlflow.db")
    sync_workspace(params)
    (run,) = checkout.runs()
    assert checkout.points(run, "memory/peak_gpu_mib") == [(3000, 1000.25)]
    facts = run_facts(run.data.tags, run.data.metrics)
    assert (facts["device"], facts["CPU"]) == ("GPU", cpu_name())
    assert facts["CPU threads"] == str(cpu_threads(params.runtime))
    assert json.loads(paths.PEAK_MEMORY.read_text())["machine"] == {"cpu": cpu_name(), "threads": 1}
    note_peak_memory({"cpu": 299.0}, nimg=3000)
    assert "is up to date" in sync_workspace(params), "other memory is no other result"


def test_an_experiment_that_dvc_brought_here_keeps_its_name(checkout, migrated_store, everything_is_up_to_date) -> None:
    params = checkout.params()
    checkout.repro(params)
    shutil.copy(migrated_store, "mlflow.db")
    Path("dvc.lock").write_text("schema: '2.0'\n")
    head = checkout.git("rev-parse", "HEAD")
    checkout.git("add", "-f", "dvc.lock")
    checkout.git("commit", "-q", "-m", "experiment")
    checkout.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/small", "HEAD")  # what `dvc exp run -n small` leaves
    sync_workspace(params)
    (run,) = checkout.runs()
    assert run.info.run_name == "small" and json.loads(run.data.tags["dvc.exp.names"]) == ["small"]
    Path("dvc.lock").write_text("schema: '2.0'\n# another\n")
    assert experiments_here() == []


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


def test_only_stages_that_are_up_to_date_are_synced(dvc_checkout) -> None:
    params = dvc_checkout.params()
    dvc_checkout.repro(params)
    dvc_checkout.record(params)
    assert finished_stages() == ["train", "sample", "evaluate"]

    dvc_checkout.write_params(dvc_checkout.params(sample__count=99))
    assert finished_stages() == ["train"], "sampling is stale, and so is everything after it"

    dvc_checkout.write_params(params)
    Path("ganpipe/nets/dcgan.py").write_text("width = 32\n")
    with pytest.raises(DataError, match="train is not up to date; run `dvc repro`"):
        sync_workspace(params)


def test_without_dvc_sync_says_so(checkout) -> None:
    shutil.rmtree(".dvc")
    with pytest.raises(DataError, match="`dvc status` failed: .*DVC") as caught:
        sync_workspace(checkout.params())
    assert "\n" not in str(caught.value)
