"""Which sizes of images networks can make. Arithmetic without torch, so that params are checked in a moment."""

from __future__ import annotations

from ganpipe.errors import ConfigError

_COARSEST = 4  # pixels: `levels` halves a shorter side, rounded up, until it is at most this
_REACHED = range(4, 8)  # sides to which `halvings` halves


def halvings(height: int, width: int) -> int:
    """Return how often an image is halved until its shorter side is below 8: 4 times for 64x64, twice for 28x28.

    Raises `ConfigError` when a side does not halve evenly that often, or not even once.
    """
    times = 0
    while min(height, width) >> times >= 8:
        times += 1
    if times == 0 or height % (1 << times) or width % (1 << times):
        raise ConfigError(
            f"images of {height}x{width} do not halve evenly to a side of 4 to 7; {_instead(height, width)}"
        )
    return times


def halved_to_one(height: int, width: int) -> int:
    """Return how often the side of a square halves until one pixel is left: 8 times for 256.

    Raises `ConfigError` for sides that are not a power of 2, 4 or more.
    """
    times = height.bit_length() - 1
    if height != width or height != 1 << times or times < 2:
        raise ConfigError(f"a U-Net takes squares of a power of 2, such as 64 or 256 pixels, not {width} x {height}")
    return times


def halved_to_few(height: int, width: int, most: int = 6) -> int:
    """Return how often an image is halved until its shorter side is 2 or 3, at most six times: 5 times for 64x64.

    Raises `ConfigError` for sides that do not halve evenly so often.
    """
    times = min(most, min(height, width).bit_length() - 2)
    if times < 1 or height % (1 << times) or width % (1 << times):
        raise ConfigError(
            f"images of {width} x {height} pixels do not halve evenly to a few places; resize to 64, 128 or 256"
        )
    return times


def require_patches(height: int, width: int, layers: int) -> None:
    """Raise `ConfigError` where an image is too small for a PatchGAN with so many layers of stride 2."""
    if layers and min(height, width) >> layers < 3:
        raise ConfigError(
            f"images of {width} x {height} pixels are too small for a PatchGAN of {layers} layers; "
            f"it needs {3 << layers} pixels, or fewer layers"
        )


def require_quarters(height: int, width: int) -> None:
    """Raise `ConfigError` unless an image can be halved twice and doubled back."""
    if height % 4 or width % 4:
        raise ConfigError(f"images of {width} x {height} pixels: this generator needs sides that are multiples of 4")


def quartered_reach(blocks: int) -> int:
    """Return how many pixels around a place decide an output of two halvings, `blocks` residual blocks, two doublings.

    Of kernels of 7x7 at both ends and of 4x4 at most between, 3x3 in the blocks. Norms do not count.
    """
    ends, halves, doubles = 2 * 3, 2 + 4, 4 + 2
    return ends + halves + 8 * blocks + doubles


def _instead(height: int, width: int) -> str:
    """Return which sides would do: for squares the nearest ones."""
    fitting = sorted(side << times for side in _REACHED for times in range(1, 12))
    if height != width:
        return "squares of 28, 32, 64 or 128 do: set data.size, and leave data.crop blank"
    below = [side for side in fitting if side < height][-1:]
    above = [side for side in fitting if side > height][:1]
    return f"set data.size: {' or '.join(map(str, [*below, *above]))}"


def start_of(side: int) -> int:
    """Return the side from which the face GAN's three transposed convolutions grow to `side`: 11 for 128.

    Raises `ConfigError` for a side that they cannot reach, or that is too small for the discriminator.
    """
    start, rest = divmod(side - 40, 8)
    if rest or side < 56:
        raise ConfigError(
            f"images with a side of {side} do not fit 8x8 convolutions; set data.size: 56, 64, 72, ... 128"
        )
    return start


def levels(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes of the maps from the image down to the coarsest, halved and rounded up: 28, 14, 7, 4.

    Raises `ConfigError` for an image too small to be halved twice.
    """
    sizes = [(height, width)]
    while min(sizes[-1]) > _COARSEST:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    if len(sizes) < 3:
        raise ConfigError(f"images of {height}x{width} are too small to be halved twice; set data.size: 9 or more")
    return sizes


def doublings(height: int, width: int) -> int:
    """Return how often 4x4 is doubled until it is the size of an image: 5 times for 128x128.

    Raises `ConfigError` unless the image is a square whose side is 4 * 2^k with k >= 1.
    """
    times = max(1, (height // _COARSEST).bit_length() - 1)
    if height != width or height != _COARSEST << times:
        near = sorted({_COARSEST << max(1, times), _COARSEST << times + 1})
        raise ConfigError(
            f"images of {height}x{width} are not 4x4 doubled several times; set data.size: "
            f"{' or '.join(map(str, near))}, and leave data.crop blank"
        )
    return times


def growing_widths(base: int, most: int, levels: int) -> list[int]:
    """Return the number of maps at 4x4, 8x8, ...: `base` halved once, twice, ... and rounded down, `most` at most.

    Karras et al. 2018, arXiv:1710.10196, table 2: base 8192 and most 512. Raises `ConfigError` if a level has none.
    """
    widths = [min(base >> level + 1, most) for level in range(levels)]
    if widths[-1] < 1:
        raise ConfigError(
            f"maps of {_COARSEST << levels - 1} pixels a side would be {base} / 2^{levels} in number, less than one; "
            f"set system.features_base: {1 << levels} or more"
        )
    return widths
