"""Checking values against a schema, and one line that says what is wrong: the key, the value, what would do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ganpipe.config.schema import Closed
from ganpipe.errors import ConfigError

ClosedModel = TypeVar("ClosedModel", bound=Closed)


def parse(model: type[ClosedModel], content: Mapping[str, Any], where: str, prefix: str = "") -> ClosedModel:
    """Return `content` as a checked `model`.

    Raises `ConfigError` with the first problem in one line. `where` names the file, `prefix` is the dotted key of
    `content` in it, with a dot at its end.
    """
    try:
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=True)
        problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")  # a misspelt key is also a missing one
        raise ConfigError(f"{where}: {_first_of(model, problems, content, prefix)}") from None


def choose(kind: str, name: str, allowed: Iterable[str], where: str) -> str:
    """Return `name` if it is allowed; otherwise raise a `ConfigError` listing the allowed ones and the nearest."""
    names = list(allowed)
    if name in names:
        return name
    raise ConfigError(f"{where}: {kind} {name!r} is unknown{_nearest(name, names)}; allowed: {', '.join(names)}")


def _first_of(model: type[BaseModel], problems: list[Any], content: Mapping[str, Any], prefix: str) -> str:
    """Explain the first problem and count the others. Pydantic lists one problem per alternative of a union."""
    loc = _keys(problems[0], content)
    alternatives = [problem for problem in problems if _keys(problem, content) == loc]
    key = prefix + ".".join(loc) if loc else prefix.rstrip(".") or "params"
    if len(alternatives) == 1:
        line = _explain(model, problems[0], key)
    else:
        wanted = " or ".join(_wanted(problem).removeprefix("should be ") for problem in alternatives)
        line = f"{key} = {shown(problems[0]['input'])}: should be {wanted}"
    others = len(problems) - len(alternatives)
    return f"{line} (and {others} more)" if others else line


def _explain(model: type[BaseModel], problem: Any, key: str) -> str:
    """Explain one pydantic error in one line: the dotted key, the value, what would do."""
    match problem["type"]:
        case "extra_forbidden":
            allowed = _keys_at(model, problem["loc"][:-1])
            return f"{key} is an unknown key{_nearest(problem['loc'][-1], allowed)}; allowed: {', '.join(allowed)}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key}.name is missing"
        case "union_tag_invalid":
            return _unknown(f"{key}.name", repr(problem["ctx"]["tag"]), problem["ctx"]["tag"], _listed(problem))
        case "literal_error":
            return _unknown(f"{key} =", shown(problem["input"]), str(problem["input"]), _listed(problem))
        case "model_type" | "model_attributes_type" if _keys_at(model, problem["loc"]):
            allowed = _keys_at(model, problem["loc"])
            return f"{key} = {shown(problem['input'])} is not a section with keys; allowed: {', '.join(allowed)}"
        case "value_error":
            return f"{key}: {problem['ctx']['error']}" if problem["loc"] else str(problem["ctx"]["error"])
    return f"{key} = {shown(problem['input'])}: {_wanted(problem)}"


def _unknown(key: str, value: str, name: str, allowed: list[str]) -> str:
    return f"{key} {value} is unknown{_nearest(name, allowed)}; allowed: {', '.join(allowed)}"


def _listed(problem: Any) -> list[str]:
    """Return the names that would do, which pydantic gives as one text: `'adam' or 'sgd'`."""
    expected = problem["ctx"].get("expected") or problem["ctx"]["expected_tags"]
    return [name.strip("' ") for name in expected.replace(" or ", ", ").split(",")]


def _wanted(problem: Any) -> str:
    """Return pydantic's own message in the words of YAML."""
    message = problem["msg"].replace("Input should be", "should be").replace("an object", "a section with keys")
    return message.replace("Tuple", "the list").replace("a valid array", "a list").replace(" after validation", "")


def _keys(problem: Any, content: Mapping[str, Any]) -> list[str]:
    """Return the keys of the file that lead to a problem.

    Pydantic puts the name of a union's alternative between them: `optimizer.adam.betas`, `crop.constrained-int`.
    """
    keys: list[str] = []
    here: Any = content
    *before, last = problem["loc"] or [""]
    for part in before:
        if _is_key(part, here) and not _is_tag(part, here):
            keys.append(str(part))
            here = here[part]
    return [*keys, str(last)] if problem["type"] == "missing" or _is_key(last, here) else keys


def _is_key(part: str | int, here: Any) -> bool:
    if isinstance(here, list | tuple):
        return isinstance(part, int) and part < len(here)
    return isinstance(here, Mapping) and part in here


def _is_tag(part: str | int, here: Any) -> bool:
    """Whether the section `here` is the alternative `part` of a tagged union."""
    return isinstance(here, Mapping) and here.get("name") == part


def _keys_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the keys allowed at a location, walking through nested sections and tagged unions."""
    here: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int):  # of a list of sections
            continue
        alternatives = [found for found in here if _has_tag(found, part)] if len(here) > 1 else []
        fields = [found.model_fields[part].annotation for found in here if part in found.model_fields]
        here = alternatives or [found for field in fields for found in _models_in(field)]
    return [key for found in here for key in found.model_fields]


def _has_tag(model: type[BaseModel], tag: str | int) -> bool:
    """Whether `model` is the member of a tagged union that goes by this name."""
    name = model.model_fields.get("name")
    return name is not None and tag in get_args(name.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _nearest(name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """Return a value as it may stand in a message: as JSON, cut after 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
