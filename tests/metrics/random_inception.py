"""What torch-fidelity's Inception is fed: a weights file of random values in the real format (566 tensors), images."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset


class Images(Dataset):
    """Images as torch-fidelity wants them."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return an image, channels first."""
        return torch.tensor(self.images[index]).permute(2, 0, 1)


def write_random_weights(path: Path) -> Path:
    """Write weights under which activations keep their size from layer to layer, the same every time."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        """The network before it has weights."""

        def load_state_dict(self, *_: object) -> None:
            """Leave the values as they are."""

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    state = Unloaded("random", ["2048"], feature_extractor_weights_path=empty).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, values in state.items():
        if name.endswith("conv.weight"):
            values.normal_(0, math.sqrt(2 / values[0].numel()), generator=generator)
        elif name.endswith("running_var"):
            values.uniform_(0.8, 1.2, generator=generator)
        elif name.endswith(("running_mean", "bn.bias")):
            values.normal_(0, 0.1, generator=generator)
        elif name == "fc.weight":
            values.normal_(0, 0.5, generator=generator)
    torch.save(state, path)
    return path
