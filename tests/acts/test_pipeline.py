"""What a user does, with the real commands in a real checkout: repro, experiments, mistakes, kills, recipes.

The tests of this file share one checkout and one MLflow store and run in the order they are written.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, copy_working_tree

from ganpipe.data.packed.file import Packed

SMALL = {  # `digits-dcgan` at a size that trains in seconds
    "features": "16",
    "kimg": "4",
    "preview_kimg": "2",
    "log_kimg": "0.5",
    "evaluate_kimg": "",
    "count": "300",
    "extractor_epochs": "4",
    "extractor_accuracy": "0.9",
    "checkpoint_seconds": "0.2",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    checkout = copy_working_tree(folder)
    checkout.use("digits-dcgan", **SMALL)
    checkout.commit()
    yield checkout
    shutil.rmtree(folder, ignore_errors=True)


def test_repro_builds_everything_and_one_complete_row(checkout: Checkout) -> None:
    out = checkout.run("dvc repro")
    assert re.search(r"Training: 40\d\d img in [\d.]+ s, \d+ img/s", out)
    assert "\r" not in out  # plain when not a terminal
    assert checkout.run("git status --short") == "?? dvc.lock\n"
    checkout.commit()
    assert Packed.open(checkout.folder / "data/packed/data.h5").class_counts("label") == [500] * 10
    assert Packed.open(checkout.folder / "data/samples/samples.h5").count("items") == 300
    scores = checkout.metrics()["domain"]
    assert {
        "fd",
        "fd_floor",
        "fd_untrained",
        "kd_x1000",
        "precision",
        "recall",
        "density",
        "coverage",
        "classes_covered",
    } <= scores.keys()

    (row,) = checkout.rows()
    assert row.info.status == "FINISHED"
    assert row.data.params["train.lr"] == "0.0005"
    assert row.data.params["system.name"] == "dcgan"
    assert row.data.metrics["eval/domain/fd"] == pytest.approx(scores["fd"])
    assert row.data.tags["mlflow.source.git.commit"] == checkout.run("git rev-parse HEAD~").strip()
    manifest = json.loads(checkout.file("packed/manifest.json"))
    assert row.data.tags["ganpipe.data_sha256"] == manifest["content_sha256"]
    files = checkout.artifacts(row)
    assert {
        "model/generator.safetensors",
        "model/generator.json",
        "samples/grid.png",
        "samples/interpolation.png",
    } <= files
    assert len({name for name in files if re.match(r"images/samples\+step\+\d+\+.*png", name)}) == 3


def test_a_second_repro_runs_nothing(checkout: Checkout) -> None:
    out = checkout.run("dvc repro")
    assert re.findall("Running stage '(.*)'", out) == ["source"]  # it looks at the user's files each time
    assert len(checkout.rows()) == 1


def test_an_experiment_is_a_second_row_and_can_be_compared(checkout: Checkout) -> None:
    checkout.run("dvc exp run -n slower -S train.lr=2e-4")
    changed = checkout.run("git diff -U0 params.yaml")
    assert [line for line in changed.splitlines() if re.match(r"[-+] ", line)] == [
        line for line in changed.splitlines() if " lr: " in line
    ], "one line changes"
    first, second = checkout.rows()
    assert (first.info.run_name, first.data.params["train.lr"]) == ("slower", "0.0002")
    assert second.data.params["train.lr"] == "0.0005"
    assert "slower" in checkout.run("dvc exp show --csv")
    assert re.search(r"domain\.fd +[\d.]+ +[\d.]+ +-?[\d.]+", checkout.run("dvc metrics diff HEAD"))
    page = checkout.run("dvc plots diff HEAD").strip().splitlines()[-1].removeprefix("file://")
    assert "loss_generator" in Path(page).read_text()
    checkout.run("git checkout -q . && dvc checkout -q")


def test_an_experiment_in_a_copy_reaches_the_same_table(checkout: Checkout) -> None:
    checkout.run("dvc exp run --temp -n apart -S sample.seed=5")
    rows = checkout.rows()
    assert [row.info.run_name for row in rows[:1]] == ["apart"]
    assert len(rows) == 3
    assert rows[0].data.params["sample.seed"] == "5"
    assert rows[0].data.tags["ganpipe.slot.train"] == "replayed"  # trained by the first row, from DVC's cache
    assert rows[0].data.metrics["train/loss_generator"] == rows[2].data.metrics["train/loss_generator"]
    assert not list((checkout.folder / ".dvc/tmp").rglob("mlflow.db"))


def test_a_forced_retraining_gives_the_same_bytes_and_leaves_the_rest_valid(checkout: Checkout) -> None:
    before = checkout.file("model/generator.safetensors"), checkout.file("history.csv")
    for _ in range(2):
        assert re.search(r"Training: 40\d\d img", checkout.run("dvc repro -f -s train"))  # really trained again
    assert (checkout.file("model/generator.safetensors"), checkout.file("history.csv")) == before
    assert json.loads(checkout.run("dvc status --json")) == {"source": ["always changed"]}


def test_a_mistake_mended_or_a_value_taken_back_trains_nothing_again(checkout: Checkout) -> None:
    before = checkout.file("model/generator.safetensors"), len(checkout.rows())
    params = checkout.folder / "params.yaml"
    good = params.read_text()
    params.write_text(good.replace("  features: 16", "  featurs: 16"))
    assert "did you mean 'features'?" in checkout.run("dvc repro", code=None)
    params.write_text(good)
    assert "Training" not in checkout.run("dvc repro")
    params.write_text(re.sub(r"  lr: [\d.]+", "  lr: 0.0002", good))
    assert "Training" not in checkout.run("dvc repro")  # the second experiment's
    params.write_text(good)
    assert "Training" not in checkout.run("dvc repro")
    assert (checkout.file("model/generator.safetensors"), len(checkout.rows())) == before


BAD = {  # of the many in tests/test_config.py
    "train.lr=abc": 'train.lr = "abc": should be a valid number',
    "'~train.kimg'": "train.kimg is missing",
}


def test_a_wrong_param_gives_one_clear_line_and_no_row(checkout: Checkout) -> None:
    rows = len(checkout.rows())
    for override, line in BAD.items():
        out = checkout.run(f"dvc exp run -S {override}", code=None)
        ours = [line for line in out.splitlines() if line.startswith("Error:")]
        assert len(ours) == 1, out
        assert ours[0].startswith(f"Error: params.yaml: {line}"), out
        assert "exited with 2" in out
        assert "Traceback" not in out
        checkout.run("git checkout -q . && dvc checkout -q")
        assert not checkout.run("git status --short")
    assert len(checkout.rows()) == rows


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.lrr=1", "Key 'lrr' is not in struct"),
        ("system=dcgan", "failed to parse 'stages.train.deps' in 'dvc.yaml': Could not find 'system.name'"),
    ],
)
def test_a_misspelt_override_is_refused_by_dvc_itself(override: str, line: str, checkout: Checkout) -> None:
    out = checkout.run(f"dvc exp run -S {override}", code=None)
    assert line in out
    assert "Traceback" not in out
    checkout.run("git checkout -q .")
    assert not checkout.run("git status --short")


def test_kill_9_of_dvc_and_repro_again_is_one_row_and_the_same_bytes_with_another_system(checkout: Checkout) -> None:
    few = {"kimg": "12", "preview_kimg": "6", "log_kimg": "2", "evaluate_kimg": ""}
    checkout.use("digits-mlp", **few, count="300", checkpoint_seconds="0.2")
    before = len(checkout.rows())
    known = set((checkout.folder / ".ganpipe/checkpoints").glob("*/last.pt"))
    process = subprocess.Popen(
        ["dvc", "repro"], cwd=checkout.folder, env=checkout.environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not set((checkout.folder / ".ganpipe/checkpoints").glob("*/last.pt")) - known:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    out = checkout.run("dvc repro")
    assert re.search(r"Resuming at [\d.]+ of 12 kimg", out)
    resumed = checkout.file("model/generator.safetensors")
    rows = checkout.rows()
    assert len(rows) == before + 1
    assert rows[0].info.status == "FINISHED"
    assert rows[0].data.tags["ganpipe.resumed"] == "1"
    assert rows[0].data.params["system.name"] == "mlp_gan"
    assert checkout.metrics()["domain"]["fd"] > 0
    assert "Resuming" not in checkout.run("dvc repro -f -s train")
    assert checkout.file("model/generator.safetensors") == resumed
