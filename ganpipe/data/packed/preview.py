"""A look at packed data before training: pictures of rows with their labels, counts per class, size, statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, Shaped, UInt8
from PIL import Image

from ganpipe import pictures
from ganpipe.core.captions import text_of
from ganpipe.core.spec import Field
from ganpipe.core.tones import holds_tones
from ganpipe.data.packed.file import Packed
from ganpipe.rolls import piano_rolls

_SHOWN = 64
_SHOWN_BYTES = 1 << 26  # fewer rows where they are large
_MEASURED = 20_000  # rows at most, evenly spread: for statistics that is as good as all
_WRITTEN = ("label", "tokens", "text")  # kinds, in the order in which they are written under a picture
_SEED = 0


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of the last dimension: channels of images (0..255), columns of sequences, numbers."""

    rows: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def describe(packed: Packed) -> list[str]:
    """Return lines that describe a packed set: size, hints, fields, splits, statistics, counts per class."""
    lines = [f"{packed.name}: {packed.nbytes / 2**20:.1f} MiB", f"transform: {packed.attributes['transform']}"]
    lines += [f"hint: {hint}" for hint in packed.hints]
    for space in packed.spaces:
        parts = ", ".join(f"{name} {len(rows)}" for name, rows in packed.splits(space).items())
        lines.append(f"space {space}: {packed.count(space)} rows; splits: {parts}")
        for name, field in packed.fields.items():
            if field.space == space:
                lines += _field(packed, name, field)
    return lines


def _field(packed: Packed, name: str, field: Field) -> Iterator[str]:
    """Yield the lines about one field."""
    yield f"{name}: {field}" + (" (channels x height x width)" if field.kind == "image" else "")
    if field.kind in pictures.DRAWN:
        found = statistics(packed, name)
        yield f"  mean {_numbers(found.mean)}, standard deviation {_numbers(found.std)} (of {found.rows} rows)"
    if field.kind == "tokens":
        first = text_of(field.names[number] for number in packed.slice(name, range(1))[0])
        yield f"  {len(field.names) - 1} different words; the first row is {first!r}"
    if field.kind == "text" and field.encoder is not None:
        first = field.names[packed.slice(name, range(1))[0]]
        yield f"  {len(field.names)} different texts, encoded by {field.encoder.source}; the first row is {first!r}"
    if field.kind in ("label", "attributes") and field.names:
        total = packed.count(field.space)
        counts = packed.class_counts(name) if field.kind == "label" else packed.slice(name).sum(axis=0).tolist()
        width = max(map(len, field.names))
        for value, count in zip(field.names, counts, strict=True):
            yield f"  {value:<{width}}  {count:>8}  {100 * count / total:5.1f} %"


def statistics(packed: Packed, field: str) -> Statistics:
    """Measure at most 20,000 rows of a field, evenly spread over its space."""
    space = packed.fields[field].space
    total_rows = packed.count(space)
    count = min(total_rows, _MEASURED)
    rows = np.arange(count) * total_rows // count
    step = max(1, _SHOWN_BYTES // packed.row_bytes(space))
    total = squares = np.zeros(1)
    numbers = 0
    for start in range(0, count, step):
        values = packed.read_rows(field, rows[start : start + step]).astype(np.float64)
        values = values.reshape(-1, values.shape[-1])
        total, squares, numbers = total + values.sum(axis=0), squares + (values**2).sum(axis=0), numbers + len(values)
    mean = total / numbers
    std = np.sqrt(np.maximum(squares / numbers - mean**2, 0))
    return Statistics(count, tuple(mean.tolist()), tuple(std.tolist()))


def draw_preview(packed: Packed, path: Path) -> None:
    """Write a picture of up to 64 rows of every space, drawn with a fixed seed.

    All images, vectors and sequences of a row stand side by side, its labels and its text under them; the spaces stand
    one below the other. A set without any of these kinds is a plain grey square.
    """
    parts = [part for space in packed.spaces if (part := _draw_space(packed, space)) is not None]
    parts = parts or [Image.new("RGB", (pictures.EASY_TO_SEE,) * 2, (pictures.BACKGROUND,) * 3)]
    pictures.save_png(parts[0] if len(parts) == 1 else pictures.joined(parts, down=True), path)


def _draw_space(packed: Packed, space: str) -> Image.Image | None:
    """Draw the rows of one space; None where no field of it can be drawn."""
    fields = {name: field for name, field in packed.fields.items() if field.space == space}
    drawn = [name for name, field in fields.items() if field.kind in pictures.DRAWN]
    if not drawn:
        return None
    count = packed.count(space)
    shown = min(count, _SHOWN, max(1, _SHOWN_BYTES // packed.row_bytes(space)))
    rows = np.random.Generator(np.random.PCG64(_SEED)).permutation(count)[:shown]
    values = [packed.read_rows(name, rows) for name in drawn]
    notes = _notes(packed, {name: field for name, field in fields.items() if field.kind in _WRITTEN}, rows)
    if all(fields[name].kind == "vector" for name in drawn):
        return pictures.heat_map(np.concatenate(values, axis=1))
    images = [_as_images(one, fields[name]) for name, one in zip(drawn, values, strict=True)]
    if len(images) == 1 and not notes:
        return pictures.sheet(images[0])
    return pictures.page(images, notes)


def _notes(packed: Packed, fields: Mapping[str, Field], rows: Int64[np.ndarray, " n"]) -> Sequence[Sequence[str]]:
    """Return what is written under each row, label by label and then the texts; empty where a space has neither."""
    columns = []
    for name, field in sorted(fields.items(), key=lambda one: _WRITTEN.index(one[1].kind)):
        values = packed.read_rows(name, rows)
        if field.kind == "tokens":
            columns.append([text_of(field.names[number] for number in text) for text in values])
        else:
            columns.append([field.names[number] for number in values])
    return list(zip(*columns, strict=True))


def _as_images(values: Shaped[np.ndarray, "n ..."], field: Field) -> UInt8[np.ndarray, "n h w c"]:
    """Return images as they are, vectors as strips, tones as piano rolls, and other sequences as grey pictures.

    In both time runs to the right.
    """
    if holds_tones(field):
        return piano_rolls(values)
    if field.kind == "sequence":
        return _grey(values).swapaxes(1, 2)[..., np.newaxis]
    return pictures.as_images(values)


def _grey(values: Float[np.ndarray, "n ..."]) -> UInt8[np.ndarray, "n ..."]:
    """Map the smallest number to black and the largest to white."""
    low, high = float(values.min()), float(values.max())
    return np.round(255 * (values.astype(np.float64) - low) / max(high - low, 1e-12)).astype(np.uint8)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
