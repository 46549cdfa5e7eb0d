"""The device and the CPU threads that a stage computes with."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator

import torch

from ganpipe.config import Runtime, Train
from ganpipe.cores import available_cores
from ganpipe.errors import ConfigError, OutOfMemory


def prepare_device(runtime: Runtime) -> torch.device:
    """Pick the device, set the CPU threads, make a GPU compute alike every time, and return the device.

    One thread on one or two cores, where a second makes small convolutions slower, else half the cores up to eight.
    Raises `ConfigError` when CUDA is asked for and absent, or `torchrun` started more processes than there are GPUs.
    """
    torch.set_num_threads(runtime.threads or max(1, min(8, available_cores() // 2)))
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError('params.yaml: runtime.device = "cuda", but torch sees no GPU here; use auto or cpu')
    if runtime.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise ConfigError(
            f"LOCAL_RANK = {number}, but torch sees {count} GPUs here: start at most {count} processes with "
            "torchrun --nproc-per-node, or set runtime.device to cpu"
        )
    _make_reproducible()
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def _make_reproducible() -> None:
    """Let a GPU give the same bytes in every run, and fp32 mean fp32.

    The networks need no more than this (PyTorch, "Reproducibility"): cuDNN chooses its algorithms by no measurement
    and among the deterministic ones, cuBLAS has a workspace of one size, and products are not rounded to TF32, whose
    10 bits of mantissa cuDNN takes by default.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # torch sets it up at run time
    torch.backends.cuda.matmul.fp32_precision = "ieee"


@contextlib.contextmanager
def memory_explained(train: Train) -> Iterator[None]:
    """Turn a GPU's lack of memory in the block into an `OutOfMemory` that names what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        said = ". ".join(str(error).splitlines()[0].split(". ")[:2])  # how much was asked for, not the advice on torch
        raise OutOfMemory(
            f"the GPU has no memory left ({said}): lower train.micro_batch (now {train.micro_batch or 'blank'}) "
            f"or train.batch (now {train.batch})"
        ) from None


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return the most memory this process has held so far, in MiB: `cpu`, and on a GPU `gpu`, as torch allocated it."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}
    if device.type == "cuda":
        peak["gpu"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak
