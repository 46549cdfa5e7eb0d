"""Writing into one row of the MLflow table, each thing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ganpipe.tracking.entries import File, Note, Picture, Point, Tags, Text, now, points
from ganpipe.tracking.stage_outputs import Content

if TYPE_CHECKING:
    from ganpipe.tracking.store import Store


@dataclass(frozen=True)
class Found:
    """A row as the store knows it."""

    id: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: frozenset[str] = frozenset()  # keys of which there are points
    described: bool = False

    @property
    def attempt(self) -> int:
        """The number of this row among those of the same experiment, from 1."""
        return int(self.tags.get("ganpipe.attempt", "1"))

    def filled(self, stage: str) -> bool:
        """Whether the slot of `stage` has its content."""
        return f"ganpipe.slot.{stage}" in self.tags

    def agrees(self, stage: str, content: Content | None) -> bool:
        """Whether `content` can be of the same experiment: the slot is empty, or filled with exactly that."""
        return content is None or self.tags.get(f"ganpipe.digest.{stage}", content.digest) == content.digest


class Writer:
    """Writes into one row and never the same thing twice, so that whatever was interrupted can just be repeated."""

    def __init__(self, store: Store, row: Found) -> None:
        self._store = store
        self._row = row
        self._curves: dict[str, dict[int, float]] = {}

    def send_points(self, given: Sequence[Point], tags: Mapping[str, str] | None = None) -> None:
        """Write those points that the row does not have; the tags appear together with the last of them."""
        new = [point for point in given if self._curve(point.key).get(point.step) != point.value]
        if new or tags:
            self._store.log(self._row.id, new, tags or {})
        for point in new:
            self._curves[point.key][point.step] = point.value

    def send(self, note: Note) -> None:
        """Write anything but points."""
        match note:
            case Picture():
                self._send_picture(note)
            case File():
                self._store.log_file(self._row.id, note)
            case Text():
                self._store.log_text(self._row.id, note)
            case Tags():
                self._store.log(self._row.id, (), note.values)

    def fill(self, stage: str, content: Content, word: str) -> None:
        """Write all that belongs into the slot of `stage`, then mark it as filled: `word` is "done" or "replayed"."""
        for file in content.files:
            self.send(file)
        for picture in content.pictures:
            self.send(picture)
        curve: list[Point] = []
        lost: set[str] = set()
        moment = now()
        for step, values in content.curve:
            kept, not_finite = points(values, step, moment)
            curve += kept
            lost |= set(not_finite)
        tags = {f"ganpipe.slot.{stage}": word, f"ganpipe.digest.{stage}": content.digest, **content.tags}
        self.send_points(curve, tags | ({"ganpipe.non_finite": ", ".join(sorted(lost))} if lost else {}))

    def _send_picture(self, picture: Picture) -> None:
        image = picture.load()
        if image is not None and (picture.key, picture.step) not in self._pictures:
            self._store.log_picture(self._row.id, picture, image)
            self._pictures.add((picture.key, picture.step))

    def _curve(self, key: str) -> dict[int, float]:
        if key not in self._curves:
            self._curves[key] = self._store.curve(self._row.id, key) if key in self._row.metrics else {}
        return self._curves[key]

    @cached_property
    def _pictures(self) -> set[tuple[str, int]]:
        return self._store.pictures(self._row.id)
