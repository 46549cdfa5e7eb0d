"""Reading params files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from ganpipe.config.explain import parse, shown
from ganpipe.config.schema import Params
from ganpipe.errors import ConfigError

_LARGEST = 1 << 20  # bytes of a file
_DEEPEST = 40  # values within values
_MOST = 100_000  # values of a file


def load_params(path: Path) -> Params:
    """Read and check a params file, except for what only the tables of data sets, systems and extractors know.

    Raises `ConfigError` with one line that names the file, the key, the value and what would do.
    """
    return parse(Params, read_yaml(path), where=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping (`2e-4` is a float, `yes` a string). Raises `ConfigError`."""
    try:
        text = _read_text(path)
        _require_bounded(text)
        content = YAML(typ="safe", pure=True).load(text)
        json.dumps(content, default=str)  # aliases to themselves and lists as keys are YAML, but no params
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run `ganpipe recipe use digits-cgan-heads` to make one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (YAMLError, ValueError, TypeError) as error:
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


def _read_text(path: Path) -> str:
    """Return the text of a file of at most `_LARGEST` bytes. Raises `ValueError` for a longer one, and `OSError`."""
    with path.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes, which no params have")
    return content.decode("utf-8")


def _require_bounded(text: str) -> None:
    """Raise `ValueError` for YAML that is nested too deeply, or that grows too large where its aliases are written out.

    It is read event by event and given up at once: the library needs minutes for some texts of a few hundred bytes.
    """
    values = 0  # with those of aliases
    anchored: dict[str, int] = {}  # values of each anchor that is complete
    opened: list[tuple[str | None, int]] = []  # the anchor of each value around this place, and the values before it
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            if event.anchor not in anchored:
                raise ValueError(f"the alias *{event.anchor} stands within what it is an alias of")
            values += anchored[event.anchor]
        elif isinstance(event, CollectionStartEvent):
            opened.append((event.anchor, values))
            values += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            anchored |= {anchor: values - before} if anchor else {}
        elif isinstance(event, ScalarEvent):
            values += 1
            anchored |= {event.anchor: 1} if event.anchor else {}
        if len(opened) > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep (line {event.start_mark.line + 1})")
        if values > _MOST:
            raise ValueError(f"more than {_MOST} values, aliases counted (line {event.start_mark.line + 1})")


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{what} (line {mark.line + 1})" if mark is not None else what
