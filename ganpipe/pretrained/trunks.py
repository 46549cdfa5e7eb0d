"""Trunks, the frozen VGG networks that a system names with `config.choices.Trunk`, from the table or from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from ganpipe.config import choose
from ganpipe.config.choices import Trunk as TrunkName
from ganpipe.nets.vgg import Trunk
from ganpipe.nets.vgg_layouts import TORCHVISION_VGG19, Layout
from ganpipe.pretrained.fetch import fetch
from ganpipe.pretrained.table import HED, VGG19, Weights

Convs = Mapping[str, tuple[Tensor, Tensor]]
"""Kernel (out, in, 3, 3) and bias (out) of convolutions by their names."""

_RANDOM = "random-"


def load_trunk(name: TrunkName) -> Trunk:
    """Return the trunk `hed`, `vgg19` or `random-SEED`; bring its weights where they are not on this machine yet.

    A random trunk has the layers of VGG19. It is for where no weights can be had: its features tell a blurred image
    from a sharp one, but their distances compare with nothing, not with those of another seed either. Raises
    `DataError` where a file cannot be had.
    """
    seed = name.removeprefix(_RANDOM)
    if name.startswith(_RANDOM) and seed.isdecimal():
        return Trunk(name, TORCHVISION_VGG19, lambda conv: _drawn(TORCHVISION_VGG19, int(seed), conv))
    entry, read = _PUBLISHED[choose("trunk", name, [*_PUBLISHED, f"{_RANDOM}SEED"], where="load_trunk")]
    assert entry.layout is not None
    (path,) = fetch(name)
    return Trunk(name, entry.layout, read(path, entry.layout).__getitem__)


def _drawn(layout: Layout, seed: int, conv: str) -> tuple[Tensor, Tensor]:
    """Draw a kernel after He et al. 2015 (arXiv:1502.01852), N(0, 2 / inputs); the bias is zero.

    NumPy draws, and every convolution has its own generator, so that the weights are the same on every machine and for
    every selection of layers.
    """
    narrow, wide = layout.channels(conv)
    random = np.random.default_rng([seed, layout.layers.index(conv)])
    kernel = random.standard_normal((wide, narrow, 3, 3), dtype=np.float32) * np.float32(math.sqrt(2 / (9 * narrow)))
    return torch.from_numpy(kernel), torch.zeros(wide, device="cpu")


def _from_keras(path: Path, layout: Layout) -> Convs:
    """Read HED's Keras 3 file: kernels (3, 3, in, out) and biases in the groups blockN/layers/conv2d, conv2d_1, ..."""
    convs = {}
    with h5py.File(path) as file:
        for name in layout.convolutions:
            number = int(name[6:]) - 1
            values = file[f"block{name[4]}/layers/conv2d{f'_{number}' if number else ''}/vars"]
            kernel = values["0"][()].transpose(3, 2, 0, 1).copy()
            convs[name] = torch.from_numpy(kernel), torch.from_numpy(values["1"][()])
    return convs


def _from_torchvision(path: Path, layout: Layout) -> Convs:
    """Read torchvision's file: features.N.weight and features.N.bias, where N is the place among the layers."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    places = {name: f"features.{layout.layers.index(name)}" for name in layout.convolutions}
    return {name: (state[f"{place}.weight"], state[f"{place}.bias"]) for name, place in places.items()}


_PUBLISHED: Mapping[str, tuple[Weights, Callable[[Path, Layout], Convs]]] = {
    "hed": (HED, _from_keras),
    "vgg19": (VGG19, _from_torchvision),
}
