"""How much memory the fully connected and the convolutional face GAN of Rashid's book need, side by side.

Run `python benchmarks/memory.py`. Each recipe trains some iterations on random images of its own size, in a process of
its own, in turns; printed are medians over the rounds. "Above the start" leaves out what Python and torch take before
the networks are built. The book's figures are the peaks on a GPU: 1.094 GB dense, 0.204 GB convolutional.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ganpipe import recipes, systems
from ganpipe.config import load_params
from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec, Field
from ganpipe.training.loop import Trainer

SHAPES = {
    "celeba-faces-mlp": (3, 218, 178),
    "celeba-faces-conv": (3, 128, 128),
    "celeba-faces-conv-gelu": (3, 128, 128),
}
MIB = 1 << 20


def main() -> None:
    """Measure every recipe in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # how a fresh process is told what to measure
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.iterations)))
        return
    rounds = [{name: apart(name, options.iterations) for name in SHAPES} for _ in range(options.rounds)]
    middle = {
        name: [statistics.median(column) for column in zip(*(r[name] for r in rounds), strict=True)] for name in SHAPES
    }
    dense = middle["celeba-faces-mlp"]
    print("recipe                    parameters  peak MiB  above the start  s per iteration  dense / this")
    for name, (parameters, peak, above, seconds) in middle.items():
        print(f"{name:24s} {parameters:11,.0f} {peak:9,.0f} {above:16,.0f} {seconds:16.3f} {dense[2] / above:13.1f}")


def apart(name: str, iterations: int) -> list[float]:
    """Measure a recipe in a fresh process."""
    command = [sys.executable, __file__, "--one", name, "--iterations", str(iterations)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(name: str, iterations: int) -> tuple[float, float, float, float]:
    """Return parameters, peak memory in MiB, the same above the start, and seconds per iteration."""
    torch.set_num_threads(1)
    params = load_params(recipes.path_of(name))
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB
    spec = DataSpec(name="random", fields={"image": Field(kind="image", shape=SHAPES[name])})
    system = systems.build(params.system, spec, seed=0)
    count = sum(parameter.numel() for parameter in system.parameters())
    trainer = Trainer(system.to(memory_format=torch.channels_last), params.train, random_images(SHAPES[name]))
    trainer.iterate()
    start = time.perf_counter()
    for _ in range(iterations):
        trainer.iterate()
    seconds = (time.perf_counter() - start) / iterations
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return count, peak, peak - before, seconds


def random_images(shape: tuple[int, int, int]) -> Callable[[int, int], Batch]:
    """Return a function that gives random images, as many as a recipe asks for; the book's batch size is 1."""
    return lambda position, count: {"image": torch.rand(count, *shape) * 2 - 1}


if __name__ == "__main__":
    main()
