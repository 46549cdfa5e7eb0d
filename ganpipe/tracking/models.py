"""Generators as models of MLflow: the files that make one of a published generator, and how to fetch one.

Beside the store the only file that imports MLflow: a model is a folder, whoever keeps it, and is loaded where there is
no store of ours. MLflow calls `ganpipe.serving` to load one.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganpipe.errors import ConfigError
from ganpipe.sampling.publication import DESCRIPTION, WEIGHTS
from ganpipe.serving import Interface, Tensors
from ganpipe.tracking.api import existing_store

if TYPE_CHECKING:
    from mlflow.types import ParamSpec, Schema

PACKAGES = ("filelock", "h5py", "jaxtyping", "numpy", "pydantic", "ruamel.yaml", "safetensors", "torch", "tqdm")
"""What a generator needs to draw, pinned in the environment of its model; ganpipe itself is among its files."""

TEXT_PACKAGES = ("tokenizers",)
"""What one that is given texts needs besides."""

ADDRESSES = ("models:/", "runs:/")
"""How the address of a model begins that MLflow keeps."""


def write_model(published: Path, interface: Interface, into: Path) -> None:
    """Make the new folder `into` the model of the generator in the folder `published`; its two files stay at the top.

    It holds the code of ganpipe, signature, input example and pinned environment.
    """
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ParamSchema

    texts = any(dtype == "str" for dtype, _ in interface.inputs.values())
    mlflow.pyfunc.save_model(
        into,
        loader_module="ganpipe.serving",
        data_path=str(published),
        code_paths=[str(Path(sys.modules["ganpipe"].__path__[0]))],
        signature=ModelSignature(
            _schema(interface.inputs, named=True),
            _schema(interface.outputs, named=len(interface.outputs) > 1),
            ParamSchema([_param(*item) for item in interface.params.items()]),
        ),
        input_example=dict(interface.example),
        pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES + TEXT_PACKAGES * texts],
    )
    model = Model.load(into)
    copied = into / model.flavors["python_function"]["data"]
    for name in (DESCRIPTION, WEIGHTS):
        (copied / name).replace(into / name)
    shutil.rmtree(into / copied.relative_to(into).parts[0])
    model.flavors["python_function"]["data"] = "."  # runs keep the generator there, and it need not be kept twice
    model.save(into / "MLmodel")


def fetch_model(address: str, into: Path) -> Path:
    """Copy the model at an address such as `models:/NAME/1` or `runs:/ID/model` to `into`; return its folder.

    Raises `ConfigError` where the store has none, `GanpipeError` where it is out of reach.
    """
    with existing_store() as store:
        found = store.download(address, into) if store else None
    if found is None:
        raise ConfigError(f"{address}: the MLflow store has no such model; `ganpipe ui` shows those it has")
    return found


def _schema(tensors: Tensors, named: bool) -> Schema:
    import numpy as np
    from mlflow.types import Schema, TensorSpec

    declared = [(np.dtype(dtype), shape, name) for name, (dtype, shape) in tensors.items()]
    return Schema([TensorSpec(*one) if named else TensorSpec(*one[:2]) for one in declared])


def _param(name: str, default: Any) -> ParamSpec:
    from mlflow.types import ParamSpec

    return ParamSpec(name, "long" if isinstance(default, int) else "string", default, (-1,) if default == [] else None)
