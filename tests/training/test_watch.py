"""Findings of a running training: each is reported once and published, and ends the training where that is wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from miniatures import changed, miniature, train
from PIL import Image

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.errors import TrainingDiverged
from ganpipe.history import diagnosis
from ganpipe.history.diagnosis import Finding
from ganpipe.history.table import History, Row, read_csv
from ganpipe.training.failures import FailureMonitor
from ganpipe.training.stage import Listeners

EVIDENCE, REMEDY = "loss_generator is there in row 3", "lower train.lr"


def in_row_3(rows: Sequence[Row]) -> str | None:
    return EVIDENCE if len(rows) >= 3 and "loss_generator" in rows[-1] else None


@pytest.fixture
def fails_in_row_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "DETECTORS", {**diagnosis.DETECTORS, "bad_luck": (in_row_3, REMEDY)})


def rows(count: int) -> History:
    history = History()
    for kimg in range(1, count + 1):
        history.add({"loss_generator": 1.0})
        history.close_row(float(kimg))
    return history


def test_each_finding_is_said_and_told_once(fails_in_row_3: None, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[list[Finding]] = []
    history = rows(2)
    monitor = FailureMonitor(history, "warn", lambda findings: told.append(list(findings)))
    for kimg in (3.0, 4.0):
        monitor.check_newest_row()
        history.add({"loss_generator": 1.0})
        history.close_row(kimg)
    monitor.check_newest_row()
    assert told == [[Finding("bad_luck", 3.0, EVIDENCE, REMEDY)]]
    assert capsys.readouterr().out.count("Warning: bad_luck at ") == 1


def test_a_resumed_training_neither_repeats_nor_loses_one(fails_in_row_3: None) -> None:
    told: list[Any] = []
    monitor = FailureMonitor(rows(5), "warn", told.append)
    monitor.restore()
    monitor.check_newest_row()
    assert [finding.kimg for finding in monitor.findings] == [3.0]
    assert told == []


def test_stop_ends_the_training_with_name_evidence_and_remedy(fails_in_row_3: None) -> None:
    told: list[Any] = []
    monitor = FailureMonitor(rows(3), "stop", told.append)
    with (
        pytest.raises(TrainingDiverged, match=f"^bad_luck at 3 kimg: {EVIDENCE}; {REMEDY}$"),
        monitor.recording_divergence(lambda: 3.0),
    ):
        monitor.check_newest_row()
    assert len(told) == 1


def test_what_is_not_finite_is_told_before_the_error() -> None:
    told: list[Sequence[Finding]] = []
    monitor = FailureMonitor(rows(3), "warn", told.append)
    with (
        pytest.raises(TrainingDiverged, match="^loss is nan; lower train.lr$"),
        monitor.recording_divergence(lambda: 3.5),
    ):
        raise TrainingDiverged("loss is nan", "lower train.lr")
    assert told == [[Finding("non_finite", 3.5, "loss is nan", "lower train.lr")]]


@pytest.mark.usefixtures("fails_in_row_3")
def test_a_warned_training_ends_and_leaves_its_findings(
    workspace: Callable[[str], Params], capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Sequence[Finding]] = []
    peaks: list[tuple[Mapping[str, float], int]] = []
    params = miniature(workspace("digits-mlp"))
    listeners = Listeners(finding=told.append, memory=lambda peak, nimg: peaks.append((peak, nimg)))
    train(params, "fingerprint", listeners)
    (found,) = json.loads(paths.FINDINGS.read_text())
    assert (found["name"], found["evidence"], found["remedy"]) == ("bad_luck", EVIDENCE, REMEDY)
    assert found["kimg"] == read_csv(paths.HISTORY)[2]["kimg"]
    assert len(told) == 1
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith(f"Warning: bad_luck at {found['kimg']:g} kimg: ")
    assert re.fullmatch(r"Peak: \d+ MiB of CPU memory. Signs of failure: bad_luck.", lines[-1])
    ((peak, nimg),) = peaks
    assert 50 < peak["cpu"] < 50_000 and nimg == 128
    assert Image.open(paths.CURVES).size[0] == 800


@pytest.mark.usefixtures("fails_in_row_3")
def test_a_stopped_training_publishes_nothing(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("digits-mlp")), train={"on_failure": "stop"})
    told: list[Sequence[Finding]] = []
    with pytest.raises(TrainingDiverged, match="bad_luck at 0.0[78]"):
        train(params, "fingerprint", Listeners(finding=told.append))
    assert len(told) == 1
    assert not paths.HISTORY.exists() and not paths.FINDINGS.exists() and not paths.MODEL.exists()


def test_a_diverging_training_tells_before_it_fails(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("digits-mlp")), train={"lr": 1e30})
    told: list[Sequence[Finding]] = []
    with pytest.raises(TrainingDiverged):
        train(params, "fingerprint", Listeners(finding=told.append))
    assert [finding.name for finding in told[-1]] == ["non_finite"]


def test_a_healthy_miniature_has_no_findings_but_diversity_and_gradient_norms(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    trained(miniature(workspace("digits-mlp")))
    assert json.loads(paths.FINDINGS.read_text()) == []
    history = read_csv(paths.HISTORY)
    assert [("diversity" in row, "diversity_nearest" in row) for row in history].count((True, True)) == 2
    assert "diversity" not in history[0], "an untrained generator is not judged"
    assert all(row[f"{player}/gradient_norm"] > 0 for row in history for player in ("generator", "discriminator"))
    film = Image.open(paths.PREVIEWS / "evolution.gif")
    assert film.n_frames == len(list(paths.PREVIEWS.glob("kimg-*.png"))) == 3


def test_the_1010_gan_has_no_diversity_to_judge(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    trained(miniature(workspace("pattern-1010")))
    assert not any("diversity" in row for row in read_csv(paths.HISTORY))
    assert Image.open(paths.PREVIEWS / "evolution.png").size == (4 * 32, 3 * 8)
