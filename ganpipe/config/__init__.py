"""What params.yaml may say: the schema, reading and checking a file, the options of every system. Imports no torch."""

from __future__ import annotations

from ganpipe.config.explain import choose, parse
from ganpipe.config.load import flatten, load_params, read_yaml
from ganpipe.config.schema import (
    SGD,
    Adam,
    Closed,
    Data,
    Evaluate,
    Fraction,
    Kimg,
    Optimizer,
    Params,
    RMSprop,
    Runtime,
    Sample,
    Side,
    SystemSection,
    Train,
    Width,
)

__all__ = [
    "SGD",
    "Adam",
    "Closed",
    "Data",
    "Evaluate",
    "Fraction",
    "Kimg",
    "Optimizer",
    "Params",
    "RMSprop",
    "Runtime",
    "Sample",
    "Side",
    "SystemSection",
    "Train",
    "Width",
    "choose",
    "flatten",
    "load_params",
    "parse",
    "read_yaml",
]
