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
from ganpipe.systems.configs import SystemConfig


def load(path: Path = paths.PARAMS) -> Params:
    """Read a params file and check every key and name in it. Raises `ConfigError`; writes nothing."""
    return checked(load_params(path), str(path))


def checked(params: Params, where: str) -> Params:
    """Return the params that were read from `where`. Raises `ConfigError` where names or a size do not fit."""
    choose("data.name", params.data.name, catalogue.DATASETS, where)
    for extractor in params.evaluate.extractors:
        choose("evaluate.extractors", extractor, EXTRACTORS, where)
        _require_fit(extractor, catalogue.DATASETS[params.data.name], where)
        require_packages(extractor)
    system = systems.configure(params.system, where)
    systems.drawing_section(params.system, params.sample.options or {}, f"{where}: sample.options")
    able = {"direct": system.direct_steps > 0, "music": system.makes_music}
    require_inputs(params.sample.pictures, system.inputs, params.system.name, where, **able)
    _require_size(system, params, where)
    return params


def _require_size(system: SystemConfig, params: Params, where: str) -> None:
    """Refuse a size that the networks cannot make, before hours of packing, where the params tell the size."""
    data = params.data
    size = catalogue.DATASETS[data.name].packed_size(data.crop, data.size)
    if size is not None:
        try:
            system.require_size(*size)
        except ConfigError as problem:
            asked = ", ".join(f"data.{key} = {value}" for key in ("crop", "size") if (value := getattr(data, key)))
            raise ConfigError(f"{where}: {asked or f'data.name = {data.name!r}'}: {problem}") from None


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
    seen = {
        field.space
        for field in fields
        if field.kind in entry.kinds and entry.shape in (None, field.shape) and entry.names in (None, field.names)
    }
    labelled = {field.space for field in fields if field.kind == "label"}
    return bool(seen & labelled if entry.labels else seen)
