"""Scores of pictures that were made from given pictures: how sharp they are, what comes back, what was kept.

A distance between sets of pictures does not see whether an output has to do with its input. A small cycle error may
hide that too: what was lost can be written where only the way back reads it. So independent classifiers, trained on
real data, are asked whether an output still shows what the given row shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.data.packed.splits import held_out
from ganpipe.metrics.classification import LEARNED
from ganpipe.metrics.extractors.extraction import ROWS
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.told import Judge, learn
from ganpipe.metrics.trunks import Trunk, texture_scores

Images = UInt8[np.ndarray, "n h w c"]


def translation_scores(
    packed: Packed, output: Output, cfg: Evaluate, trunks: Sequence[Trunk] = ()
) -> dict[str, float] | None:
    """Return the scores of an output that was made from given pictures; None for any other output.

    * `sharpness`: mean length of the slopes of the output, divided by that of the held-out pictures of its field. 1 is
      as sharp as real ones, less is blurred, more is noisy. Absent where the real ones have no slope.
    * `cycle_l1`: mean absolute difference, of pixels in [0, 1], between the given picture and what came back of it.
      A generator that does nothing has 0.
    * `kept_<label>`: the share of outputs in which a classifier sees the class that the given row has, for every label
      that was not chosen. It has learned real pictures of both sides. `..._real` is its accuracy on others of them.
    * `gram_<trunk>`: how far textures are from those of the field, see `metrics.trunks`.

    `..._copy` is the input in place of the output, where it has its shape.
    """
    if output.source is None or output.source_rows is None or packed.fields[output.field].kind != "image":
        return None
    if packed.fields[output.source].kind != "image":
        return None
    copied = output.copied(packed)
    space = packed.fields[output.field].space
    scores = {}
    if real := mean_slope(packed, output.field, np.array(held_out(packed, space))):
        scores["sharpness"] = slope(output.items) / real
        if copied is not None:
            scores["sharpness_copy"] = slope(copied) / real
    if output.back is not None:
        given = packed.read_rows(output.source, output.source_rows)
        scores["cycle_l1"] = float(np.abs(given.astype(np.float64) - output.back).mean() / 255)
    if trunks:
        scores |= texture_scores(packed, output, trunks)
    for label, beside in kept_labels(packed, output):
        scores |= _kept(packed, output, copied, label, beside, cfg)
    return scores


def slope(images: Images) -> float:
    """Return the mean length of the slope between neighbouring pixels in [0, 1], over all channels."""
    pixels = images.astype(np.float64) / 255
    down, right = np.diff(pixels, axis=1)[:, :, :-1], np.diff(pixels, axis=2)[:, :-1]
    return float(np.hypot(down, right).mean())


def mean_slope(packed: Packed, field: str, rows: np.ndarray) -> float:
    """Return the `slope` of rows of a field, read part by part; 0 where every picture is of one colour."""
    parts = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    return sum(len(part) * slope(packed.read_rows(field, part)) for part in parts) / len(rows)


def kept_labels(packed: Packed, output: Output) -> Iterator[tuple[str, str]]:
    """Yield the labels of given rows that outputs should keep: the label, and the one of equal classes beside them.

    They are the labels beside the source that were not chosen, where the space of the output has a label with the same
    classes.
    """
    fields = packed.fields
    assert output.source is not None
    space, mine = fields[output.source].space, fields[output.field].space
    for name, field in fields.items():
        if field.kind != "label" or field.space != space or name in output.chosen:
            continue
        alike = [other for other, one in fields.items() if one.space == mine and one.names == field.names]
        if name in alike:
            yield name, name
        elif len(alike) == 1 and fields[alike[0]].kind == "label":
            yield name, alike[0]


def _kept(
    packed: Packed, output: Output, copied: Images | None, label: str, beside: str, cfg: Evaluate
) -> dict[str, float]:
    """Return the share of outputs that show the class of their given row, by a classifier of the real pictures."""
    images, labels = _learned(packed, output, label, beside, cfg.seed)
    judge = learn(images, labels, packed.spec.names(label), cfg, f"kept_{label}")
    assert output.source_rows is not None
    wanted = packed.read_rows(label, output.source_rows)
    if judge is None or not judge.knows(wanted).any():
        return {}
    scores = {f"kept_{label}": _agreement(judge, output.items, wanted, label)}
    if copied is not None:
        scores[f"kept_{label}_copy"] = _agreement(judge, copied, wanted, label)
    return {**scores, f"kept_{label}_real": judge.accuracy}


def _learned(packed: Packed, output: Output, label: str, beside: str, seed: int) -> tuple[Images, np.ndarray]:
    """Return the real pictures that the classifier learns, with their classes: those of the output's field, and those
    of the source where they have the same shape. A class that is drawn in a style between both can be seen then.
    """
    assert output.source is not None
    fields = {output.field: beside}
    if packed.fields[output.source].shape == packed.fields[output.field].shape:
        fields[output.source] = label
    images, labels = [], []
    for field, told in fields.items():
        rows = subset(packed.rows("train", packed.fields[field].space), LEARNED // len(fields), seed)
        images.append(packed.read_rows(field, rows))
        labels.append(packed.read_rows(told, rows))
    return np.concatenate(images), np.concatenate(labels)


def _agreement(judge: Judge, images: Images, wanted: Int64[np.ndarray, " n"], label: str) -> float:
    """Return the share of images that show the wanted class, of those whose class the judge knows."""
    found = judge.seen(images, f"Classes of outputs ({label})")[1]
    return float((found == wanted)[judge.knows(wanted)].mean())
