"""What a trunk answers to photographs, and how far it finds them from worse copies: the tables of docs/weights.md.

Run `python benchmarks/trunks.py [TRUNK]`, by default hed. The photographs are those of scikit-learn and scikit-image.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image
from torch import Tensor

from ganpipe.nets.vgg import VGG
from ganpipe.pretrained.trunks import load_trunk

SIDE = 128  # pixels of a crop; two are cut from each photograph


def crops() -> Tensor:
    """(12, 3, 128, 128) in [-1, 1]."""
    photographs = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    photographs += [getattr(skimage.data, name)() for name in ("chelsea", "coffee", "astronaut", "rocket")]
    cut = []
    for photograph in photographs:
        for away in (60, 0):
            y, x = (side // 2 - SIDE // 2 - away for side in photograph.shape[:2])
            cut.append(photograph[y : y + SIDE, x : x + SIDE])
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2) / 127.5 - 1


def worse(images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield copies of the images, from hardly to badly changed, kind by kind."""
    for sigma in (0.5, 1, 2, 4):
        yield f"blur, sd {sigma}", torch.from_numpy(gaussian_filter(images.numpy(), (0, 0, sigma, sigma)))
    small = F.interpolate(images, scale_factor=1 / 4, mode="bicubic", antialias=True)
    yield "a quarter of the size and back", F.interpolate(small, size=SIDE, mode="bicubic").clamp(-1, 1)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    for deviation in (0.02, 0.05, 0.1, 0.2):
        yield f"noise, sd {deviation}", (images + 2 * deviation * noise).clamp(-1, 1)
    for pixels in (1, 2, 4):
        yield f"shift by {pixels}", images.roll(pixels, 3)
    yield "brightness x .9", (images + 1) * 0.9 - 1
    yield "another photograph", images.roll(2, 0)


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    images, trunk = crops(), load_trunk(sys.argv[1] if len(sys.argv) > 1 else "hed")
    print("| layer | mean | deviation | alive after ReLU | channels never alive |\n|---|---|---|---|---|")
    for name, maps in VGG(trunk, trunk.layout.convolutions)(images).items():
        alive, dead = (maps > 0).float().mean(), int((maps.amax((0, 2, 3)) <= 0).sum())
        print(f"| {name} | {maps.mean():.3g} | {maps.std():.3g} | {alive:.2f} | {dead} of {maps.shape[1]} |")
    layers = ["relu2_2", "relu3_3", "relu4_3", "conv5_3"]
    network = VGG(trunk, layers)
    wanted = network(images)
    print(f"\n| change | pixels | {' | '.join(layers)} |\n|---|---|{'---|' * len(layers)}")
    for name, changed in worse(images):
        found = network(changed)
        distances = [
            ((found[layer] - wanted[layer]).square().sum((1, 2, 3)) / wanted[layer].square().sum((1, 2, 3))).mean()
            for layer in layers
        ]
        pixels = ((changed - images) / 2).square().mean()
        print(f"| {name} | {pixels:.4f} | {' | '.join(f'{value:.3f}' for value in distances)} |")
    for layer in layers:
        one, judge = images[:1].clone().requires_grad_(), VGG(trunk, [layer])
        judge(one)[layer].square().mean().backward()
        start = time.process_time()
        judge(one)[layer].square().mean().backward()
        print(f"{layer}: {time.process_time() - start:.3f} s of one core, forward and back, one image")


if __name__ == "__main__":
    main()
