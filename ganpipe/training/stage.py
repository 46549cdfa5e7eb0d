"""The train stage: from packed data and params to a published generator."""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganpipe import config, identity, paths
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.errors import CheckpointError, DataError, TrainingDiverged
from ganpipe.files import sha256_of, write_json
from ganpipe.history.diagnosis import Finding, as_json
from ganpipe.history.panels import draw_curves
from ganpipe.history.table import History, Row
from ganpipe.machine import memory_explained, peak_memory, prepare_device
from ganpipe.metrics.rows_needed import require_rows
from ganpipe.pictures import save_evolution, save_png
from ganpipe.progress import progress, say
from ganpipe.sampling.published import publish_generator
from ganpipe.training import distributed
from ganpipe.training.checkpoint import BestGenerator, Checkpoints
from ganpipe.training.checks import require_disk_space, require_fitting_output, require_sound_declarations
from ganpipe.training.failures import FailureMonitor, Stopped
from ganpipe.training.finished import Finished, restore_previews
from ganpipe.training.forecast import Forecast
from ganpipe.training.in_training_score import Scorer
from ganpipe.training.loop import Trainer
from ganpipe.training.prepared import prepare
from ganpipe.training.shown import Shown
from ganpipe.training.stopping import Stop, stopping

_PREVIEW = "kimg-{:09.3f}.png"


@dataclass(frozen=True)
class Listeners:
    """Callbacks of a running training. Rank 0 alone calls them, and they must not raise."""

    row: Callable[[Row, int], None] = lambda row, nimg: None
    preview: Callable[[Path, int], None] = lambda picture, nimg: None
    finding: Callable[[Sequence[Finding]], None] = lambda findings: None  # all findings so far, the new one last
    memory: Callable[[Mapping[str, float], int], None] = lambda peak, nimg: None  # of the finished training, MiB


def train(
    params: config.Params,
    fingerprint: str,
    packed: Path,
    into: Path,
    state: Path,
    listeners: Listeners = Listeners(),
    family: str | None = None,
) -> None:
    """Train the system of `params` on the data in the folder `packed`.

    Publishes generator, previews, history, curves and findings in the folder `into`. Checkpoints lie in the folder
    `state`, under `fingerprint` and the hashes of frozen networks. The training continues from its newest checkpoint,
    and its files are the same as those of an uninterrupted training, byte for byte. Without a checkpoint it continues
    from the end of a shorter training of the same `family`, the fingerprint without `train.kimg` (None: of no one). Not
    so with `train.lr_decay_from_kimg`: there the learning rate of all images depends on `train.kimg`. With
    `train.start_from` the weights to begin with are those in the folder `start` of `into`. Raises `ConfigError` if
    system and data do not fit, `PreflightError` if the outputs do not fit the data, `DataError` for damaged data or a
    full disk, `TrainingDiverged` (also for a finding if `train.on_failure` is `stop`), `CheckpointError` and
    `OutOfMemory`.
    """
    device = prepare_device(params.runtime)
    with distributed.process_group(device), memory_explained(params.train):
        data = Packed.open(packed / paths.PACKED_FILE.name)
        distributed.once_per_machine(data.verify)
        if not distributed.same_everywhere(data.content_sha256):
            raise DataError(f"{data.path}: other data than on the other machines; copy one data/packed to all")
        require_rows(params, data)
        prepared = prepare(params, data, device, into / paths.START.name)
        training = named_after_frozen(fingerprint, prepared.system)
        trainer = Trainer(prepared.system, params.train, prepared.sampler.fetch)
        checkpoints = Checkpoints(state, training)
        require_sound_declarations(prepared.system)
        require_fitting_output(prepared.system, prepared.given)
        require_disk_space(trainer, checkpoints.folder)
        shown = Shown(prepared.system, data, prepared.given, params.train.seed)
        finished = None
        if family is not None and params.train.lr_decay_from_kimg is None:
            finished = Finished(state, named_after_frozen(family, prepared.system))
        run = _Run(trainer, shown, checkpoints, finished, listeners, params.runtime.checkpoint_seconds, into)
        run.to_the_end(training, prepared.started_from)


def named_after_frozen(fingerprint: str, system: System) -> str:
    """Return the fingerprint extended by the hashes of frozen networks; unchanged without frozen networks."""
    frozen = system.frozen_sha256
    return identity.fingerprint({"train": fingerprint, "frozen": frozen}) if frozen else fingerprint


@dataclass
class _Run:
    """One training from its newest checkpoint to its end, with its log points, previews, scores and checkpoints."""

    trainer: Trainer
    shown: Shown
    checkpoints: Checkpoints
    finished: Finished | None
    listeners: Listeners
    checkpoint_seconds: float
    into: Path
    best: BestGenerator = field(default_factory=BestGenerator)
    _previews: dict[str, str] = field(default_factory=dict)  # the SHA-256 of each so far, by name
    _saved_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        told = self.listeners if distributed.rank() == 0 else Listeners()
        self.failures = FailureMonitor(self.trainer.history, self.trainer.train.on_failure, told.finding)

    def to_the_end(self, fingerprint: str, started_from: str | None) -> None:
        """Resume if possible, iterate until `train.kimg` images are shown, save the last checkpoint and publish."""
        with self.checkpoints.lock() if distributed.rank() == 0 else contextlib.nullcontext():
            self._resume()
            with self.failures.recording_divergence(lambda: self.trainer.nimg / 1000), distributed.rank_0_fails_first():
                self._iterate()
            distributed.from_rank_0(lambda: self._end(fingerprint, started_from))

    def _end(self, fingerprint: str, started_from: str | None) -> None:
        self._save()
        self._publish(fingerprint, started_from)

    def _save(self) -> None:
        self.checkpoints.save({**self.trainer.state(), "best": self.best.state_dict(), "previews": self._previews})

    def _publish(self, fingerprint: str, started_from: str | None) -> None:
        """Write previews, history, curves, findings and the generator to the folder `into`."""
        history, found = self.trainer.history, self.failures.findings
        previews, model = self.into / paths.PREVIEWS.name, self.into / paths.MODEL.name
        if lost := self.checkpoints.lost_preview(self._previews):
            raise CheckpointError(f"{lost}: was deleted or damaged while the training ran; start it again")
        shutil.rmtree(previews, ignore_errors=True)
        previews.mkdir()
        for name in self._previews:
            shutil.copyfile(self.checkpoints.previews / name, previews / name)
        save_evolution(sorted(previews.iterdir()), previews, self.shown.kind)
        history.write_csv(self.into / paths.HISTORY.name)
        write_json(self.into / paths.FINDINGS.name, as_json(found))
        marks = {finding.name: finding.kimg for finding in found}
        draw_curves(self.into / paths.CURVES.name, history.rows, self.trainer.system.ideal, marks)
        with self.trainer.ema.applied(self.trainer.system) as system:
            if self.trainer.train.publish == "best":
                self.best.put_into(system)
            publish_generator(system, model, fingerprint, started_from)
        self.checkpoints.note_published(model / "generator.safetensors")
        self._report()

    def _report(self) -> None:
        """Pass the peak memory to the listeners, and print it with the findings as the last line of the training."""
        peak, names = peak_memory(self.trainer.system.device), [finding.name for finding in self.failures.findings]
        self.listeners.memory(peak, self.trainer.nimg)
        needed = " and ".join(f"{mib:.0f} MiB of {kind.upper()} memory" for kind, mib in peak.items())
        say(f"Peak: {needed}. Signs of failure: {', '.join(names) or 'none'}.")

    def _resume(self) -> None:
        if distributed.rank() == 0 and self.checkpoints.is_recorded(paths.LOCK):
            self.checkpoints.start_afresh()
        state = distributed.from_rank_0(self.checkpoints.load)  # other machines may have an older one, or no file
        if state is not None:
            self.trainer.restore(state)
            self._restore_beside(state)
            self._say(f"Resuming at {self.trainer.nimg / 1000:g} of {self.trainer.train.kimg:g} kimg.")
        elif self.finished is not None:
            self._continue_shorter(self.finished)

    def _continue_shorter(self, finished: Finished) -> None:
        """Continue from the end of a shorter training, if there is one, and tell the listeners what it told."""
        state = distributed.from_rank_0(lambda: finished.shorter_than(self.trainer.total_nimg))
        if state is None:
            return
        self.trainer.restore(state)
        self._restore_beside(state | {"previews": {}})  # they are brought here first
        kimg = f"{self.trainer.nimg / 1000:g} of {self.trainer.train.kimg:g} kimg"
        self._say(f"Continuing at {kimg}, where a training with a lower train.kimg ended.")
        if distributed.rank() == 0:
            for path in restore_previews(state, self.checkpoints.previews):
                self._previews[path.name] = sha256_of(path)
                self.listeners.preview(path, round(1000 * float(path.stem.removeprefix("kimg-"))))
            for row in self.trainer.history.rows:
                self.listeners.row(row, round(1000 * row["kimg"]))
            if self.failures.findings:
                self.listeners.finding(self.failures.findings)

    def _restore_beside(self, state: Mapping[str, Any]) -> None:
        """Restore what a checkpoint holds beside the trainer."""
        self._previews = dict(state["previews"])
        self.best.load_state_dict(state["best"])
        self.failures.restore()

    def _say(self, line: str) -> None:
        if distributed.rank() == 0:
            print(line, flush=True)

    def _iterate(self) -> None:
        trainer = self.trainer
        scorer = self._scorer() if trainer.nimg < trainer.total_nimg else None  # early, because it may fail
        with progress("Training", total=trainer.total_nimg, unit="img", initial=trainer.nimg) as bar:
            losses: dict[str, float] = {}
            forecast = Forecast(trainer)
            if trainer.nimg == 0:
                self._preview()  # the diversity of an untrained generator, all of whose samples are grey, says nothing
            if trainer.train.on_nonfinite == "rollback":
                distributed.from_rank_0(self._save)  # or there may be nothing to go back to
            with stopping() as stop:
                while trainer.nimg < trainer.total_nimg:
                    before = trainer.nimg
                    try:
                        trainer.iterate()
                        forecast.tell_once()
                        after = functools.partial(self._after, before, scorer)
                        closed, asked = distributed.together(after, stop.asked is not None)
                    except TrainingDiverged as error:
                        self._go_back(error)
                        closed, asked = {}, False
                    losses = closed or losses
                    bar.advance(trainer.nimg - before, **losses)
                    if asked:
                        self._stop_early(stop)
                        break

    def _after(self, before: int, scorer: Scorer | None) -> dict[str, float]:
        """Do what is due after an iteration that began after `before` images; return losses for the progress bar."""
        losses = self._mark(before, scorer)
        self._checkpoint_when_due()
        return losses

    def _go_back(self, error: TrainingDiverged) -> None:
        """Keep the state for inspection, and continue from the last checkpoint with the next data.

        Raises the error where `train.on_nonfinite` does not ask for it, and where it was done often enough.
        """
        cfg, count = self.trainer.train, self.trainer.detours.count
        if isinstance(error, Stopped):
            raise error
        if distributed.rank() == 0 and (path := self.checkpoints.keep_for_inspection(self.trainer.as_it_is())):
            say(f"The state that is not finite is kept for inspection in {path}.")
        if cfg.on_nonfinite != "rollback" or count >= cfg.most_rollbacks:
            after = f" (after {count} rollbacks)" if count else ""
            raise TrainingDiverged(f"{error.evidence}{after}", error.remedy) from None
        state = distributed.from_rank_0(self.checkpoints.load)
        assert state is not None, "one is saved before the first step"
        self.trainer.go_back_to(state)
        self._restore_beside(state)
        there = f"{self.trainer.nimg / 1000:g} kimg"
        self._say(f"{error.evidence}: going back to {there}, on with other data ({count + 1} of {cfg.most_rollbacks}).")
        distributed.from_rank_0(self._save)  # a training that is killed now counts this one, too

    def _mark(self, before: int, scorer: Scorer | None) -> dict[str, float]:
        """Preview, score and close a row of the history when it is time, and do all three at the end of the training.

        The last iteration began after `before` images. Returns the losses for the progress bar if a row was closed.
        """
        ended = self.trainer.nimg >= self.trainer.total_nimg
        due = self._due(before)
        now = {"preview", "score", "row"} if ended else due
        best = self.best.state_dict()
        observed = {}
        if "preview" in now:
            observed["preview"] = self._preview()  # before the row is closed: it adds the diversity
        if "score" in now and scorer is not None:
            observed["score"] = self._evaluate(scorer)
        if ended and distributed.rank() == 0 and self.finished is not None:
            self._keep_finished(self.finished, due, observed, self.best.state_dict() if "score" in due else best)
        for values in observed.values():
            self.trainer.history.add(values)
        return self._close_row() if "row" in now else {}

    def _due(self, before: int) -> set[str]:
        """Return for what it is time: the last iteration crossed a multiple of its interval."""
        cfg = self.trainer.train
        every = {"preview": cfg.preview_kimg, "score": cfg.evaluate_kimg, "row": cfg.log_kimg}
        shown = self.trainer.nimg
        return {what for what, kimg in every.items() if kimg and shown // (kimg * 1000) > before // (kimg * 1000)}

    def _keep_finished(
        self, finished: Finished, due: set[str], observed: Mapping[str, Mapping[str, float]], best: Mapping[str, Any]
    ) -> None:
        """Keep the state in which a longer training would be now: with what is `due`, without what the end adds."""
        self.trainer.read_losses()
        history = History()
        history.load_state_dict(self.trainer.history.state_dict())
        for what, values in observed.items():
            history.add(values if what in due else {})
        if "row" in due:
            history.add(self.trainer.troubles)
            history.close_row(self.trainer.nimg / 1000)
        previews = [self.checkpoints.previews / name for name in sorted(self._previews)]
        state = {**self.trainer.state(), "history": history.state_dict(), "best": best}
        finished.keep(state, previews if "preview" in due else previews[:-1])

    def _close_row(self) -> dict[str, float]:
        """Close a row of the history, pass it to the listeners and return the losses for the progress bar."""
        self.trainer.read_losses()
        self.trainer.history.add(self.trainer.troubles)
        row = self.trainer.history.close_row(self.trainer.nimg / 1000)
        if distributed.rank() == 0:
            self.listeners.row(row, self.trainer.nimg)
            self.failures.check_newest_row()
        losses = ("loss_generator", "loss_discriminator")
        return {name.removeprefix("loss_"): row[name] for name in losses if name in row}

    def _preview(self) -> dict[str, float]:
        """Draw the items of all previews with the averaged generator; return their diversity for the history."""
        if distributed.rank() != 0:
            return {}
        nimg = self.trainer.nimg
        with self.trainer.ema.applied(self.trainer.system) as system:
            picture, diversity = self.shown.preview(system)
        path = self.checkpoints.previews / _PREVIEW.format(nimg / 1000)
        save_png(picture, path)
        self._previews[path.name] = sha256_of(path)
        self.listeners.preview(path, nimg)
        return diversity

    def _scorer(self) -> Scorer | None:
        """Return the scorer of `train.evaluate_kimg`; None if it is blank, and in all ranks but 0."""
        if self.trainer.train.evaluate_kimg is None or distributed.rank() != 0:
            return None
        return self.shown.scorer(self.checkpoints.folder)

    def _evaluate(self, scorer: Scorer) -> dict[str, float]:
        """Score the averaged generator. With `train.publish` = `best`, keep a copy of the one with the lowest score."""
        with self.trainer.ema.applied(self.trainer.system) as system:
            score = self.shown.score(system, scorer)
            if score is None:
                return {}
            if self.trainer.train.publish == "best":
                self.best.offer(score, system)
        return {"fd": score}

    def _stop_early(self, stop: Stop) -> None:
        """Save the state of a training that is asked to stop. Ends this process where another one was asked."""
        distributed.from_rank_0(self._save)
        self._say(
            f"Saved at {self.trainer.nimg / 1000:g} of {self.trainer.train.kimg:g} kimg: start it again to go on."
        )
        if stop.asked is None:
            raise SystemExit(128 + signal.SIGTERM)

    def _checkpoint_when_due(self) -> None:
        due = time.monotonic() - self._saved_at >= self.checkpoint_seconds
        if due and distributed.rank() == 0 and self.trainer.nimg < self.trainer.total_nimg:
            self._save()
            self._saved_at = time.monotonic()
