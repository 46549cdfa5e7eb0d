"""The params of this workspace, checked completely: the schema, and the names that only the tables know."""

from __future__ import annotations

from pathlib import Path

from ganpipe import metrics, paths, systems
from ganpipe.config import Params, choose, load_params
from ganpipe.data import catalogue


def load(path: Path = paths.PARAMS) -> Params:
    """Read a params file and check every key and name in it. Raises `ConfigError`; writes nothing."""
    params = load_params(path)
    choose("data.name", params.data.name, catalogue.DATASETS, str(path))
    for extractor in params.evaluate.extractors:
        choose("evaluate.extractors", extractor, metrics.EXTRACTORS, str(path))
    systems.configure(params.system, str(path))
    return params
