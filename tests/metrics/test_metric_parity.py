"""Our metrics against torch-fidelity and prdc on the same float64 features. Both take long to import."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metrics.feature_scores import prdc

from ganpipe.metrics import kernel
from ganpipe.metrics.classifier_score import classifier_score
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance


def sets(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n, d)) @ mixing, rng.normal(size=(m, d)) @ (mixing + 0.1 * rng.normal(size=(d, d))) + 0.2


@pytest.mark.parametrize(("n", "m", "d", "tolerance"), [(600, 500, 48, 1e-10), (60, 50, 96, 1e-6)])
def test_frechet_distance(n: int, m: int, d: int, tolerance: float) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    real, fake = sets(n, m, d)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (fake, real)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)
    assert frechet_distance(real, fake) == pytest.approx(theirs["frechet_inception_distance"], rel=tolerance)


def fidelity_kernel(real: np.ndarray, fake: np.ndarray, subsets: int, size: int) -> tuple[float, float]:
    from torch_fidelity.metric_kid import kid_features_to_metric

    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": 2020, "verbose": False}
    theirs = kid_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), **options)
    return theirs["kernel_inception_distance_mean"], theirs["kernel_inception_distance_std"]


def test_kernel_distance_of_the_full_sets() -> None:
    real, fake = sets(400, 400, 32)
    value, _ = fidelity_kernel(real, fake, subsets=1, size=400)
    assert kernel_distance(real, fake).value == pytest.approx(value, abs=1e-12)


def test_kernel_distance_over_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = sets(400, 500, 32)
    value, std = fidelity_kernel(real, fake, subsets=100, size=200)
    assert kernel_distance(real, fake).std == pytest.approx(std, abs=1e-12)
    monkeypatch.setattr(kernel, "FULL_UP_TO", 300)
    assert kernel_distance(real, fake) == pytest.approx((value, std), abs=1e-12)


@pytest.mark.parametrize("splits", [1, 10])
def test_classifier_score(splits: int) -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.randn(1000, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    theirs = isc_features_to_metric(logits, splits=splits, shuffle=False)
    ours = classifier_score(logits.softmax(dim=1).numpy(), splits)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert (ours.std or 0) == pytest.approx(theirs["inception_score_std"], abs=1e-12)


def test_precision_and_recall() -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, fake = sets(600, 500, 16)
    options = {"prc_neighborhood": 3, "prc_batch_size": 10000, "save_cpu_ram": True, "verbose": False}
    theirs = prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), **options)
    ours = prdc(real, fake, 3)
    assert 0.2 < ours.precision < 0.99 and ours.precision != ours.recall
    assert ours[:2] == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_density_coverage(k: int) -> None:
    from prdc import compute_prdc

    real, fake = sets(600, 500, 16)
    assert prdc(real, fake, k)._asdict() == pytest.approx(compute_prdc(real, fake, nearest_k=k), abs=1e-6)
