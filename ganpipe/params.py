"""The params of this workspace, checked against the schema and against the tables of data sets, systems, extractors.

Imports no torch: a mistake in params.yaml is found in a second.
"""

from __future__ import annotations

from pathlib import Path

from ganpipe import paths, systems
from ganpipe.config import Params, choose, load_params
from ganpipe.data.catalogue import sets as catalogue
from ganpipe.errors import ConfigError
from ganpipe.metrics.extractors import EXTRACTORS, Entry, require_packages
from ganpipe.sampling.needs import require_inputs


def load(path: Path = paths.PARAMS) -> Params:
    """Read a params file and check every key and name in it. Raises `ConfigError`; writes nothing."""
    params, where = load_params(path), str(path)
    choose("data.name", params.data.name, catalogue.DATASETS, where)
    for extractor in params.evaluate.extractors:
        choose("evaluate.extractors", extractor, EXTRACTORS, where)
        _require_fit(extractor, catalogue.DATASETS[params.data.name], where)
        require_packages(extractor)
    inputs = systems.configure(params.system, where).inputs
    require_inputs(params.sample.pictures, inputs, params.system.name, where)
    return params


def _require_fit(extractor: str, dataset: catalogue.Dataset, where: str) -> None:
    """Refuse an extractor that cannot look at this data, before hours of training."""
    fitting = [name for name, entry in EXTRACTORS.items() if _fits(entry, dataset)]
    if extractor not in fitting:
        raise ConfigError(
            f"{where}: evaluate.extractors: {extractor} cannot score data.name = {dataset.name!r}; "
            f"use {', '.join(fitting)}"
        )


def _fits(entry: Entry, dataset: catalogue.Dataset) -> bool:
    """Return whether an extractor can look at a field of this data and has the labels that it learns from beside it."""
    fields = dataset.fields.values()
    seen = {field.space for field in fields if field.kind in entry.kinds and entry.shape in (None, field.shape)}
    labelled = {field.space for field in fields if field.kind == "label"}
    return bool(seen & labelled if entry.labels else seen)
