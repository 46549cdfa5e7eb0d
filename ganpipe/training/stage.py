"""The train stage: from packed data and params to a published generator."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ganpipe import config, paths, systems
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import write_json
from ganpipe.history.diagnosis import Finding, as_json
from ganpipe.history.panels import draw_curves
from ganpipe.history.table import Row
from ganpipe.machine import memory_explained, peak_memory, prepare_device
from ganpipe.pictures import save_evolution, save_png, sheet
from ganpipe.progress import progress, say
from ganpipe.sampling.draw import draw, draw_latents, render
from ganpipe.sampling.published import publish_generator
from ganpipe.training import checks as start
from ganpipe.training import distributed
from ganpipe.training.checkpoint import Checkpoints
from ganpipe.training.diversity import Diversity, has_choice
from ganpipe.training.failures import FailureMonitor
from ganpipe.training.in_training_score import Best, Scorer
from ganpipe.training.loop import Trainer

PREVIEW_ITEMS = 64


@dataclass(frozen=True)
class Listeners:
    """Who is told about a training as it goes: rank 0 calls these; they must not raise."""

    row: Callable[[Row, int], None] = lambda row, nimg: None
    preview: Callable[[Path, int], None] = lambda picture, nimg: None
    finding: Callable[[Sequence[Finding]], None] = lambda findings: None  # all so far, the new one last
    memory: Callable[[Mapping[str, float], int], None] = lambda peak, nimg: None  # of the finished training, MiB


def train(params: config.Params, fingerprint: str, listeners: Listeners = Listeners()) -> None:
    """Train the system of `params` on the packed data; publish generator, previews, history and findings under `data/`.

    Takes up the newest checkpoint of the same `fingerprint`, if there is one, and then ends with the very files of an
    uninterrupted training. Raises `ConfigError` where system and data do not fit, `DataError` for damaged data,
    `TrainingDiverged`, also for a finding if `train.on_failure` is `stop`, `CheckpointError`, `OutOfMemory`.
    """
    device = prepare_device(params.runtime)
    with distributed.process_group(device), memory_explained(params.train):
        packed = Packed.open(paths.PACKED_FILE)
        distributed.once_per_machine(packed.verify)
        if not distributed.same_everywhere(packed.content_sha256):
            raise DataError(f"{packed.path}: other data than on the other machines; copy one data/packed to all")
        system, sampler = prepared(params, packed, device)
        trainer = Trainer(system, params.train, sampler.batches)
        checkpoints, seconds = Checkpoints(paths.state_dir(), fingerprint), params.runtime.checkpoint_seconds
        start.describe_output(system)
        start.describe_disk(trainer, checkpoints.folder)
        diversity = Diversity(packed, PREVIEW_ITEMS, params.train.seed)
        run = _Run(trainer, packed, checkpoints, listeners, diversity, seconds)
        run.to_the_end(fingerprint)


def prepared(params: config.Params, packed: Packed, device: torch.device) -> tuple[System, Sampler]:
    """Return the untrained system on its device, and the sampler of this process's batches.

    Raises `ConfigError` where they do not fit each other.
    """
    system = systems.build(params.system, packed.spec, params.train.seed).to(device)
    system = system.to(memory_format=torch.channels_last)  # convolutions a tenth to a fifth faster
    batch, rank, world = _share(params.train, system.smallest_batch), distributed.rank(), distributed.world()
    flip, ram_limit = params.data.flip, params.runtime.ram_limit
    return system, Sampler(packed, batch, params.train.seed, device, rank, world, flip=flip, ram_limit=ram_limit)


def _share(train: config.Train, smallest: int) -> int:
    """Return this process's part of a batch, of which every micro-batch must hold at least `smallest` items."""
    share, rest = divmod(train.batch, distributed.world())
    where = f"params.yaml: train.batch = {train.batch}"
    if rest:
        raise ConfigError(f"{where} does not divide among {distributed.world()} processes")
    count = -(-share // train.micro_batch) if train.micro_batch else 1
    if share // count < smallest:
        raise ConfigError(
            f"{where} with train.micro_batch = {train.micro_batch or 'blank'} leaves {share // count} items at a time, "
            f"but this system needs {smallest}"
        )
    return share


@dataclass
class _Run:
    """One training from its newest checkpoint to its end, with everything that happens now and then."""

    trainer: Trainer
    packed: Packed
    checkpoints: Checkpoints
    listeners: Listeners
    diversity: Diversity
    checkpoint_seconds: float
    best: Best = field(default_factory=Best)
    _saved_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        told = self.listeners if distributed.rank() == 0 else Listeners()
        self.failures = FailureMonitor(self.trainer.history, self.trainer.train.on_failure, told.finding)

    def to_the_end(self, fingerprint: str) -> None:
        """Resume if possible, iterate until enough images were shown, keep the finished state and publish it."""
        with self.checkpoints.lock() if distributed.rank() == 0 else contextlib.nullcontext():
            self._resume()
            with self.failures.recording_divergence(lambda: self.trainer.nimg / 1000), distributed.rank_0_fails_first():
                self._iterate()
            if distributed.rank() == 0:
                self._save()
                self._publish(fingerprint)
        distributed.barrier()

    def _save(self) -> None:
        self.checkpoints.save({**self.trainer.state(), "best": self.best.state_dict()})

    def _publish(self, fingerprint: str) -> None:
        """Put previews, history, findings and generator under their final names."""
        history, found = self.trainer.history, self.failures.findings
        shutil.rmtree(paths.PREVIEWS, ignore_errors=True)
        shutil.copytree(self.checkpoints.previews, paths.PREVIEWS)
        save_evolution(sorted(paths.PREVIEWS.iterdir()), paths.PREVIEWS, self.trainer.system.data.kind)
        history.write_csv(paths.HISTORY)
        write_json(paths.FINDINGS, as_json(found))
        marks = {finding.name: finding.kimg for finding in found}
        draw_curves(paths.CURVES, history.rows, self.trainer.system.ideal, marks)
        with self.trainer.ema.applied(self.trainer.system) as system:
            if self.trainer.train.publish == "best":
                self.best.put_into(system)
            publish_generator(system, paths.MODEL, fingerprint)
        self.checkpoints.note_published(paths.MODEL / "generator.safetensors")
        self._report()

    def _report(self) -> None:
        """Tell the memory that was needed, and sum up in the last line of the training."""
        peak, names = peak_memory(self.trainer.system.device), [finding.name for finding in self.failures.findings]
        self.listeners.memory(peak, self.trainer.nimg)
        needed = " and ".join(f"{mib:.0f} MiB of {kind.upper()} memory" for kind, mib in peak.items())
        say(f"Peak: {needed}. Signs of failure: {', '.join(names) or 'none'}.")

    def _resume(self) -> None:
        if distributed.rank() == 0 and self.checkpoints.is_recorded(paths.LOCK):
            self.checkpoints.start_afresh()
        state = distributed.from_rank_0(self.checkpoints.load)  # on another machine there may be an older one, or none
        if state is not None:
            self.trainer.restore(state)
            self.best.load_state_dict(state["best"])
            self.failures.restore()
            if distributed.rank() == 0:
                print(f"Resuming at {self.trainer.nimg / 1000:g} of {self.trainer.train.kimg:g} kimg.", flush=True)

    def _iterate(self) -> None:
        trainer, cfg = self.trainer, self.trainer.train
        scorer = self._scorer() if trainer.nimg < trainer.total_nimg else None  # now: what fails shall fail early
        with progress("Training", total=trainer.total_nimg, unit="img", initial=trainer.nimg) as bar:
            losses: dict[str, float] = {}
            forecast = start.Forecast(trainer)
            if trainer.nimg == 0:
                self._preview()
            while trainer.nimg < trainer.total_nimg:
                before = trainer.nimg
                bar.advance(trainer.iterate(), **losses)
                forecast.tell_once()
                if self._passed(cfg.preview_kimg, before):
                    self._preview()  # first, for what it adds to the row
                if scorer and cfg.evaluate_kimg and self._passed(cfg.evaluate_kimg, before):
                    self._evaluate(scorer)
                if self._passed(cfg.log_kimg, before):
                    losses = self._close_row()
                self._checkpoint_when_due()

    def _passed(self, every_kimg: float, before: int) -> bool:
        """Whether the last iteration crossed a multiple of `every_kimg`, or ended the training."""
        every = every_kimg * 1000
        return self.trainer.nimg // every > before // every or self.trainer.nimg >= self.trainer.total_nimg

    def _close_row(self) -> dict[str, float]:
        """Close a row of the history, tell it, and return the losses to show on the bar."""
        self.trainer.read_losses()
        row = self.trainer.history.close_row(self.trainer.nimg / 1000)
        if distributed.rank() == 0:
            self.listeners.row(row, self.trainer.nimg)
            self.failures.check_newest_row()
        return {
            name.removeprefix("loss_"): row[name] for name in ("loss_generator", "loss_discriminator") if name in row
        }

    def _preview(self) -> None:
        """Draw the same latents as every time with the generator that would be published now; note their diversity.

        Not that of an untrained generator, whose samples are all the same grey.
        """
        if distributed.rank() != 0:
            return
        nimg, seed = self.trainer.nimg, self.trainer.train.seed
        with self.trainer.ema.applied(self.trainer.system) as system:
            latents = draw_latents(system, PREVIEW_ITEMS, seed)
            items = render(system, latents)
        if nimg and has_choice(latents):
            self.trainer.history.add(self.diversity.of(items))
        picture = self.checkpoints.previews / f"kimg-{nimg / 1000:09.3f}.png"
        save_png(sheet(items), picture)
        self.listeners.preview(picture, nimg)

    def _scorer(self) -> Scorer | None:
        """Return what scores the generator in between, where that is wanted; it may have to learn first."""
        if self.trainer.train.evaluate_kimg is None or distributed.rank() != 0:
            return None
        return Scorer(self.packed, self.trainer.train.seed, self.checkpoints.folder)

    def _evaluate(self, scorer: Scorer) -> None:
        """Score the generator that would be published now, and keep it if it is the best and shall be published."""
        with self.trainer.ema.applied(self.trainer.system) as system:
            items = np.concatenate(list(draw(system, scorer.count, self.trainer.train.seed)))
            score = scorer.score(items)
            if self.trainer.train.publish == "best":
                self.best.offer(score, system)
        self.trainer.history.add({"fd": score})

    def _checkpoint_when_due(self) -> None:
        due = time.monotonic() - self._saved_at >= self.checkpoint_seconds
        if due and distributed.rank() == 0 and self.trainer.nimg < self.trainer.total_nimg:
            self._save()
            self._saved_at = time.monotonic()
