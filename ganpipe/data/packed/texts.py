"""The texts of a packed file: each different one once, with what a frozen encoder says of its tokens.

Fields of kind text hold numbers of texts. The texts of all fields lie in one group, whose name no space can have:
`features` float16 (texts, tokens, numbers), 0 where a text has no token, and `names`, the texts as JSON in UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float16

from ganpipe.core.spec import Encoder, Field
from ganpipe.data.packed.columns import StoredColumn, Texts, canonical_json
from ganpipe.data.packed.hdf5 import new_group, plain_values, set_attributes

GROUP = "(texts)"

_TYPE = np.dtype("<f2")

Features = Float16[np.ndarray, "texts tokens numbers"]


def write_texts(
    file: h5py.File, fields: Mapping[str, Field], features: Features | None, compression: str | None
) -> None:
    """Write the names of the fields of kind text, which all have the same, to an open file. None: there are none."""
    if features is None:
        return
    field = next(one for one in fields.values() if one.kind == "text")
    assert field.encoder is not None
    group = new_group(file, GROUP)
    names = np.frombuffer(canonical_json(field.names).encode(), np.uint8)
    chunks = None if compression is None else (1, *features.shape[1:])
    for name, values, pieces in (("features", features.astype(_TYPE, copy=False), chunks), ("names", names, None)):
        group.create_dataset(
            name,
            data=values,
            chunks=pieces,
            compression=compression if pieces else None,
            track_times=False,
        )
    set_attributes(group, {"encoder": canonical_json(field.encoder.model_dump())})


def read_texts(file: h5py.File, path: Path, advice: str) -> Texts | None:
    """Return the texts of an open file; None where it has none. Raises `ValueError` where they contradict themselves"""
    if GROUP not in file:
        return None
    group = file[GROUP]
    names = tuple(json.loads(group["names"][()].tobytes()))
    features = StoredColumn.of(group["features"], path, advice)
    if features.dtype != _TYPE or len(features.shape) != 3 or len(features) != len(names):
        raise ValueError(f"{len(names)} texts have features of {features.dtype} {features.shape}")
    return Texts(names, features, Encoder.model_validate_json(plain_values(group.attrs)["encoder"]))
