"""What tests of systems that enlarge share: tiny data, and a hand-written relative distance of features."""

from __future__ import annotations

import torch
from torch import Tensor

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec, Field

SIDE, SCALE = 16, 4
DATA = DataSpec(
    name="toy",
    fields={
        "image": Field(kind="image", shape=(3, SIDE, SIDE)),
        "low": Field(kind="image", shape=(3, SIDE // SCALE, SIDE // SCALE)),
    },
)
TINY = {"trunk": "random-0", "features": 3, "blocks": 2, "features_discriminator": 2, "dense_discriminator": 4}


def fetch(position: int, count: int) -> Batch:
    """Return random pictures, and each smaller, in double precision."""
    generator = torch.Generator().manual_seed(position)
    image = torch.rand(count, 3, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1
    return {"image": image, "low": image.unflatten(3, (-1, SCALE)).unflatten(2, (-1, SCALE)).mean(dim=(3, 5))}


def single(position: int, count: int) -> Batch:
    """Return the same in single precision."""
    return {name: values.float() for name, values in fetch(position, count).items()}


def relative(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared distance relative to the square of what is wanted."""
    return (made - wanted).pow(2).sum() / wanted.pow(2).sum()
