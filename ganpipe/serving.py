"""A published generator as a model that answers requests: MLflow's pyfunc loads it from here, without a pickle.

A request holds inputs and, where it likes, params. The inputs are the rows that the generator is given, by field, or
texts as `prompts`; a generator that is given nothing takes `n`, the number of items. The params are the other arguments
of `Generator.sample`, and the answer is what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganpipe.core.inputs import Choice
from ganpipe.core.spec import STORED_TYPES
from ganpipe.sampling.draw import given_fields
from ganpipe.sampling.published import Generator, load_generator

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
"""NumPy type and shape by name; -1 in the shape is any size."""

_COUNT = "n"
_PROMPTS = "prompts"
_EXAMPLE_ROWS = 2


@dataclass(frozen=True)
class Interface:
    """What requests and answers look like. The type of texts is `str`."""

    inputs: Tensors
    outputs: Tensors
    params: Mapping[str, Any]  # with their defaults
    example: Mapping[str, np.ndarray]  # inputs of a request


def interface_of(generator: Generator) -> Interface:
    """Return what requests to a generator and its answers look like."""
    system = generator.system
    fields = {name: generator.data.fields[name] for name in given_fields(system)}
    rows = {name: (STORED_TYPES[field.kind], (-1, *field.stored_shape)) for name, field in fields.items()}
    inputs: Tensors = rows or {_COUNT: ("int64", (-1,))}
    if any(field.kind == "text" for field in fields.values()):
        inputs = {_PROMPTS: ("str", (-1,))}
    made = {output: generator.data.fields[field] for output, field in system.outputs.items()}
    return Interface(
        inputs=inputs,
        outputs={name: (STORED_TYPES[field.kind], (-1, *field.stored_shape)) for name, field in made.items()},
        params=_params(generator, takes_rows=_COUNT not in inputs),
        example={name: _example(name, *declared) for name, declared in inputs.items()},
    )


class ServedGenerator:
    """A generator behind the interface that MLflow asks of a model."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def predict(self, inputs: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> Any:
        """Return what `Generator.sample` makes of a request. Raises `ValueError` as it does."""
        asked: dict[str, Any] = {name: value for name, value in (params or {}).items() if value not in ("", [])}
        switched = {name: asked.pop(name, ()) for name in ("on", "off")}
        attributes = {str(one): name == "on" for name, names in switched.items() for one in names}
        if attributes:
            asked["attributes"] = attributes
        given = {name: np.asarray(values) for name, values in inputs.items()}
        if _COUNT in given:
            asked[_COUNT] = int(given.pop(_COUNT).ravel()[0])
        elif not asked.get(_COUNT):
            asked.pop(_COUNT, None)  # one item of each row
        if _PROMPTS in given:
            asked[_PROMPTS] = [str(text) for text in given.pop(_PROMPTS).ravel()]
        return self._generator.sample(**asked | given)


def _load_pyfunc(path: str) -> ServedGenerator:
    """Load the model in a folder: MLflow calls this function by its name."""
    return ServedGenerator(load_generator(Path(path)))


def _params(generator: Generator, takes_rows: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"seed": 0}
    if takes_rows:
        params[_COUNT] = 0
    for declared in generator.system.inputs.values():
        if isinstance(declared, Choice):
            kind = generator.data.fields[declared.field].kind
            empty: dict[str, Any] = {"label": ""} if kind == "label" else {"on": [], "off": []}
            params |= empty
    return params


def _example(name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return inputs that any generator takes: rows of zeros, a text, or the number of items."""
    if name == _PROMPTS:
        return np.array(["a picture"])
    if name == _COUNT:
        return np.array([_EXAMPLE_ROWS])
    return np.zeros((_EXAMPLE_ROWS, *shape[1:]), dtype)
