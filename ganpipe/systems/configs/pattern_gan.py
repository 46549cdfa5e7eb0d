"""Options of `ganpipe.systems.pattern_gan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ganpipe.config import Width
from ganpipe.core.inputs import Constant, Input
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `pattern_gan`; the defaults are those of its source."""

    seed_value: Annotated[float, Field(ge=-100, le=100)] = 0.5  # the generator's constant input
    hidden: Width = 3  # width of the one hidden layer of either network

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"seed": Constant(self.seed_value)}
