"""What `-S` of `ganpipe sweep` says."""

from __future__ import annotations

import optuna
import pytest

from ganpipe.errors import ConfigError
from ganpipe.sweeps.space import Choices, Range, read_space

KNOWN = {"train.lr": 0.01, "train.batch": 1, "system.condition": "label", "runtime.device": "auto"}


def test_choices_and_ranges_are_read() -> None:
    written = ["train.batch=8,16", "train.lr=log(1e-4, 1e-2)", "system.condition=label,attributes"]
    assert read_space(written, KNOWN) == {
        "train.batch": Choices((8, 16)),
        "train.lr": Range(1e-4, 1e-2, log=True),
        "system.condition": Choices(("label", "attributes")),
    }
    assert read_space(["train.batch=int(2,6)"], KNOWN) == {"train.batch": Range(2.0, 6.0, whole=True)}


def test_the_engine_chooses_within_them_and_numbers_are_short() -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    rate = Range(1e-4, 1e-2, log=True).suggest(trial, "rate")
    assert 1e-4 <= rate <= 1e-2 and len(f"{rate:g}") <= 10
    assert Choices((8, 16)).suggest(trial, "batch") in (8, 16)
    assert Range(2.0, 6.0, whole=True).suggest(trial, "width") in range(2, 7)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (["train.lr"], "KEY=VALUE,VALUE"),
        (["train.lrr=1,2"], "params.yaml has no train.lrr"),
        (["runtime.device=cpu,cuda"], "no runtime.device that decides a result"),
        (["train.lr=1,2", "train.lr=3,4"], "varied already"),
        (["train.lr=log(0,1)"], "the lower one first; log above 0"),
        (["train.lr=range(2,1)"], "the lower one first"),
        (["train.lr=exp(1,2)"], "log, range or int"),
    ],
)
def test_anything_else_is_refused_in_one_line(written: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        read_space(written, KNOWN)
    assert "\n" not in str(raised.value)
