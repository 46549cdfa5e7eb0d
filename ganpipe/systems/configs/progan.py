"""Options of `ganpipe.systems.progan`, and its schedule of growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, NonNegativeFloat

from ganpipe.config import Kimg, Width
from ganpipe.core.inputs import Input, Noise
from ganpipe.errors import ConfigError
from ganpipe.nets.sizes import doublings, growing_widths
from ganpipe.systems.configs import SystemConfig

Lengths = Annotated[tuple[Kimg, ...], Field(min_length=1)]
Batches = Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1)]


class Config(SystemConfig):
    """The options of `progan`; the defaults are those of its source.

    Lists go level by level: 4x4, 8x8, ... The last level has no entry, because it trains until the end.
    """

    latent: Width = 512  # length of z
    features_base: Width = 8192  # maps at 4x4, 8x8, ...: half of it, a quarter, ...
    features_most: Width = 512  # but at most so many
    stable_kimg: Lengths = (800.0,)  # how long a level trains at full strength; the last entry is for all further ones
    fade_kimg: Lengths = (800.0,)  # how long the level after it then fades in; the last entry is for all further ones
    batches: Batches | None = None  # of levels that are not listed, and null: train.batch
    penalty_weight: NonNegativeFloat = 10.0  # lambda
    drift_weight: NonNegativeFloat = 0.001  # epsilon_drift

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,))}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        last = doublings(height, width)
        growing_widths(self.features_base, self.features_most, last + 1)
        for name in ("stable_kimg", "fade_kimg", "batches"):
            if (count := len(getattr(self, name) or ())) > last:
                raise ConfigError(
                    f"system.{name} has {count} entries, but {height}x{width} has {last} levels before the last one: "
                    f"give {last} at most"
                )

    def growth(self, nimg: int, last: int) -> tuple[int, float]:
        """Return the level (0 is 4x4, `last` the size of the data) and its alpha after so many images.

        A level is stable, then the next one fades in, and so on. A level that begins to fade in has the alpha 0.
        """
        for level in range(last):
            nimg -= _images(self.stable_kimg, level)
            if nimg < 0:
                return level, 1.0
            fade = _images(self.fade_kimg, level)
            if nimg < fade:
                return level + 1, nimg / fade
            nimg -= fade
        return last, 1.0

    def batch(self, level: int) -> int | None:
        """Return the size of the batches of a level; None: `train.batch`."""
        listed = self.batches or ()
        return listed[level] if level < len(listed) else None


def _images(kimg: Sequence[float], level: int) -> int:
    """Return a length in whole images, so that its first iteration is exactly the first."""
    return round(1000 * kimg[min(level, len(kimg) - 1)])
