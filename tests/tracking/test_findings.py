"""Findings reach the run while the training runs, survive its failure, and are replayed from its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganpipe import paths
from ganpipe.errors import DataError, TrainingDiverged
from ganpipe.files import write_json
from ganpipe.identity import identify_workspace
from ganpipe.tracking.api import track
from ganpipe.tracking.stage_outputs import read_outputs

COLLAPSE = {"name": "mode_collapse", "kimg": 2.0, "evidence": "1% is left", "remedy": "lower train.lr"}
WON = {"name": "discriminator_dominance", "kimg": 3.0, "evidence": "0.01 to 0.99", "remedy": "lower it"}
TAGS = {
    "ganpipe.finding.mode_collapse": "at 2 kimg: 1% is left",
    "ganpipe.finding.discriminator_dominance": "at 3 kimg: 0.01 to 0.99",
}


def finding_tags(run) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if key.startswith("ganpipe.finding.")}


def stored(checkout, run) -> list:
    return json.loads(Path(checkout.client.download_artifacts(run.info.run_id, "findings.json")).read_text())


def train(checkout, params, findings: list, error: BaseException | None = None) -> None:
    """Train, saying the findings one by one, and leave the files."""
    with track("train", params, identify_workspace(params)) as run:
        for count in range(1, len(findings) + 1):
            run.findings(findings[:count])
        if error:
            raise error
        checkout.training(run, upto=3)
        write_json(paths.FINDINGS, findings)


def test_findings_are_tags_and_a_file(checkout) -> None:
    train(checkout, checkout.params(), [COLLAPSE, WON])
    (run,) = checkout.runs()
    assert finding_tags(run) == TAGS
    assert stored(checkout, run) == [COLLAPSE, WON]


def test_a_failed_training_keeps_them(checkout) -> None:
    with pytest.raises(TrainingDiverged):
        train(checkout, checkout.params(), [COLLAPSE], TrainingDiverged("it collapsed", "lower train.lr"))
    (run,) = checkout.runs()
    assert run.info.status == "FAILED"
    assert finding_tags(run) == {"ganpipe.finding.mode_collapse": TAGS["ganpipe.finding.mode_collapse"]}
    assert stored(checkout, run) == [COLLAPSE]


def test_a_healthy_training_says_so_in_its_file_alone(checkout) -> None:
    train(checkout, checkout.params(), [])
    (run,) = checkout.runs()
    assert finding_tags(run) == {}
    assert stored(checkout, run) == []


def test_a_cached_training_is_replayed_with_its_findings(checkout) -> None:
    train(checkout, checkout.params(), [COLLAPSE, WON])
    other = checkout.params(sample__count=20)
    checkout.sample(other)
    live, replayed = checkout.runs()
    assert replayed.data.tags["ganpipe.slot.train"] == "replayed"
    assert finding_tags(replayed) == finding_tags(live) == TAGS
    assert stored(checkout, replayed) == [COLLAPSE, WON]


def test_what_training_leaves_is_in_the_slot(checkout) -> None:
    train(checkout, checkout.params(), [])
    checkout.picture(paths.CURVES, 1)
    checkout.picture(paths.PREVIEWS / "evolution.png", 2)
    content = read_outputs("train")
    assert {file.path.name for file in content.files} >= {"curves.png", "findings.json", "evolution.png", "history.csv"}
    assert [picture.step for picture in content.pictures] == [1000, 2000, 3000], "the film is no preview"


@pytest.mark.parametrize("text", ["", "{", '{"name": 1}', '[{"name": "x"}]', "[1]"])
def test_damaged_findings_are_one_line(checkout, text: str) -> None:
    train(checkout, checkout.params(), [])
    paths.FINDINGS.write_text(text)
    with pytest.raises(DataError, match="findings.json: no list of findings; run `dvc repro --force train`"):
        read_outputs("train")
