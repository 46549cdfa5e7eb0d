"""What a stage sees of its row: a few verbs that return at once and never raise because of MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from ganpipe.files import json_text
from ganpipe.paths import FINDINGS
from ganpipe.tracking.entries import Note, Picture, Point, Tags, Text, clean_key, finding_tags, now, points


@runtime_checkable
class Outbox(Protocol):
    """Takes what a stage says."""

    def put_points(self, points: Sequence[Point]) -> None:
        """Take metrics."""

    def put(self, note: Note) -> None:
        """Take anything else."""


class Silence:
    """The outbox of all processes of a distributed training but the first."""

    def put_points(self, points: Sequence[Point]) -> None:
        """Drop metrics."""

    def put(self, note: Note) -> None:
        """Drop anything else."""


class Row:
    """One experiment in the MLflow table. Files that are handed over must stay until the stage ends."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._not_finite: set[str] = set()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log named scalars at `step` (real images shown). NaN and infinity are left out; a tag names such metrics."""
        kept, not_finite = points(values, step, now())
        self._outbox.put_points(kept)
        if not self._not_finite.issuperset(not_finite):
            self._not_finite.update(not_finite)
            self.tags({"ganpipe.non_finite": ", ".join(sorted(self._not_finite))})

    def image(self, key: str, step: int, picture: Path | str | Image.Image) -> None:
        """Show a picture, given as such or as a file, under `key` at `step` (real images shown)."""
        held = picture.copy() if isinstance(picture, Image.Image) else Path(picture).absolute()
        self._outbox.put(Picture(clean_key(key), step, held))

    def findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Show what goes wrong, all findings so far: a tag each, and the file that the finished stage would leave."""
        self._outbox.put(Tags(finding_tags(findings)))
        self._outbox.put(Text(json_text(findings), FINDINGS.name))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set facts about the run by which rows can be searched."""
        self._outbox.put(Tags({clean_key(key): str(value) for key, value in values.items()}))
