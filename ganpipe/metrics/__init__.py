"""Scores of generated samples: distances between feature sets, and the extractors that turn samples into features.

`EXTRACTORS` is the table of what `evaluate.extractors` may name. Only `inception` (not in the table) could emit `fid`,
`kid` and `is`; what these extractors give is called `fd`, `kd_x1000` and `cs`.
"""

from __future__ import annotations

import importlib
from typing import Any

from ganpipe.config import choose

EXTRACTORS: dict[str, str] = {
    "domain": "ganpipe.metrics.domain:DomainExtractor",
    "pattern": "ganpipe.metrics.pattern:PatternExtractor",
    "pixel": "ganpipe.metrics.pixel:PixelExtractor",
}


def load_extractor_class(name: str) -> type[Any]:
    """Import a class that is an `Extractor`, and with it torch. Raises `ConfigError` for a name not in `EXTRACTORS`."""
    module, _, attribute = EXTRACTORS[choose("extractor", name, EXTRACTORS, "evaluate.extractors")].partition(":")
    loaded: type[Any] = getattr(importlib.import_module(module), attribute)
    return loaded
