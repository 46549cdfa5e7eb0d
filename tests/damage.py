"""What a failing disk does to a file."""

from __future__ import annotations

from pathlib import Path


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Flip one bit of the byte at `place` of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        (found,) = file.read(1)
        file.seek(place)
        file.write(bytes([found ^ 1 << bit]))
