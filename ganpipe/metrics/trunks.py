"""Frozen networks that compare pictures by their features: what `evaluate.trunks` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganpipe.core.batch import to_float
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.data.packed.splits import held_out
from ganpipe.losses.perceptual import feature_distance, gram
from ganpipe.metrics.extractors import require_packages
from ganpipe.metrics.extractors.lite0 import lite0_maps
from ganpipe.metrics.outputs import Output
from ganpipe.nets.vgg import VGG
from ganpipe.pretrained.trunks import load_trunk
from ganpipe.progress import progress

Pixels = UInt8[np.ndarray, "h w c"]
Maps = Mapping[str, Float[Tensor, "_n _c _h _w"]]

_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # of VGG; lite0 has one for each halving
_WINDOW = 512  # pixels: larger pictures are compared part by part
_TEXTURES = 200  # outputs, and as many real pictures, whose Gram matrices are compared


@dataclass(frozen=True)
class Trunk:
    """A frozen network and the layers at which it compares."""

    name: str
    maps: Callable[[Float[Tensor, "n c h w"]], Maps]  # of images in [-1, 1]

    @property
    def key(self) -> str:
        """The end of the names of its scores."""
        return self.name.replace("-", "_")

    def distance(self, made: Pixels, wanted: Pixels) -> float:
        """Return the relative distance of the features of two pictures of one size, see `losses.perceptual`.

        Of larger pictures it is the mean over windows of 512 pixels, by their area.
        """
        total = 0.0
        for top in range(0, made.shape[0], _WINDOW):
            for left in range(0, made.shape[1], _WINDOW):
                window = np.s_[top : top + _WINDOW, left : left + _WINDOW]
                one, other = made[window], wanted[window]
                total += float(feature_distance(self._seen(one[None]), self._seen(other[None]))) * one[..., 0].size
        return total / made[..., 0].size

    def grams(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Float[Tensor, "_n _c _c"]]:
        """Return the Gram matrices of each image by layer."""
        found: dict[str, list[Tensor]] = {}
        for image in images:
            for layer, maps in self._seen(image[None]).items():
                found.setdefault(layer, []).append(gram(maps))
        return {layer: torch.cat(matrices) for layer, matrices in found.items()}

    @torch.inference_mode()
    def _seen(self, images: UInt8[np.ndarray, "n h w c"]) -> Maps:
        return self.maps(to_float(torch.tensor(images)))


def load_trunks(names: Sequence[str]) -> list[Trunk]:
    """Return the networks of these names; bring the weights of those that are not on this machine yet.

    `lite0` is the network of the extractor, all others are trunks of `pretrained.trunks`. Raises `ConfigError` for
    missing packages, `DataError` for weights that cannot be had.
    """
    found = []
    for name in names:
        if name == "lite0":
            require_packages(name)
            found.append(Trunk(name, lite0_maps()))
        else:
            found.append(Trunk(name, VGG(load_trunk(name), _LAYERS)))
    return found


def texture_scores(packed: Packed, output: Output, trunks: Sequence[Trunk]) -> dict[str, float]:
    """Return how far the textures of outputs made from given pictures are from those of their field.

    `gram_<trunk>` is the mean over outputs and layers of the squared distance of the output's Gram matrix from the mean
    one of held-out pictures of its field, divided by the square of the latter (Gatys et al. 2015, arXiv:1508.06576,
    equation 4). `..._copy` is the same of the input: what a generator scores that does nothing.
    """
    field = packed.fields[output.field]
    rows = held_out(packed, field.space)
    real = packed.read_rows(output.field, subset(rows, min(_TEXTURES, len(rows)), 0))
    copied = output.copied(packed)
    compared = {"": output.items} | ({} if copied is None else {"_copy": copied})
    scores = {}
    for trunk in trunks:
        with progress(f"Textures ({trunk.name})", total=len(compared) + 1, unit="sets") as bar:
            wanted = {layer: matrices.mean(dim=0) for layer, matrices in trunk.grams(real).items()}
            bar.advance()
            for ending, images in compared.items():
                made = trunk.grams(images[:_TEXTURES])
                apart = [
                    float((made[layer] - mean).square().mean() / mean.square().mean()) for layer, mean in wanted.items()
                ]
                scores[f"gram_{trunk.key}{ending}"] = float(np.mean(apart))
                bar.advance()
    return scores
