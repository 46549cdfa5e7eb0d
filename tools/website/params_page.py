"""The page of params.yaml: every key with its type, default and meaning, made from the pydantic models.

Types, bounds and defaults are those of the models' JSON schema. The meaning of a key is the comment behind it in the
source of its model.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import json
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ganpipe.config.schema import SGD, Adam, Data, Evaluate, Params, RMSprop, Runtime, Sample, Train
from ganpipe.systems import SYSTEMS

SECTIONS: Mapping[str, type[BaseModel]] = {
    "data": Data,
    "train": Train,
    "sample": Sample,
    "evaluate": Evaluate,
    "runtime": Runtime,
}
OPTIMIZERS = (Adam, SGD, RMSprop)
_TYPES = {"integer": "integer", "number": "number", "boolean": "true or false", "string": "text", "null": "blank"}


def page() -> str:
    """Return the whole page as Markdown."""
    parts = ["# params.yaml", inspect.getdoc(inspect.getmodule(Params)) or ""]
    parts.append("A blank value is null. A key without a default must be there. Every recipe shows all keys.")
    for section, model in SECTIONS.items():
        parts += [f"## {section}", inspect.getdoc(model) or "", _table(section, model)]
        if section == "train":
            parts += [part for one in OPTIMIZERS for part in _optimizer(one)]
    parts += ["## system", "`system.name` chooses the system. The other keys are its own."]
    for name in SYSTEMS:
        model = importlib.import_module(f"ganpipe.systems.configs.{name}").Config
        parts += [f"### {name}", inspect.getdoc(model) or "", _table("system", model, name)]
    return "\n\n".join(parts) + "\n"


def rows(section: str, model: type[BaseModel], system: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield key, type, default and meaning of every field of a model, in Markdown."""
    schema = model.model_json_schema()
    for key, entry in schema["properties"].items():
        default = "" if key in schema.get("required", ()) else _value(entry.get("default"))
        yield f"`{key}`", type_of(entry, schema.get("$defs", {})), default, meaning(section, model, key, system)


def type_of(entry: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say in words what an entry of a JSON schema allows. Raises `ValueError` for what it cannot say."""
    if "$ref" in entry:
        return type_of(defs[entry["$ref"].rpartition("/")[2]], defs)
    if alternatives := entry.get("anyOf") or entry.get("oneOf"):
        return " or ".join(type_of(one, defs) for one in alternatives)
    if "const" in entry or "enum" in entry:
        return ", ".join(_value(one) for one in entry.get("enum", [entry.get("const")]))
    kind = entry.get("type")
    if kind == "array":
        items = entry.get("prefixItems") or [entry["items"]]
        length = f" of {len(items)}" if "prefixItems" in entry else ""
        return f"list{length}: {type_of(items[0], defs)}"
    if kind == "object":
        if "properties" in entry:
            return f"section [{entry['title'].lower()}](#{entry['title'].lower()})"
        return f"name: {type_of(entry['additionalProperties'], defs)}"
    if kind not in _TYPES:
        raise ValueError(f"no words for {dict(entry)}")
    return _TYPES[kind] + _bounds(entry)


def meaning(section: str, model: type[BaseModel], key: str, system: str = "") -> str:
    """Return what a key means. Raises `ValueError` where nothing says so."""
    comment = next(filter(None, (_in_source(base).get(key) for base in model.__mro__)), None)
    place = ".".join(filter(None, (section, system, model.__name__ if model in OPTIMIZERS else "", key)))
    if not comment:
        raise ValueError(f"{place} is explained nowhere: write a comment behind it in {inspect.getsourcefile(model)}")
    return comment.replace("|", "\\|")


@cache
def _in_source(model: type) -> dict[str, str]:
    """The comments behind the fields of a class, by key."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return {}
    source = Path(inspect.getsourcefile(model) or "").read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    (body,) = (
        node.body
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == model.__name__
    )
    fields = [node for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    found = {
        ast.unparse(node.target): " ".join(
            comments[line] for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in comments
        )
        for node in fields
    }
    return {key: comment for key, comment in found.items() if comment}


def _table(section: str, model: type[BaseModel], system: str = "") -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows(section, model, system)])


def _optimizer(model: type[BaseModel]) -> list[str]:
    return [f"### {model.__name__.lower()}", inspect.getdoc(model) or "", _table("train", model)]


def _value(value: Any) -> str:
    return "blank" if value is None else f"`{json.dumps(value)}`"


def _bounds(entry: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {entry[name]:g}" for name, sign in signs.items() if name in entry]
    return f", {', '.join(said)}" if said else ""
