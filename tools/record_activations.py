"""Writes tests/pretrained/activations.json: what HED's VGG16 must answer to a photograph.

Wrong channel order, range or padding cannot be seen in the features by eye. So the numbers are computed by another way
than ganpipe's: the file's own kernels, NumPy in float64, and each step of the preparation written out.
Run as `python tools/record_activations.py WEIGHTS.h5`, where WEIGHTS.h5 is what `ganpipe weights fetch hed` brings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import numpy as np
from sklearn.datasets import load_sample_image

OUT = Path(__file__).parent.parent / "tests" / "pretrained" / "activations.json"
CONVS = (2, 2, 3, 3, 3)
TOP, LEFT, HEIGHT, WIDTH = 180, 250, 70, 67  # of a crop of china.jpg; odd sides show how pools treat them


def convolve(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """3x3 on (h, w, in) with zeros around; kernel (3, 3, in, out)."""
    height, width, _ = maps.shape
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
    return bias + sum(padded[y : y + height, x : x + width] @ kernel[y, x] for y in range(3) for x in range(3))


def pool(maps: np.ndarray) -> np.ndarray:
    """The largest of each 2x2; a last odd row or column stays."""
    height, width, channels = maps.shape
    even = np.full((height + height % 2, width + width % 2, channels), -np.inf)
    even[:height, :width] = maps
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, channels).max(axis=(1, 3))


def activations(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """All layers (h, w, channels) for an RGB image (h, w, 3) of 0..255."""
    red, green, blue = image.astype(np.float64).transpose(2, 0, 1)
    maps = np.stack([blue - 104.00699, green - 116.66877, red - 122.67892], axis=-1)
    found = {}
    with h5py.File(path) as file:
        for block, count in enumerate(CONVS, 1):
            for number in range(1, count + 1):
                group = file[f"block{block}/layers/{'conv2d' if number == 1 else f'conv2d_{number - 1}'}/vars"]
                maps = convolve(maps, group["0"][()].astype(np.float64), group["1"][()].astype(np.float64))
                found[f"conv{block}_{number}"] = maps
                maps = found[f"relu{block}_{number}"] = np.maximum(maps, 0)
            maps = found[f"pool{block}"] = pool(maps)
    return found


def main() -> None:
    """Record mean, deviation and some values of every layer."""
    image = load_sample_image("china.jpg")[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
    layers = {}
    for name, maps in activations(Path(sys.argv[1]), image).items():
        channel = maps[..., 5::17][..., :8]
        layers[name] = {
            "shape": [maps.shape[2], *maps.shape[:2]],
            "mean": float(maps.mean()),
            "std": float(maps.std()),
            "corner": [float(value) for value in channel[0, 0]],  # where zero padding shows
            "last": [float(value) for value in channel[-1, -1]],  # where pools of odd sides show
        }
    crop = {"image": "china.jpg", "top": TOP, "left": LEFT, "height": HEIGHT, "width": WIDTH}
    OUT.write_text(json.dumps({"crop": crop, "channels": "5, 22, 39, ... up to 8", "layers": layers}, indent=1) + "\n")


if __name__ == "__main__":
    main()
