"""Which row of the data an output should equal, where a generator makes it from a row that is given. Imports no torch.

A packed file says in two attributes what fields alone do not tell: `counterparts`, fields whose values say what a row
shows, so that a person in another skin tone is found, and `aligned`, splits in which the rows of all spaces belong
together, so that a translation without pairs can be compared with the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from ganpipe.data.packed.file import Packed

COUNTERPARTS = "counterparts"
ALIGNED = "aligned"
UNKNOWN = -1
"""In place of the number of a row: no row of the data is known to be the target."""

Rows = Int64[np.ndarray, " n"]
Chosen = Mapping[str, Shaped[np.ndarray, "n ..."]]
"""Choices in stored form by field, one row per item."""


def target_rows(packed: Packed, field: str, source: str, rows: Rows, chosen: Chosen) -> Rows | None:
    """Return the rows of `field` that outputs made from these `rows` of `source` should equal; None: none is known.

    They are the same rows where both fields are of one space. Of an output like its own source, such as a picture sent
    to a class, they are the counterparts of the rows in the `chosen` class. Between spaces they are the rows at the
    same place of an aligned split. A single row without a target has `UNKNOWN`.
    """
    fields = packed.fields
    if field == source:
        return _counterparts(packed, field, rows, chosen)
    if fields[field].space == fields[source].space:
        return None if chosen else rows
    return _aligned(packed, fields[field].space, fields[source].space, rows)


def _aligned(packed: Packed, space: str, source: str, rows: Rows) -> Rows | None:
    for split in _told(packed, ALIGNED):
        mine, theirs = packed.splits(source).get(split, range(0)), packed.splits(space).get(split, range(0))
        if len(rows) and len(mine) == len(theirs) and rows.min() in mine and rows.max() in mine:
            return rows - mine.start + theirs.start
    return None


def _counterparts(packed: Packed, field: str, rows: Rows, chosen: Chosen) -> Rows | None:
    """Return the rows that agree with `rows` in the fields of `counterparts`, and with the choices in theirs."""
    space = packed.fields[field].space
    same = [name for name in _told(packed, COUNTERPARTS) if name not in chosen]
    if not same or not chosen or any(packed.fields[name].space != space for name in chosen):
        return None
    every = np.arange(packed.count(space))
    columns = [packed.read_rows(name, every) for name in (*same, *chosen)]
    known = {_key(columns, row): row for row in reversed(every.tolist())}
    wanted = [column[rows] for column in columns[: len(same)]] + list(chosen.values())
    return np.array([known.get(_key(wanted, row), UNKNOWN) for row in range(len(rows))], np.int64)


def _key(columns: Sequence[Shaped[np.ndarray, "n ..."]], row: int) -> tuple[Any, ...]:
    return tuple(column[row].tobytes() for column in columns)


def _told(packed: Packed, name: str) -> tuple[str, ...]:
    return tuple(json.loads(packed.attributes.get(name, "[]")))
