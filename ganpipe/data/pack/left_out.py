"""The images that could not be packed: counted, listed with the reason, and too many of them an error."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from ganpipe.config import Data
from ganpipe.errors import DataError

QUARANTINE = "quarantine.csv"

_SHOWN = 3


class Quarantine:
    """Images left out of a packed set, in the order in which they were found."""

    def __init__(self, raw: Path, data: Data) -> None:
        self._raw, self._max_bad = raw, data.max_bad
        self._advice = "repair or remove them, or raise data.max_bad"
        if data.crop == "whole":  # photographs of many shapes need square crops
            self._advice += ", or leave data.crop blank, which cuts squares"
        self._entries: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, reason: str) -> None:
        """Leave an image out. Raises `DataError` where that makes more than `data.max_bad`."""
        self._entries.append((name, reason))
        if len(self) > self._max_bad:
            raise DataError(
                f"{self._raw}: more than data.max_bad = {self._max_bad} images cannot be used: {self._some()}; "
                f"{self._advice}"
            )

    def write(self, path: Path) -> None:
        """Write the columns name and reason as CSV in UTF-8."""
        with path.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerows([("name", "reason"), *self._entries])

    def tell(self, path: Path) -> None:
        """Print one line that the list is at `path`, if there is one."""
        if self._entries:
            print(f"Left out {len(self)} images that cannot be used: {self._some()}; all in {path}", file=sys.stderr)

    def _some(self) -> str:
        shown = ", ".join(f"{name!r} {reason}" for name, reason in self._entries[:_SHOWN])
        return shown + (", ..." if len(self) > _SHOWN else "")
