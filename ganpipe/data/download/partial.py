"""A partial download, and the JSON file beside it that says to which file (URL, ETag, size) its bytes belong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ganpipe.files import write_json


@dataclass(frozen=True)
class ServedFile:
    """The file that a partial download belongs to, as the server describes it."""

    url: str
    validator: str | None  # ETag or date: if it changes, the file has changed
    size: int | None  # bytes of the whole file; None: the server does not say


class Part:
    """The files `<name>.part` and `<name>.part.json`. They outlive a killed process; the next one continues them."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self._description = path.with_name(f"{path.name}.part.json")

    @property
    def have(self) -> int:
        """The number of bytes received so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def served(self) -> ServedFile | None:
        """The file that the bytes belong to; None where the description is missing or unreadable."""
        try:
            return ServedFile(**json.loads(self._description.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, served: ServedFile) -> None:
        """Discard the bytes received so far, and describe the file that is to come."""
        self.discard()
        write_json(self._description, asdict(served))

    def open(self, start: int) -> BinaryIO:
        """Open for writing from byte `start` on."""
        opened = self.path.open("r+b" if start else "wb")
        opened.seek(start)
        opened.truncate()
        return opened

    def discard(self) -> None:
        """Remove both files, the description last: so no partial file is ever without its description."""
        self.path.unlink(missing_ok=True)
        self._description.unlink(missing_ok=True)
