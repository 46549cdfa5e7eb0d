"""`ganpipe check`: a minute that may save hours. Nothing of what it trains is kept."""

from __future__ import annotations

import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import torch

from ganpipe import config, paths
from ganpipe.core.batch import Batch
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, PreflightError
from ganpipe.machine import memory_explained, peak_memory, prepare_device
from ganpipe.preflight.one_sided import Noise, Rehearsal, Side, Verdict, ranked
from ganpipe.training import checks as start
from ganpipe.training.loop import Trainer
from ganpipe.training.stage import prepared

ENOUGH = 0.9  # of the pairs in the right order: this is learning, not luck
_PAIRS = 10_000  # Rashid's, for the recipes with batches of one;
_ITERATIONS = 200  # for all others
_MEASURED_SECONDS = 3.0
_MEASURED_ITERATIONS = 3  # at least


def preflight(params: config.Params) -> Iterator[str]:
    """Yield one line for each thing that is right about the training that `params` asks for, the cheap ones first.

    Raises `DataError` where the packed data is missing or not that of `params`, `PreflightError` where the training
    cannot succeed, `OutOfMemory`.
    """
    device = prepare_device(params.runtime)
    packed = Packed.open(paths.PACKED_FILE)
    if packed.name != params.data.name:
        raise DataError(
            f"{packed.path} holds {packed.name!r}, but params.yaml: data.name = {params.data.name!r}: "
            "run `dvc repro pack`"
        )
    with memory_explained(params.train):
        system, sampler = prepared(params, packed, device)
        batch, kind = next(sampler.batches(0)), packed.kind
        output = start.describe_output(system)
        yield f"output: {kind}s {system.data.shape}, {output}; data {start.statistics(batch[kind])}"
        untrained = copy.deepcopy(system)
        trainer = Trainer(system, params.train, sampler.batches)
        yield f"disk: {start.describe_disk(trainer, paths.state_dir() / 'checkpoints')}"
        yield f"cost: {describe_cost(trainer)}"
        yield f"noise: {describe_noise_test(untrained, params.train, sampler.batches)}"
        yield f"one batch: {describe_one_batch(untrained, params.train, batch)}"


def describe_cost(trainer: Trainer) -> str:
    """Train for some seconds; return how long the whole training will take, and the most memory that was in use."""
    forecast = start.duration(trainer.total_nimg, measured_rate(trainer))
    device = trainer.system.device
    peak = " and ".join(f"{mib:.0f} MiB of {kind.upper()} memory" for kind, mib in peak_memory(device).items())
    return f"{forecast} on the {device.type}; peak: {peak}"


def measured_rate(trainer: Trainer) -> float:
    """Return images per second: the median of some iterations after a warm-up."""
    for _ in range(start.WARM_UP):
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


def describe_noise_test(system: System, train: config.Train, batches: Callable[[int], Iterator[Batch]]) -> str:
    """Let the discriminator alone learn to tell data from uniform noise, and return how well it does.

    Rashid's pre-test ("Make Your First GAN with PyTorch", 2020): a discriminator that fails it can teach no generator.
    Raises `PreflightError` unless it tells 90 % of the pairs apart within 10,000 pairs or 200 iterations.
    """
    rehearsal = against_noise(system, train, batches)
    verdict, iterations = rehearsal.learn(most(train), until=lambda verdict: verdict.ranked >= ENOUGH)
    if verdict.ranked < ENOUGH:
        raise PreflightError(f"noise: the discriminator cannot tell data from it{_advice(verdict, iterations, train)}")
    return f"the discriminator alone, {iterations} iterations against uniform noise: {verdict}"


def against_noise(system: System, train: config.Train, batches: Callable[[int], Iterator[Batch]]) -> Rehearsal:
    """Return the rehearsal of a copy of `system` whose generators draw noise, uniform between the ends of the data."""
    rehearsed = copy.deepcopy(system)
    real = next(batches(0))[system.data.kind]
    low, high = (-1.0, 1.0) if system.data.kind == "image" else (float(real.min()), float(real.max()))
    for name in system.generators:
        setattr(rehearsed, name, Noise(system.data.shape, low, high))
    return Rehearsal(rehearsed, "adversaries", train, batches)


def describe_one_batch(system: System, train: config.Train, batch: Batch) -> str:
    """Let each side of a copy of `system` learn from one batch while the other rests, and return how long that took.

    First the discriminator: 90 % of the pairs of the batch and what the untrained generator draws must be told apart.
    Then the generator: 90 % of what it draws must be judged more real than what it drew before. So gradients reach
    both, and steps of this size are of use to both. Raises `PreflightError` where either fails within 10,000 images or
    200 iterations.
    """
    rehearsed = copy.deepcopy(system)

    def learn(side: Side, until: Callable[[Verdict], bool]) -> tuple[Verdict, int]:
        rehearsal = Rehearsal(rehearsed, side, train, lambda nimg: itertools.repeat(batch), [batch])
        return rehearsal.learn(most(train), until)

    judge, first = learn("adversaries", until=lambda verdict: verdict.ranked >= ENOUGH)
    if judge.ranked < ENOUGH:
        raise PreflightError(f"one batch: the discriminator cannot learn it by heart{_advice(judge, first, train)}")
    drawn, second = learn("generators", until=lambda verdict: ranked(verdict.fake, judge.fake) >= ENOUGH)
    better = ranked(drawn.fake, judge.fake)
    if better < ENOUGH:
        raise PreflightError(
            f"one batch: the generator does not learn from a resting discriminator: {better:.0%} of what it draws "
            f"is judged more real than before{_advice(drawn, second, train)}"
        )
    return (
        f"the discriminator learns it in {first} iterations ({judge.ranked:.0%} of pairs told apart), then the "
        f"generator what it asks for in {second} ({better:.0%} judged more real than before)"
    )


def _advice(verdict: Verdict, iterations: int, train: config.Train) -> str:
    """Return the end of a message: the evidence, and what to try."""
    return (
        f" after {iterations} iterations alone ({verdict}): try another train.lr (now {train.lr:g}; discriminator: "
        f"{train.lr_discriminator or train.lr:g}) or `ganpipe recipe diff`"
    )


def most(train: config.Train) -> int:
    """Return how many iterations a side may take to learn what must be easy."""
    return max(_ITERATIONS, _PAIRS // train.batch)
