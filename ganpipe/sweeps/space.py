"""The search space of a sweep: which params are varied, and among which values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganpipe.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial

_RANGE = re.compile(r"(range|log|int)\(([^,()]+),([^,()]+)\)")


@dataclass(frozen=True)
class Choices:
    """Some values of a param."""

    values: tuple[Any, ...]

    def suggest(self, trial: Trial, key: str) -> Any:
        """Return the value that the engine chooses for a trial."""
        return trial.suggest_categorical(key, self.values)


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`: evenly, or with `log` their logarithms; `whole` ones only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Trial, key: str) -> Any:
        """Return the value that the engine chooses for a trial."""
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high))
        return float(f"{trial.suggest_float(key, self.low, self.high, log=self.log):.4g}")  # as a person would write it


Space = Mapping[str, Choices | Range]


def read_space(written: Sequence[str], known: Mapping[str, Any]) -> Space:
    """Read `train.lr=log(1e-4,1e-2)`, `train.batch=8,16,32`, `train.lr=range(0.1,0.2)`, `system.hidden=int(2,6)`.

    `known` are the present params by dotted key. Raises `ConfigError` for an unknown key, and for what is no range.
    """
    space: dict[str, Choices | Range] = {}
    for text in written:
        key, found, values = text.partition("=")
        if not found or not values:
            raise ConfigError(
                f"-S {text}: KEY=VALUE,VALUE or KEY=log(LOW,HIGH), range(LOW,HIGH), int(LOW,HIGH) is needed"
            )
        if key not in known or key.startswith("runtime."):
            raise ConfigError(f"-S {text}: params.yaml has no {key} that decides a result")
        if key in space:
            raise ConfigError(f"-S {text}: {key} is varied already")
        space[key] = _range(text, values) if "(" in values else _choices(text, values)
    return space


def _choices(text: str, values: str) -> Choices:
    try:
        return Choices(tuple(YAML(typ="safe", pure=True).load(f"[{values}]")))
    except YAMLError:
        raise ConfigError(f"-S {text}: {values} are no values with commas between them") from None


def _range(text: str, values: str) -> Range:
    found = _RANGE.fullmatch(values.replace(" ", ""))
    try:
        low, high = (float(number) for number in found.groups()[1:]) if found else (1.0, 0.0)
    except ValueError:
        low, high = 1.0, 0.0
    if not found or low >= high or (found[1] == "log" and low <= 0):
        raise ConfigError(f"-S {text}: log, range or int of two numbers is needed, the lower one first; log above 0")
    return Range(low, high, log=found[1] == "log", whole=found[1] == "int")
