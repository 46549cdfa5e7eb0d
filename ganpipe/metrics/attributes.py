"""Whether outputs have the attributes that were asked for, and keep the others, by an independent classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.metrics.classification import LEARNED
from ganpipe.metrics.extractors.domain import SMALLEST, LeNet, applied, split_by_class, trained_lenet
from ganpipe.metrics.outputs import Output
from ganpipe.progress import say

Images = UInt8[np.ndarray, "n h w c"]


def attribute_scores(
    packed: Packed, output: Output, asked: str, names: Sequence[str], cfg: Evaluate
) -> dict[str, float] | None:
    """Return the scores of an output for which attributes were chosen; None for any other output.

    `asked` is the field of the attributes, `names` are those that the generator knows. One classifier of the extractor
    `domain`'s architecture learns all attributes of the data that are on or off in at least one picture in a hundred.

    * `attribute_accuracy`: the share of attributes, over all outputs, that the classifier sees as they were asked for.
      `..._lowest` is that of the attribute with the lowest share.
    * `attributes_kept`: for outputs made from given pictures, the share of the attributes that were not chosen which
      the classifier sees as the given row has them.

    `..._real` is the accuracy on real pictures, `..._copy` that of the inputs in place of the outputs.
    """
    fields, chosen = packed.fields, output.chosen.get(asked)
    if chosen is None or fields[output.field].kind != "image" or fields[asked].space != fields[output.field].space:
        return None
    if min(fields[output.field].shape[1:]) < SMALLEST:
        say(f"attribute_accuracy is not measured: the classifier needs images of {SMALLEST} pixels")
        return None
    classifier = _Classifier(packed, output.field, asked, cfg)
    at = [(place, fields[asked].names.index(name)) for place, name in enumerate(names)]
    at = [(place, column) for place, column in at if classifier.knows[column]]
    if not at:
        say("attribute_accuracy is not measured: no chosen attribute is on and off often enough to be learned")
        return None
    places, columns = (np.array(one) for one in zip(*at, strict=True))
    seen, copied = classifier.seen(output.items), output.copied(packed)
    right = (seen[:, columns] == chosen[:, places]).mean(axis=0)
    scores = {"attribute_accuracy": float(right.mean()), "attribute_accuracy_lowest": float(right.min())}
    scores["attribute_accuracy_real"] = float(classifier.accuracy[columns].mean())
    seen_in_copy = None if copied is None else classifier.seen(copied)
    if seen_in_copy is not None:
        scores["attribute_accuracy_copy"] = float((seen_in_copy[:, columns] == chosen[:, places]).mean())
    others = [column for column in np.flatnonzero(classifier.knows) if fields[asked].names[column] not in names]
    if others and output.source_rows is not None:
        own = packed.read_rows(asked, output.source_rows)[:, others]
        scores["attributes_kept"] = float((seen[:, others] == own).mean())
        scores["attributes_kept_real"] = float(classifier.accuracy[others].mean())
        if seen_in_copy is not None:
            scores["attributes_kept_copy"] = float((seen_in_copy[:, others] == own).mean())
    return scores


class _Classifier:
    """Sees which attributes a picture has. `knows` those that are common enough; `accuracy` is by attribute."""

    knows: Bool[np.ndarray, " k"]
    accuracy: Float64[np.ndarray, " k"]

    def __init__(self, packed: Packed, field: str, asked: str, cfg: Evaluate) -> None:
        rows = subset(packed.rows("train", packed.fields[field].space), LEARNED, cfg.seed)
        images, attributes = packed.read_rows(field, rows), packed.read_rows(asked, rows)
        on = attributes.mean(axis=0)
        self.knows = (on >= 0.01) & (on <= 0.99)
        train, held_out = split_by_class(np.zeros(len(rows), np.int64), cfg.seed)
        self._network: LeNet = trained_lenet(
            images, attributes, train, attributes.shape[1], cfg.extractor_epochs, cfg.seed, _cost
        )
        self.accuracy = (self.seen(images[held_out]) == attributes[held_out]).mean(axis=0)

    def seen(self, images: Images) -> UInt8[np.ndarray, "n k"]:
        """Return which attributes each image has."""
        return (applied(self._network, images)[1] > 0).numpy().astype(np.uint8)


def _cost(logits: Tensor, attributes: Shaped[np.ndarray, "n k"]) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.tensor(attributes, dtype=torch.float32))
