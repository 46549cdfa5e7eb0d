"""The names of folders that are splits, for all sets of the user's own pictures."""

from __future__ import annotations

import re

from ganpipe.data.pack.items import TEST, TRAIN, VALID

_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALID),
    **dict.fromkeys(("test", "testing"), TEST),
}
_FOLDER = re.compile(f"({'|'.join(_NAMES)})([ _-]?set)?", re.IGNORECASE)
_WITH_SIDE = re.compile(f"({'|'.join(_NAMES)})[_-]?([ab])", re.IGNORECASE)


def split_of(folder: str) -> str | None:
    """Return the split that a folder of this name is, in any case: train, Validation, test_set; None: it is none."""
    found = _FOLDER.fullmatch(folder)
    return _NAMES[found[1].lower()] if found else None


def split_and_side_of(folder: str) -> tuple[str, str] | None:
    """Return the split and the side `a` or `b` of a folder such as trainA or test_b; None: it is no such folder."""
    found = _WITH_SIDE.fullmatch(folder)
    return (_NAMES[found[1].lower()], found[2].lower()) if found else None
