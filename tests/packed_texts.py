"""A small packed set of pictures with captions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganpipe.core.spec import Encoder, Field
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.pretrained.encoders import RandomEncoder

COLOURS = ("red", "green", "blue")


def write_captioned(folder: Path, splits: Mapping[str, int], side: int = 8) -> Packed:
    """Write splits of so many pictures of one colour, red, green, blue and so on; `label` is the colour."""
    count = sum(splits.values())
    names = tuple(f"a {COLOURS[row % 3]} picture, number {row}" for row in range(count))
    encoder = RandomEncoder(0)
    features = encoder.encode(names)[0].half().numpy()
    told = Encoder(source="random-0", sha256=encoder.sha256)
    text = Field(kind="text", shape=features.shape[1:], names=names, encoder=told)
    fields = {"image": Field(kind="image", shape=(3, side, side)), "caption": text, "swapped": text}
    fields["label"] = Field(kind="label", shape=(), names=COLOURS)
    noise = np.random.default_rng(0).integers(0, 100, (count, side, side, 3))
    pixels = (noise + 150 * np.eye(3, dtype=np.int64)[np.arange(count) % 3][:, None, None]).astype(np.uint8)
    rows = np.arange(count)
    columns = {"image": pixels, "caption": rows, "swapped": (rows + 1) % count, "label": rows % 3}
    ends = np.cumsum([0, *splits.values()]).tolist()
    ranges = {name: (ends[at], ends[at + 1]) for at, name in enumerate(splits)}
    about = About("toy", "a test", "CC0", "nobody", "none")
    write_packed(folder / "data.h5", about, fields, {"items": SpaceRows(count, [columns], ranges)}, texts=features)
    return Packed.open(folder / "data.h5")
