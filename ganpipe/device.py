"""The device and the CPU threads that a stage computes with."""

from __future__ import annotations

import os
import resource
import sys

import torch

from ganpipe.config import Runtime
from ganpipe.errors import ConfigError


def prepare_device(runtime: Runtime) -> torch.device:
    """Pick the device, set the CPU threads, and return the device.

    One thread on one or two cores, where a second makes small convolutions slower, else half the cores up to eight.
    Raises `ConfigError` when CUDA is asked for and absent.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(runtime.threads or max(1, min(8, cores // 2)))
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError('params.yaml: runtime.device = "cuda", but torch sees no GPU here; use auto or cpu')
    if runtime.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return the most memory this process has held so far, in MiB: `cpu`, and on a GPU `gpu`, as torch allocated it."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}
    if device.type == "cuda":
        peak["gpu"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak
