"""The params of experiments as tables: what differs from the nearest recipe, and between experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe import recipes
from ganpipe.config import flatten, read_yaml

ABSENT = "(absent)"
_SPEED = "runtime."  # changes no result


@dataclass(frozen=True)
class Setting:
    """One value of params.yaml; `recipe` is what the recipe has there, None where it agrees."""

    key: str
    value: str
    recipe: str | None = None


@dataclass(frozen=True)
class Settings:
    """All params of an experiment beside the recipe that is nearest to them."""

    recipe: str
    title: str
    rows: Sequence[Setting]

    @property
    def changed(self) -> Sequence[Setting]:
        """Those that differ from the recipe and may change a result."""
        return [row for row in self.rows if row.recipe is not None and not row.key.startswith(_SPEED)]


def read_settings(params: Path) -> Settings:
    """Compare a params file with the recipe of the fewest differences. Raises `ConfigError`."""
    own = flatten(read_yaml(params))
    candidates = _of_same_system(str(own.get("system.name"))) or recipes.names()
    differences = {name: recipes.difference(name, params) for name in candidates}
    nearest = min(candidates, key=lambda name: len(differences[name]))
    theirs = {line.partition(": ")[0]: line.partition(": ")[2].rpartition(" -> ")[0] for line in differences[nearest]}
    rows = [Setting(key, written(value), theirs.pop(key, None)) for key, value in own.items()]
    gone = [Setting(key, ABSENT, value) for key, value in theirs.items()]
    return Settings(nearest, recipes.title_of(nearest), [*rows, *gone])


def differing(experiments: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the params, by dotted key, in which experiments differ, with the value of each; speed does not count."""
    keys = dict.fromkeys(key for params in experiments for key in params if not key.startswith(_SPEED))
    rows = [(key, [params.get(key, ABSENT) for params in experiments]) for key in keys]
    return [(key, [written(value) for value in values]) for key, values in rows if any(v != values[0] for v in values)]


def written(value: object) -> str:
    """Return a value as a person writes it; of an absolute path the last part alone: a page may be shown to others."""
    if value is None:
        return "(blank)"
    if isinstance(value, str):
        return f"…/{Path(value).name}" if Path(value).is_absolute() else value
    return json.dumps(value, ensure_ascii=False)


def _of_same_system(system: str) -> list[str]:
    """Return the recipes that name this system; a glance at their text spares parsing them all."""
    line = f"\n  name: {system}\n"
    return [name for name in recipes.names() if line in recipes.path_of(name).read_text(encoding="utf-8")]
