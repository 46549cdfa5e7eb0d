"""The generators of the page, and what each asks a person for, as its system declares it. Imports no Gradio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ganpipe.config import Runtime
from ganpipe.core.batch import to_stored
from ganpipe.core.inputs import Noise
from ganpipe.core.spec import VALUES, Kind
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.demo.limits import MODELS, most_pictures
from ganpipe.errors import ConfigError, DataError
from ganpipe.machine import prepare_device
from ganpipe.paths import PACKED, PACKED_FILE
from ganpipe.progress import say
from ganpipe.sampling.draw import chosen_fields, given_fields
from ganpipe.sampling.pictures import shown_outputs
from ganpipe.sampling.prompts import loaded, text_field
from ganpipe.sampling.published import Generator, load_generator
from ganpipe.sampling.stage import require_same_fields
from ganpipe.tracking.api import copy_generator
from ganpipe.training.start import find_published

CAPTIONS: Mapping[str, Sequence[str]] = {
    "digits-captions": (
        "a thick seven, leaning left",
        "a thin zero, upright",
        "a medium four, leaning right",
        "a thick one, leaning right",
        "a thin eight, leaning left",
        "a medium three, upright",
    ),
    "emoji-captions": (
        "red apple, noto style",
        "red apple, openmoji style",
        "sun, fluent style",
        "cat face, twemoji style",
        "blue heart, noto style",
        "snowman, fluent style",
    ),
}
"""Captions of published data sets by their names, to begin with where the data are not packed here."""


@dataclass(frozen=True)
class Asks:
    """What a generator asks a person for. Generators that ask for the same share their controls."""

    given: Kind | None  # of the rows that it is given
    noise: bool
    choices: tuple[tuple[Kind, tuple[str, ...]], ...]  # kind of the field, names of its classes or attributes

    @property
    def draws_choices(self) -> bool:
        """Whether choices that nobody makes are drawn; of a given picture they are off."""
        return self.given != "image"

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the classes or attributes to choose from; () where there is no such choice."""
        return next((names for one, names in self.choices if one == kind), ())


@dataclass(frozen=True)
class Model:
    """A generator on the page."""

    title: str
    generator: Generator
    rows: GivenRows | None = None  # of its data, where the data are here

    @property
    def asks(self) -> Asks:
        """What the generator asks for. Raises `ConfigError` where it is given rows of several kinds."""
        system, fields = self.generator.system, self.generator.data.fields
        kinds = {fields[field].kind for field in given_fields(system)}
        if len(kinds) > 1:
            several = " and ".join(VALUES[kind] for kind in sorted(kinds))
            raise ConfigError(f"{self.title}: this generator is given {several} at once; the page has no such input")
        return Asks(
            given=next(iter(kinds), None),
            noise=any(isinstance(one, Noise) for one in system.inputs.values()),
            choices=tuple((fields[field].kind, fields[field].names) for field in chosen_fields(system)),
        )

    @property
    def most(self) -> int:
        """How many items one draw may have, by the largest pictures."""
        system = self.generator.system
        fields = [system.data.fields[field] for field in system.outputs.values()]
        return min(
            [most_pictures(*field.shape[1:]) for field in fields if field.kind == "image"], default=most_pictures(1, 1)
        )

    def captions(self, count: int) -> Sequence[str]:
        """Return at most `count` captions, learned and held-out ones in turn; where the data are not here, known ones.

        See `CAPTIONS`; none of other data.
        """
        if self.rows is None:
            return CAPTIONS.get(self.generator.data.name, ())[:count]
        texts = self.rows.texts(text_field(self.generator.system), 0, 2 * count)  # each comes twice
        return tuple(dict.fromkeys(texts))

    def examples(self, field: str, count: int) -> Iterator[UInt8[np.ndarray, "h w c"]]:
        """Yield the first `count` held-out pictures of a given field; none where the data are not here."""
        if self.rows is not None:
            most = min(count, self.rows.count(self.generator.data.fields[field].space))
            yield from to_stored("image", self.rows.fetch(field, 0, most)).numpy()


def load_models(named: Sequence[str], into: Path) -> list[Model]:
    """Load generators, each named by its folder or its MLflow run; those of runs are copied to folders below `into`.

    Raises `ConfigError` for more than `MODELS`, for one that is not there and for one that makes nothing that can be
    shown; `CheckpointError` for one that cannot be loaded; what `_load_encoder` raises.
    """
    if len(named) > MODELS:
        raise ConfigError(f"{len(named)} models: the page shows at most {MODELS} side by side; name fewer")
    device = prepare_device(Runtime())
    models = []
    for number, name in enumerate(named):
        folder = find_published(name, into / str(number), copy_generator)
        if folder is None:
            raise ConfigError(f"{name}: no folder with a published generator, and no MLflow run that holds one")
        generator = load_generator(folder)
        if not shown_outputs(generator.system):
            raise ConfigError(f"{name}: {generator!r} makes nothing that the page can show")
        _load_encoder(name, generator)
        generator.system.to(device)
        models.append(Model(name, generator, _rows(name, generator, folder)))
    return models


def _load_encoder(name: str, generator: Generator) -> None:
    """Load the encoder of a generator that is given captions: a page without it could draw nothing.

    Raises `ConfigError` for one that is given several at once, and what `loaded` raises.
    """
    fields = generator.data.fields
    if not any(fields[field].kind == "text" for field in given_fields(generator.system)):
        return
    try:
        encoder = fields[text_field(generator.system)].encoder
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    assert encoder is not None
    loaded(encoder)


def _rows(name: str, generator: Generator, folder: Path) -> GivenRows | None:
    """Return rows of the data beside the generator, or else of this workspace, see `GivenRows`; None: they do not fit.

    A line says that there are none, unless captions are known anyhow.
    """
    given = given_fields(generator.system)
    if not given:
        return None
    file = next((file for file in (folder.parent / PACKED.name / PACKED_FILE.name, PACKED_FILE) if file.exists()), None)
    try:
        if file is None:
            raise DataError("its data are not packed here")
        packed = Packed.open(file)
        require_same_fields(generator, packed)
    except DataError as error:
        if generator.data.name not in CAPTIONS:
            say(f"{name}: no examples to choose from: {error}")
        return None
    return GivenRows(packed, given)
