"""`ganpipe sweep` as a user runs it: real experiments of DVC with their runs, killed and resumed, the best applied."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest
from checkout import Checkout, copy_working_tree

SWEEP = "ganpipe sweep --name s --trials 5 -S 'train.lr=log(0.005,0.1)' --sampler random"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = copy_working_tree(tmp_path_factory.mktemp("sweep"))
    checkout.use("pattern-1010", kimg="0.1", preview_kimg="0.05", count="100", evaluate_kimg="0.02")
    checkout.commit()
    return checkout


def start(checkout: Checkout, command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, shell=True, cwd=checkout.folder, env=checkout.environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for(condition, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def logs(checkout: Checkout) -> dict[str, str]:
    return {log.stem: log.read_text() for log in (checkout.folder / ".ganpipe/sweeps/logs").glob("*.log")}


def test_every_trial_is_an_experiment_once_also_after_kills_and_beside_another_process(checkout: Checkout) -> None:
    first = start(checkout, f"exec {SWEEP}")
    wait_for(lambda: "Running stage 'sample'" in logs(checkout).get("s-000", ""))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    second = start(checkout, f"exec {SWEEP}")
    wait_for(lambda: "Running stage 'train'" in logs(checkout).get("s-001", ""))
    os.kill(second.pid, signal.SIGKILL)
    second.communicate(timeout=60)
    both = [start(checkout, SWEEP) for _ in range(2)]
    said = [one.communicate(timeout=500)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    names = [f"s-{number:03d}" for number in range(5)]
    listed = checkout.run("dvc exp list --name-only").split()
    assert sorted(name for name in listed if name.startswith("s-")) == names
    rows = [row for row in checkout.rows() if row.data.tags.get("ganpipe.sweep") == "s"]
    (parent,) = [row for row in rows if "ganpipe.sweep.parent" in row.data.tags]
    children = {row.data.tags["ganpipe.group"]: row for row in rows if row is not parent}
    assert len(rows) == 6 and sorted(children) == names
    for row in children.values():
        assert row.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert row.info.status == "FINISHED" and "eval/pattern/fd" in row.data.metrics
    assert parent.info.status == "FINISHED" and parent.data.metrics["sweep/trials"] == 5
    best = min(children.values(), key=lambda row: row.data.metrics["eval/pattern/fd"])
    assert parent.data.tags["ganpipe.sweep.best"] == best.data.tags["ganpipe.group"]
    assert f"Best: {best.data.tags['ganpipe.group']}, pattern.fd " in said[0] + said[1]


def test_the_best_is_applied_and_dvc_finds_it_up_to_date(checkout: Checkout) -> None:
    (parent,) = [row for row in checkout.rows() if "ganpipe.sweep.parent" in row.data.tags]
    said = checkout.run("ganpipe sweep --apply s")
    assert parent.data.tags["ganpipe.sweep.best"] in said
    assert checkout.metrics()["pattern"]["fd"] == pytest.approx(parent.data.metrics["sweep/best"])
    assert "Running stage 'train'" not in checkout.run("dvc repro")
    checkout.run("git reset -q --hard && dvc checkout -q")


def test_seeds_share_a_group_and_the_score_is_their_mean(checkout: Checkout) -> None:
    said = checkout.run("ganpipe sweep --name seeds --seeds 2")
    rows = [row for row in checkout.rows() if row.data.tags.get("ganpipe.group") == "seeds-000"]
    scores = [row.data.metrics["eval/pattern/fd"] for row in rows]
    assert sorted(row.data.params["train.seed"] for row in rows) == ["0", "1"] and scores[0] != scores[1]
    found = re.search(r"Best: seeds-000, pattern.fd (\S+), seeds", said)
    assert found and float(found[1]) == pytest.approx(sum(scores) / 2, rel=1e-3)


def test_what_cannot_be_swept_is_refused_in_one_line(checkout: Checkout) -> None:
    for command, problem in {
        "ganpipe sweep": "nothing to vary",
        "ganpipe sweep -S train.lrr=1,2": "params.yaml has no train.lrr",
        "ganpipe sweep -S train.lr=1,2 --pruner median": "--pruner median: use one of none, halving, hyperband",
        "ganpipe sweep --seeds 2 --pruner halving": "gives up trials by train/fd of one training",
        "ganpipe sweep --apply nothing": "sweep 'nothing' is unknown",
        "ganpipe sweep -S train.lr=1,2 --storage nothing://x": "the sweep's storage cannot be used",
    }.items():
        said = checkout.run(command, code=None).strip().splitlines()
        assert problem in said[-1] and not any("Traceback" in line for line in said)
