"""The published generator: safetensors weights and a JSON description, no pickle."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from ganpipe import systems
from ganpipe.config import SystemSection, flatten, parse
from ganpipe.core.batch import Batch, to_network
from ganpipe.core.inputs import Choice
from ganpipe.core.spec import STORED_TYPES, DataSpec, Field, Kind
from ganpipe.core.system import System
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.files import write_bytes, write_sealed
from ganpipe.sampling.described import built_for, tensors_of
from ganpipe.sampling.draw import GivenSource, Items, draw_inputs, given_fields, render_block
from ganpipe.sampling.prompts import Prompts
from ganpipe.sampling.publication import DESCRIPTION, FORMAT, WEIGHTS, folder_of, read_description, read_weights

Asked = Sequence[tuple[str, Any, float]]
"""What a person chooses: an input, the place in it, the value there."""

_SHOWN = 3  # differences in a message


def publish_generator(system: System, folder: Path, fingerprint: str, started_from: str | None = None) -> None:
    """Write the generators of `system` and its own buffers to `generator.safetensors`, with `generator.json` beside it.

    The same weights give the same bytes: neither file holds a time or a machine's name. `started_from` is the sha256 of
    the published weights with which the training began, if it did not begin with random ones.
    """
    weights = save({name: value.contiguous().cpu() for name, value in published_state(system).items()})
    options = system.cfg.model_dump(mode="json")
    description = {
        "format": FORMAT,
        "system": {"name": _name_of(system), **options},
        "data": system.data.model_dump(mode="json"),
        "train_fingerprint": fingerprint,
        "started_from": started_from,
        "frozen": system.frozen_sha256,
        "ideal": dict(system.ideal),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_bytes(folder / WEIGHTS, weights)
    write_sealed(folder / DESCRIPTION, description)


class Generator:
    """A trained generator, ready to draw from."""

    def __init__(self, system: System) -> None:
        self.system = system.eval().requires_grad_(False)

    def __repr__(self) -> str:
        """Say system, size and data: `Generator(dcgan, 64 x 64 colour images, trained on folder)`."""
        fields = {output: self.data.fields[field] for output, field in self.system.outputs.items()}
        made = [f"{output}: {_words(field)}" if len(fields) > 1 else _words(field) for output, field in fields.items()]
        return f"Generator({_name_of(self.system)}, {', '.join(made)}, trained on {self.data.name})"

    @property
    def data(self) -> DataSpec:
        """The data that the generator was trained on: name and fields."""
        return self.system.data

    def sample(
        self,
        n: int | None = None,
        seed: int = 0,
        label: SupportsIndex | str | None = None,
        attributes: Mapping[str, bool] | None = None,
        prompts: Sequence[str] | None = None,
        **given: np.ndarray,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Return `n` items: uint8 images (n, height, width, channels), float32 vectors (n, length) or sequences.

        The same seed gives the same items in the same order, and more of them if `n` is larger. `label` is the class to
        draw, by name or number; `attributes` turns attributes on or off by name. The remaining choices are drawn
        evenly. The rows of `Given` inputs are passed under the name of their field, in stored form:
        `sample(source=images)` with uint8 images; texts as `prompts`, which the encoder of the training encodes. One
        item is made of each row or prompt; if `n` is larger, they repeat.
        A generator with several outputs returns them by name. Raises `ValueError` for less than one item, an unknown
        class, attribute or field, rows of another shape, and arguments that the generator does not take.
        """
        source = _ArraySource(self.system, given) if prompts is None else Prompts(self.system, prompts)
        if prompts is not None and given:
            raise ValueError(f"{next(iter(given))}: is no row that is given beside prompts")
        count = source.most if n is None else n
        if count < 1:
            raise ValueError(f"n = {n}: draw at least one sample")
        blocks = [made for _, made in self.blocks(count, seed, label, attributes, source)]
        made = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        return made if len(made) > 1 else next(iter(made.values()))

    def blocks(
        self,
        n: int,
        seed: int,
        label: SupportsIndex | str | None = None,
        attributes: Mapping[str, bool] | None = None,
        given: GivenSource | None = None,
    ) -> Iterator[tuple[Batch, Items]]:
        """Return inputs and outputs of the first `n` items of this seed block by block, see `sample`.

        Raises `ValueError` at once for a class or an attribute that is unknown or not taken.
        """
        drawn = self.inputs(n, seed, self.asked(label, attributes), given)
        return ((inputs, render_block(self.system, inputs, seed, number)) for number, inputs in enumerate(drawn))

    def asked(self, label: SupportsIndex | str | None, attributes: Mapping[str, bool] | None) -> Asked:
        """Return what a person chooses. Raises `ValueError` for what is unknown or not taken."""
        asked: list[tuple[str, Any, float]] = []
        if label is not None:
            name, field = self._choice("label", f"label = {label!r}")
            asked.append((name, ..., float(self._class_number(label, field))))
        for attribute, on in (attributes or {}).items():
            name, field = self._choice("attributes", f"attributes = {attributes!r}")
            asked.append((name, (slice(None), self._attribute_number(attribute, field)), float(on)))
        return asked

    def inputs(self, n: int, seed: int, asked: Asked, given: GivenSource | None = None) -> Iterator[Batch]:
        """Yield the inputs of the first `n` items of this seed, see `draw_inputs`, with what was `asked` for."""
        for inputs in draw_inputs(self.system, n, seed, given):
            for name, place, value in asked:
                inputs[name][place] = value
            yield inputs

    def _choice(self, kind: Kind, asked: str) -> tuple[str, str]:
        """Return the input that chooses a field of this kind, and the field."""
        for name, declared in self.system.inputs.items():
            if isinstance(declared, Choice) and self.data.fields[declared.field].kind == kind:
                return name, declared.field
        raise ValueError(f"{asked}: this generator takes no {kind} ({type(self.system).__name__})")

    def _class_number(self, label: SupportsIndex | str, field: str) -> int:
        classes = self.data.names(field)
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        number = -1 if isinstance(label, str | bool | np.bool_) else operator.index(label)
        if 0 <= number < len(classes):
            return number
        raise ValueError(f"label = {label!r} is unknown; the classes 0..{len(classes) - 1} are {', '.join(classes)}")

    def _attribute_number(self, attribute: str, field: str) -> int:
        names = self.data.names(field)
        if attribute in names:
            return names.index(attribute)
        raise ValueError(f"attribute {attribute!r} is unknown; there are {', '.join(names)}")


class _ArraySource(GivenSource):
    """The rows that a person passes, by field, in stored form."""

    def __init__(self, system: System, arrays: Mapping[str, np.ndarray]) -> None:
        fields = given_fields(system)
        if texts := [name for name in fields if system.data.fields[name].kind == "text"]:
            raise ValueError(f"{texts[0]}: this generator ({type(system).__name__}) is given texts: pass prompts=[...]")
        wrong, missing = sorted(arrays.keys() - set(fields)), [name for name in fields if name not in arrays]
        if wrong or missing:
            takes = f"takes {', '.join(fields)}" if fields else "takes no rows"
            what = f"{wrong[0]} is not known" if wrong else f"{missing[0]} is missing"
            raise ValueError(f"{what}: this generator ({type(system).__name__}) {takes}")
        self._rows = {name: _network_rows(name, system.data.fields[name], arrays[name]) for name in fields}
        if len({len(rows) for rows in self._rows.values()}) > 1:
            sizes = ", ".join(f"{len(rows)} of {name}" for name, rows in self._rows.items())
            raise ValueError(f"equally many rows of every field are needed, got {sizes}")

    @property
    def most(self) -> int:
        """How many rows there are; 0 where the generator takes no rows."""
        return min((len(rows) for rows in self._rows.values()), default=0)

    def count(self, space: str) -> int:
        return self.most

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        rows = self._rows[field]
        return rows[torch.arange(start, start + count) % len(rows)]


def _network_rows(name: str, field: Field, array: np.ndarray) -> Tensor:
    dtype, row = STORED_TYPES[field.kind], field.stored_shape
    if array.dtype != dtype or array.shape[1:] != row or not len(array):
        raise ValueError(f"{name}: rows of {dtype} {row} are needed, got {array.dtype} {array.shape}")
    return to_network(field.kind, torch.from_numpy(array))


def load_generator(path: str | Path, options: Mapping[str, Any] | None = None) -> Generator:
    """Load a published generator from its folder, or from either of its two files.

    `options` of its system take the place of those that it was trained with: of those that matter for drawing alone,
    see `SystemConfig.drawing`. Raises `CheckpointError` if a file is missing, has another format or does not match its
    description, and if frozen networks of the system have other weights here; `ConfigError` for other options.
    """
    folder = folder_of(Path(path))
    description = read_description(folder)
    where = str(folder / DESCRIPTION)
    weights = tensors_of(read_weights(folder, description["sha256"]), where)
    spec = parse(DataSpec, description["data"], where, prefix="data.")
    section = systems.drawing_section(SystemSection(**description["system"]), options or {}, where)
    system = built_for(weights, lambda: systems.build(section, spec, seed=0, where=where), published_state, where)
    for adversary in system.adversaries:
        delattr(system, adversary)
    system.adversaries = ()  # type: ignore[misc]  # of this system alone: there is no adversary to ask
    for name, sha256 in system.frozen_sha256.items():
        if sha256 != description["frozen"].get(name):
            raise CheckpointError(
                f"{where}: the frozen network {name} has other weights here (sha256 {sha256[:8]}...) than in training"
            )
    system.load_state_dict(weights, strict=False)  # the rest of its state is used in training only
    return Generator(system)


def begin_with(system: System, folder: Path) -> str:
    """Give an untrained system the published weights and own buffers in a folder; return the sha256 of the weights.

    The data may be another one. Raises `CheckpointError` if a file is damaged, and `ConfigError` if the weights are not
    those of such a system: other names or shapes.
    """
    description = read_description(folder)
    found = tensors_of(read_weights(folder, description["sha256"]), str(folder / DESCRIPTION))
    wanted = published_state(system)
    odd = sorted(found.keys() ^ wanted.keys()) or [name for name in wanted if found[name].shape != wanted[name].shape]
    if odd:
        raise ConfigError(
            f"train.start_from: these weights do not fit this training ({odd[0]} differs): "
            f"{_differences(description, system) or 'the code of the system is another one'}"
        )
    system.load_state_dict(found, strict=False)
    return str(description["sha256"])


def _differences(description: Mapping[str, Any], system: System) -> str:
    """Return in which options and fields a published generator and a system differ."""
    theirs = flatten({"system": description["system"], "data": description["data"]["fields"]})
    mine = flatten(
        {
            "system": {"name": _name_of(system), **system.cfg.model_dump(mode="json")},
            "data": system.data.model_dump(mode="json")["fields"],
        }
    )
    odd = [key for key in sorted(theirs.keys() | mine.keys()) if theirs.get(key) != mine.get(key)]
    return ", ".join(f"{key} is {mine.get(key)}, theirs {theirs.get(key)}" for key in odd[:_SHOWN])


def train_fingerprint(folder: Path) -> str:
    """Return the fingerprint of the training that published the generator in a folder. Raises `CheckpointError`."""
    return str(read_description(folder)["train_fingerprint"])


def published_state(system: System) -> dict[str, Tensor]:
    """Return the weights of the generators and the system's own buffers, for example a level of growth."""
    networks = {
        f"{player}.{name}": value
        for player in system.generators
        for name, value in system.get_submodule(player).state_dict().items()
    }
    own = {name: value for name, value in system.state_dict().items() if "." not in name and torch.is_tensor(value)}
    return networks | own


def _words(field: Field) -> str:
    """Return what the values of a field are: `64 x 64 colour images`, height first; `vectors of 4`."""
    if field.kind != "image":
        return str(field)
    channels, height, width = field.shape
    return f"{height} x {width} {'grey' if channels == 1 else 'colour'} images"


def _name_of(system: System) -> str:
    return next(name for name, cls in systems.SYSTEMS.items() if cls == type(system).__name__)
