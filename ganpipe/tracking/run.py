"""The run as a stage sees it: a few methods that return at once and never raise because of MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from ganpipe.files import json_text
from ganpipe.paths import FINDINGS
from ganpipe.tracking.entries import Entry, Picture, Point, Tags, Text, clean_key, finding_tags, now, points
from ganpipe.tracking.stage_outputs import memory_metrics, note_peak_memory, train_metrics


@runtime_checkable
class Outbox(Protocol):
    """Takes points and entries from a stage, without waiting for the store."""

    def put_points(self, points: Sequence[Point]) -> None:
        """Take metrics."""

    def put(self, entry: Entry) -> None:
        """Take anything else."""


class Silence:
    """The outbox of all processes of a distributed training but the first."""

    def put_points(self, points: Sequence[Point]) -> None:
        """Drop metrics."""

    def put(self, entry: Entry) -> None:
        """Drop anything else."""


class Run:
    """The MLflow run of one experiment. Files that are passed to it must exist until the stage ends."""

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

    def training_row(self, row: Mapping[str, float], step: int) -> None:
        """Log a row of the training history at `step`."""
        self.metrics(train_metrics(dict(row)), step)

    def peak_memory(self, peak: Mapping[str, float], step: int) -> None:
        """Log the peak memory of a training, in MiB for each kind (`cpu`, `gpu`), and keep it among its outputs."""
        note_peak_memory(peak, step)
        self.metrics(memory_metrics(peak), step)

    def image(self, key: str, step: int, picture: Path | str | Image.Image) -> None:
        """Show a picture, an image or the path of one, under `key` at `step` (real images shown)."""
        held = picture.copy() if isinstance(picture, Image.Image) else Path(picture).absolute()
        self._outbox.put(Picture(clean_key(key), step, held))

    def findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Show all findings of the training so far: one tag each, and the file that the finished stage will leave."""
        self._outbox.put(Tags(finding_tags(findings)))
        self._outbox.put(Text(json_text(findings), FINDINGS.name))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, by which runs can be searched."""
        self._outbox.put(Tags({clean_key(key): str(value) for key, value in values.items()}))
