"""Fréchet distance of two sets of features, each taken as normal (Heusel et al. 2017, arXiv:1706.08500, eq. 6)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from ganpipe.metrics.checks import check_features


def frechet_distance(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]) -> float:
    """Return |mu_r - mu_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2)) in squared feature units, >= 0, in float64.

    Covariances have the N - 1 denominator. The estimate is biased upwards by about 2d/N + d(d+1)/(2N) for unit
    covariances: compare values at equal sample sizes only. Raises `MetricError` for input that `check_features`
    refuses.

    Deviation from the reference implementation: no matrix square root. Where a covariance is singular by sample size
    (min(n, m) <= d) the cross term is the nuclear norm of the product of the centred features, which is exact and
    needs no d x d matrix; otherwise it comes from two symmetric eigenvalue problems.
    """
    check_features(real, fake)
    x, y = real.astype(np.float64), fake.astype(np.float64)
    shift = x.mean(axis=0) - y.mean(axis=0)
    x, y = _centred(x), _centred(y)
    cross = _cross_nuclear(x, y) if min(len(x), len(y)) <= x.shape[1] else _cross_eigen(x, y)
    return max(0.0, float(shift @ shift + np.sum(x * x) + np.sum(y * y) - 2 * cross))


def _centred(features: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Subtract the mean and divide by sqrt(N - 1), so that the covariance is X^T X."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _cross_nuclear(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "m d"]) -> float:
    """tr (S_x S_y)^(1/2) as the sum of the singular values of X Y^T."""
    return float(np.linalg.svd(x @ y.T, compute_uv=False).sum())


def _cross_eigen(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "m d"]) -> float:
    """tr (S_x S_y)^(1/2) as the sum of the roots of the eigenvalues of h S_y h, with h the root of S_x."""
    values, vectors = np.linalg.eigh(x.T @ x)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    products = np.linalg.eigvalsh(root @ (y.T @ y) @ root)
    return float(np.sqrt(products.clip(min=0)).sum())
