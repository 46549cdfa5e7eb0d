"""The number format in which losses are averaged, compared and summed."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def at_least_fp32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the values in float32 where their format is narrower, else as they are.

    bf16 keeps two to three digits: a difference of means, such as a critic's, would be lost in their common part.
    """
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
