"""Which row of the MLflow table an experiment gets, and what may be written to it.

The rules, for rows found by the tag `ganpipe.key` and never by a stored run id:

    no row yet                      a new one, filled from files with all that earlier stages left
    training was interrupted        the same row goes on
    sampling or evaluating          the newest attempt made of the same files, completed where something is missing
    any stage though finished       nothing for the same numbers; for others a new attempt, by which the old row says
                                    that it is superseded

A slot that is filled is never written with other values.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ganpipe.config import Params
from ganpipe.identity import Identity
from ganpipe.tracking import run_metadata as description
from ganpipe.tracking.entries import Note, Point, Text
from ganpipe.tracking.locations import row_lock
from ganpipe.tracking.run_writer import Found, Writer
from ganpipe.tracking.stage_outputs import STAGES, Content, read_slot

if TYPE_CHECKING:
    from ganpipe.tracking.store import Store


class Record:
    """The row of one experiment while one stage writes to it: what the courier delivers to.

    What a stage says while it repeats finished work is held back until `publish` shows whether its numbers are new.
    """

    def __init__(self, store: Store, stage: str, params: Params, identity: Identity) -> None:
        self._store, self._stage, self._params, self._identity = store, stage, params, identity
        self._earlier = STAGES[: STAGES.index(stage)]
        self._row: Found | None = None
        self._writer: Writer | None = None  # None also while finished work is repeated
        self._lock: FileLock | None = None
        self._to_replay: deque[str] = deque()
        self._held: deque[Note | Sequence[Point]] = deque()

    def open(self) -> None:
        """Find or make the row, and complete it with what earlier stages left. Does nothing the second time."""
        if self._row is None:
            with self._store.locked():
                self._store.connect()
                close_dead_rows(self._store)
                self._choose(self._store.rows(self._identity.experiment))
        self._catch_up()

    def send_points(self, given: Sequence[Point]) -> None:
        """Write metrics."""
        if self._writer is None:
            self._held.append(given)
        else:
            self._writer.send_points(given)

    def send(self, note: Note) -> None:
        """Write anything but metrics."""
        if self._writer is None:
            self._held.append(note)
        else:
            self._writer.send(note)

    def publish(self, stage: str) -> None:
        """Fill the slot of the finished `stage`; a repetition with other numbers moves to a new row first."""
        content = read_slot(stage)
        if content is None or self._row is None:
            return
        if self._writer is None and not self._row.agrees(stage, content):
            with self._store.locked():
                self._create(self._store.rows(self._identity.experiment), source=self._row)
        self._catch_up()
        if self._writer is not None:
            self._writer.fill(stage, content, "done")

    def refresh(self, stages: Sequence[str]) -> str:
        """Build or complete the row from the files of these finished stages; return in one line what was done."""
        contents = {stage: content for stage in stages if (content := read_slot(stage))}
        with self._store.locked():
            self._store.connect()
            close_dead_rows(self._store)
            rows = self._store.rows(self._identity.experiment)
            row = next((row for row in reversed(rows) if _agrees(row, contents)), None)
            if row is not None and row.status == "RUNNING":
                return f"row {row.name} is being written by a running stage: nothing to do"
            missing = [stage for stage in contents if row is None or not row.filled(stage)]
            if row is not None and not missing:
                return f"row {row.name} is up to date"
            row = self._continue(row) if row else self._create(rows, source=rows[-1] if rows else None)
        for stage in missing:
            Writer(self._store, row).fill(stage, contents[stage], "replayed")
        self.close("FINISHED")
        return f"row {row.name}: added {', '.join(missing)}"

    def close(self, status: str) -> None:
        """Give the row its final status, unless nothing was written to it or another process is writing to it, too."""
        if self._row is None or self._lock is None or not self._lock.is_locked:
            return
        with self._store.locked():
            self._store.set_status(self._row.id, status)
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def _choose(self, rows: Sequence[Found]) -> None:
        """Apply the rules at the top of the file to the rows of this experiment, oldest attempt first."""
        if self._stage == "train" and rows and not rows[-1].filled("train"):
            self._continue(rows[-1], resumed=True)
            return
        earlier = {stage: content for stage in self._earlier if (content := read_slot(stage))}
        row = next((row for row in reversed(rows) if _agrees(row, earlier)), None)
        if row is None:
            self._create(rows, source=rows[-1] if rows else None)
        elif row.filled(self._stage):
            self._row = row
        else:
            self._continue(row)

    def _create(self, rows: Sequence[Found], source: Found | None = None) -> Found:
        """Make the next attempt; `source` is the row whose work it repeats with other numbers."""
        attempt = rows[-1].attempt + 1 if rows else 1
        diff = description.code_diff()
        tags = description.row_tags(self._stage, self._params, self._identity, dirty=bool(diff))
        tags |= {"ganpipe.attempt": str(attempt)} | ({"ganpipe.source_run": source.id} if source else {})
        row = self._store.create(description.row_name(self._params, self._identity, attempt), tags)
        self._take(row, {})
        if diff:
            self._store.log_text(row.id, Text(diff, "code.diff"))
        if rows:
            self._store.log(rows[-1].id, (), {"ganpipe.superseded_by": row.id})
        return row

    def _continue(self, row: Found, resumed: bool = False) -> Found:
        """Write on in a row that an earlier stage or an interrupted one has left."""
        names, name = json.loads(row.tags.get("dvc.exp.names", "[]")), description.experiment_name()
        tags = {"dvc.exp.names": json.dumps([*names, name])} if name and name not in names else {}
        if resumed:
            tags["ganpipe.resumed"] = str(int(row.tags.get("ganpipe.resumed", "0")) + 1)
        self._take(row, tags)
        self._store.set_status(row.id, "RUNNING")
        return row

    def _take(self, row: Found, tags: Mapping[str, str]) -> None:
        """Make `row` the one to write to: locked, so that nobody takes it for dead, and described if it is not yet."""
        lock = row_lock(row.id)
        if self._lock is None or Path(self._lock.lock_file) != lock:
            self._lock = _hold(lock)
        if not row.described:
            params = description.row_params(self._params)
            self._store.describe(row.id, params, self._params.data.name, self._identity.data)
        self._store.log(row.id, (), {**tags, "ganpipe.host": description.host(), "ganpipe.lock": str(lock)})
        self._to_replay = deque(stage for stage in self._earlier if not row.filled(stage))
        self._row, self._writer = row, Writer(self._store, row)

    def _catch_up(self) -> None:
        """Complete the row with what earlier stages left, then with what was held back."""
        if self._writer is None:
            return
        while self._to_replay:  # a slot leaves the queue when it is filled: after an outage this goes on here
            if content := read_slot(self._to_replay[0]):
                self._writer.fill(self._to_replay[0], content, "replayed")
            self._to_replay.popleft()
        while self._held:
            said = self._held.popleft()
            if isinstance(said, Note):
                self._writer.send(said)
            else:
                self._writer.send_points(said)


def close_dead_rows(store: Store) -> None:
    """Mark rows of this machine as killed that say they are running but whose process is gone."""
    for row in store.running(description.host()):
        if _is_free(Path(row.tags.get("ganpipe.lock") or row_lock(row.id))):
            store.set_status(row.id, "KILLED")


def matching_row(rows: Sequence[Found]) -> Found | None:
    """Return the newest of these attempts that holds what the stages left in the current folder."""
    contents = {stage: content for stage in STAGES if (content := read_slot(stage))}
    return next((row for row in reversed(rows) if _agrees(row, contents)), None)


def _agrees(row: Found, contents: Mapping[str, Content]) -> bool:
    return all(row.agrees(stage, content) for stage, content in contents.items())


def _hold(path: Path) -> FileLock:
    """Lock a file for as long as this process lives; not locked if another process holds it: both may write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    with contextlib.suppress(Timeout):
        lock.acquire(blocking=False)
    return lock


def _is_free(path: Path) -> bool:
    if not path.exists():
        return True
    lock = _hold(path)
    if not lock.is_locked:
        return False
    path.unlink(missing_ok=True)
    lock.release()
    return True
