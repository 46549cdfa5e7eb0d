"""The published generator: safetensors weights and a JSON description, no pickle."""

from __future__ import annotations

import hashlib
import json
import operator
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from ganpipe import systems
from ganpipe.config import SystemSection, parse
from ganpipe.core.batch import DataSpec
from ganpipe.core.system import System
from ganpipe.errors import CheckpointError
from ganpipe.files import write_bytes, write_json
from ganpipe.sampling.draw import draw_latents, render

FORMAT = "ganpipe/generator/1"
_KEYS = {"system", "data", "sha256"}


def publish_generator(system: System, folder: Path, fingerprint: str) -> None:
    """Write the generators of `system` as they are to `generator.safetensors`, with `generator.json` beside it.

    The same weights give the same bytes: neither file holds a time or a machine's name.
    """
    weights = save({name: value.contiguous().cpu() for name, value in _published(system).items()})
    options = system.cfg.model_dump(mode="json")
    description = {
        "format": FORMAT,
        "system": {"name": _name_of(system), **options},
        "data": system.data.model_dump(mode="json"),
        "train_fingerprint": fingerprint,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_bytes(folder / "generator.safetensors", weights)
    write_json(folder / "generator.json", description)


class Generator:
    """A trained generator, ready to draw from."""

    def __init__(self, system: System) -> None:
        self.system = system.eval().requires_grad_(False)

    @property
    def data(self) -> DataSpec:
        """What the generator was trained on: name, kind, shape and classes."""
        return self.system.data

    def sample(self, n: int, seed: int = 0, label: SupportsIndex | str | None = None) -> np.ndarray:
        """Return `n` uint8 images (n, height, width, channels), or float32 vectors (n, length).

        The same seed gives the same items in the same order, and more of them when `n` is larger. `label`, a class by
        name or number, is what a generator that was trained on labels shall draw; None: each its own, drawn evenly.
        Raises `ValueError` for less than one item, an unknown class, or a generator that takes no label.
        """
        if n < 1:
            raise ValueError(f"n = {n}: draw at least one sample")
        latents = draw_latents(self.system, n, seed)
        if label is not None:
            labels = torch.full((n,), self._class_number(label, latents), device=latents.device)
            latents = self.system.ask(latents, labels)
        return render(self.system, latents)

    def _class_number(self, label: SupportsIndex | str, latents: Tensor) -> int:
        classes = self.data.classes
        if "label" not in self.system.asked(latents[:1]):
            raise ValueError(f"label = {label!r}: this generator takes no label ({type(self.system).__name__})")
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        number = -1 if isinstance(label, str | bool | np.bool_) else operator.index(label)
        if 0 <= number < len(classes):
            return number
        raise ValueError(f"label = {label!r} is unknown; the classes 0..{len(classes) - 1} are {', '.join(classes)}")


def load_generator(path: str | Path) -> Generator:
    """Load a published generator from its folder, or from either of its two files.

    Raises `CheckpointError` when a file is missing, of another format, or not the one that was described.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    description = _read_description(folder / "generator.json")
    weights = _read_weights(folder / "generator.safetensors", description["sha256"])
    where = str(folder / "generator.json")
    spec = parse(DataSpec, description["data"], where, prefix="data.")
    system = systems.build(SystemSection(**description["system"]), spec, seed=0, where=where)
    for adversary in system.adversaries:
        delattr(system, adversary)
    _adopt(system, load(weights))
    return Generator(system)


def _published(system: System) -> dict:
    return {
        f"{player}.{name}": value
        for player in system.generators
        for name, value in system.get_submodule(player).state_dict().items()
    }


def _adopt(system: System, weights: dict) -> None:
    """Give the generators what `_published` took from them; what else a system remembers was of use in training."""
    for player in system.generators:
        start = f"{player}."
        mine = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
        system.get_submodule(player).load_state_dict(mine)


def _name_of(system: System) -> str:
    return type(system).__module__.rpartition(".")[2]


def _read_description(path: Path) -> dict:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such file; run `dvc repro train`, or `dvc checkout` to bring it back"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not the description of a generator ({error}); run `dvc checkout`") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT or not description.keys() >= _KEYS:
        raise CheckpointError(f"{path}: not of format {FORMAT!r}; run `dvc repro --force train` to write it anew")
    return description


def _read_weights(path: Path, sha256: str) -> bytes:
    try:
        weights = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such file; run `dvc repro train`, or `dvc checkout` to bring it back"
        ) from None
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise CheckpointError(f"{path}: damaged, or not the weights that generator.json describes; run `dvc checkout`")
    return weights
