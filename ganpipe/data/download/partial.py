"""A file on its way: what of it has come, and a note beside it that says which file that is the beginning of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ganpipe.files import write_json


@dataclass(frozen=True)
class Note:
    """What the server said of the file whose beginning has come."""

    url: str
    validator: str | None  # ETag or date: another one means another file
    size: int | None  # bytes of the whole file


class Part:
    """The files `<name>.part` and `<name>.part.json`, which outlive a killed process and are taken up by the next."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")

    @property
    def have(self) -> int:
        """How many bytes have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def note(self) -> Note | None:
        """What the beginning belongs to, or None where nothing reliable is known."""
        try:
            return Note(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, note: Note) -> None:
        """Forget what has come, and start a file."""
        self.discard()
        write_json(self._note, asdict(note))

    def open(self, start: int) -> BinaryIO:
        """Open for writing from byte `start` on."""
        opened = self.path.open("r+b" if start else "wb")
        opened.seek(start)
        opened.truncate()
        return opened

    def discard(self) -> None:
        """Remove both files; the note last, so that no beginning is ever without its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
