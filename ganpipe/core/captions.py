"""English texts as words and marks, and back: what the numbers of a field of kind `tokens` stand for.

A field of tokens names its vocabulary: number 0 is `PADDING`, which fills short texts up to the length of the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PADDING = "[PAD]"
"""The word of number 0: nothing. It stands at the end of texts that are shorter than the field."""

_PIECE = re.compile(r"[^\s:,()“”]+|[:,()“”]")
_AFTER_A_WORD = ":,)”"  # marks that stand without a space behind what precedes them
_BEFORE_A_WORD = "(“"


def words_of(text: str) -> tuple[str, ...]:
    """Return the words and marks of a text. Words with a hyphen or an apostrophe, and capitals, stay as they are."""
    return tuple(_PIECE.findall(text))


def text_of(words: Iterable[str]) -> str:
    """Put a text together again; padding is left out. Undoes `words_of` where the text has single spaces only."""
    text = ""
    for word in words:
        if word != PADDING:
            close = not text or word in _AFTER_A_WORD or text[-1] in _BEFORE_A_WORD
            text += word if close else f" {word}"
    return text
