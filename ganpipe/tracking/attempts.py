"""Which MLflow run an experiment gets, and what may be written to it.

Runs are found by the tag `ganpipe.key`, the fingerprint of the experiment, and never by a stored run id. Each new run
of one experiment is its next attempt. "The same outputs" are files of the same bytes as those the run holds.

| situation                    | the same outputs, or no outputs in a run   | other outputs                        |
|------------------------------|--------------------------------------------|--------------------------------------|
| the experiment has no run    | a new run, filled with all earlier outputs | -                                    |
| the training was interrupted | the same run goes on                       | -                                    |
| sampling or evaluating       | the newest run that holds the same earlier | a new attempt, filled with the       |
|                              | outputs; what it lacks is added            | earlier outputs                      |
| a finished stage is repeated | nothing is written                         | a new attempt; a tag of the old run  |
|                              |                                            | names the one that supersedes it     |

A later stage that DVC finds up to date and skips writes nothing: its outputs are taken over when an earlier one ends.
The outputs of a stage, once complete in a run, are never overwritten with others.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from ganpipe.config import Params
from ganpipe.identity import Identity
from ganpipe.tracking import pipeline, run_metadata
from ganpipe.tracking.entries import Entry, Point, Text
from ganpipe.tracking.locations import run_lock
from ganpipe.tracking.run_writer import RunWriter
from ganpipe.tracking.stage_outputs import STAGES, StageOutputs, read_outputs
from ganpipe.tracking.store import Store, StoredRun
from ganpipe.words import masked


class StageRecorder:
    """Writes what one stage reports to the run of its experiment; a `background.Sink`.

    While a stage repeats finished work, its entries are held back until `publish` shows whether its outputs are new.
    """

    def __init__(
        self, store: Store, stage: str, params: Params, identity: Identity, names: Sequence[str] | None = None
    ) -> None:
        """`names` are those of the experiment in DVC; None: the one under which DVC runs it, if it does."""
        self._store, self._stage, self._params, self._identity = store, stage, params, identity
        running = run_metadata.experiment_name()
        self._names = list(names) if names is not None else [running] if running else []
        self._earlier = STAGES[: STAGES.index(stage)]
        self._run: StoredRun | None = None
        self._writer: RunWriter | None = None  # None also while finished work is repeated
        self._lock: FileLock | None = None
        self._to_replay: deque[str] = deque()
        self._held: deque[Entry | Sequence[Point]] = deque()

    @property
    def answered(self) -> int:
        """How many calls the store has answered so far."""
        return self._store.answered

    @property
    def address(self) -> str:
        """Where the run that this stage wrote is to be seen, where the store is a server; empty otherwise."""
        return self._store.address(self._run.id) if self._run is not None and self._writer is not None else ""

    def open(self) -> None:
        """Find or make the run, and complete it with the outputs of earlier stages. Does nothing the second time."""
        if self._run is None:
            with self._store.locked():
                self._store.connect()
                close_dead_runs(self._store)
                self._choose(self._store.attempts(self._identity.experiment))
        self._catch_up()

    def send_points(self, given: Sequence[Point]) -> None:
        """Write metrics."""
        if self._writer is None:
            self._held.append(given)
        else:
            self._writer.send_points(given)

    def send(self, entry: Entry) -> None:
        """Write anything but metrics."""
        if self._writer is None:
            self._held.append(entry)
        else:
            self._writer.send(entry)

    def publish(self, stage: str) -> None:
        """Write the outputs of the finished `stage`; a repetition with other outputs moves to a new run first.

        Later stages that DVC will find up to date, and skip, are written too.
        """
        outputs = read_outputs(stage)
        if outputs is None or self._run is None:
            return
        if self._writer is None and not self._run.agrees(stage, outputs):
            with self._store.locked():
                self._create(self._store.attempts(self._identity.experiment), source=self._run)
        self._catch_up()
        if self._writer is not None:
            self._writer.send_outputs(stage, outputs, "done")
        self._take_over(STAGES[STAGES.index(stage) + 1 :])

    def refresh(self, stages: Sequence[str], commit: str = "") -> str:
        """Build or complete the run from the files of these finished stages; return in one line what was done.

        `commit` is that of DVC's experiment, where the files are its own.
        """
        outputs = _outputs_of(stages)
        with self._store.locked():
            self._store.connect()
            close_dead_runs(self._store)
            attempts = self._store.attempts(self._identity.experiment)
            run = _newest_agreeing(attempts, outputs)
            if run is not None and run.status == "RUNNING" and not all(map(run.has_outputs, STAGES)):
                return f"run {run.name} is being written by a running stage: nothing to do"
            missing = [stage for stage in outputs if run is None or not run.has_outputs(stage)]
            if run is not None and not missing:
                return self._complete(run, commit)
            run = self._continue(run) if run else self._create(attempts, source=attempts[-1] if attempts else None)
        for stage in missing:
            RunWriter(self._store, run).send_outputs(stage, outputs[stage], "replayed")
        if commit:
            self._store.log(run.id, (), {"dvc.exp.commit": commit})
        self.close("FINISHED")
        return f"run {run.name}: added {', '.join(missing)}"

    def _complete(self, run: StoredRun, commit: str) -> str:
        """Give a run that lacks no outputs its status and names; return in one line what was done."""
        tags = self._new_names(run) | ({"dvc.exp.commit": commit} if commit else {})
        if tags:
            self._store.log(run.id, (), tags)
        if run.status == "FINISHED":
            return f"run {run.name} is up to date"
        self._store.set_status(run.id, "FINISHED")
        return f"run {run.name} is complete: {run.status} is now FINISHED"

    def _take_over(self, later: Sequence[str]) -> None:
        """Write the outputs of later stages that the run lacks and DVC will not compute again."""
        run = self._run
        lacking = [stage for stage in later if run is not None and not run.has_outputs(stage)]
        found = _outputs_of(pipeline.up_to_date(lacking)) if lacking else {}
        if run is None or not found:
            return
        if self._writer is None:
            self._held.clear()  # the same work again
            with self._store.locked():
                self._continue(run)
            self._catch_up()
        for stage, outputs in found.items():
            RunWriter(self._store, run).send_outputs(stage, outputs, "replayed")

    def close(self, status: str) -> None:
        """Set the final status, unless nothing was written to the run or another process writes to it, too."""
        if self._run is None or self._lock is None or not self._lock.is_locked:
            return
        with self._store.locked():
            self._store.set_status(self._run.id, status)
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def _choose(self, attempts: Sequence[StoredRun]) -> None:
        """Apply the table at the top of the file to the runs of this experiment, first attempt first."""
        if self._stage == "train" and attempts and not attempts[-1].has_outputs("train"):
            self._continue(attempts[-1], resumed=True)
            return
        run = _newest_agreeing(attempts, _outputs_of(self._earlier))
        if run is None:
            self._create(attempts, source=attempts[-1] if attempts else None)
        elif run.has_outputs(self._stage):
            self._run = run
        else:
            self._continue(run)

    def _create(self, attempts: Sequence[StoredRun], source: StoredRun | None = None) -> StoredRun:
        """Make the next attempt; `source` is the run whose work it repeats with other outputs."""
        attempt = attempts[-1].attempt + 1 if attempts else 1
        diff = run_metadata.code_diff()
        tags = run_metadata.run_tags(self._stage, self._params, self._identity, dirty=bool(diff), names=self._names)
        tags |= {"ganpipe.attempt": str(attempt)} | ({"ganpipe.source_run": source.id} if source else {})
        name = run_metadata.run_name(self._params, self._identity, self._names, attempt)
        run = self._store.create(name, tags)
        self._take(run, {"mlflow.note.content": run_metadata.note(self._params, self._names, run.id)})
        if diff:
            self._store.log_text(run.id, Text(diff, run_metadata.CODE_DIFF))
        if attempts:
            self._store.log(attempts[-1].id, (), {"ganpipe.superseded_by": run.id})
        return run

    def _continue(self, run: StoredRun, resumed: bool = False) -> StoredRun:
        """Go on writing to the run of an earlier stage, or of an interrupted training (`resumed`)."""
        tags = self._new_names(run)
        if resumed:
            tags["ganpipe.resumed"] = str(int(run.tags.get("ganpipe.resumed", "0")) + 1)
        self._take(run, tags)
        self._store.set_status(run.id, "RUNNING")
        return run

    def _new_names(self, run: StoredRun) -> dict[str, str]:
        """Return the tag with all names of the experiment in DVC, empty if the run has them."""
        known = json.loads(run.tags.get("dvc.exp.names", "[]"))
        new = [name for name in self._names if name not in known]
        return {"dvc.exp.names": json.dumps([*known, *new])} if new else {}

    def _take(self, run: StoredRun, tags: Mapping[str, str]) -> None:
        """Lock `run`, so that no other process takes it for dead; log its params, and the files that make it again."""
        lock = run_lock(run.id)
        if self._lock is None or Path(self._lock.lock_file) != lock:
            self._lock = _hold(lock)
        if not run.described:
            params = run_metadata.run_params(self._params)
            self._store.describe(run.id, params, self._params.data.name, self._identity.data)
        for path in run_metadata.RECIPE_FILES:
            if path.is_file():
                text = masked(path.read_text(encoding="utf-8", errors="replace"))
                self._store.log_text(run.id, Text(text, f"{run_metadata.RECIPE_FOLDER}/{path}"))
        writer = {"ganpipe.host": run_metadata.host(), "ganpipe.lock": str(lock), "ganpipe.stage": self._stage}
        self._store.log(run.id, (), {**tags, **writer})
        self._to_replay = deque(stage for stage in self._earlier if not run.has_outputs(stage))
        self._run, self._writer = run, RunWriter(self._store, run)

    def _catch_up(self) -> None:
        """Write the outputs of earlier stages that the run lacks, then the entries that were held back."""
        if self._writer is None:
            return
        while self._to_replay:  # a stage leaves the queue when its outputs are written: an outage is taken up here
            if outputs := read_outputs(self._to_replay[0]):
                self._writer.send_outputs(self._to_replay[0], outputs, "replayed")
            self._to_replay.popleft()
        while self._held:
            held = self._held.popleft()
            if isinstance(held, Entry):
                self._writer.send(held)
            else:
                self._writer.send_points(held)


def close_dead_runs(store: Store) -> None:
    """Close the runs of this machine whose status is RUNNING although their process is gone.

    A run is FINISHED if the outputs of the stage that wrote it last are complete, and of all before; else KILLED.
    """
    for run in store.running(run_metadata.host()):
        if _is_free(Path(run.tags.get("ganpipe.lock") or run_lock(run.id))):
            last = STAGES.index(run.tags.get("ganpipe.stage", STAGES[-1]))
            complete = all(run.has_outputs(stage) for stage in STAGES[: last + 1])
            store.set_status(run.id, "FINISHED" if complete else "KILLED")


def matching_run(attempts: Sequence[StoredRun]) -> StoredRun | None:
    """Return the newest of these attempts that holds the outputs in the current folder."""
    return _newest_agreeing(attempts, _outputs_of(STAGES))


def _outputs_of(stages: Sequence[str]) -> dict[str, StageOutputs]:
    return {stage: outputs for stage in stages if (outputs := read_outputs(stage))}


def _newest_agreeing(attempts: Sequence[StoredRun], outputs: Mapping[str, StageOutputs]) -> StoredRun | None:
    return next((run for run in reversed(attempts) if all(run.agrees(*item) for item in outputs.items())), None)


def _hold(path: Path) -> FileLock:
    """Lock a file for as long as this process lives. If another process holds it, both write, and the lock stays free.

    The caller asks `is_locked`.
    """
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
