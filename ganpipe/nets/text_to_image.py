"""Networks that draw a picture from the words of a text, and that judge a picture together with a text.

A text is (n, tokens, numbers): what a frozen encoder says of every token, all 0 where there is none. Attention looks at
every word by itself. A pooled vector hardly tells "blue on red" from "red on blue".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Texts = Float[Tensor, "n t numbers"]
Images = Float[Tensor, "n c h w"]
Regions = Float[Tensor, "n r d"]

COARSEST = 8
"""Side to which the discriminator halves pictures, pixels at most: the regions that words look at."""


def mask_of(texts: Texts) -> Bool[Tensor, "n t"]:
    """Return which tokens there are."""
    return (texts != 0).any(dim=2)


class Attention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

    Written out, because torch's fused form has no second derivative on the CPU, which a gradient penalty needs.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mixed = (nn.Linear(width, width) for _ in range(4))

    def forward(
        self, asking: Float[Tensor, "n q d"], asked: Float[Tensor, "n k d"], mask: Bool[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n q d"]:
        """Return for each row of `asking` the mean of values of `asked`; where `mask` is false nothing is looked at."""
        layers = ((self.query, asking), (self.key, asked), (self.value, asked))
        query, key, value = (layer(rows).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer, rows in layers)
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        return self.mixed((scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A layer of a Transformer decoder: patches look at each other, then at the words, then a fully connected layer.

    Layer norm comes before each part (Xiong et al. 2020, arXiv:2002.04745), GELU in the middle of the last.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.among, self.words = Attention(width, heads), Attention(width, heads)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(
        self, patches: Float[Tensor, "n p d"], words: Float[Tensor, "n t d"], mask: Bool[Tensor, "n t"]
    ) -> Float[Tensor, "n p d"]:
        """Return the next patches."""
        normed = self.norms[0](patches)
        patches = patches + self.among(normed, normed)
        patches = patches + self.words(self.norms[1](patches), words, mask)
        return patches + self.dense(self.norms[2](patches))


class Generator(nn.Module):
    """Patches that look at the words of a text, put together to a picture in [-1, 1].

    Every patch has a learned query, to which the noise is added. After the Transformer each becomes `patch` x `patch`
    pixels of `features` maps; three 3x3 convolutions, the first two around a short cut, heal the seams between patches.
    """

    def __init__(
        self,
        latent: int,
        numbers: int,
        shape: tuple[int, int, int],
        width: int,
        heads: int,
        layers: int,
        patch: int,
        features: int,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = shape
        self.grid, self.patch = (height // patch, width_pixels // patch), patch
        self.queries = nn.Parameter(torch.randn(self.grid[0] * self.grid[1], width))
        self.noise, self.words = nn.Linear(latent, width), nn.Linear(numbers, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.drawn = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, features * patch * patch))
        self.heal = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(features, features, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(features, features, 3, padding=1),
        )
        self.last = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(features, channels, 3, padding=1), nn.Tanh())

    def forward(self, latents: Float[Tensor, "n z"], texts: Texts) -> Images:
        """Draw one picture of each text."""
        patches = self.queries + self.noise(latents)[:, None]
        words, mask = self.norm(self.words(texts)), mask_of(texts)
        for layer in self.layers:
            patches = layer(patches, words, mask)
        maps = F.pixel_shuffle(self.drawn(patches).transpose(1, 2).unflatten(2, self.grid), self.patch)
        return self.last(maps + self.heal(maps))


class Discriminator(nn.Module):
    """One logit of a picture and a text: whether the picture is real, and whether every word is in it.

    4x4 convolutions of stride 2 and LeakyReLU 0.2 make regions of the picture, `features` maps doubled at each level. A
    linear layer judges the regions alone. Each word looks at the regions, as in AttnGAN (Xu et al. 2018,
    arXiv:1711.10485, section 3.2), and is compared with what it finds there; the mean over the words is added. So the
    same regions can be judged under several texts at little cost.
    """

    def __init__(self, numbers: int, shape: tuple[int, int, int], features: int, heads: int) -> None:
        super().__init__()
        channels, height, width_pixels = shape
        layers: list[nn.Module] = []
        sides, wide = (height, width_pixels), channels
        while max(sides) > COARSEST or not layers:
            narrow, wide = wide, features << (len(layers) // 2)
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
            sides = (sides[0] // 2, sides[1] // 2)
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(wide, wide, 3, padding=1), nn.LeakyReLU(0.2))
        self.places = nn.Parameter(torch.randn(sides[0] * sides[1], wide))
        self.alone = nn.Linear(sides[0] * sides[1] * wide, 1)
        self.words, self.look = nn.Linear(numbers, wide), Attention(wide, heads)
        self.compared = nn.Sequential(nn.Linear(3 * wide, wide), nn.LeakyReLU(0.2), nn.Linear(wide, 1))

    def regions(self, images: Images) -> Regions:
        """Return the regions of each picture, row by row."""
        return self.convolutions(images).flatten(2).transpose(1, 2)

    def judge(self, regions: Regions, texts: Texts) -> Float[Tensor, " n"]:
        """Return the logit of each picture, given by its regions, with each text."""
        mask, words = mask_of(texts)[:, :, None], self.words(texts)
        found = self.look(words, regions + self.places)
        matches = self.compared(torch.cat([words, found, words * found], dim=2)) * mask
        return self.alone(regions.flatten(1))[:, 0] + (matches.sum(dim=1) / mask.sum(dim=1))[:, 0]

    def forward(self, images: Images, texts: Texts) -> Float[Tensor, " n"]:
        """Return the logit of each picture with its text."""
        return self.judge(self.regions(images), texts)
