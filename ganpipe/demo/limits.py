"""The bounds of what the page does for a request: how many, how large, how long, how many files. Imports no Gradio."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganpipe.core.system import System
from ganpipe.errors import ConfigError, GanpipeError
from ganpipe.machine import memory_limited
from ganpipe.sampling.draw import BLOCK

MODELS = 4
"""Models on a page: four columns are what 1400 pixels hold, and all of them lie in memory."""
COUNT = BLOCK
"""Pictures of one draw: a generator computes so many at once, so that fewer take as long."""
SHEET_PIXELS = 4096 * 4096
"""Pixels of all pictures of one draw: what a browser decodes in a moment."""
SEEDS = 2**32
"""Seeds from 0 to below this: whole numbers that a browser keeps exactly."""
UPLOAD_BYTES = 20 * 2**20
"""Size of an uploaded file: a photograph of `PICTURE_PIXELS` as JPEG has a third of it."""
PICTURE_PIXELS = 4096 * 4096
"""Pixels of an uploaded picture: the photograph of a phone; `ganpipe apply` makes larger ones."""
CAPTION_LETTERS = 500
"""Letters of a caption: those of published sets have less than 100; MiniLM reads 512 tokens, of one letter or more."""
PIECE_SECONDS = 300.0
"""Length of a piece of music that is played: ten times a window of chorales; its sound has 10 MB."""
QUEUE = 16
"""Requests that wait: one person at several pages makes fewer; with `SECONDS`, nobody waits for ever."""
SECONDS = 60.0
"""Time that one generator may take for a request: a person looks at an unfinished page no longer."""
TEMPORARY_BYTES = 256 * 2**20
"""Size of all files that requests leave: a dozen of the largest uploads."""


def require_seed(value: Any, name: str = "seed") -> int:
    """Return a seed. Raises `ConfigError` for all that is not a whole number in [0, `SEEDS`)."""
    return _whole(value, name, 0, SEEDS - 1)


def most_pictures(height: int, width: int) -> int:
    """Return how many pictures of a size one draw may have: at least one."""
    return max(1, min(COUNT, SHEET_PIXELS // (height * width)))


def require_count(value: Any, most: int) -> int:
    """Return how many pictures to draw. Raises `ConfigError` for all that is not a whole number in [1, `most`]."""
    return _whole(value, "pictures", 1, most)


def require_place(value: Any, name: str) -> float:
    """Return a place of a walk. Raises `ConfigError` for all that is not a number in [0, 1]."""
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise ConfigError(f"{name} = {_said(value)}: a number from 0 to 1 is needed")


def require_piece(value: Any) -> int:
    """Return which piece of a draw to play. Raises `ConfigError` for all that is not a whole number in [1, `COUNT`]."""
    return _whole(value, "piece", 1, COUNT)


def require_caption(value: Any) -> str:
    """Return a caption. Raises `ConfigError` for a blank one and for one of more than `CAPTION_LETTERS`."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError("caption = blank: type what is to be drawn")
    if len(value) > CAPTION_LETTERS:
        raise ConfigError(
            f"caption = {_said(value)}...: {len(value)} letters, more than this page's limit of {CAPTION_LETTERS}; "
            "shorten it"
        )
    return value


@contextmanager
def bounded(system: System) -> Iterator[None]:
    """Let the generator of the block fail where its memory or its `SECONDS` end.

    Time is looked at before every layer. Raises `GanpipeError` where it has passed.
    """
    end = time.monotonic() + SECONDS

    def look(*_: Any) -> None:
        if time.monotonic() > end:
            raise GanpipeError(
                f"not done after {SECONDS:g} seconds: ask for fewer or smaller pictures, or use `ganpipe sample` or "
                "`ganpipe apply`, which take their time"
            )

    hooks = [module.register_forward_pre_hook(look) for module in system.modules()]
    try:
        with memory_limited(system.device):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def forget_oldest(folder: Path, kept: frozenset[Path]) -> None:
    """Delete the oldest files below a folder until the rest has at most `TEMPORARY_BYTES`; those in `kept` stay."""
    files = [(path, path.stat()) for path in folder.rglob("*") if path.is_file() and path not in kept]
    total = sum(told.st_size for _, told in files)
    for path, told in sorted(files, key=lambda file: file[1].st_mtime):
        if total <= TEMPORARY_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= told.st_size


def _whole(value: Any, name: str, least: int, most: int) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and least <= value <= most and value == int(value):
        return int(value)
    raise ConfigError(f"{name} = {_said(value)}: a whole number from {least} to {most} is needed")


def _said(value: Any) -> str:
    return "blank" if value is None else str(value)[:40]
