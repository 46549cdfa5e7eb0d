"""The number format in which losses are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch


def autocast(device: torch.device, precision: Literal["fp32", "bf16"]) -> AbstractContextManager[None]:
    """Return the context in which losses are computed: bf16 where it is safe, or fp32 throughout."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
