"""Checks of images and features before they are scored.

For the same input, common libraries return NaN, leave bad rows out, or return a plausible number; ganpipe raises
`MetricError` with one line.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from ganpipe.errors import MetricError

_ENOUGH_FOR_INCEPTION = 2048
"""The number of its features, below which its users advise against the FID."""
_ENOUGH_PER_FEATURE = 10
"""Samples per feature of all other extractors."""


def check_features(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], least: int = 2, what: str = "a covariance"
) -> None:
    """Raise `MetricError` unless both sets are finite, (N, d) with equal d, and hold at least `least` rows.

    `what` names the score that needs so many rows, for the message.
    """
    for name, features in (("real", real), ("fake", fake)):
        check_one_set(name, features, least, what)
    if real.shape[1] != fake.shape[1]:
        raise MetricError(
            f"real features have {real.shape[1]} numbers, fake features {fake.shape[1]}: use one extractor for both"
        )


def check_image_array(images: Shaped[np.ndarray, "*shape"], name: str = "image") -> None:
    """Raise `MetricError` unless `images` is a non-empty uint8 array (N, height, width, 1 or 3) of the set `name`."""
    if not isinstance(images, np.ndarray):
        raise MetricError(f"{name} set: is a {type(images).__name__}, expected a NumPy array of uint8")
    if images.dtype != np.uint8:
        raise MetricError(f"{name} set: pixels are {images.dtype}, expected uint8 (see ganpipe.core.batch.to_uint8)")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise MetricError(f"{name} set: shape is {images.shape}, expected (N, height, width, channels 1 or 3)")
    if images.size == 0:
        raise MetricError(f"{name} set: shape is {images.shape}, expected at least one image")


def check_pixels(images: Shaped[np.ndarray, "*shape"], name: str = "image") -> None:
    """Raise `MetricError` unless `images` is a set of images (see `check_image_array`) that can be scored.

    A set in which every image is the same picture is refused. All its neighbour distances are 0, so that precision,
    recall, density and coverage depend on how ties are broken only (0 with `<`, 1 with `<=`); its usual origin is a
    generator that diverged or collapsed to black. Repeated pictures among different ones are scored, since scores must
    show mode collapse. A set of one image passes here; `check_features` refuses it.
    """
    check_image_array(images, name)
    if len(images) > 1 and all(np.array_equal(images[0], image) for image in images[1:]):
        raise one_picture(name, len(images), images[0])


def one_picture(name: str, count: int, picture: UInt8[np.ndarray, "h w c"]) -> MetricError:
    """Return the refusal of a set of `count` times the same picture."""
    value = "" if np.ptp(picture) else f", all its pixels {picture.flat[0]}"
    return MetricError(f"{name} set: all {count} images are the same picture{value}: no score would be honest")


def few_samples(extractor: str, n: int, features: int) -> str | None:
    """Return a warning where `n` samples are few for a Fréchet distance of `features` numbers each, else None."""
    least = _ENOUGH_FOR_INCEPTION if extractor == "inception" else _ENOUGH_PER_FEATURE * features
    if n >= least:
        return None
    return (
        f"Note: {extractor}: {n} samples are few for {features} features, {least} would do: the Fréchet distance is "
        "mostly the bias of a small sample, so read the kernel distance, and compare at equal numbers only"
    )


def unequal_counts(counts: Mapping[str, int], n: int) -> str | None:
    """Return a remark where sets of unequal size are compared by `n` samples of each, else None."""
    if len(set(counts.values())) == 1:
        return None
    sizes = ", ".join(f"{name}: {count}" for name, count in counts.items())
    return f"Note: unequal numbers of samples ({sizes}): {n} of each are compared"


def check_one_set(name: str, features: Float[np.ndarray, "n d"], least: int, what: str) -> None:
    """Raise `MetricError` unless the set `name` is finite, (N, d), and holds `least` rows, see `check_features`."""
    if not isinstance(features, np.ndarray):
        raise MetricError(f"{name} features are a {type(features).__name__}, expected a NumPy array (N, d)")
    if features.ndim != 2:
        raise MetricError(f"{name} features have shape {features.shape}, expected (N, d)")
    if features.size == 0:
        raise MetricError(f"{name} features are empty: shape {features.shape}")
    if len(features) < least:
        raise MetricError(f"{name} set holds {len(features)} samples, at least {least} are needed for {what}")
    bad = len(features) - int(np.isfinite(features).all(axis=1).sum())
    if bad:
        raise MetricError(f"{bad} of {len(features)} {name} feature rows are not finite (NaN or infinity)")
