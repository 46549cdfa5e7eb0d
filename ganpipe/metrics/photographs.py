"""Scores of whole held-out photographs that a generator has enlarged, beside those of a bicubic filter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.mosaics import enlarged_to, held_out_mosaics, read_photographs
from ganpipe.errors import MetricError
from ganpipe.metrics.outputs import RESAMPLE, Output
from ganpipe.metrics.paired import LEAST_SQUARE
from ganpipe.metrics.translation import slope
from ganpipe.metrics.trunks import Trunk

Pixels = UInt8[np.ndarray, "h w c"]


def photograph_scores(packed: Packed, output: Output, folder: Path, trunks: Sequence[Trunk]) -> dict[str, float] | None:
    """Return the means over the photographs that the sample stage has enlarged whole; None where there are none.

    * `psnr_y`, `ssim_y`: of the luma Y of ITU-R BT.601, 16 to 235, without a border of as many pixels as the scale, as
      the papers measure (Ledig et al. 2017, arXiv:1609.04802, section 3.1): peak 255, the Gaussian window of Wang et
      al. Of grey photographs the grey level stands for Y. `border` is that of the last photograph.
    * `feature_distance_<trunk>`: relative distance of features of all colours, lower is better, see `metrics.trunks`.
    * `sharpness`: mean slope, divided by that of the photograph. 1 is as sharp.

    `..._bicubic` is the small version enlarged by a bicubic filter. Raises `MetricError` for photographs of other data.
    """
    made = read_photographs(folder, output.name)
    if not made or output.source is None:
        return None
    found: dict[str, list[float]] = {}
    border = 0
    for mosaic in held_out_mosaics(packed, packed.fields[output.field].space):
        wanted, given = mosaic.pixels(packed, output.field), mosaic.pixels(packed, output.source)
        if mosaic.name not in made or made[mosaic.name].shape != wanted.shape:
            raise MetricError(f"{folder}: {mosaic.name} is not a photograph of the packed data: {RESAMPLE}")
        border = wanted.shape[0] // given.shape[0]
        for ending, pixels in {"": made[mosaic.name], "_bicubic": enlarged_to(given, *wanted.shape[:2])}.items():
            for name, value in _compared(pixels, wanted, border, trunks).items():
                found.setdefault(f"{name}{ending}", []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()} | {
        "photographs": len(made),
        "border": border,
    }


def luma(pixels: Pixels) -> Float64[np.ndarray, "h w"]:
    """Return Y of ITU-R BT.601, 16 to 235, of RGB; grey levels as they are."""
    values = pixels.astype(np.float64)
    if values.shape[2] == 1:
        return values[..., 0]
    return 16 + values @ np.array([65.481, 128.553, 24.966]) / 255


def _compared(made: Pixels, wanted: Pixels, border: int, trunks: Sequence[Trunk]) -> dict[str, float]:
    from skimage.metrics import structural_similarity  # takes a while, and only photographs need it

    inner = np.s_[border:-border, border:-border]
    one, other = luma(made)[inner], luma(wanted)[inner]
    error = max(float(np.square((one - other) / 255).mean()), LEAST_SQUARE)
    ssim = structural_similarity(one, other, data_range=255, gaussian_weights=True, use_sample_covariance=False)
    scores = {"psnr_y": -10 * float(np.log10(error)), "ssim_y": float(ssim)}
    scores["sharpness"] = slope(made[None]) / max(slope(wanted[None]), LEAST_SQUARE)
    return scores | {f"feature_distance_{trunk.key}": trunk.distance(made, wanted) for trunk in trunks}
