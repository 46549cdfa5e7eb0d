"""Held-out photographs whole: the sample stage makes each of what is given of it, not tile by tile of the data."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.mosaics import INDEX, Mosaic, enlarged_to, held_out_mosaics
from ganpipe.errors import DataError
from ganpipe.files import sha256_of, write_sealed
from ganpipe.pictures import picture_of, save_png, strip
from ganpipe.progress import progress
from ganpipe.sampling.draw import sources
from ganpipe.sampling.one_picture import Route, UnfitPictureError, translated
from ganpipe.sampling.published import Generator

Pixels = UInt8[np.ndarray, "h w c"]

_SHOWN = 192  # pixels at most of the side of the square that the picture shows of each photograph


def draw_photographs(generator: Generator, packed: Packed, asked: bool, seed: int, folder: Path) -> None:
    """Write what a generator makes of every held-out photograph, `<output>/<name>.png`, and index.json in `folder`.

    The index names them by output, with the SHA-256 of each. Where they are not asked for it is empty; without it DVC
    would miss the folder.
    Also a picture beside the folder: the middle of each photograph, enlarged by a bicubic filter, made and wanted.
    Raises `DataError` for data without held-out tiles of photographs, and where one cannot be made.
    """
    shutil.rmtree(folder, ignore_errors=True)
    routes = _routes(generator, packed) if asked else []
    made = {}
    for route in routes:
        photographs = held_out_mosaics(packed, packed.fields[route.source].space)
        rows = []
        with progress("Photographs", total=len(photographs), unit="img") as bar:
            for mosaic in photographs:
                rows.append(_drawn(generator, packed, route, mosaic, seed, folder))
                bar.advance()
        of = folder / route.output
        made[route.output] = {mosaic.name: sha256_of(of / f"{mosaic.name}.png") for mosaic in photographs}
        save_png(_picture(rows), folder.with_name(f"{folder.name}{'' if len(made) == 1 else f'_{route.output}'}.png"))
    write_sealed(folder / INDEX, {"made": made})


def _routes(generator: Generator, packed: Packed) -> list[Route]:
    """Return the ways from a small photograph to the same one. Raises `DataError` where there is none."""
    fields, found = packed.fields, []
    for output, source in sources(generator.system).items():
        field = generator.system.outputs[output]
        alike = fields[field].space == fields[source].space and {fields[field].kind, fields[source].kind} == {"image"}
        if alike and source != field and held_out_mosaics(packed, fields[source].space):
            found.append(Route(source, output))
    if not found:
        raise DataError(
            f"{packed.path}: sample.pictures: photographs needs photographs in tiles, some of them held out, and a "
            "generator that makes them of their small versions; leave it out"
        )
    return found


def _drawn(
    generator: Generator, packed: Packed, route: Route, mosaic: Mosaic, seed: int, folder: Path
) -> tuple[Pixels, UInt8[np.ndarray, "y x c"], UInt8[np.ndarray, "y x c"]]:
    """Write one photograph; return the middle of what is given, enlarged, of what is made and of what is wanted."""
    given, wanted = mosaic.pixels(packed, route.source), mosaic.pixels(packed, generator.system.outputs[route.output])
    try:
        made = translated(generator, given, route, (), seed)
    except UnfitPictureError as problem:
        raise DataError(f"sample.pictures: photographs: {mosaic.name} {problem}") from None
    save_png(picture_of(made), folder / route.output / f"{mosaic.name}.png")
    return enlarged_to(given, *wanted.shape[:2]), made, wanted


def _picture(rows: Sequence[tuple[np.ndarray, ...]]) -> Image.Image:
    side = min(_SHOWN, *(min(pixels.shape[:2]) for row in rows for pixels in row))
    titles = ("bicubic", "made", "photograph")
    return strip([(title, np.stack([_middle(row[n], side) for row in rows])) for n, title in enumerate(titles)])


def _middle(pixels: Pixels, side: int) -> UInt8[np.ndarray, "side side c"]:
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
