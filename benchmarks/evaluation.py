"""How fast Fréchet distance, neighbours and Inception are, beside scipy, torch and torch-fidelity, with equal values.

Run `python benchmarks/evaluation.py`. Rivals take turns in every round, on one thread each, and each comes first
equally often; printed are CPU seconds and the medians of their ratios. Values that differ, or a ratio below its goal,
end the run with exit code 1. The weights are random, in the real file format: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import torch_fidelity
from threadpoolctl import threadpool_limits
from turns import in_turns

from ganpipe.metrics.distances import ROWS, as_points, distance_rows
from ganpipe.metrics.extractors.inception import InceptionExtractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.score import compare

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from metrics.random_inception import Images, write_random_weights

NEIGHBOURS = 3
APART = 1e-5  # relative difference of the values at most


def main() -> None:
    """Time all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--samples", type=int, default=4096, help="feature rows of each set, first two comparisons")
    parser.add_argument("--images", type=int, default=256, help="64x64 images of each set, third comparison")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, one thread everywhere")
    with threadpool_limits(1):
        reached = [
            frechet_step(options.dimensions, options.samples, options.rounds),
            distances_to_all(options.dimensions, options.samples, options.rounds),
            inception_path(options.images, options.rounds),
        ]
    sys.exit(0 if all(reached) else 1)


def frechet_step(dimensions: int, samples: int, rounds: int) -> bool:
    """Compare our Fréchet distance with the textbook one, which takes a matrix square root."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, dimensions + 1) ** -0.5
    real = rng.normal(size=(samples, dimensions)) * scale
    fake = rng.normal(size=(samples, dimensions)) * scale[::-1] ** 0.5 + 0.01
    timed = in_turns(
        rounds, lambda: cpu(lambda: with_square_root(real, fake)), lambda: cpu(lambda: frechet_distance(real, fake))
    )
    return report(f"Fréchet distance, d = {dimensions}, N = {samples}", "scipy sqrtm", "ganpipe", timed, 3)


def with_square_root(real: np.ndarray, fake: np.ndarray) -> float:
    """Return |mu_r - mu_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2)) as the equation is written."""
    shift = real.mean(axis=0) - fake.mean(axis=0)
    one, other = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = scipy.linalg.sqrtm(one @ other).real
    return float(shift @ shift + np.trace(one + other - 2 * root))


def distances_to_all(dimensions: int, samples: int, rounds: int) -> bool:
    """Compare our distances between two sets with those by subtraction, which are as exact."""
    rng = np.random.default_rng(2)
    real, fake = (as_points(rng.normal(size=(samples, dimensions))) for _ in range(2))

    def by_subtraction() -> float:
        rows = (torch.cdist(part, fake, compute_mode="donot_use_mm_for_euclid_dist") for part in real.split(ROWS))
        return sum(float(part.sum()) for part in rows)

    def by_product() -> float:
        return sum(float(part.sum()) for _, part in distance_rows(real, fake))

    timed = in_turns(rounds, lambda: cpu(by_subtraction), lambda: cpu(by_product))
    return report(f"distances, d = {dimensions}, N = {samples}", "torch.cdist by subtraction", "ganpipe", timed, 3)


def inception_path(images: int, rounds: int) -> bool:
    """Compare images in, metrics out."""
    rng = np.random.default_rng(1)
    real, fake = (rng.integers(low, high, (images, 64, 64, 3), np.uint8) for low, high in ((0, 200), (40, 256)))
    with tempfile.TemporaryDirectory() as folder:
        weights = write_random_weights(Path(folder) / "random.pth")
        timed = in_turns(
            rounds, lambda: cpu(lambda: theirs(real, fake, weights)), lambda: cpu(lambda: ours(real, fake, weights))
        )
    return report(f"Inception, 2 x {images} images of 64x64", "torch-fidelity", "ganpipe", timed, 1.15)


def theirs(real: np.ndarray, fake: np.ndarray, weights: Path) -> float:
    """Return the Fréchet distance by torch-fidelity, which computes the other metrics too."""
    found = torch_fidelity.calculate_metrics(
        input1=Images(fake),
        input2=Images(real),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        prc_neighborhood=NEIGHBOURS,
        kid_subset_size=len(real) // 2,
        cuda=False,
        batch_size=16,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
    )
    return float(found["frechet_inception_distance"])


def ours(real: np.ndarray, fake: np.ndarray, weights: Path) -> float:
    """Return the Fréchet distance by ganpipe, which computes the other metrics too."""
    extractor = InceptionExtractor(weights)
    found = compare(extractor.extract(real).features, extractor.extract(fake), NEIGHBOURS)
    return float(found["fd"])


def cpu(work: Callable[[], float]) -> tuple[float, float]:
    """Return the value that a piece of work gives and the CPU seconds it takes."""
    start = time.process_time()
    value = work()
    return value, time.process_time() - start


def report(title: str, one: str, other: str, timed: list[list[tuple[float, float]]], goal: float) -> bool:
    """Print median CPU seconds, the median of their ratios, and how far the values are apart; whether all is well."""
    slow, fast = (statistics.median(row[side][1] for row in timed) for side in (0, 1))
    ratios = sorted(row[0][1] / row[1][1] for row in timed)
    ratio = statistics.median(ratios)
    apart = max(abs(row[0][0] - row[1][0]) / abs(row[0][0]) for row in timed)
    print(
        f"{title}: {one} {slow:.1f} s, {other} {fast:.1f} s of CPU, ratio {ratio:.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}), goal {goal}; value {timed[0][1][0]:.6g}, "
        f"relative difference at most {apart:.1e}",
        flush=True,
    )
    return ratio >= goal and apart <= APART


if __name__ == "__main__":
    main()
