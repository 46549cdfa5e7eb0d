"""Paired scores: how far outputs are from the very pictures they should be, where these are known.

The target of an output is known where its input was given from a row of the data that also holds the target, or whose
counterpart does: a translated or an enlarged picture, a person in another skin tone. Trivial predictions of the same
targets are scored beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.targets import UNKNOWN, target_rows
from ganpipe.metrics.extractors.extraction import ROWS
from ganpipe.metrics.outputs import Output

LEAST_SQUARE = 1 / (12 * 255**2)
"""The mean square error of rounding to 8 bits; smaller errors count as this, so that equal pictures have 58.9 dB."""
SSIM_SIDE = 11
"""Side in pixels of the window of SSIM, and so of the smallest images that it compares."""

Images = UInt8[np.ndarray, "n h w c"]
Predicted = Images | Float64[np.ndarray, "1 h w c"]


def paired_scores(packed: Packed, output: Output) -> dict[str, float] | None:
    """Return the scores of an output, of the mean image and of a copy of the input; None where no target is known.

    * `l1`: mean absolute difference of pixels in [0, 1], lower is better.
    * `psnr`: peak signal-to-noise ratio of each image in dB, averaged, higher is better.
    * `ssim`: structural similarity (Wang et al. 2004) by scikit-image with the Gaussian window of the paper, of each
      channel, averaged, 1 for equal images; absent for images of less than 11 pixels.
    * `l1_differing`: as `l1`, over the pixels in which input and target differ at all. In drawings most pixels are
      blank in both, so that a copy of the input has a low `l1`. `differing_share` is their share.
    * `nearest_<label>`: the share of outputs that are nearer to their target than to what each other class would have
      asked for, by `l1`. Only of outputs sent to a class, for whose row the counterparts in all classes are known.

    `..._mean_image` is the mean of the training split in place of each output. `..._copy` is the input itself; absent,
    like `l1_differing`, where it has not the shape of the target.
    """
    if output.targets is None or packed.fields[output.field].kind != "image":
        return None
    known = np.flatnonzero(output.targets != UNKNOWN)
    if not len(known):
        return None
    mean, copied = _mean_image(packed, output.field), output.copied(packed)
    tally = _Tally()
    for start in range(0, len(known), ROWS):
        items = known[start : start + ROWS]
        predictions: dict[str, Predicted] = {"": output.items[items], "_mean_image": mean[None]}
        differ = None
        real = packed.read_rows(output.field, output.targets[items])
        if copied is not None:
            predictions["_copy"] = copied[items]
            differ = (real != copied[items]).any(axis=3)
        tally.add(real, predictions, differ)
    return tally.means() | _nearest(packed, output, copied)


def _nearest(packed: Packed, output: Output, copied: Images | None) -> dict[str, float]:
    """Return how often the target is the nearest of the counterparts in all classes; {} where they are not known."""
    if output.label is None or output.source is None or output.source_rows is None:
        return {}
    asked = output.chosen[output.label]
    by_class = []
    for label in range(len(packed.spec.names(output.label))):
        chosen = {**output.chosen, output.label: np.full_like(asked, label)}
        rows = target_rows(packed, output.field, output.source, output.source_rows, chosen)
        if rows is None:
            return {}
        by_class.append(rows)
    counterparts = np.stack(by_class, axis=1)
    items = np.flatnonzero((counterparts != UNKNOWN).all(axis=1))
    if not len(items):
        return {}
    compared = {"": output.items} if copied is None else {"": output.items, "_copy": copied}
    right = dict.fromkeys(compared, 0)
    for start in range(0, len(items), ROWS):
        part = items[start : start + ROWS]
        real = [packed.read_rows(output.field, rows).astype(np.int16) for rows in counterparts[part].T]
        for ending, images in compared.items():
            apart = np.stack([np.abs(one - images[part]).sum(axis=(1, 2, 3)) for one in real], axis=1)
            right[ending] += int((apart.argmin(axis=1) == asked[part]).sum())
    return {f"nearest_{output.label}{ending}": count / len(items) for ending, count in right.items()}


class _Tally:
    """The errors of predictions, part by part."""

    def __init__(self) -> None:
        self._errors: dict[str, list[Float64[np.ndarray, " n"]]] = {}
        self._differing: dict[str, float] = {}
        self._pixels, self._of = 0, 0

    def add(self, real: Images, predictions: Mapping[str, Predicted], differ: Bool[np.ndarray, "n h w"] | None) -> None:
        """Note the errors of predictions, by the ending of the names of their scores."""
        for ending, images in predictions.items():
            apart = np.abs(real.astype(np.float64) - images) / 255
            self._note(f"l1{ending}", apart.mean(axis=(1, 2, 3)))
            self._note(f"psnr{ending}", -10 * np.log10(np.square(apart).mean(axis=(1, 2, 3)).clip(min=LEAST_SQUARE)))
            if min(real.shape[1:3]) >= SSIM_SIDE:
                self._note(f"ssim{ending}", _ssim(real, images))
            if differ is not None:
                name = f"l1_differing{ending}"
                self._differing[name] = self._differing.get(name, 0.0) + float(apart.mean(axis=3)[differ].sum())
        if differ is not None:
            self._pixels += int(differ.sum())
            self._of += differ.size

    def means(self) -> dict[str, float]:
        """Return the means over all images, and over all pixels that differ."""
        found = {name: float(np.concatenate(parts).mean()) for name, parts in self._errors.items()}
        if self._pixels:
            found |= {name: total / self._pixels for name, total in self._differing.items()}
            found["differing_share"] = self._pixels / self._of
        return found

    def _note(self, name: str, errors: Float64[np.ndarray, " n"]) -> None:
        self._errors.setdefault(name, []).append(errors)


def _ssim(real: Images, images: Predicted) -> Float64[np.ndarray, " n"]:
    from skimage.metrics import structural_similarity  # takes a while, and only pairs need it

    predicted = np.broadcast_to(images, real.shape).astype(np.float64)
    return np.array(
        [
            structural_similarity(
                one, other, data_range=255, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
            )
            for one, other in zip(real.astype(np.float64), predicted, strict=True)
        ]
    )


def _mean_image(packed: Packed, field: str) -> Float64[np.ndarray, "h w c"]:
    """Return the mean of the training split in grey levels of 255."""
    rows = packed.rows("train", packed.fields[field].space)
    total = np.zeros(packed.fields[field].stored_shape)
    for start in range(rows.start, rows.stop, ROWS):
        total += packed.slice(field, range(start, min(start + ROWS, rows.stop))).sum(axis=0, dtype=np.float64)
    return total / len(rows)
