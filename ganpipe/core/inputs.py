"""The inputs of a generator for one item. A system declares them by name; all code that draws reads the declaration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Noise:
    """Independent random numbers: standard normal, or uniform in [0, 1)."""

    shape: tuple[int, ...]  # of one item
    distribution: Literal["normal", "uniform"] = "normal"


@dataclass(frozen=True)
class Choice:
    """The wanted content of the item: a label, or attributes that are on or off; drawn evenly, or chosen by a person"""

    field: str  # of the data, of kind label or attributes


@dataclass(frozen=True)
class Given:
    """A row of the data from which the output is made: a picture to translate, a caption to draw."""

    field: str  # of the data, of any kind


@dataclass(frozen=True)
class Constant:
    """The same number for every item."""

    value: float
    shape: tuple[int, ...] = (1,)  # of one item


Input = Noise | Choice | Given | Constant


def source_of(field: str, given: Sequence[str]) -> str | None:
    """Return the given field that an output like `field` is made from: the first other one, or else its own."""
    return next((name for name in given if name != field), field if field in given else None)
