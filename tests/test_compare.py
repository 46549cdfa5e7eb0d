"""`ganpipe compare`: rows of MLflow, experiments of DVC and the workspace side by side, opened in a browser."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import browser
import pytest
from PIL import Image
from playwright.sync_api import Browser
from typer.testing import CliRunner

from ganpipe import paths, recipes
from ganpipe.cli import app
from ganpipe.history.table import History
from ganpipe.identity import identify_workspace
from ganpipe.params import load
from ganpipe.report import provenance
from ganpipe.report.comparison import Contestant, score_tables
from ganpipe.report.experiments import workspace
from ganpipe.report.page import write_report
from ganpipe.tracking.api import find_runs, run_names, track
from ganpipe.tracking.experiment import Experiment

PIPELINE = """\
stages:
  train:
    cmd: "true"
    outs:
    - data/history.csv
    - data/findings.json
    - data/samples
    - data/packed
    metrics:
    - data/metrics.json:
        cache: false
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of all tests of this file."""
    with browser.running() as started:
        yield started


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def command(*arguments: str) -> str:
    line = [sys.executable, "-m", "dvc", *arguments[1:]] if arguments[0] == "dvc" else list(arguments)
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def results(fd: float, n_fake: int = 40, batch: int = 64) -> None:
    """Leave what stages leave, with these numbers in it."""
    recipes.use("digits-mlp", paths.PARAMS, force=True)
    text = paths.PARAMS.read_text()
    assert "  batch: 64\n" in text
    paths.PARAMS.write_text(text.replace("  batch: 64\n", f"  batch: {batch}\n"))
    history = History()
    for kimg in (1.0, 2.0, 3.0):
        history.add(dict.fromkeys(("loss_generator", "loss_discriminator", "score_generator", "fd"), fd / kimg))
        history.close_row(kimg)
    history.write_csv(paths.HISTORY)
    paths.SAMPLES.mkdir(exist_ok=True)
    Image.new("L", (64, 64), int(fd)).save(paths.SAMPLES / "grid.png")
    paths.SAMPLES_FILE.write_bytes(bytes([int(fd)]))
    domain = {"extractor": "lenet84@b7320f18", "fd": fd, "fd_floor": 0.5, "fd_untrained": 60.0, "recall": 1 / fd}
    paths.METRICS.write_text(json.dumps({"n_fake": n_fake, "n_real": 40, "domain": domain}))
    collapse = {"name": "mode_collapse", "kimg": 2.0, "evidence": "", "remedy": ""}
    paths.FINDINGS.write_text(json.dumps([collapse] if fd > 3 else []))


def track_all() -> None:
    params = load()
    for stage in ("train", "sample", "evaluate"):
        with track(stage, params, identify_workspace(params)):
            pass


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository without a commit; to make one takes a second."""
    folder = tmp_path_factory.mktemp("repository")
    with contextlib.chdir(folder):
        command("git", "init", "-q", "-b", "main")
        command("git", "config", "user.name", "a")
        command("git", "config", "user.email", "a@b")
        command("dvc", "init", "-q")
    return folder


@pytest.fixture
def checkout(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository, empty but for the file of a system and the packed data's manifest."""
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_TEST", "true")  # no process that asks for a newer DVC after each command
    paths.PIPELINE.write_text(PIPELINE)
    Path("ganpipe/systems").mkdir(parents=True)
    Path("ganpipe/systems/mlp_gan.py").write_text("# the code of the system is part of what an experiment is\n")
    paths.MANIFEST.parent.mkdir(parents=True)
    paths.MANIFEST.write_text(json.dumps({"content_sha256": "d" * 64}))
    return tmp_path


@pytest.fixture(scope="module")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of MLflow without runs; to make one takes seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}")
    return file


@pytest.fixture
def tracked_checkout(checkout: Path, new_store: Path) -> Path:
    """A checkout with a store."""
    shutil.copy(new_store, checkout)
    return checkout


def test_two_rows_and_a_revision_in_a_browser(
    tracked_checkout: Path, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    results(8.0)
    command("dvc", "commit", "-q", "--force")
    command("git", "add", "-A")
    command("git", "commit", "-q", "-m", "first")
    command("git", "tag", "old")
    for name, fd in (("small", 4.0), ("<i>large</i>", 2.0)):
        monkeypatch.setenv("DVC_EXP_NAME", name)
        results(fd, batch=32 if name == "small" else 64)
        track_all()
    assert run_names() == ["<i>large</i>", "small"]
    code, out, err = run("compare", "small", "<i>large</i>", "old")
    assert code == 0, err
    assert "Attached to the MLflow run small." in out
    (kept,) = Path("mlartifacts").rglob("compare.html")
    assert kept.read_bytes() == Path("compare.html").read_bytes()
    for width in (360, 1400):
        with browser.opened(chromium, Path("compare.html"), width) as (page, complaints):
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert page.locator("#samples img").count() == 3
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            assert page.locator("#curves .chart").first.locator("path").count() == 3
            assert page.locator("#params tbody tr").all_inner_texts() == ["train.batch\t32\t64\t64"]
            assert page.locator(".best").all_inner_texts() == ["2\nreal data 0.5, untrained 60", "0.5"]
            assert page.locator(".obstacle").count() == 0
            assert page.locator("#scores .protocol").all_inner_texts() == [
                "extractor\tlenet84@b7320f18\tlenet84@b7320f18\tlenet84@b7320f18",
                "samples\t40\t40\t40",
                "real items\t40\t40\t40",
            ]
            collapse = "1\nmode collapse at 2 kimg"
            assert page.locator("#findings td").all_inner_texts() == [collapse, "none", collapse]
            assert page.locator("#curves h3").last.inner_text() == "Fréchet distance in training"
            assert page.locator("header strong").all_inner_texts() == ["small", "<i>large</i>", "old"]
            assert not complaints


def test_what_may_not_be_compared_is_flagged_and_nothing_is_called_best(checkout: Path, chromium: Browser) -> None:
    results(8.0)
    command("dvc", "commit", "-q", "--force")
    command("git", "add", "-A")
    command("git", "commit", "-q", "-m", "first")
    results(4.0, n_fake=20)
    code, out, err = run("compare", "HEAD", "workspace")
    assert code == 0 and "none of these experiments is one" in out, err
    assert not Path("mlflow.db").exists()
    with browser.opened(chromium, Path("compare.html"), 360) as (page, complaints):
        assert "Not comparable" in page.locator(".obstacle").inner_text()
        assert page.locator(".obstacle tbody tr").all_inner_texts() == ["samples\t40\t20"]
        assert page.locator(".best").count() == 0
        assert not complaints


def test_unknown_names_are_one_line_with_the_nearest(checkout: Path) -> None:
    command("git", "add", "-A")
    command("git", "commit", "-q", "-m", "first")
    command("git", "tag", "baseline")
    code, _, err = run("compare", "baselin", "HEAD")
    assert code == 2 and "did you mean 'baseline'" in err and err.count("\n") == 1
    for wrong in (["HEAD"], ["HEAD", "HEAD"]):
        code, _, err = run("compare", *wrong)
        assert code == 2 and "two or more different names" in err
    code, _, err = run("compare", "--", "--all", "HEAD")
    assert code == 2 and "is unknown" in err
    assert not Path("compare.html").exists()


def test_rows_are_found_by_name_by_the_beginning_of_an_id_and_while_they_run(tracked_checkout: Path) -> None:
    results(4.0)
    with track("train", load(), identify_workspace(load())) as row:
        row.metrics({"train/loss_generator": 2.5}, 500)
    (name,) = run_names()
    found = find_runs([name, "nothing"], tracked_checkout / "into")
    experiment = found[name]
    assert set(found) == {name} and experiment.params["train.batch"] == 64
    assert (experiment.folder / "history.csv").read_bytes() == paths.HISTORY.read_bytes()
    assert experiment.data_sha256 == "d" * 64 and experiment.facts["python"]
    again = find_runs([experiment.run_id[:8]], tracked_checkout / "again")
    assert again[experiment.run_id[:8]].run_id == experiment.run_id


def test_the_report_is_kept_with_the_row_of_the_workspace(tracked_checkout: Path) -> None:
    results(4.0)
    track_all()
    code, out, err = run("report")
    assert code == 0 and "Attached to the MLflow run" in out, err
    assert len(list(Path("mlartifacts").rglob("report.html"))) == 1
    results(5.0)  # other results, which no run holds
    assert "no run of this workspace" in run("report")[1]


def test_the_environment_is_that_of_the_row_or_said_to_be_of_now(
    tracked_checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results(4.0)
    params = load()
    with track("train", params, identify_workspace(params)) as row:
        row.metrics({"memory/peak_cpu_mib": 1.0}, 0)
    track_all()
    monkeypatch.setattr(provenance, "version", lambda package: "9.9.9")  # since upgraded
    experiment = workspace()
    assert experiment.facts["torch"] == version("torch") and experiment.facts["device"] == "CPU"
    write_report(Path("report.html"))
    page = Path("report.html").read_text()
    assert f"As recorded by the MLflow run {run_names()[0]}." in page and "9.9.9" not in page
    results(5.0)
    write_report(Path("report.html"))
    page = Path("report.html").read_text()
    assert "Environment now, when this page was written" in page and "9.9.9" in page


def test_a_revision_with_the_params_of_another_project_is_one_line(checkout: Path) -> None:
    paths.PARAMS.write_text("lr: 0.1\nepochs: 3\n")
    command("git", "add", "-A")
    command("git", "commit", "-q", "-m", "first")
    results(4.0)
    code, _, err = run("compare", "HEAD", "workspace")
    assert code == 1 and err.startswith("Error: HEAD (git revision ") and err.count("\n") == 1
    assert "no data.name and no system.name: it is no experiment of ganpipe" in err


def contestant(data: str, extractor: str, **params: object) -> Contestant:
    found = {"n_fake": 40, "n_real": 40, "domain": {"extractor": extractor, "fd": 2.0}}
    experiment = Experiment(data, "", Path(), {"evaluate.neighbours": 5, **params}, data_sha256=data)
    return Contestant(experiment, data, "", found, [], None)


@pytest.mark.parametrize(
    ("other", "obstacles"),
    [
        (contestant("d", "a@1"), []),
        (contestant("e", "a@1"), ["data"]),
        (contestant("", "a@1"), ["data"]),
        (contestant("d", "a@2"), ["extractor"]),
        (contestant("d", "a@1", **{"evaluate.neighbours": 3}), ["neighbours"]),
        (contestant("d", "a@1", **{"train.seed": 3}), []),
    ],
)
def test_what_makes_scores_incomparable(other: Contestant, obstacles: list[str]) -> None:
    (table,) = score_tables([contestant("d", "a@1"), other])
    assert [name for name, _ in table.obstacles] == obstacles


def paired(name: str, l1: float) -> Contestant:
    found = {"n_fake": 40, "n_real": 40, "paired": {"fake_b": {"l1": l1, "l1_copy": 0.15, "l1_mean_image": 0.3}}}
    experiment = Experiment(name, "", Path(), {}, data_sha256="d")
    return Contestant(experiment, name, "", found, [], None)


def test_scores_beside_targets_are_compared_without_an_extractor() -> None:
    (table,) = score_tables([paired("small", 0.2), paired("large", 0.1)])
    assert (table.name, table.obstacles) == ("paired · fake_b", [])
    assert [name for name, _ in table.protocol] == ["samples", "real items"]
    (line,) = table.lines
    assert line.best == [False, True]
    assert [cell and cell.beaten_by for cell in line.cells] == [["copy of the input"], []]


def test_outputs_are_compared_each_with_its_like() -> None:
    def two(name: str, **more: object) -> Contestant:
        blocks = {output: {"extractor": "pixel@1", "fd": 2.0, **more} for output in ("fake_a", "fake_b")}
        experiment = Experiment(name, "", Path(), {}, data_sha256="d")
        return Contestant(experiment, name, "", {"n_fake": 40, "n_real": 40, "pixel": blocks}, [], None)

    tables = score_tables([two("small"), two("large", precision=1.0)])
    assert [table.name for table in tables] == ["pixel · fake_a", "pixel · fake_b"]
    for table in tables:
        assert [line.title for line in table.lines] == ["Fréchet distance", "Precision"]
        assert table.lines[1].cells[0] is None


def test_paired_scores_in_a_browser(checkout: Path, chromium: Browser) -> None:
    results(8.0)
    found = {"n_fake": 40, "n_real": 40, "paired": {"fake_b": {"l1": 0.2, "l1_copy": 0.15, "l1_mean_image": 0.3}}}
    paths.METRICS.write_text(json.dumps(found))
    command("dvc", "commit", "-q", "--force")
    command("git", "add", "-A")
    command("git", "commit", "-q", "-m", "first")
    found["paired"]["fake_b"]["l1"] = 0.1
    paths.METRICS.write_text(json.dumps(found))
    code, _, err = run("compare", "HEAD", "workspace")
    assert code == 0, err
    with browser.opened(chromium, Path("compare.html"), 360) as (page, complaints):
        assert page.locator("#scores h3").all_inner_texts() == ["Paired · fake_b"]
        first, second = page.locator("#scores tbody tr").last.locator("td").all_inner_texts()
        assert first.split("\n") == ["0.2", "mean image 0.3, copy of the input 0.15", "beaten by: copy of the input"]
        assert second.split("\n") == ["0.1", "mean image 0.3, copy of the input 0.15"]
        assert not complaints
