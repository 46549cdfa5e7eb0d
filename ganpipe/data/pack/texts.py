"""Encodes the texts of a set, each different one once, by a frozen encoder: in the pack stage, never in a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganpipe.core.spec import Encoder
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.pack.rows import ReadySet
from ganpipe.data.packed.texts import Features
from ganpipe.errors import ConfigError
from ganpipe.paths import PARAMS
from ganpipe.progress import progress

_BATCH = 256  # texts


def encoded(dataset: Dataset, ready: ReadySet, source: str | None) -> ReadySet:
    """Return a set with the features of its texts, by the encoder `source` (None: MiniLM); unchanged without texts.

    float16, as many tokens as the longest text has. Raises `ConfigError` and `DataError` as `load_encoder` does, and
    `ConfigError` where an encoder is named for a set without texts.
    """
    fields = {name: field for name, field in ready.fields.items() if field.kind == "text"}
    if not fields:
        if source is not None:
            raise ConfigError(
                f"{PARAMS}: data.encoder = {source!r} is for captions, but data.name = {dataset.name!r} has none; "
                "leave it blank"
            )
        return ready
    from ganpipe.pretrained.encoders import DEFAULT, load_encoder  # and with it torch, for sets with texts alone

    names = next(iter(fields.values())).names
    encoder = load_encoder(source or DEFAULT)
    order = sorted(range(len(names)), key=lambda number: len(names[number]))  # those of a batch are about equally long
    parts = []
    with progress(f"Encoding the captions of {dataset.name}", len(names), "texts") as bar:
        for start in range(0, len(names), _BATCH):
            batch = [names[number] for number in order[start : start + _BATCH]]
            parts.append(encoder.encode(batch)[0].half().numpy())
            bar.advance(len(batch))
    longest = max(part.shape[1] for part in parts)
    features: Features = np.zeros((len(names), longest, parts[0].shape[2]), np.float16)
    for number, part in enumerate(parts):
        features[order[number * _BATCH : (number + 1) * _BATCH], : part.shape[1]] = part
    told = Encoder(source=source or DEFAULT, sha256=encoder.sha256)
    changed = {"shape": features.shape[1:], "encoder": told}
    found = {name: field.model_copy(update=changed) for name, field in fields.items()}
    return replace(ready, fields={**ready.fields, **found}, texts=features)
