"""Runs go to the main checkout's store, survive processes that die or race, and do without a store."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from conftest import REPOSITORY
from filelock import FileLock
from tracking.logging_stage import LOSS, stage

from ganpipe.config import Params
from ganpipe.identity import identify_workspace
from ganpipe.tracking import api, background, store
from ganpipe.tracking.api import sync_workspace, track
from ganpipe.tracking.locations import store_lock, store_uri
from ganpipe.tracking.relocation import point_to_own_artifacts


def start(params: Params, seconds: float, said: str = "said.txt") -> BaseProcess:
    """Start a training-like process in the current folder. It is a fork: MLflow takes seconds to import."""
    import mlflow  # noqa: F401

    process = multiprocessing.get_context("fork").Process(target=stage, args=(params, seconds, Path(said)), daemon=True)
    process.start()
    return process


ALONE = """
import sys
from pathlib import Path
from ganpipe.config import Params
from tracking.logging_stage import stage
stage(Params.model_validate_json(sys.argv[1]), 0, Path(sys.argv[2]))
"""


def start_alone(params: Params, said: str) -> subprocess.Popen[bytes]:
    """Start it in a process that is no fork: it imports MLflow as a stage does, which decides what MLflow logs.

    -P: the `ganpipe` folder of the test's checkout must not hide the package.
    """
    command = [sys.executable, "-P", "-c", ALONE, params.model_dump_json(), said]
    search = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": search})


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def test_an_experiment_in_a_temporary_copy_goes_to_the_main_store(checkout, monkeypatch) -> None:
    root = checkout.root
    copy = root / ".dvc/tmp/exps/standalone/tmp0"
    shutil.copytree(root, copy, ignore=lambda folder, names: {"mlflow.db", "mlartifacts", "tmp"})
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("DVC_EXP_NAME", "queued")
    checkout.train(checkout.params())
    (run,) = checkout.runs()
    assert run.info.run_name == "queued" and len(checkout.points(run, LOSS)) == 3
    assert not (copy / "mlflow.db").exists() and not (copy / "mlartifacts").exists() and not (copy / "mlruns").exists()
    shutil.rmtree(copy)
    assert "history.csv" in checkout.files(run)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "sqlite:///{root}/mlflow.db"),
        ("sqlite:///other/runs.db", "sqlite:///{root}/other/runs.db"),
        ("sqlite:////absolute/runs.db", "sqlite:////absolute/runs.db"),
        ("http://tracker:5000", "http://tracker:5000"),
    ],
)
def test_the_address_of_the_store_never_depends_on_the_current_folder(checkout, monkeypatch, given, expected) -> None:
    if given:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.setenv("DVC_ROOT", str(checkout.root))
    monkeypatch.chdir(checkout.root / "data")
    assert store_uri() == expected.format(root=checkout.root)


def test_a_relative_sqlite_address_is_used_from_the_main_checkout(checkout, monkeypatch) -> None:
    checkout.root.joinpath("mlflow.db").rename(checkout.root / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    checkout.train(checkout.params())
    client = checkout.client_of("mine.db")
    experiment = client.get_experiment_by_name("ganpipe")
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 1


def test_two_processes_may_open_a_fresh_store_at_once(fresh_checkout) -> None:
    stages = [start_alone(fresh_checkout.params(train__seed=seed), f"said-{seed}.txt") for seed in (1, 2)]
    for process in stages:
        process.wait(timeout=120)
    output = "".join(Path(f"said-{seed}.txt").read_text() for seed in (1, 2))
    assert [process.returncode for process in stages] == [0, 0], output
    assert [run.info.status for run in fresh_checkout.runs()] == ["FINISHED", "FINISHED"]
    assert re.fullmatch(r"Creating the MLflow store .*/mlflow\.db\n", output), output


def test_a_terminated_stage_leaves_a_killed_run(checkout) -> None:
    process = start(checkout.params(), 60)
    wait_for(lambda: bool(checkout.runs()) and bool(checkout.runs()[0].data.metrics))
    process.terminate()
    process.join(timeout=30)
    assert process.exitcode == 143
    assert checkout.runs()[0].info.status == "KILLED"
    assert Path("said.txt").read_text() == ""


def test_a_run_of_a_process_that_vanished_is_closed_by_the_next_and_continued(checkout) -> None:
    killed = checkout.params(train__seed=3)
    process = start(killed, 60)
    wait_for(lambda: bool(checkout.runs()) and len(checkout.points(checkout.runs()[0], LOSS)) == 2)
    checkout.train(checkout.params())
    assert checkout.runs()[0].info.status == "RUNNING", "its process lives"
    process.kill()
    process.join()
    assert checkout.runs()[0].info.status == "RUNNING", "nobody has looked yet"
    checkout.sample(checkout.params())
    assert checkout.runs()[0].info.status == "KILLED"
    checkout.train(killed)
    run = checkout.runs()[0]
    assert len(checkout.runs()) == 2
    assert run.info.status == "FINISHED" and run.data.tags["ganpipe.resumed"] == "1"
    assert checkout.points(run, LOSS) == [(1000, 1.0), (2000, 0.5), (3000, 1 / 3)]


@pytest.mark.parametrize("stages", [("train",), ("train", "sample", "evaluate")])
def test_a_dead_run_whose_outputs_are_complete_is_finished(checkout, stages: tuple[str, ...]) -> None:
    params = checkout.params()
    for name in stages:
        getattr(checkout, name)(params)
    checkout.client.update_run(checkout.runs()[0].info.run_id, "RUNNING")  # it died before it could say so
    api.open_experiment()  # what `ganpipe ui` does first
    assert checkout.runs()[0].info.status == "FINISHED"


def test_a_dead_run_whose_last_stage_is_not_complete_is_killed(checkout) -> None:
    params = checkout.params()
    checkout.train(params)
    (run,) = checkout.runs()
    checkout.client.update_run(run.info.run_id, "RUNNING")
    checkout.client.set_tag(run.info.run_id, "ganpipe.stage", "sample")
    api.open_experiment()
    assert checkout.runs()[0].info.status == "KILLED"


UNDER_LOCK = """
import sys
from ganpipe.tracking.locations import store_uri
from ganpipe.tracking.store import Store
store = Store(store_uri())
with store.locked():
    before = set(sys.modules)
    store.connect()
    print(sorted({name.partition(".")[0] for name in set(sys.modules) - before if "sqlite" not in name}))
    print(len(set(sys.modules) - before))
"""


def test_no_library_is_imported_while_the_store_is_locked(checkout) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", UNDER_LOCK], capture_output=True, text=True, check=True)
    packages, count = done.stdout.splitlines()
    assert set(ast.literal_eval(packages)) <= {"alembic", "mlflow"} and int(count) < 20


def test_a_stage_waits_for_a_store_that_others_keep_busy(checkout, monkeypatch, capfd) -> None:
    monkeypatch.setattr(background, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(background, "FINISH_SECONDS", 0.2)
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.2)
    other = FileLock(store_lock(), thread_local=False)  # released by another thread
    store_lock().parent.mkdir(exist_ok=True)
    other.acquire()
    threading.Timer(2.0, other.release).start()
    checkout.train(checkout.params())
    (run,) = checkout.runs()
    assert run.info.status == "FINISHED" and len(checkout.points(run, LOSS)) == 3
    assert capfd.readouterr() == ("", "")


def test_a_moved_checkout_keeps_its_pictures_and_writes_to_its_own_place(checkout, monkeypatch, tmp_path) -> None:
    params = checkout.params()
    checkout.repro(params)
    old = checkout.root / "mlartifacts"
    before = {path.relative_to(old): path.stat().st_mtime_ns for path in old.rglob("*") if path.is_file()}
    copy = tmp_path / "copy of it"
    shutil.copytree(checkout.root, copy)
    checkout.root = copy
    monkeypatch.chdir(copy)
    checkout.evaluate(checkout.params(evaluate__neighbours=3), fd=9.0)
    first, second = checkout.runs()
    assert {run.info.artifact_uri.partition("/mlartifacts/")[0] for run in (first, second)} == {copy.as_uri()}
    assert len(checkout.files(first, "images")) == len(checkout.files(second, "images")) == 6
    after = {path.relative_to(old): path.stat().st_mtime_ns for path in old.rglob("*") if path.is_file()}
    assert after == before, "nothing was written where it came from"


def test_a_store_that_checkouts_share_stays_where_it_is(checkout, monkeypatch, tmp_path) -> None:
    shared = tmp_path / "shared.db"
    (checkout.root / "mlflow.db").rename(shared)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}")
    checkout.train(checkout.params())
    other = tmp_path / "other"
    shutil.copytree(checkout.root, other)
    monkeypatch.chdir(other)
    checkout.train(checkout.params(train__seed=1))
    client = checkout.client_of(os.path.relpath(shared, checkout.root))
    experiment = client.get_experiment_by_name("ganpipe")
    assert experiment is not None and experiment.artifact_location == (checkout.root / "mlartifacts").as_uri()


def test_artifacts_that_a_server_keeps_stay_with_it(checkout) -> None:
    made_by_server = "mlflow-artifacts:/1"
    checkout.client.create_experiment("ganpipe", artifact_location=made_by_server)
    point_to_own_artifacts(checkout.root / "mlflow.db")
    experiment = checkout.client.get_experiment_by_name("ganpipe")
    assert experiment is not None and experiment.artifact_location == made_by_server


def test_scores_come_from_the_metrics_where_the_files_are_gone(checkout, tmp_path) -> None:
    params = checkout.params()
    checkout.repro(params)
    written = json.loads(Path("data/metrics.json").read_text())
    (run,) = checkout.runs()
    shutil.rmtree("mlartifacts")
    found = api.find_runs([run.info.run_name], tmp_path / "into")[run.info.run_name]
    assert json.loads((found.folder / "metrics.json").read_text()) == written
    assert (found.folder / "history.csv").read_text().startswith("kimg,")


def test_runs_of_other_machines_are_left_alone(checkout) -> None:
    checkout.train(checkout.params())
    (run,) = checkout.runs()
    checkout.client.update_run(run.info.run_id, "RUNNING")
    checkout.client.set_tag(run.info.run_id, "ganpipe.host", "elsewhere")
    checkout.train(checkout.params(train__seed=1))
    assert checkout.runs()[0].info.status == "RUNNING"


def test_training_does_without_a_store_and_sync_fills_in(checkout, monkeypatch, capfd) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(background, "FINISH_SECONDS", 1.5)
    begun = time.monotonic()
    checkout.train(checkout.params())
    assert time.monotonic() - begun < 20
    out, err = capfd.readouterr()
    line = r"MLflow at http://127.0.0.1:1 unreachable \(.*\): run `ganpipe track sync`\n"
    assert out == "" and re.fullmatch(line, err)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert checkout.runs() == []
    monkeypatch.setattr(api, "finished_stages", lambda: ["train"])
    assert "added train" in sync_workspace(checkout.params())
    (run,) = checkout.runs()
    assert len(checkout.points(run, LOSS)) == 3 and run.info.status == "FINISHED"


def test_points_wait_for_a_store_that_comes_later(checkout, monkeypatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.1)
    store, hidden = checkout.root / "mlflow.db", checkout.root / "hidden.db"
    store.rename(hidden)
    store.mkdir()  # nothing can open it as a database
    params = checkout.params()
    with track("train", params, identify_workspace(params)) as run:
        run.metrics({LOSS: 1.0}, 1000)
        store.rmdir()
        hidden.rename(store)
        wait_for(lambda: bool(checkout.runs()) and bool(checkout.runs()[0].data.metrics), seconds=20)
        run.metrics({LOSS: 0.5}, 2000)
    (done,) = checkout.runs()
    assert done.info.status == "FINISHED" and checkout.points(done, LOSS) == [(1000, 1.0), (2000, 0.5)]


def test_an_address_mlflow_does_not_know_costs_one_line(checkout, monkeypatch, capfd) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "carrier-pigeon://roof")
    monkeypatch.setattr(background, "FINISH_SECONDS", 0.2)
    checkout.train(checkout.params())
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "carrier-pigeon" in err


def test_a_damaged_history_costs_one_line_and_no_run_says_more_than_it_has(checkout, capfd) -> None:
    params = checkout.params()
    with track("train", params, identify_workspace(params)) as run:
        checkout.training(run, 2)
        Path("data/history.csv").write_text("damaged\n")
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "history.csv" in err
    (done,) = checkout.runs()
    assert "ganpipe.slot.train" not in done.data.tags and len(checkout.points(done, LOSS)) == 2


def test_a_store_on_disk_says_nothing(checkout, capfd) -> None:
    checkout.repro(checkout.params())
    assert capfd.readouterr() == ("", "")
    assert "MLFLOW_TRACKING_URI" not in os.environ
