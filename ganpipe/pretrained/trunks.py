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

_RANDOM = "random-"


def load_trunk(name: TrunkName) -> Trunk:
    """Return the trunk `hed`, `vgg19` or `random-SEED`; bring its weights where they are not on this machine yet.

    A random trunk has the layers of VGG19. It is for where no weights can be had: its features tell a blurred image
    from a sharp one, but their distances compare with nothing, not with those of another seed either. Raises
    `DataError` where a file cannot be had.
    """
    seed = name.removeprefix(_RANDOM)
    if name.startswith(_RANDOM) and seed.isdecimal():
        layout = TORCHVISION_VGG19
        return Trunk(name, layout, random_weights(layout, int(seed)))
    entry, read = _PUBLISHED[choose("trunk", name, [*_PUBLISHED, f"{_RANDOM}SEED"], where="load_trunk")]
    assert entry.layout is not None
    (path,) = fetch(name)
    return Trunk(name, entry.layout, read(path, entry.layout))


def random_weights(layout: Layout, seed: int) -> dict[str, Tensor]:
    """Draw weights after He et al. 2015 (arXiv:1502.01852), N(0, 2 / inputs), and zero biases.

    NumPy draws, and every convolution has its own generator, so that the weights are the same on every machine and for
    every selection of layers.
    """
    weights = {}
    for number, name in enumerate(_convs(layout)):
        narrow, wide = layout.channels(name)
        drawn = np.random.default_rng([seed, number]).standard_normal((wide, narrow, 3, 3), dtype=np.float32)
        weights[f"{name}.weight"] = torch.from_numpy(drawn * np.float32(math.sqrt(2 / (9 * narrow))))
        weights[f"{name}.bias"] = torch.zeros(wide)
    return weights


def _keras_weights(path: Path, layout: Layout) -> dict[str, Tensor]:
    """Read HED's Keras 3 file: kernels (3, 3, in, out) and biases in the groups blockN/layers/conv2d, conv2d_1, ..."""
    weights = {}
    with h5py.File(path) as file:
        for name in _convs(layout):
            number = int(name[6:]) - 1
            values = file[f"block{name[4]}/layers/conv2d{f'_{number}' if number else ''}/vars"]
            weights[f"{name}.weight"] = torch.from_numpy(values["0"][()].transpose(3, 2, 0, 1).copy())
            weights[f"{name}.bias"] = torch.from_numpy(values["1"][()])
    return weights


def _torchvision_weights(path: Path, layout: Layout) -> dict[str, Tensor]:
    """Read torchvision's file: features.N.weight and features.N.bias, where N is the place among the layers."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = {}
    for name in _convs(layout):
        for kind in ("weight", "bias"):
            weights[f"{name}.{kind}"] = state[f"features.{layout.layers.index(name)}.{kind}"]
    return weights


def _convs(layout: Layout) -> list[str]:
    return [name for name in layout.layers if name.startswith("conv")]


_PUBLISHED: Mapping[str, tuple[Weights, Callable[[Path, Layout], dict[str, Tensor]]]] = {
    "hed": (HED, _keras_weights),
    "vgg19": (VGG19, _torchvision_weights),
}
