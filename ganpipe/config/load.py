"""Reading params files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganpipe.config.explain import parse, shown
from ganpipe.config.schema import Params
from ganpipe.errors import ConfigError


def load_params(path: Path) -> Params:
    """Read and check a params file, except for what only the tables of data sets, systems and extractors know.

    Raises `ConfigError` with one line that names the file, the key, the value and what would do.
    """
    return parse(Params, read_yaml(path), where=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping (`2e-4` is a float, `yes` a string). Raises `ConfigError`."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        json.dumps(content, default=str)  # aliases to themselves and lists as keys are YAML, but no params
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run `ganpipe recipe use digits-dcgan` to make one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected the sections {', '.join(Params.model_fields)}, got {shown(content)}")
    return content


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one level with dotted keys, lists as values: `{"train.lr": 0.0002, ...}`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{what} (line {mark.line + 1})" if mark is not None else what
