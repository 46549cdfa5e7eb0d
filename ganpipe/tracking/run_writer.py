"""Writing into one MLflow run, each thing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from ganpipe.tracking.entries import Entry, File, Picture, Point, Tags, Text, now, points
from ganpipe.tracking.stage_outputs import StageOutputs
from ganpipe.tracking.store import Store, StoredRun


class RunWriter:
    """Writes into one run. What the run already has is skipped, so an interrupted write can simply be repeated."""

    def __init__(self, store: Store, run: StoredRun) -> None:
        self._store = store
        self._run = run
        self._curves: dict[str, dict[int, float]] = {}

    def send_points(self, given: Sequence[Point], tags: Mapping[str, str] | None = None) -> None:
        """Write those points that the run does not have; the tags appear together with the last of them."""
        new = [point for point in given if self._curve(point.key).get(point.step) != point.value]
        if new or tags:
            self._store.log(self._run.id, new, tags or {})
        for point in new:
            self._curves[point.key][point.step] = point.value

    def send(self, entry: Entry) -> None:
        """Write anything but points."""
        match entry:
            case Picture():
                self._send_picture(entry)
            case File():
                self._store.log_file(self._run.id, entry)
            case Text():
                self._store.log_text(self._run.id, entry)
            case Tags():
                self._store.log(self._run.id, (), entry.values)

    def send_outputs(self, stage: str, outputs: StageOutputs, state: str) -> None:
        """Write all outputs of `stage`, then the tag that says so: `state` is "done" or "replayed"."""
        entries: list[Entry] = [*outputs.files, *outputs.pictures]
        for entry in entries:
            self.send(entry)
        curve: list[Point] = []
        lost: set[str] = set()
        moment = now()
        for step, values in outputs.curve:
            kept, not_finite = points(values, step, moment)
            curve += kept
            lost |= set(not_finite)
        tags = {f"ganpipe.slot.{stage}": state, f"ganpipe.digest.{stage}": outputs.digest, **outputs.tags}
        self.send_points(curve, tags | ({"ganpipe.non_finite": ", ".join(sorted(lost))} if lost else {}))

    def _send_picture(self, picture: Picture) -> None:
        image = picture.load()
        if image is not None and (picture.key, picture.step) not in self._pictures:
            self._store.log_picture(self._run.id, picture, image)
            self._pictures.add((picture.key, picture.step))

    def _curve(self, key: str) -> dict[int, float]:
        if key not in self._curves:
            self._curves[key] = self._store.curve(self._run.id, key) if key in self._run.metrics else {}
        return self._curves[key]

    @cached_property
    def _pictures(self) -> set[tuple[str, int]]:
        return self._store.pictures(self._run.id)
