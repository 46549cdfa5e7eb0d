"""The spread over seeds, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganpipe.report.seeds import over_seeds
from ganpipe.tracking.experiment import Experiment


def one(label: str, fd: float, params: dict[str, Any], data: str = "d") -> tuple[str, Experiment, dict[str, Any]]:
    experiment = Experiment(label, "here", Path(label), params, data_sha256=data)
    return label, experiment, {"domain": {"extractor": "a@1", "fd": fd, "recall": fd / 10}}


def test_experiments_that_differ_in_the_seed_alone_are_one_group() -> None:
    lr = {"train.lr": 0.1}
    (group,) = over_seeds(
        [
            one("a", 1.0, lr | {"train.seed": 0, "runtime.threads": 1}),
            one("b", 2.0, lr | {"train.seed": 1, "runtime.threads": 2, "train.micro_batch": None}),
            one("c", 6.0, lr | {"train.seed": 2}),
            one("other rate", 9.0, {"train.lr": 0.2, "train.seed": 3}),
            one("the same seed", 9.0, lr | {"train.seed": 2}),
            one("other data", 9.0, lr | {"train.seed": 3}, data="e"),
        ]
    )
    assert group.labels == ["a", "b", "c"]
    found = {spread.title: spread for spread in group.spreads}
    distance = found["Fréchet distance"]
    assert (distance.mean, distance.lowest, distance.highest, distance.block) == (3.0, 1.0, 6.0, "domain")
    assert distance.std == pytest.approx(7**0.5)
    assert found["Recall"].mean == pytest.approx(0.3)


def test_no_group_without_two_that_have_scores() -> None:
    first, second = one("a", 1.0, {"train.seed": 0}), one("b", 2.0, {"train.seed": 1})
    assert over_seeds([first, (second[0], second[1], {})]) == []
    assert over_seeds([first]) == []


def test_scores_that_one_of_them_lacks_are_left_out() -> None:
    first, second = one("a", 1.0, {"train.seed": 0}), one("b", 2.0, {"train.seed": 1})
    del second[2]["domain"]["recall"]
    (group,) = over_seeds([first, second])
    assert [spread.title for spread in group.spreads] == ["Fréchet distance"]
