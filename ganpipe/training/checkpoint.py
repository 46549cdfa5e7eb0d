"""Checkpoints of trainings in progress, in `<main checkout>/.ganpipe/checkpoints/<train fingerprint>/`.

They are no DVC outs: DVC deletes outs before a stage, and a `persist: true` out would pass the weights of one
experiment on to the next. A training with another learning rate has another fingerprint, so it never finds them. The
same training in a copy of the checkout, which DVC makes for its queue, does.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from ganpipe.core.system import System
from ganpipe.errors import CheckpointError
from ganpipe.faults import explained
from ganpipe.files import replacing, sha256_of, write_bytes
from ganpipe.sampling.published import published_state
from ganpipe.training import sealed

FORMAT = "ganpipe/checkpoint/4"


class Checkpoints:
    """The checkpoints of one training, held by one process at a time."""

    def __init__(self, root: Path, fingerprint: str) -> None:
        self.folder = root / "checkpoints" / fingerprint
        self.fingerprint = fingerprint
        self._last, self._previous = self.folder / "last.pt", self.folder / "previous.pt"
        self._published = self.folder / "published.md5"

    @property
    def previews(self) -> Path:
        """The folder of preview pictures until the training ends; a resumed training finds the earlier ones there."""
        return self.folder / "previews"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock during the block. Prints a line if it has to wait for another process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print("The same training is running in another process: waiting for it to end.", flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _lock(self) -> FileLock:
        return FileLock(self.folder.with_suffix(".lock"), is_singleton=False)

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint completely, then put it in place; the previous one stays as a fallback.

        Raises `CheckpointError` if the machine does not take it, for example on a full disk; earlier ones stay.
        """
        content = {"format": FORMAT, "fingerprint": self.fingerprint, **state}
        try:
            with replacing(self._last) as part:
                sealed.save(content, part)
                if self._last.exists():
                    self._last.replace(self._previous)
        except (OSError, RuntimeError) as error:
            reason = explained(error)
            if reason is None:
                raise
            raise CheckpointError(f"no checkpoint can be written: {reason}") from None

    def keep_for_inspection(self, state: Mapping[str, Any]) -> Path | None:
        """Write what a training was that went wrong to a file of its own; None where the machine takes it not."""
        path = self.folder / "diverged.pt"
        try:
            with replacing(path) as part:
                sealed.save(state, part)
        except (OSError, RuntimeError):
            return None
        return path

    def load(self) -> dict[str, Any] | None:
        """Return the newest checkpoint that is whole, with the previews it counts on; None if there is no file.

        Raises `CheckpointError` if there are files and none is whole.
        """
        found = [path for path in (self._last, self._previous) if path.exists()]
        for path in found:
            state = self._read(path)
            if state is not None:
                return state
        if found:
            raise CheckpointError(
                f"{self.folder}: no checkpoint in it is whole; delete the folder to train from the start"
            )
        return None

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            state = sealed.load(path)
        except sealed.Damaged as damage:
            print(f"{path} is damaged ({damage}): trying the one before.", flush=True)
            return None
        if state.get("format") != FORMAT or state.get("fingerprint") != self.fingerprint:
            return None
        if lost := self.lost_preview(state.get("previews", {})):
            print(f"{path} counts on {lost}, which is missing or damaged: trying the one before.", flush=True)
            return None
        return state

    def lost_preview(self, previews: Mapping[str, str]) -> Path | None:
        """Return a preview that is missing or has not the SHA-256 given by its name; None if all are whole."""
        for name, wanted in previews.items():
            path = self.previews / name
            if not path.is_file() or sha256_of(path) != wanted:
                return path
        return None

    def note_published(self, weights: Path) -> None:
        """Keep the MD5 of the published weights, as `is_recorded` looks for it."""
        write_bytes(self._published, hashlib.md5(weights.read_bytes(), usedforsecurity=False).hexdigest().encode())

    def is_recorded(self, dvc_lock: Path) -> bool:
        """Return whether dvc.lock has the MD5 of the published weights. If so, a new call of the stage trains anew."""
        if not (self._published.exists() and dvc_lock.exists()):
            return False
        return self._published.read_text() in dvc_lock.read_text(encoding="utf-8")

    def discard(self) -> None:
        """Delete the checkpoints and previews, unless the same training is running again in another process."""
        try:
            with self._lock().acquire(timeout=0):
                self.start_afresh()
        except Timeout:
            return

    def start_afresh(self) -> None:
        """Delete the checkpoints and previews, while holding the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)


class BestGenerator:
    """The published state with the lowest score so far; part of a checkpoint."""

    def __init__(self) -> None:
        self.score = float("inf")
        self._weights: dict[str, Tensor] = {}

    def offer(self, score: float, system: System) -> None:
        """Keep a copy of the published state of `system` if its score is the lowest so far."""
        if score < self.score:
            self.score = score
            self._weights = {name: value.detach().clone() for name, value in published_state(system).items()}

    def put_into(self, system: System) -> None:
        """Give `system` the best published state, if any was offered."""
        system.load_state_dict(self._weights, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score and its weights."""
        return {"score": self.score, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.score, self._weights = state["score"], dict(state["weights"])
