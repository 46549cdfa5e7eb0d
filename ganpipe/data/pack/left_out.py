"""What is left out of a packed set: listed with the reason, and too many unusable images an error.

Files beside the images that are no images are counted by kind; no number of them is an error.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ganpipe.config import Data
from ganpipe.data.download.user_folder import HIDDEN
from ganpipe.errors import DataError
from ganpipe.words import cell, printable

QUARANTINE = "quarantine.csv"

_SHOWN = 3
_SHOWN_KINDS = 6


class Quarantine:
    """Images left out of a packed set, in the order in which they were found."""

    def __init__(self, raw: Path, data: Data) -> None:
        self._raw, self._max_bad = raw, data.max_bad
        self._advice = "repair or remove them, or raise data.max_bad"
        if data.crop == "whole":  # photographs of many shapes need square crops
            self._advice += ", or leave data.crop blank, which cuts squares"
        self._entries: list[tuple[str, str]] = []
        self._beside: list[tuple[str, str]] = []
        self._kinds: Counter[str] = Counter()  # of files beside
        self._not_gathered: Counter[str] = Counter()  # reasons of `download`

    def __len__(self) -> int:
        """The number of images that cannot be used."""
        return len(self._entries)

    def __bool__(self) -> bool:
        """Whether anything was left out."""
        return bool(self._entries or self._beside)

    @property
    def kinds(self) -> dict[str, int]:
        """How many files were left out that are no images or were not gathered, by kind.

        Hidden ones are not counted, since programs leave them everywhere and the training depends on the manifest.
        """
        return {kind: count for kind, count in sorted((self._kinds + self._not_gathered).items()) if kind != HIDDEN}

    def add(self, name: str, reason: str) -> None:
        """Leave an image out. Raises `DataError` where that makes more than `data.max_bad`."""
        self._entries.append((name, reason))
        if len(self) > self._max_bad:
            raise DataError(
                f"{self._raw}: more than data.max_bad = {self._max_bad} images cannot be used: {self._some()}; "
                f"{self._advice}"
            )

    def add_beside(self, name: str, kind: str, reason: str) -> None:
        """Leave out a file that is no image."""
        self._beside.append((name, reason))
        self._kinds[kind] += 1

    def add_gathered(self, left_out: Mapping[str, str]) -> None:
        """Note what `download` did not take from the user's folder and has reported, by name."""
        self._beside += left_out.items()
        self._not_gathered.update(left_out.values())

    def write(self, path: Path) -> None:
        """Write the columns name and reason as CSV in UTF-8, in which no name is a formula."""
        rows = ((cell(name), reason) for name, reason in [*self._entries, *self._beside])
        with path.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerows([("name", "reason"), *rows])

    def tell(self, path: Path) -> None:
        """Print one line about images that cannot be used and one about other files; they are listed at `path`."""
        if self._entries:
            print(f"Left out {len(self)} images that cannot be used: {self._some()}; all in {path}", file=sys.stderr)
        if self._kinds:
            told = counted(self._kinds)
            print(f"Left out {told}: no pictures in a format that is read; all in {path}", file=sys.stderr)

    def summary(self) -> str:
        """Return what was left out as the end of an error's first half; empty where that is nothing."""
        parts = [f"left out {self._some()}"] if self._entries else []
        parts += [f"left out {counted(self._kinds)}, no pictures in a format that is read"] if self._kinds else []
        return "".join(f"; {part}" for part in parts)

    def _some(self) -> str:
        shown = ", ".join(f"'{printable(name)}' {reason}" for name, reason in self._entries[:_SHOWN])
        return shown + (", ..." if len(self) > _SHOWN else "")


def counted(kinds: Mapping[str, int]) -> str:
    """Return the commonest kinds of files with their numbers: `54 .txt, 3 .mp4`."""
    order = sorted(kinds.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{count} {kind}" for kind, count in order[:_SHOWN_KINDS])
    rest = sum(count for _, count in order[_SHOWN_KINDS:])
    return shown + (f" and {rest} others" if rest else "")
