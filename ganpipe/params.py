"""The params of this workspace, checked completely: the schema, and the names that only the tables know."""

from __future__ import annotations

from pathlib import Path

from ganpipe import paths, systems
from ganpipe.config import Params, choose, load_params
from ganpipe.data.catalogue import sets as catalogue
from ganpipe.errors import ConfigError
from ganpipe.metrics.extractors import EXTRACTORS, require_packages


def load(path: Path = paths.PARAMS) -> Params:
    """Read a params file and check every key and name in it. Raises `ConfigError`; writes nothing."""
    params = load_params(path)
    choose("data.name", params.data.name, catalogue.DATASETS, str(path))
    for extractor in params.evaluate.extractors:
        choose("evaluate.extractors", extractor, EXTRACTORS, str(path))
        _check_fit(extractor, catalogue.DATASETS[params.data.name], str(path))
    systems.configure(params.system, str(path))
    _check_pictures(params, str(path))
    return params


def _check_pictures(params: Params, where: str) -> None:
    """Refuse a row per class of a system that takes no condition, before hours of training."""
    from ganpipe.core.system import System

    name = params.system.name
    if "classes" in params.sample.pictures and systems.system_class(name, where).ask is System.ask:
        raise ConfigError(
            f"{where}: sample.pictures: classes needs a conditional system, but system.name = {name!r} takes no "
            "condition; leave it out"
        )


def _check_fit(extractor: str, dataset: catalogue.Dataset, where: str) -> None:
    """Refuse an extractor that cannot look at this data or lacks a package, before hours of training."""
    labelled = dataset.classes != () or dataset.count is None
    fitting = [
        name for name, entry in EXTRACTORS.items() if entry.kind == dataset.kind and (labelled or not entry.labels)
    ]
    if extractor not in fitting:
        raise ConfigError(
            f"{where}: evaluate.extractors: {extractor} cannot score data.name = {dataset.name!r}; "
            f"use {', '.join(fitting)}"
        )
    require_packages(extractor)
