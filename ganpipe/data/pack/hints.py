"""Signs that a set of pictures is not what its owner thinks: noted while they are decoded, told in one line each.

Counts, smallest and largest, so that the lines are the same for any number of decoding processes.
"""

from __future__ import annotations

from dataclasses import dataclass

_WHITE = 0xFFFF
_DARK = _WHITE // 10
"""Largest value of a set of 16 bits that is taken for one of fewer bits."""
_ENLARGED = 2
"""A picture is noted when its shorter side is enlarged more than so many times."""


@dataclass
class Seen:
    """What was noted about the pictures of a set, or of a part of it."""

    pictures: int = 0
    enlarged: int = 0  # pictures of less than half the size that they were brought to
    smallest: tuple[int, int] | None = None  # width and height of the smallest of these
    size: int = 0  # shorter side that they were brought to
    deep: int = 0  # pictures of 16 bits a channel
    brightest: int = 0  # largest value 0..65535 among these

    def note_resize(self, width: int, height: int, shorter: int) -> None:
        """Note that a picture of this size is resized so that its shorter side is `shorter`."""
        if shorter > _ENLARGED * min(width, height):
            self.enlarged, self.size = self.enlarged + 1, shorter
            self._keep_smallest((width, height))

    def note_deep(self, brightest: int, count: int = 1) -> None:
        """Note `count` pictures of 16 bits a channel and their largest value."""
        self.deep += count
        self.brightest = max(self.brightest, brightest)

    def add(self, other: Seen) -> None:
        """Add what was noted about further pictures."""
        self.pictures += other.pictures
        self.enlarged += other.enlarged
        self.deep += other.deep
        self.brightest = max(self.brightest, other.brightest)
        if other.smallest is not None:
            self.size = other.size
            self._keep_smallest(other.smallest)

    def hints(self) -> tuple[str, ...]:
        """Return one line for each sign."""
        found = []
        if self.deep and 0 < self.brightest <= _DARK:
            factor = 1 << (_WHITE.bit_length() - self.brightest.bit_length())
            found.append(
                f"{self.deep} of {self.pictures} pictures have 16 bits a channel, but their largest value is "
                f"{self.brightest} of {_WHITE}, as from a camera of fewer bits: the upper 8 bits are packed, so they "
                f"are nearly black; multiply their values by {factor} and pack again"
            )
        if self.smallest is not None:
            width, height = self.smallest
            found.append(
                f"{self.enlarged} of {self.pictures} pictures have less than half of data.size = {self.size} and were "
                f"enlarged, the smallest from {width} x {height} pixels: they are blurred; lower data.size, or take "
                "them out"
            )
        return tuple(found)

    def _keep_smallest(self, size: tuple[int, int]) -> None:
        if self.smallest is None or (min(size), size) < (min(self.smallest), self.smallest):
            self.smallest = size
