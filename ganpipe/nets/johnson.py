"""The feed-forward generator of Johnson et al. 2016 (arXiv:1603.08155), with the layers of pytorch/examples."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.sizes import quartered_reach, require_quarters
from ganpipe.nets.translator import Residual


class Johnson(nn.Module):
    """Two halvings, `blocks` residual blocks and two doublings, from an image to an image of the same channels.

    The layers are those of `TransformerNet` in pytorch/examples: reflection padding, instance norm with scale and
    shift, ReLU, every place repeated 2 x 2 in place of transposed convolutions, biases. With 32 features, 5 blocks and
    3 channels it has 1,679,235 parameters. First weights are those of torch, as there. The output is linear and may
    leave [-1, 1]; the paper ends with a scaled tanh. Deviation: images are in [-1, 1], there in [0, 255]. Raises
    `ConfigError` for sides that are no multiples of 4, which would not come back at their size.
    """

    def __init__(self, shape: tuple[int, int, int], features: int, blocks: int) -> None:
        super().__init__()
        channels, height, width = shape
        require_quarters(height, width)
        self.reach = quartered_reach(blocks) + 2  # kernels of 9x9 at both ends
        wide = 4 * features
        self.body = nn.Sequential(
            *_normed(channels, features, 9),
            *_normed(features, 2 * features, 3, stride=2),
            *_normed(2 * features, wide, 3, stride=2),
            *(Residual(wide, affine=True) for _ in range(blocks)),
            nn.Upsample(scale_factor=2),
            *_normed(wide, 2 * features, 3),
            nn.Upsample(scale_factor=2),
            *_normed(2 * features, features, 3),
            *_padded(features, channels, 9),
        )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return each image in the style that was learnt."""
        return self.body(images)


def _padded(ins: int, outs: int, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.ReflectionPad2d(kernel // 2), nn.Conv2d(ins, outs, kernel, stride)


def _normed(ins: int, outs: int, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return *_padded(ins, outs, kernel, stride), nn.InstanceNorm2d(outs, affine=True), nn.ReLU(inplace=True)
