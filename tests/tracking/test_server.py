"""`ganpipe ui` serves this checkout's store, stops cleanly, and explains why it cannot start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from ganpipe.errors import ConfigError
from ganpipe.identity import identify_workspace
from ganpipe.tracking import server
from ganpipe.tracking.server import serve
from ganpipe.tracking.store import track

UI = "import sys; from ganpipe.tracking.server import serve; serve(int(sys.argv[1]), open_browser=False)"


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
    monkeypatch.setattr("ganpipe.tracking.store.experiment_id", lambda: "7")
    serve(5000, open_browser=False)
    assert capsys.readouterr().out == "http://tracker:5000/#/experiments/7/runs?workflowType=machine_learning\n"


def test_the_ui_shows_rows_and_files_takes_new_rows_and_stops_cleanly(checkout, monkeypatch, free_port: int) -> None:
    checkout.train(checkout.params())
    (row,) = checkout.rows()
    command = [sys.executable, "-P", "-c", UI, str(free_port)]  # -P: do not import the checkout's own ganpipe
    ui = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert ui.stdout is not None
        experiment = row.info.experiment_id
        assert ui.stdout.readline().strip() == server.deep_link(f"http://127.0.0.1:{free_port}", experiment)
        address = f"http://127.0.0.1:{free_port}"
        file = f"{address}/get-artifact?run_id={row.info.run_id}&path=history.csv"
        with urllib.request.urlopen(file, timeout=30) as answer:
            assert answer.read().startswith(b"kimg,loss_generator")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        params = checkout.params(train__seed=9)
        with track("train", params, identify_workspace(params)) as tracked:
            checkout.training(tracked, 3)
        children = psutil.Process(ui.pid).children(recursive=True)
    finally:
        ui.send_signal(signal.SIGTERM)
        _, errors = ui.communicate(timeout=60)
    assert ui.returncode == 0 and errors == ""
    assert children and psutil.wait_procs(children, timeout=10)[1] == [], "no process outlives it"
    _, new = checkout.rows()
    assert new.info.status == "FINISHED" and len(checkout.points(new, "train/loss_generator")) == 3
    assert "history.csv" in checkout.files(new) and len(checkout.files(new, "images")) == 6
