"""The options of each system: `Config` in `<name>.py` declares all keys of the section `system` but `name`.

Imports no torch, so that params and the inputs of a generator are checked in a moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ganpipe.config import Closed
from ganpipe.core.inputs import Input


class SystemConfig(Closed):
    """Base of all options of systems."""

    drawing: ClassVar[tuple[str, ...]] = ()
    """The names of options that matter for drawing alone, and that `sample` may set otherwise than the training did."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs of the generator for one item, by name, in the order in which they are drawn."""
        raise NotImplementedError

    @property
    def direct_steps(self) -> int:
        """How often the picture `gatys` moves the pixels of outputs; 0: there is no `System.direct_loss`."""
        return 0

    @property
    def makes_music(self) -> bool:
        """Whether outputs are windows of tones, see `core.tones`: the picture `music` writes them as MIDI and sound."""
        return False

    def require_size(self, height: int, width: int) -> None:
        """Raise `ConfigError` where the networks cannot make images of this size. The default makes any."""


def require_fitting_attributes(condition: str, attributes: Sequence[str] | None) -> None:
    """Raise `ValueError` where attributes are named, and the condition is another one or one is named twice."""
    if attributes and condition != "attributes":
        raise ValueError(f"attributes are named, but condition is {condition}: set it to attributes")
    if attributes and len(set(attributes)) < len(attributes):
        raise ValueError(f"attributes {', '.join(attributes)} names one twice")
