"""Sets of images in every form that `ganpipe score` takes, and the command itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from metrics.sets import column, write_set
from PIL import Image
from raw_files import encoded
from typer.testing import CliRunner

from ganpipe.cli import app

SIDE = 16


def images(seed: int, n: int, channels: int = 3, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def write_folder(folder: Path, pixels: np.ndarray) -> Path:
    for number, picture in enumerate(pixels):
        path = folder / f"part{number % 2}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture if picture.shape[2] == 3 else picture[..., 0]).save(path)
    return folder


def write_h5(path: Path, pixels: np.ndarray) -> Path:
    write_set(path, {"picture": column(pixels)})
    return path


def score(fake: Path, real: Path, *options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["score", str(fake), "--against", str(real), *options])
    return result.exit_code, result.stdout, result.stderr


def png(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG")


def write_zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def save_npy(path: Path, pixels: np.ndarray) -> Path:
    with path.open("wb") as file:
        np.save(file, pixels)
    return path
