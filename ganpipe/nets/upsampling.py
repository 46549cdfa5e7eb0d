"""Layers that double the side of maps: transposed convolutions as published, or without their checkerboards."""

from __future__ import annotations

from torch import nn

from ganpipe.config.choices import Upsampling


def doubling(ins: int, outs: int, kernel: int, bias: bool, upsampling: Upsampling) -> nn.Module:
    """Return the layer from `ins` maps to `outs` maps of twice the side.

    transposed: a transposed convolution of stride 2 with this `kernel`, 3 or 4. nearest: every place repeated 2 x 2,
    then a 3x3 convolution. The second has no checkerboards, because every output is made of equally many inputs (Odena
    et al. 2016, Deconvolution and checkerboard artifacts, doi:10.23915/distill.00003).
    """
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(ins, outs, 3, 1, 1, bias=bias))
    return nn.ConvTranspose2d(ins, outs, kernel, 2, 1, output_padding=kernel % 2, bias=bias)
