"""Paired scores: how far outputs are from the very pictures they should be, where these are known.

The target of an output is known where its input was given from a row of the data that also holds the target: a
translated or an enlarged picture. Trivial predictions of the same targets are scored beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8

from ganpipe.data.packed.file import Packed
from ganpipe.metrics.extractors.extraction import ROWS
from ganpipe.metrics.outputs import Output

LEAST_SQUARE = 1 / (12 * 255**2)
"""The mean square error of rounding to 8 bits; smaller errors count as this, so that equal pictures have 58.9 dB."""

Images = UInt8[np.ndarray, "n h w c"]


def paired_scores(packed: Packed, output: Output, given: Sequence[str]) -> dict[str, float] | None:
    """Return l1 and psnr of an output, of the mean image and of a copy of the input; None where no target is known.

    `given` are the fields that the generator makes its outputs from. A target is known of images whose inputs come from
    the same rows, from another field than their own. l1 is the mean absolute difference of pixels in [0, 1], lower is
    better; psnr is the peak signal-to-noise ratio of each image in dB, averaged, higher is better. `..._mean_image` is
    the mean of the training split in place of each output. `..._copy` is the input itself, the first of `given` that
    has the shape of the target; absent where there is none.
    """
    fields, target = packed.fields, packed.fields[output.field]
    sources = [name for name in given if name != output.field and fields[name].space == target.space]
    if output.rows is None or target.kind != "image" or not sources:
        return None
    copied = [name for name in sources if (fields[name].kind, fields[name].shape) == ("image", target.shape)]
    mean = _mean_image(packed, output.field)
    errors: dict[str, list[Float64[np.ndarray, "2 n"]]] = {}
    for start in range(0, len(output.rows), ROWS):
        rows = output.rows[start : start + ROWS]
        predictions = {"": output.items[start : start + ROWS], "_mean_image": mean[None]}
        if copied:
            predictions["_copy"] = packed.read_rows(copied[0], rows)
        real = packed.read_rows(output.field, rows)
        for name, images in predictions.items():
            errors.setdefault(name, []).append(_errors(real, images))
    means = {name: np.concatenate(parts, axis=1).mean(axis=1) for name, parts in errors.items()}
    return {f"{score}{name}": float(means[name][at]) for name in means for at, score in enumerate(("l1", "psnr"))}


def _errors(real: Images, fake: Images | Float64[np.ndarray, "1 h w c"]) -> Float64[np.ndarray, "2 n"]:
    """Return l1 and psnr of each image."""
    apart = (real.astype(np.float64) - fake) / 255
    squares = np.square(apart).mean(axis=(1, 2, 3))
    return np.stack([np.abs(apart).mean(axis=(1, 2, 3)), -10 * np.log10(squares.clip(min=LEAST_SQUARE))])


def _mean_image(packed: Packed, field: str) -> Float64[np.ndarray, "h w c"]:
    """Return the mean of the training split in grey levels of 255."""
    rows = packed.rows("train", packed.fields[field].space)
    total = np.zeros(packed.fields[field].stored_shape)
    for start in range(rows.start, rows.stop, ROWS):
        total += packed.slice(field, range(start, min(start + ROWS, rows.stop))).sum(axis=0, dtype=np.float64)
    return total / len(rows)
