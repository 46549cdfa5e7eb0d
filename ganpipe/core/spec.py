"""The fields of a data set. A system is built for them, and they are published with its generator. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import model_validator

from ganpipe.config import Closed, choose
from ganpipe.errors import ConfigError

Kind = Literal["image", "vector", "label", "attributes", "sequence", "tokens", "text", "row"]
"""The kind of the values of a field, which decides the meaning of `Field.shape`:

image: (channels, height, width). vector: (length,). label: (), the number of a class. attributes: (count,), each on or
off. sequence: (steps, columns). tokens: (length,), the numbers of words. text: (tokens, numbers),
what a frozen encoder says of every token of one of the texts in `names`. row: (), the number of a row in another file.
"""

VALUES: Mapping[str, str] = {
    "image": "images",
    "vector": "vectors",
    "label": "labels",
    "attributes": "attributes",
    "sequence": "sequences",
    "tokens": "tokens",
    "text": "texts",
    "row": "row numbers",
}
"""The plural of every kind, for messages."""


STORED_TYPES: Mapping[Kind, str] = {
    "image": "uint8",
    "vector": "float32",
    "label": "int64",
    "attributes": "uint8",
    "sequence": "float32",
    "tokens": "int32",
    "text": "int64",
    "row": "int64",
}
"""The NumPy type in which values of a kind are stored; pixels 0..255, attributes 0 or 1.

A text is stored as its number among the names; what the encoder says of each name stands beside, once.
"""


_DIMENSIONS: Mapping[Kind, int] = {
    "image": 3,
    "vector": 1,
    "label": 0,
    "attributes": 1,
    "sequence": 2,
    "tokens": 1,
    "text": 2,
    "row": 0,
}


class Encoder(Closed):
    """A frozen network that turned texts into numbers: what to load for new texts, and the sha256 of what it was."""

    source: str  # minilm, random-SEED or a folder, see `ganpipe.pretrained.encoders`
    sha256: str


class Field(Closed):
    """One column of the data."""

    kind: Kind
    shape: tuple[int, ...]  # of one row, see `Kind`
    names: tuple[str, ...] = ()  # of classes, attributes, columns of a sequence, words or texts, depending on the kind
    space: str = "items"  # row i of all fields of a space belongs together; every space has an order of its own
    encoder: Encoder | None = None  # of texts

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Field:
        unsaid = self.kind == "text" and not self.shape  # until an encoder has read the texts
        if not unsaid and len(self.shape) != _DIMENSIONS[self.kind] or any(length < 0 for length in self.shape):
            raise ValueError(f"{self.shape} is no shape of {VALUES[self.kind]}")
        return self

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of one row in stored form: (height, width, channels) for an image, () for a text, else `shape`."""
        if self.kind == "text":
            return ()
        return (*self.shape[1:], self.shape[0]) if self.kind == "image" else self.shape

    def is_part_of(self, other: Field | None) -> bool:
        """Return whether `other` holds the same values, all of these attributes, or texts of the same encoder."""
        if other is None or self.kind != other.kind:
            return False
        if self.kind == "attributes":
            return set(self.names) <= set(other.names)
        if self.kind == "text":
            mine, theirs = (one.encoder and one.encoder.sha256 for one in (self, other))
            return mine == theirs
        return (self.shape, self.names) == (other.shape, other.names)

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"{VALUES[self.kind]} of {size}" if size else f"{VALUES[self.kind]} of {len(self.names)} classes"


class DataSpec(Closed):
    """The fields of a data set by name. The names are free: image, label, source, target, low, high, notes, ..."""

    name: str
    fields: dict[str, Field]

    @property
    def spaces(self) -> tuple[str, ...]:
        """The spaces in alphabetical order; progress is counted in rows of the first."""
        return tuple(sorted({field.space for field in self.fields.values()}))

    def field(self, name: str, kind: Kind, system: str) -> Field:
        """Return a field that `system` needs. Raises `ConfigError` if the data lacks it or it is of another kind."""
        found = self.fields.get(name)
        if found is None or found.kind != kind:
            there = ", ".join(f"{other} ({field})" for other, field in self.fields.items())
            raise ConfigError(
                f"system.name = {system!r} needs {VALUES[kind]} in a field {name!r}, but data.name = {self.name!r} "
                f"has {there}"
            )
        return found

    def image_shape(self, name: str, system: str) -> tuple[int, int, int]:
        """Return (channels, height, width) of a field of images. Raises `ConfigError` as `field` does."""
        channels, height, width = self.field(name, "image", system).shape
        return channels, height, width

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names of a field, for example the classes of `label`; () if the data lacks the field."""
        return self.fields[name].names if name in self.fields else ()

    def choosing(self, condition: Literal["label", "attributes"], wanted: Sequence[str] | None) -> DataSpec:
        """Return the data as a system sees it that chooses its classes or some of its attributes.

        Of the attributes only the `wanted` ones stay, in the order of the data (None: all), and none if `condition` is
        label: a generator is published with what it knows. Raises `ConfigError` for less than two classes, no
        attributes, or an unknown name.
        """
        fields = {name: field for name, field in self.fields.items() if field.kind != "attributes"}
        if condition == "label":
            if len(self.names("label")) < 2:
                found = f"data.name = {self.name!r} has {len(self.names('label'))}"
                raise ConfigError(f"system.condition = 'label' needs two classes or more, but {found}")
            return DataSpec(name=self.name, fields=fields)
        known = self.names("attributes")
        if not known:
            raise ConfigError(f"system.condition = 'attributes' needs some, but data.name = {self.name!r} has none")
        named = [choose("attribute", name, known, "system.attributes") for name in wanted or ()]
        chosen = tuple(name for name in known if name in named or not named)
        field = self.fields["attributes"].model_copy(update={"names": chosen, "shape": (len(chosen),)})
        return DataSpec(name=self.name, fields={**fields, "attributes": field})

    def beside(self, name: str, kind: Kind) -> str | None:
        """Return the first field, by name, of a kind in the space of the field `name`; None if there is none."""
        space = self.fields[name].space
        return next((o for o, f in sorted(self.fields.items()) if f.kind == kind and f.space == space), None)
