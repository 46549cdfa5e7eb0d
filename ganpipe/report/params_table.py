"""The params of experiments as tables: the differences from the nearest recipe, and between experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe import recipes
from ganpipe.config import SystemSection, flatten, read_yaml
from ganpipe.core.inputs import Noise
from ganpipe.errors import ConfigError
from ganpipe.systems import configure
from ganpipe.words import masked

ABSENT = "(absent)"
_SPEED = "runtime."  # changes results by rounding alone


@dataclass(frozen=True)
class Param:
    """One value of params.yaml."""

    key: str  # dotted
    value: str
    recipe: str | None = None  # the value in the recipe; None where both agree


@dataclass(frozen=True)
class ParamsTable:
    """All params of an experiment beside the recipe with the fewest differences."""

    recipe: str
    title: str
    rows: Sequence[Param]

    @property
    def changed(self) -> Sequence[Param]:
        """The params that differ from the recipe and may change a result."""
        return [row for row in self.rows if row.recipe is not None and not row.key.startswith(_SPEED)]


def read_params_table(params: Path) -> ParamsTable:
    """Compare a params file with the recipe of the fewest differences. Raises `ConfigError`."""
    own = flatten(read_yaml(params))
    candidates = _of_same_system(str(own.get("system.name"))) or recipes.names()
    differences = {name: recipes.difference(name, params) for name in candidates}
    nearest = min(candidates, key=lambda name: len(differences[name]))
    theirs = {line.partition(": ")[0]: line.partition(": ")[2].rpartition(" -> ")[0] for line in differences[nearest]}
    rows = [Param(key, written(value), theirs.pop(key, None)) for key, value in own.items()]
    gone = [Param(key, ABSENT, value) for key, value in theirs.items()]
    return ParamsTable(nearest, recipes.title_of(nearest), [*rows, *gone])


def takes_noise(params: Path) -> bool:
    """Whether the generator of an experiment is given noise; true as well where its options are not valid."""
    try:
        options = configure(SystemSection(**read_yaml(params)["system"]), str(params))
    except ConfigError:
        return True
    return any(isinstance(given, Noise) for given in options.inputs.values())


def differing(experiments: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the params, by dotted key, in which experiments differ, with the value of each; speed does not count.

    A blank value is the same as none: rows of MLflow hold no blank ones.
    """
    keys = dict.fromkeys(key for params in experiments for key in params if not key.startswith(_SPEED))
    rows = [(key, [params.get(key, ABSENT) for params in experiments]) for key in keys]
    return [(key, [written(value) for value in values]) for key, values in rows if _differ(values)]


def _differ(values: Sequence[object]) -> bool:
    told = [None if value == ABSENT else value for value in values]
    return any(value != told[0] for value in told)


def written(value: object) -> str:
    """Return a value as a person writes it, but only the last part of an absolute path: others may read the page."""
    if value is None:
        return "(blank)"
    if isinstance(value, str):
        return f"…/{Path(value).name}" if Path(value).is_absolute() else masked(value)
    return json.dumps(value, ensure_ascii=False)


def _of_same_system(system: str) -> list[str]:
    """Return the recipes that name this system. Searching their text is faster than parsing all of them."""
    line = f"\n  name: {system}\n"
    return [name for name in recipes.names() if line in recipes.path_of(name).read_text(encoding="utf-8")]
