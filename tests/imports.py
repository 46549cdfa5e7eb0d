"""The import graph of the sources, read from their text: nothing is imported to find it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from conftest import REPOSITORY

Graph = Mapping[str, frozenset[str]]
"""The modules that each module imports, anywhere in its text."""


@cache
def modules() -> Mapping[str, Path]:
    """All modules of ganpipe and stages by dotted name; a package goes by its own."""
    files = [path for folder in ("ganpipe", "stages") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path for path in files
    }


def imported(tree: ast.AST) -> Iterator[str]:
    """All that a text imports, dotted: `from a import b` is `a.b`.

    Left out are imports for type checking, and those of a module's `__getattr__`, which run when somebody asks for the
    attribute.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            yield from imported(ast.Module(node.orelse, []))
        elif isinstance(node, ast.FunctionDef) and node.name == "__getattr__" and isinstance(tree, ast.Module):
            continue
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "relative imports are not used"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported(node)


@cache
def graph() -> Graph:
    """Which module imports which, among those of ganpipe and stages."""
    known = modules()
    found: dict[str, frozenset[str]] = {}
    for name, path in known.items():
        names = imported(ast.parse(path.read_text(encoding="utf-8")))
        nearest = (one if one in known else one.rpartition(".")[0] for one in names)
        found[name] = frozenset(one for one in nearest if one in known) - {name}
    return found


def closure(roots: Iterable[str]) -> set[str]:
    """All modules that are loaded when these are: what they import, and the packages above it."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            parent = name.rpartition(".")[0]
            waiting += [*graph()[name], *([parent] if parent else [])]
    return seen


@cache
def has_code(module: str) -> bool:
    """Whether a module holds more than its docstring."""
    body = ast.parse(modules()[module].read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
