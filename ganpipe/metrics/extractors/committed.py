"""Domain extractors that come with ganpipe: the same features of the same data set on every machine.

Training a classifier anew gives other bits on another processor, and with them other values of every score. The
classifiers of the small catalogue sets were trained once; each is a folder of `WEIGHTS_FOLDER`, written by
`tools/train_extractors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganpipe.core.spec import DataSpec
from ganpipe.metrics.extractors.domain import CARD, Card

WEIGHTS_FOLDER = Path(__file__).parent / "weights"

_TRAINED_ON: Mapping[str, str] = {"digits": "digits", "mnist": "digits", "fashion-mnist": "fashion-mnist"}
"""The folder by `data.name`. `mnist` shares that of `digits`, which are 5,000 of its images."""


def committed_folder(spec: DataSpec, field: str) -> Path | None:
    """Return the folder of the extractor that belongs to a field of images, or None where there is none.

    The set must have one of the known names, the classes of the extractor, and images of the shape it was trained on:
    a set that was packed with another size or other channels has none.
    """
    if spec.name not in _TRAINED_ON:
        return None
    folder = WEIGHTS_FOLDER / _TRAINED_ON[spec.name]
    card = Card.read(folder / CARD)
    found, label = spec.fields[field], spec.beside(field, "label")
    fits = label is not None and spec.names(label) == card.classes and found.stored_shape == card.shape
    return folder if fits else None
