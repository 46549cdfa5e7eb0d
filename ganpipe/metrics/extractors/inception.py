"""The `inception` extractor: the network of the FID (Heusel et al. 2017, arXiv:1706.08500), by torch-fidelity.

Only its published weights give the values of the literature, so only they give the names `fid`, `kid` and `is`.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import Published
from ganpipe.data.download.stage import fetch_once
from ganpipe.errors import MetricError
from ganpipe.files import sha256_of
from ganpipe.metrics.extractors.batches import extract_in_batches
from ganpipe.metrics.extractors.interface import INCEPTION, Extracted, OnProgress
from ganpipe.paths import state_dir

VARIABLE = "GANPIPE_INCEPTION_WEIGHTS"
"""Environment variable with the path of the weights file, where it cannot be downloaded."""

WEIGHTS = RawFile(
    name="weights-inception-2015-12-05-6726825d.pth",
    origin=Published(
        (
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
        )
    ),
    size=95_628_359,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)

_BATCH = 16  # larger ones leave the cache and are slower


class InceptionExtractor:
    """The 2048 pooled numbers as features; the 1008 logits without bias for the inception score.

    Protocol: the bilinear resize of TensorFlow 1 to 299 x 299, (pixel - 128) / 128, float32, channels last.
    """

    def __init__(self, weights: Path | None = None) -> None:
        """Load the published weights: the file that `GANPIPE_INCEPTION_WEIGHTS` names, else downloaded once.

        `weights`, for tests, is a file of the same format with any values: its scores are never called `fid`.
        Raises `MetricError` where a file is missing, another or damaged, `DataError` where it cannot be downloaded.
        """
        path = find_weights() if weights is None else weights
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        self.identity = INCEPTION if found == WEIGHTS.sha256 else f"inception-random@{found[:8]}"
        self._network = _network(content, path)

    def extract(self, images: UInt8[np.ndarray, "n h w c"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return features (N, 2048) and class probabilities (N, 1008). Raises `MetricError` for other input."""
        return extract_in_batches(self._forward, images, _BATCH, "inception", on_progress)

    def _forward(self, pixels: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n 2048"], Float[Tensor, "n 1008"]]:
        features, logits = self._network(pixels)
        return features, logits


def find_weights() -> Path:
    """Return the published weights file: what the environment names, else `.ganpipe/weights`, downloaded if need be.

    Kept outside DVC because the sha256 pins it for good: adding the extractor must not change `data/raw`, on which
    every training depends. Raises `MetricError` and `DataError`.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        advice = f"fetch {WEIGHTS.name} with a browser and set {VARIABLE}=/path/to/it"
        return fetch_once(WEIGHTS, state_dir() / "weights", advice)
    path = Path(named)
    if not path.is_file():
        raise MetricError(f"{VARIABLE} = {named}: there is no such file")
    found = sha256_of(path)
    if found != WEIGHTS.sha256:
        raise MetricError(
            f"{VARIABLE} = {named}: sha256 {found[:8]}... is not the 6726825d... of the published Inception weights; "
            f"the right file is {WEIGHTS.name} of {WEIGHTS.size} bytes"
        )
    return path


def _network(content: bytes, path: Path) -> torch.nn.Module:
    """Build torch-fidelity's network. It would unpickle whatever a file holds, so it is handed plain tensors only."""
    from torch_fidelity.utils import create_feature_extractor

    try:
        tensors = io.BytesIO()
        torch.save(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), tensors)
        tensors.seek(0)
        with torch.random.fork_rng(devices=[]):
            network: torch.nn.Module = create_feature_extractor(
                "inception-v3-compat",
                ["2048", "logits_unbiased"],
                cuda=False,
                feature_extractor_weights_path=tensors,
                verbose=False,
            )
    except Exception as error:  # readers of pickles fed with other bytes raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise MetricError(
            f"{path}: holds no weights of Inception ({reason}); the right file has sha256 {WEIGHTS.sha256}"
        ) from None
    return network.to(memory_format=torch.channels_last)
