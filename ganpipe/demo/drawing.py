"""What the page shows: items of a generator for what a person asks for, drawn by `ganpipe.sampling`. Imports no Gradio.

The items of a draw are those of `Generator.sample`, a translated picture is that of `ganpipe apply`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from jaxtyping import Float, UInt8

from ganpipe.core.batch import Batch
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.demo.limits import PICTURE_PIXELS, PIECE_SECONDS
from ganpipe.errors import ConfigError, DataError
from ganpipe.sampling.draw import GivenSource, Items, joined, render, rows
from ganpipe.sampling.latent_pictures import THRESHOLDS, slerp, truncation, walk
from ganpipe.sampling.music import midi_of, write_midi, write_sound
from ganpipe.sampling.one_picture import Route, UnfitPictureError, translated
from ganpipe.sampling.prompts import Prompts
from ganpipe.sampling.published import Asked, Generator
from ganpipe.sampling.to_folder import attributes_asked

STEPS = 9
"""Pictures of a walk: as many as 360 pixels show in one row."""
SIDE = 7
"""Pictures in a row and in a column of a map: with the picked one they fill a block of the generator, and no second."""

_PLACES = np.linspace(0, 1, STEPS).tolist()
_MAP_PLACES = np.linspace(0, 1, SIDE).tolist()


@dataclass(frozen=True)
class Wish:
    """What a person asks for. Choices that are not named are drawn evenly."""

    seed: int
    label: int | None = None  # number of the class
    on: Sequence[str] = ()  # attributes
    off: Sequence[str] = ()

    def asked(self, generator: Generator) -> Asked:
        """Return the choices as the generator takes them. Raises `ConfigError` for what it does not know."""
        try:
            return generator.asked(self.label, attributes_asked(self.on, self.off))
        except ValueError as error:
            raise ConfigError(str(error)) from None


def draw(generator: Generator, wish: Wish, count: int, threshold: float | None = None) -> Items:
    """Return the first `count` items of the seed, with latents truncated at one of `THRESHOLDS`; None: as drawn.

    Truncated ones are those of the picture `truncation`.
    """
    inputs = _inputs(generator, wish, count)
    if threshold is not None:
        start = count * (1 + THRESHOLDS.index(threshold))
        inputs = rows(truncation(generator.system, inputs, wish.seed + 1), start, start + count)
    return render(generator.system, inputs, wish.seed)


def draw_walk(generator: Generator, wish: Wish, end_seed: int, place: float) -> Items:
    """Return the item at a place of the arc from the first latent of the seed to that of `end_seed`, then the walk.

    The walk has `STEPS` items. What is not noise stays that of the start.
    """
    start = _inputs(generator, wish, 1)
    end = _inputs(generator, Wish(end_seed, wish.label, wish.on, wish.off), 1)
    return render(generator.system, walk(generator.system, start, end, [place, *_PLACES], slerp), wish.seed)


def draw_map(generator: Generator, wish: Wish, across: float, down: float) -> Items:
    """Return the item at a place of the map, then the map row by row: `SIDE` rows of `SIDE` items.

    The first four latents of the seed are the corners: top left, top right, bottom left, bottom right. A row is the arc
    from a place of the arc between the left corners to one between the right ones.
    """
    corners, system = _inputs(generator, wish, 4), generator.system
    left, right = (
        walk(system, rows(corners, at, at + 1), rows(corners, at + 2, at + 3), [down, *_MAP_PLACES], slerp)
        for at in (0, 1)
    )
    picked = walk(system, rows(left, 0, 1), rows(right, 0, 1), [across], slerp)
    every = walk(system, rows(left, 1, 1 + SIDE), rows(right, 1, 1 + SIDE), _MAP_PLACES, slerp)
    return render(system, joined([picked, every]), wish.seed)


def draw_caption(generator: Generator, wish: Wish, count: int, caption: str) -> Items:
    """Return the first `count` items of the seed, drawn of a caption. Raises `ConfigError` for one that is none."""
    try:
        given = Prompts(generator.system, [caption])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return render(generator.system, _inputs(generator, wish, count, given), wish.seed)


def write_piece(window: Float[np.ndarray, "tones 4"], number: int, folder: Path) -> tuple[Path, Path]:
    """Write a window of tones, the piece of this number, as sound and as MIDI to a new folder in `folder`.

    The files are those of the picture `music`. Raises `ConfigError` for a piece longer than `PIECE_SECONDS`.
    """
    midi = midi_of(window)
    if (seconds := midi.get_end_time()) > PIECE_SECONDS:
        raise ConfigError(
            f"piece {number} lasts {seconds:.0f} seconds, more than this page's limit of {PIECE_SECONDS:g}; "
            "`ganpipe sample` writes pieces of any length"
        )
    folder.mkdir(parents=True, exist_ok=True)
    into = Path(mkdtemp(dir=folder))
    sound, notes = into / f"piece-{number}.wav", into / f"piece-{number}.mid"
    write_sound(midi, sound)
    write_midi(midi, notes)
    return sound, notes


def read_picture(path: Path, channels: int) -> UInt8[np.ndarray, "h w c"]:
    """Return a picture of any format and size, as `ganpipe apply` reads it. Raises `DataError` for one that is none."""
    try:
        return Transform(crop=None, size=None, channels=channels, max_pixels=PICTURE_PIXELS).of_bytes(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}; choose it again") from None
    except UnreadableError as problem:  # it names the param of packing
        said = str(problem).replace("data.max_pixels =", "this page's limit of")
        raise DataError(f"{path.name} {said}") from None


def translate(
    generator: Generator, wish: Wish, route: Route, picture: UInt8[np.ndarray, "h w c"], name: str
) -> UInt8[np.ndarray, "H W C"]:
    """Return what becomes of the picture of this name. Raises `DataError` for one that the generator does not take."""
    try:
        return translated(generator, picture, route, wish.asked(generator), wish.seed)
    except UnfitPictureError as problem:
        raise DataError(f"{name} {problem}") from None


def _inputs(generator: Generator, wish: Wish, count: int, given: GivenSource | None = None) -> Batch:
    return joined(generator.inputs(count, wish.seed, wish.asked(generator), given))
