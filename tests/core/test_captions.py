"""Texts as words and marks: put together again they are what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganpipe.core.captions import PADDING, text_of, words_of

NAMES = {  # of real emoji
    "waving hand": ("waving", "hand"),
    "handshake: light skin tone, medium-dark skin tone": (
        "handshake", ":", "light", "skin", "tone", ",", "medium-dark", "skin", "tone",
    ),
    "Japanese “free of charge” button": ("Japanese", "“", "free", "of", "charge", "”", "button"),
    "A button (blood type)": ("A", "button", "(", "blood", "type", ")"),
    "woman’s hat": ("woman’s", "hat"),
    "keycap: *": ("keycap", ":", "*"),
    "flag: St. Kitts & Nevis": ("flag", ":", "St.", "Kitts", "&", "Nevis"),
    "ON! arrow": ("ON!", "arrow"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_apart_and_put_together(name: str) -> None:
    assert words_of(name) == NAMES[name]
    assert text_of((*NAMES[name], PADDING, PADDING)) == name


@given(st.lists(st.from_regex(r"\(?“?[a-z’.!&*-]{1,6}”?\)?[:,]?", fullmatch=True)))
def test_any_text_of_words_and_marks_comes_back(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert text_of(words_of(text)) == text
