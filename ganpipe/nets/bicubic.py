"""Images enlarged by a bicubic filter: the start of networks that learn what to add, and what they are measured by."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate


def enlarged(images: Float[Tensor, "n c h w"], scale: int) -> Float[Tensor, "n c y x"]:
    """Return images with sides `scale` times as long, as Pillow's BICUBIC makes them but not rounded.

    The filter of Keys 1981 with a = -0.5 (IEEE TASSP 29(6), equation 4). It may exceed [-1, 1] beside edges.
    """
    # torch takes a = -0.75 unless antialias is set, which changes nothing else where images are enlarged
    return interpolate(images, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)
