"""The number format in which losses are averaged, compared and summed."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def at_least_fp32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return values of a narrower format in float32, all others unchanged.

    bf16 keeps two to three decimal digits: the small difference of two large means, a critic's loss, would be lost.
    """
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
