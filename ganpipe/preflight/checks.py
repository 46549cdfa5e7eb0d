"""`ganpipe check`: checks and short trainings of about a minute before the training. Their networks are discarded."""

from __future__ import annotations

import contextlib
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ganpipe import config, paths
from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import VALUES
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, PreflightError
from ganpipe.machine import memory_explained, peak_memory, prepare_device
from ganpipe.metrics.rows_needed import require_rows
from ganpipe.preflight.one_sided import Fetch, Rehearsal, Side, UniformNoise, Verdict, inputs_from, ranked
from ganpipe.sampling.draw import GivenSource, given_spaces
from ganpipe.training.checks import (
    drawn_outputs,
    require_disk_space,
    require_fitting_output,
    require_sound_declarations,
)
from ganpipe.training.forecast import WARM_UP, duration
from ganpipe.training.loop import Trainer
from ganpipe.training.prepared import prepare
from ganpipe.training.stage import train

ENOUGH = 0.9
"""A side has learned when this share of the pairs is in the right order; chance gives a half."""
_PAIRS = 10_000
"""Number of pairs that a side may see: 10,000 iterations with the batches of one in Rashid's book."""
_ITERATIONS = 200
"""Number of iterations that a side may take with larger batches, even if that exceeds `_PAIRS`."""
_MEASURED_SECONDS = 1.5  # at the beginning of the training, and as long at its end
_MEASURED_ITERATIONS = 3  # at least
_OTHER_PACE = 3
"""Two phases differ in pace when one shows so many times as many images per second."""
_FALLEN = 0.1
"""A loss has fallen when it is lower by this share of the size of its first value."""


def preflight(
    params: config.Params, data: Path = paths.PACKED, load_tracking: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Yield one line for each check that the training of `params` passes, the cheap checks first.

    `load_tracking` brings into memory what the stage keeps there beside the training. The line of a check that does
    not apply says so. Raises `DataError` if the packed data is missing or not that of
    `params`, `PreflightError` if the training cannot succeed, and `OutOfMemory`.
    """
    device = prepare_device(params.runtime)
    packed = Packed.open(data / paths.PACKED_FILE.name)
    if packed.name != params.data.name:
        raise DataError(
            f"{packed.path} holds {packed.name!r}, but params.yaml: data.name = {params.data.name!r}: "
            "run `dvc repro pack`"
        )
    require_rows(params, packed)
    yield from (f"hint: {hint}" for hint in packed.hints)
    with memory_explained(params.train):
        prepared = prepare(params, packed, device, data.parent / paths.START.name)
        system, fetch = prepared.system, prepared.sampler.fetch
        batch = fetch(0, params.train.batch)
        require_sound_declarations(system)
        require_fitting_output(system, prepared.given)
        yield from describe_outputs(system, prepared.given, batch)
        untrained = copy.deepcopy(system)
        trainer = Trainer(system, params.train, fetch)
        yield f"disk: {require_disk_space(trainer, paths.state_dir() / 'checkpoints')}"
        load_tracking()
        rehearse(params, data)
        yield f"cost: {describe_cost(trainer)}"
        yield f"noise: {describe_noise_test(untrained, params.train, fetch)}"
        yield f"one batch: {describe_one_batch(untrained, params.train, batch)}"


def describe_outputs(system: System, given: GivenSource | None, batch: Batch) -> Iterator[str]:
    """Yield a line for each output: its shape, its statistics before training, and those of the data."""
    for name, values in drawn_outputs(system, given).items():
        wanted = system.data.fields[system.outputs[name]]
        what = "output" if len(system.outputs) == 1 else f"output {name}"
        shape = tuple(values.shape[1:])
        grows = "" if shape == wanted.shape else f", to grow to {wanted.shape}"
        data = _statistics(batch[system.outputs[name]])
        yield f"{what}: {VALUES[wanted.kind]} {shape}{grows}, {_statistics(values)}; data {data}"


def _statistics(values: Tensor) -> str:
    return f"{values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}, std {values.std():.2f}"


def rehearse(params: config.Params, data: Path) -> None:
    """Train for two batches with all that a training draws, saves and publishes, in a folder that is then deleted.

    So the peak memory is that of the whole training. Scores of `train.evaluate_kimg` are left out: they may first train
    a classifier. The rows that the generator begins with are its own, without `train.start_from`.
    """
    cfg = params.train
    short = {"kimg": 2 * cfg.batch / 1000, "lr_decay_from_kimg": None, "evaluate_kimg": None, "publish": "last"}
    train_section = cfg.model_copy(update={**short, "start_from": None, "on_failure": "warn"})
    with (
        tempfile.TemporaryDirectory(prefix="ganpipe-") as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        into = Path(folder)
        train(params.model_copy(update={"train": train_section}), "rehearsal", data, into, into / "state")


def describe_cost(trainer: Trainer) -> str:
    """Train for some seconds; return how long the whole training will take, and the most memory that was in use.

    It is measured at the beginning and where the training will end: a later phase may take longer and need more.
    """
    rates = [measured_rate(trainer)]
    trainer.nimg = trainer.total_nimg
    rates.append(measured_rate(trainer))
    forecast = duration(trainer.total_nimg, rates[0])
    if max(rates) > _OTHER_PACE * min(rates):
        forecast = f"{forecast} as at first, {duration(trainer.total_nimg, rates[1])} as in the end"
    device = trainer.system.device
    peak = " and ".join(f"{mib:.0f} MiB of {kind.upper()} memory" for kind, mib in peak_memory(device).items())
    return f"{forecast} on the {device.type}; peak: {peak}"


def measured_rate(trainer: Trainer) -> float:
    """Return images per second: the median of some iterations after a warm-up."""
    for _ in range(WARM_UP):
        trainer.iterate()
    rates: list[float] = []
    end = time.monotonic() + _MEASURED_SECONDS
    while len(rates) < _MEASURED_ITERATIONS or time.monotonic() < end:
        begin = _now(trainer.system.device)
        shown = trainer.iterate()
        rates.append(shown / (_now(trainer.system.device) - begin))
    return statistics.median(rates)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def describe_noise_test(system: System, train: config.Train, fetch: Fetch) -> str:
    """Train the discriminator alone to tell data from uniform noise, and return a line with the result.

    Rashid's pre-test ("Make Your First GAN with PyTorch", 2020): a discriminator that fails it can teach no generator.
    Raises `PreflightError` unless it tells 90 % of the pairs apart within 10,000 pairs or 200 iterations.
    """
    if not system.adversaries:
        return _no_adversary(system)
    networks = [system.get_submodule(name) for name in system.generators]
    if len(system.outputs) != 1 or any(isinstance(one, nn.ModuleDict | nn.ModuleList) for one in networks):
        return f"does not apply: {type(system).__name__} has several generators, and noise can stand for one only"
    rehearsal = against_noise(system, train, fetch)
    verdict, iterations = rehearsal.learn(most(train), until=lambda verdict: verdict.ranked >= ENOUGH)
    if not rehearsal.moved:
        return _waits("discriminator")
    if verdict.ranked < ENOUGH:
        raise PreflightError(f"noise: the discriminator cannot tell data from it{_advice(verdict, iterations, train)}")
    return f"the discriminator alone, {iterations} iterations against uniform noise: {verdict}"


def against_noise(system: System, train: config.Train, fetch: Fetch) -> Rehearsal:
    """Return the rehearsal of a copy of `system` whose generators return uniform noise in the range of the data."""
    rehearsed = copy.deepcopy(system)
    ((output, field),) = system.outputs.items()
    batch = fetch(0, train.batch)
    real = batch[field]
    low, high = (-1.0, 1.0) if system.data.fields[field].kind == "image" else (float(real.min()), float(real.max()))
    shape = _drawn_shape(system, output, batch)
    for name in system.generators:
        setattr(rehearsed, name, UniformNoise(shape, low, high))
    return Rehearsal(rehearsed, "adversaries", train, fetch)


def describe_one_batch(system: System, train: config.Train, batch: Batch) -> str:
    """Train each side of a copy of `system` on one batch while the other rests, and return a line with the iterations.

    First the discriminator: it must rank 90 % of the pairs of a real and an untrained output correctly. Then the
    generator: in 90 % of the pairs, its output must be judged more real than an earlier one. So gradients reach both
    sides, and steps of this size help both. A system without an adversary, or with an adversary that waits for a later
    phase, must lower its loss on the batch instead. A system with given rows may do either, because its loss may also
    compare outputs with wanted rows. Raises `PreflightError` if a side fails within 10,000 images or 200 iterations.
    """
    rehearsed = copy.deepcopy(system)

    def rehearsal(side: Side) -> Rehearsal:
        return Rehearsal(rehearsed, side, train, lambda position, count: _repeated(batch, count), [batch])

    adversaries = rehearsal("adversaries") if system.adversaries else None
    if adversaries is None:
        return _falling_loss(rehearsal("generators"), train)
    judge, first = adversaries.learn(most(train), until=lambda verdict: verdict.ranked >= ENOUGH)
    if not adversaries.moved:
        return _falling_loss(rehearsal("generators"), train)
    if judge.ranked < ENOUGH:
        raise PreflightError(f"one batch: the discriminator cannot learn it by heart{_advice(judge, first, train)}")
    learned = f"the discriminator learns it in {first} iterations ({judge.ranked:.0%} of pairs told apart)"
    generators = rehearsal("generators")
    drawn, second = generators.learn(most(train), until=lambda verdict: ranked(verdict.fake, judge.fake) >= ENOUGH)
    if not generators.moved:
        return f"{learned}; the generator waits for a later phase of the training"
    better = ranked(drawn.fake, judge.fake)
    if better < ENOUGH and given_spaces(system) and generators.fallen >= _FALLEN:
        first_loss, last_loss = generators.losses[0], generators.losses[-1]
        return f"{learned}, then the generator lowers its loss from {first_loss:.4g} to {last_loss:.4g} in {second}"
    if better < ENOUGH:
        raise PreflightError(
            f"one batch: the generator does not learn from a resting discriminator: {better:.0%} of what it draws "
            f"is judged more real than before{_advice(drawn, second, train)}"
        )
    return f"{learned}, then the generator what it asks for in {second} ({better:.0%} judged more real than before)"


def _falling_loss(rehearsal: Rehearsal, train: config.Train) -> str:
    """Return a line on the fall of the generators' loss on one batch. Raises `PreflightError` if it does not fall."""
    rehearsal.trainer.iterate()
    done = 1
    while done < most(train) and rehearsal.fallen < _FALLEN:
        rehearsal.trainer.iterate()
        done += 1
    first, last = rehearsal.losses[0], rehearsal.losses[-1]
    if rehearsal.fallen < _FALLEN:
        raise PreflightError(
            f"one batch: the generator does not learn it: its loss is {last:.4g} after {done} iterations alone, "
            f"{first:.4g} at first: try another train.lr (now {train.lr:g}) or `ganpipe recipe diff`"
        )
    return f"the generator's loss falls from {first:.4g} to {last:.4g} in {done} iterations; no adversary moves yet"


def _repeated(batch: Batch, count: int) -> Batch:
    """Return `count` rows of a batch; after the last row comes the first again."""
    wanted = torch.arange(count) % batch_size(batch)
    return {name: values[wanted.to(values.device)] for name, values in batch.items()}


@torch.no_grad()
def _drawn_shape(system: System, output: str, batch: Batch) -> tuple[int, ...]:
    with torch.random.fork_rng(devices=[]):
        return tuple(system.generate(inputs_from(system, batch))[output].shape[1:])


def _no_adversary(system: System) -> str:
    return f"does not apply: {type(system).__name__} has no adversary"


def _waits(side: str) -> str:
    return f"does not apply: the {side} waits for a later phase of the training"


def _advice(verdict: Verdict, iterations: int, train: config.Train) -> str:
    """Return the end of an error message: the evidence and the remedies."""
    return (
        f" after {iterations} iterations alone ({verdict}): try another train.lr (now {train.lr:g}; discriminator: "
        f"{train.lr_discriminator or train.lr:g}) or `ganpipe recipe diff`"
    )


def most(train: config.Train) -> int:
    """Return the largest number of iterations in which a side must learn."""
    return max(_ITERATIONS, _PAIRS // train.batch)
