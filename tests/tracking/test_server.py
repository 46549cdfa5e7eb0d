"""`ganpipe ui` serves this checkout's store, stops cleanly, and explains why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ganpipe.errors import ConfigError
from ganpipe.identity import identify_workspace
from ganpipe.tracking import server
from ganpipe.tracking.api import track
from ganpipe.tracking.server import serve

UI = "import sys; from ganpipe.tracking.server import serve; serve(int(sys.argv[1]), sys.argv[2] == 'True')"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_taken_port_is_named_with_a_free_one(checkout, taken_port: int) -> None:
    with pytest.raises(ConfigError, match=rf"port {taken_port} is taken; try `ganpipe ui --port \d+`"):
        serve(taken_port, open_browser=False)


def test_a_server_elsewhere_is_only_pointed_at(checkout, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000/")
    monkeypatch.setattr(server, "open_experiment", lambda: "7")
    serve(5000, open_browser=False)
    assert capsys.readouterr().out == "http://tracker:5000/#/experiments/7/runs?workflowType=machine_learning\n"


def start_ui(port: int, open_browser: bool, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-c", UI, str(port), str(open_browser)]  # -P: not the checkout's own ganpipe
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def wait_until_healthy(ui: subprocess.Popen[str], address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert ui.poll() is None and time.monotonic() < deadline
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)


def browser_that_notes(file: Path) -> str:
    """Make a browser that writes the address it is given to `file`; return its path."""
    browser = file.with_name("browser")
    browser.write_text(f'#!/bin/sh\necho "$1" > {file}\n')
    browser.chmod(0o755)
    return str(browser)


def test_the_ui_shows_runs_and_files_takes_new_runs_and_stops_cleanly(
    checkout, monkeypatch, tmp_path, capfd, free_port: int
) -> None:
    checkout.train(checkout.params())
    (run,) = checkout.runs()
    ui = start_ui(free_port, True, BROWSER=browser_that_notes(tmp_path / "opened"))
    try:
        assert ui.stdout is not None
        address = f"http://127.0.0.1:{free_port}"
        link = server.deep_link(address, run.info.experiment_id)
        assert ui.stdout.readline().strip() == link
        assert "Ctrl-C ends it" in ui.stdout.readline()
        wait_until_healthy(ui, address)
        with urllib.request.urlopen(
            f"{address}/get-artifact?run_id={run.info.run_id}&path=history.csv", timeout=30
        ) as answer:
            assert answer.read().startswith(b"kimg,loss_generator")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        checkout.client.update_run(run.info.run_id, "RUNNING")  # of a process that is gone
        capfd.readouterr()
        params = checkout.params(train__seed=9)
        with track("train", params, identify_workspace(params)) as tracked:
            checkout.training(tracked, 3)
        said = capfd.readouterr().out
        children = psutil.Process(ui.pid).children(recursive=True)
    finally:
        ui.send_signal(signal.SIGTERM)
        ui.communicate(timeout=60)
    assert ui.returncode == 0
    assert children and psutil.wait_procs(children, timeout=10)[1] == [], "no process outlives it"
    assert (tmp_path / "opened").read_text().strip() == link
    old, new = checkout.runs()
    assert said == f"MLflow: {address}/#/experiments/{new.info.experiment_id}/runs/{new.info.run_id}\n"
    assert old.info.status == "FINISHED"
    assert new.info.status == "FINISHED" and len(checkout.points(new, "train/loss_generator")) == 3
    assert "history.csv" in checkout.files(new) and len(checkout.files(new, "images")) == 6


def test_no_page_opens_for_a_server_that_ended_before_it_listened(tmp_path, free_port: int) -> None:
    code = f"from ganpipe.tracking import server; server._open_when_listening({free_port}, 'http://page')"
    environment = os.environ | {"BROWSER": browser_that_notes(tmp_path / "opened")}
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, timeout=60, check=True)
    assert not (tmp_path / "opened").exists()  # the pipe was closed, so the child process has ended, too
