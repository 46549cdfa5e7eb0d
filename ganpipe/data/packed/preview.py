"""What a person looks at before training: a grid of images with their labels, counts per class, size and statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageDraw

from ganpipe import pictures
from ganpipe.data.packed.file import Packed

_SHOWN = 64
_SHOWN_BYTES = 1 << 26  # fewer images where they are large
_MEASURED = 20_000  # rows at most, evenly spread: for statistics that is as good as all
_LABEL_HEIGHT = 12  # pixels, of Pillow's own font
_LABEL_WIDTH = 6  # pixels per letter
_SEED = 0


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel of images, of each number of vectors; pixels count 0..255."""

    rows: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def describe(packed: Packed) -> list[str]:
    """Return lines that tell what a packed set holds: name, size, shape, splits, statistics, counts per class."""
    shape = " x ".join(map(str, packed.shape))
    what = f"{shape} (channels x height x width)" if packed.kind == "image" else f"{shape} numbers"
    parts = ", ".join(f"{name} {len(rows)}" for name, rows in packed.splits.items())
    measured = statistics(packed)
    lines = [
        f"{packed.name}: {len(packed)} {packed.kind}s of {what}, {packed.nbytes / 2**20:.1f} MiB",
        f"splits: {parts}",
        f"transform: {packed.attributes['transform']}",
        f"mean: {_numbers(measured.mean)}, standard deviation: {_numbers(measured.std)} (of {measured.rows} rows)",
    ]
    if packed.classes:
        lines.append(f"{len(packed.classes)} classes:")
        lines += _table(packed.classes, packed.class_counts, len(packed))
    if packed.attribute_names:
        counts = packed.all("attributes").sum(axis=0).tolist()
        lines.append(f"{len(packed.attribute_names)} attributes:")
        lines += _table(packed.attribute_names, counts, len(packed))
    return lines


def statistics(packed: Packed) -> Statistics:
    """Measure at most 20,000 rows, evenly spread over the set."""
    count = min(len(packed), _MEASURED)
    rows = np.arange(count) * len(packed) // count
    step = max(1, _SHOWN_BYTES // packed.row_bytes)
    total = squares = np.zeros(1)
    numbers = 0
    for start in range(0, count, step):
        values = packed.read(rows[start : start + step], packed.kind).astype(np.float64)
        values = values.reshape(-1, values.shape[-1])
        total, squares, numbers = total + values.sum(axis=0), squares + (values**2).sum(axis=0), numbers + len(values)
    mean = total / numbers
    std = np.sqrt(np.maximum(squares / numbers - mean**2, 0))
    return Statistics(count, tuple(mean.tolist()), tuple(std.tolist()))


def draw_preview(packed: Packed, path: Path) -> None:
    """Write a picture of 64 rows drawn with a fixed seed, each with its label under it; vectors as a heat map."""
    shown = min(len(packed), _SHOWN, max(1, _SHOWN_BYTES // packed.row_bytes))
    rows = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(packed))[:shown]
    items = packed.read(rows, packed.kind)
    if packed.kind == "vector" or "label" not in packed.roles:
        pictures.save_png(pictures.sheet(items), path)
        return
    pictures.save_png(_labelled(items, packed.read(rows, "label"), packed.classes), path)


def _labelled(
    images: UInt8[np.ndarray, "n h w c"], labels: Int64[np.ndarray, " n"], names: tuple[str, ...]
) -> Image.Image:
    """Lay images out as a square, each over the name of its class."""
    columns = math.isqrt(len(images) - 1) + 1
    cells = [pictures.grid(image[np.newaxis], columns=1, pad=1) for image in images]
    width, height = cells[0].width, cells[0].height + _LABEL_HEIGHT
    page = Image.new("RGB", (columns * width, -(-len(images) // columns) * height), (pictures.BACKGROUND,) * 3)
    draw = ImageDraw.Draw(page)
    for number, (cell, label) in enumerate(zip(cells, labels.tolist(), strict=True)):
        left, top = number % columns * width, number // columns * height
        page.paste(cell, (left, top))
        draw.text((left + 2, top + cell.height - 1), _short(names[label], width), fill="white")
    return page


def _short(name: str, width: int) -> str:
    """Cut a name to what fits under an image; letters that Pillow's plain font lacks become question marks."""
    return name.encode("latin-1", "replace").decode("latin-1")[: max(1, width // _LABEL_WIDTH)]


def _table(names: tuple[str, ...], counts: list[int], total: int) -> list[str]:
    width = max(map(len, names))
    return [
        f"  {name:<{width}}  {count:>8}  {100 * count / total:5.1f} %"
        for name, count in zip(names, counts, strict=True)
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
