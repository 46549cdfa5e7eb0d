"""By how much a network enlarges, from the shapes of both sides. Arithmetic without torch."""

from __future__ import annotations

from ganpipe.errors import ConfigError

Shape = tuple[int, int, int]


def scale_between(low: Shape, high: Shape) -> int:
    """Return how many times larger the sides of `high` are than those of `low`, both (channels, height, width).

    Raises `ConfigError` unless it is a power of 2 from 2 on, the same for both sides, and the channels are the same.
    """
    scale = high[1] // low[1]
    if low[0] != high[0] or (low[1] * scale, low[2] * scale) != high[1:] or scale < 2 or scale & (scale - 1):
        small, large = (f"{width} x {height} with {channels} channels" for channels, height, width in (low, high))
        raise ConfigError(
            f"the field low is {small}, image is {large}: both sides must be 2, 4, 8, ... times larger, with equal "
            "channels; set data.scale"
        )
    return scale
