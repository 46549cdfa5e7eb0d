"""Pictures that are changed only where a mask says so, after GANimation (Pumarola et al. 2018, arXiv:1807.09251)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def painted(
    maps: Float[Tensor, "n maps h w"], images: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n 1 h w"]]:
    """Return mask tanh(colours) + (1 - mask) image, and the mask in [0, 1]: equation 2, whose A is 1 - mask.

    `maps` are the colours, and last the logit of the mask: a channel more than the images have.
    """
    mask = torch.sigmoid(maps[:, -1:])
    return mask * torch.tanh(maps[:, :-1]) + (1 - mask) * images, mask
