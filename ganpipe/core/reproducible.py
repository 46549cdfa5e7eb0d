"""Settings with which a GPU computes the same bytes in every run. They decide results: stages depend on this file."""

from __future__ import annotations

import os

import torch


def make_reproducible() -> None:
    """Let a GPU give the same bytes in every run, and fp32 mean fp32.

    The networks need no more than this (PyTorch, "Reproducibility"): cuDNN picks no algorithm by measuring and uses
    deterministic ones only, cuBLAS has a workspace of one size, and products are not rounded to TF32, whose 10 bits of
    mantissa are cuDNN's default.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # torch sets it up at run time
    torch.backends.cuda.matmul.fp32_precision = "ieee"
