"""How many CPU cores this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the cores that the system leaves to this process; under `torchrun`, its share of them, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
