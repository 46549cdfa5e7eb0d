"""Numbers the values of small fields, classes, texts and words of texts, by their place among the names of a field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from ganpipe.core.captions import PADDING, text_of
from ganpipe.core.spec import STORED_TYPES, Kind
from ganpipe.data.catalogue.dataset import RawField
from ganpipe.data.pack.items import Value
from ganpipe.errors import DataError


def names_in(kind: Kind, values: Sequence[Value]) -> tuple[str, ...]:
    """Return the classes, the texts, or after the padding the words, that occur in the rows of a field, sorted."""
    if kind in ("label", "text"):
        return tuple(sorted({value for value in values if isinstance(value, str)}))
    if kind == "tokens":
        return (PADDING, *sorted({word for words in values if isinstance(words, tuple) for word in words}))
    return ()


def numbered(field: str, raw: RawField, names: Sequence[str], values: Sequence[Value]) -> Shaped[np.ndarray, "n ..."]:
    """Return the rows of a field in stored form. Raises `DataError` for a text longer than the field."""
    numbers = {name: number for number, name in enumerate(names)}
    rows: list[object]
    if raw.kind in ("label", "text"):
        rows = [numbers[str(value)] for value in values]
    elif raw.kind == "tokens":
        (length,) = raw.shape or (0,)
        texts = [words for words in values if isinstance(words, tuple)]
        longest = max(texts, key=len)
        if len(longest) > length:
            raise DataError(
                f"{field} {text_of(longest)!r} has {len(longest)} words, more than the {length} of the field"
            )
        rows = [[numbers[word] for word in words] + [0] * (length - len(words)) for words in texts]
    else:
        rows = list(values)
    return np.array(rows, STORED_TYPES[raw.kind])
