"""Settings with which a GPU computes the same bytes in every run. They decide results: stages depend on them."""

from __future__ import annotations

import os

import torch


def make_reproducible() -> None:
    """Make a GPU compute the same bytes in every run, and compute fp32 in full precision.

    Four settings are enough for the networks here (PyTorch, "Reproducibility"): cuDNN uses deterministic algorithms
    only; it does not choose among them by measuring; the workspace of cuBLAS has a fixed size; and products are not
    rounded to TF32, the default of cuDNN, which has 10 bits of mantissa.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True, warn_only=True)  # a warning where an operation has no such algorithm
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # torch sets it up at run time
    torch.backends.cuda.matmul.fp32_precision = "ieee"
