"""The `dinov2` extractor: ViT-B/14 of DINOv2 (Oquab et al. 2023, arXiv:2304.07193), by timm.

Stein et al. 2023 (arXiv:2306.04675) found its Fréchet distance to agree best with people; they use ViT-L/14, which
takes four times as long, so that the values here are not theirs.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.batches import extract_in_batches, resized
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

VARIABLE = "GANPIPE_DINOV2_WEIGHTS"
"""Environment variable with the path of timm's model.safetensors; unset: the Hugging Face hub and its cache."""
MODEL = "vit_base_patch14_dinov2.lvd142m"
SIDE = 224  # pixels

_BATCH = 8
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1]


class Dinov2Extractor:
    """The 768 numbers of the class token after the last norm; no classes.

    Protocol: the whole image, bicubic with antialiasing to 224 x 224 in float, ImageNet's mean and deviation, float32.
    """

    def __init__(self) -> None:
        """Load the weights by path or from the hub. Raises `MetricError` where they cannot be had."""
        named = os.environ.get(VARIABLE)
        weights = _from_file(Path(named)) if named else _from_hub()
        self.identity = f"dinov2-vitb14@{hashlib.sha256(safetensors.torch.save(weights)).hexdigest()[:8]}"
        self._network = _network(weights, named or MODEL)

    def extract(self, images: UInt8[np.ndarray, "n h w c"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return features (N, 768), no probabilities. Raises `MetricError` for input that is not images."""
        return extract_in_batches(self._forward, images, _BATCH, "dinov2", on_progress)

    def _forward(self, pixels: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n 768"], None]:
        mean, std = (torch.tensor(values)[:, None, None] for values in (_MEAN, _STD))
        features: Tensor = self._network((resized(pixels, SIDE) / 255 - mean) / std)
        return features, None


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise MetricError(f"{VARIABLE} = {path}: there is no such file")
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # a reader of a binary format fed with other bytes raises anything
        reason = " ".join(str(error).split())[:120]
        raise MetricError(f"{VARIABLE} = {path}: is no safetensors file ({reason}); give timm/{MODEL}'s") from None


def _from_hub() -> dict[str, Tensor]:
    """Take the weights from the cache of the Hugging Face hub, or download them to it."""
    from timm.models import load_state_dict_from_hf

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its warnings at each attempt would hide our one line
    try:
        weights: dict[str, Tensor] = load_state_dict_from_hf(f"timm/{MODEL}", weights_only=True)
    except Exception as error:  # the hub's client raises many types, of several libraries
        raise MetricError(
            f"extractor dinov2: its weights could not be downloaded ({type(error).__name__}); where there is no "
            f"network, set {VARIABLE} to a copy of model.safetensors of timm/{MODEL} on the Hugging Face hub"
        ) from None
    return weights


def _network(weights: dict[str, Tensor], source: str) -> torch.nn.Module:
    """Build timm's network for 224 pixels: the weights are for 518, and their positions are interpolated."""
    import timm

    try:
        with torch.random.fork_rng(devices=[]):
            network = timm.create_model(
                MODEL, pretrained=True, pretrained_cfg_overlay={"state_dict": weights}, img_size=SIDE, num_classes=0
            )
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise MetricError(f"{source}: holds no weights of {MODEL} ({reason})") from None
    return network.eval()
