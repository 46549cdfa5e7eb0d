"""How many rows are read together: it decides the chunks of compressed files and the order in which rows are shown."""

from __future__ import annotations

_ROWS = 128  # at least: fewer make reading from a disk slow
_BYTES = 1 << 20  # at least


def block_rows(row_bytes: int) -> int:
    """Return how many rows of this size are read together from a disk: at least 128 and at least 1 MiB."""
    return max(_ROWS, -(-_BYTES // row_bytes))
