"""The train stage: from packed data and params to a published generator."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.core.drawing import draw
from ganpipe.data.packed import Packed
from ganpipe.data.sampler import Sampler
from ganpipe.device import prepare_device
from ganpipe.errors import ConfigError
from ganpipe.generator import publish_generator
from ganpipe.history import Row
from ganpipe.pictures import save_png, sheet
from ganpipe.progress import progress
from ganpipe.training import distributed
from ganpipe.training.checkpoint import Checkpoints
from ganpipe.training.loop import Trainer

PREVIEW_ITEMS = 64


@dataclass(frozen=True)
class Listeners:
    """Who is told about a training as it goes: rank 0 calls these; they must not raise."""

    row: Callable[[Row, int], None] = lambda row, nimg: None
    preview: Callable[[Path, int], None] = lambda picture, nimg: None


def train(params: Params, fingerprint: str, listeners: Listeners = Listeners()) -> None:
    """Train the system of `params` on the packed data and publish generator, previews and history under `data/`.

    Takes up the newest checkpoint of the same `fingerprint`, if there is one, and then ends with the very files of an
    uninterrupted training. Raises `ConfigError` where system and data do not fit, `DataError` for damaged data,
    `TrainingDiverged`, `CheckpointError`.
    """
    device = prepare_device(params.runtime)
    with distributed.process_group(device):
        packed = Packed.open(paths.PACKED_FILE)
        packed.verify()
        system = systems.build(params.system, packed.spec, params.train.seed).to(device)
        sampler = Sampler(
            packed,
            _share(params.train.batch),
            params.train.seed,
            device,
            distributed.rank(),
            distributed.world(),
            flip=params.data.flip,
            ram_limit=params.runtime.ram_limit,
        )
        trainer = Trainer(system, params.train, sampler.batches)
        run = _Run(trainer, Checkpoints(paths.state_dir(), fingerprint), listeners, params.runtime.checkpoint_seconds)
        run.to_the_end()
        run.publish(fingerprint)


def _share(batch: int) -> int:
    """Return this process's part of a batch."""
    if batch % distributed.world():
        raise ConfigError(f"params.yaml: train.batch = {batch} does not divide among {distributed.world()} processes")
    return batch // distributed.world()


@dataclass
class _Run:
    """One training from its newest checkpoint to its end, with everything that happens now and then."""

    trainer: Trainer
    checkpoints: Checkpoints
    listeners: Listeners
    checkpoint_seconds: float
    _saved_at: float = field(default_factory=time.monotonic)

    def to_the_end(self) -> None:
        """Resume if possible, then iterate until enough images were shown, and keep the finished state."""
        writes = distributed.rank() == 0
        lock = self.checkpoints.lock() if writes else None
        try:
            self._resume()
            self._iterate()
            if writes:
                self.checkpoints.save(self.trainer.state())
        finally:
            if lock is not None:
                lock.release()
        distributed.barrier()

    def publish(self, fingerprint: str) -> None:
        """Put previews, history and generator under their final names."""
        if distributed.rank() == 0:
            shutil.rmtree(paths.PREVIEWS, ignore_errors=True)
            shutil.copytree(self.checkpoints.previews, paths.PREVIEWS)
            self.trainer.history.write_csv(paths.HISTORY)
            with self.trainer.ema.applied(self.trainer.system) as system:
                publish_generator(system, paths.MODEL, fingerprint)

    def _resume(self) -> None:
        state = self.checkpoints.load()
        if state is not None:
            self.trainer.restore(state)
            if distributed.rank() == 0:
                print(f"Resuming at {self.trainer.nimg / 1000:g} of {self.trainer.train.kimg:g} kimg.", flush=True)

    def _iterate(self) -> None:
        trainer, cfg = self.trainer, self.trainer.train
        with progress("Training", total=trainer.total_nimg, unit="img", initial=trainer.nimg) as bar:
            losses: dict[str, float] = {}
            if trainer.nimg == 0:
                self._preview()
            while trainer.nimg < trainer.total_nimg:
                before = trainer.nimg
                bar.advance(trainer.iterate(), **losses)
                if self._passed(cfg.log_kimg, before):
                    losses = self._close_row()
                if self._passed(cfg.preview_kimg, before):
                    self._preview()
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
        return {name.removeprefix("loss_"): row[name] for name in ("loss_generator", "loss_discriminator")}

    def _preview(self) -> None:
        """Draw the same latents as every time with the generator that would be published now."""
        if distributed.rank() != 0:
            return
        nimg, seed = self.trainer.nimg, self.trainer.train.seed
        with self.trainer.ema.applied(self.trainer.system) as system:
            items = np.concatenate(list(draw(system, PREVIEW_ITEMS, seed)))
        picture = self.checkpoints.previews / f"kimg-{nimg / 1000:09.3f}.png"
        save_png(sheet(items), picture)
        self.listeners.preview(picture, nimg)

    def _checkpoint_when_due(self) -> None:
        due = time.monotonic() - self._saved_at >= self.checkpoint_seconds
        if due and distributed.rank() == 0 and self.trainer.nimg < self.trainer.total_nimg:
            self.checkpoints.save(self.trainer.state())
            self._saved_at = time.monotonic()
