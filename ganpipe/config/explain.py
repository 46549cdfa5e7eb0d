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
    """Check `content` against `model`; `where` and the dotted `prefix` name it in the message of the `ConfigError`."""
    try:
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=True)
        problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")  # a misspelt key is also a missing one
        line = _explain(model, problems[0], prefix)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {line}{more}") from None


def choose(kind: str, name: str, allowed: Iterable[str], where: str) -> str:
    """Return `name` if it is allowed; otherwise raise a `ConfigError` listing the allowed ones and the nearest."""
    names = list(allowed)
    if name in names:
        return name
    raise ConfigError(f"{where}: {kind} {name!r} is unknown{_nearest(name, names)}; allowed: {', '.join(names)}")


def _explain(model: type[BaseModel], problem: Any, prefix: str) -> str:
    """One line for one pydantic error: the dotted key, the value, what would do."""
    loc = _without_union_tags(problem["loc"])
    key = prefix + ".".join(loc) if loc else prefix.rstrip(".") or "params"
    match problem["type"]:
        case "extra_forbidden":
            allowed = _keys_at(model, problem["loc"][:-1])
            return f"{key} is an unknown key{_nearest(loc[-1], allowed)}; allowed: {', '.join(allowed)}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key}.name is missing"
        case "union_tag_invalid":
            tags = [tag.strip("' ") for tag in problem["ctx"]["expected_tags"].split(",")]
            tag = problem["ctx"]["tag"]
            return f"{key}.name {tag!r} is unknown{_nearest(tag, tags)}; allowed: {', '.join(tags)}"
        case "literal_error":
            tags = [tag.strip("' ") for tag in problem["ctx"]["expected"].replace(" or ", ", ").split(",")]
            value = problem["input"]
            return f"{key} = {shown(value)} is unknown{_nearest(str(value), tags)}; allowed: {', '.join(tags)}"
        case "model_type" | "model_attributes_type" if _keys_at(model, problem["loc"]):
            allowed = _keys_at(model, problem["loc"])
            return f"{key} = {shown(problem['input'])} is not a section with keys; allowed: {', '.join(allowed)}"
        case "value_error":
            return f"{key}: {problem['ctx']['error']}" if problem["loc"] else str(problem["ctx"]["error"])
    message = problem["msg"].replace("Input should be", "should be").replace("an object", "a section with keys")
    message = message.replace("Tuple", "the list").replace("a valid array", "a list").replace(" after validation", "")
    return f"{key} = {shown(problem['input'])}: {message}"


def _without_union_tags(loc: tuple[str | int, ...]) -> list[str]:
    """Pydantic puts the tag of a tagged union into the location (`optimizer.adam.betas`); it is no key of the file."""
    return [str(part) for before, part in zip(("", *loc), loc, strict=False) if before != "optimizer"]


def _keys_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the keys allowed at a location, walking through nested sections and tagged unions."""
    here: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [found.model_fields[part].annotation for found in here if part in found.model_fields]
        if fields:
            here = [found for field in fields for found in _models_in(field)]
        else:
            here = [found for found in here if _has_tag(found, part)]
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
