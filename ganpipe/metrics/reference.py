"""What the real data looks like to the extractors: computed once for all experiments on the same data.

The training split of the packed data is shuffled by `evaluate.seed` and cut into halves A and B, of which at most
`LARGEST_HALF` are looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Int64
from safetensors import safe_open
from safetensors.numpy import save

from ganpipe import paths
from ganpipe.config import Evaluate, Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.files import write_bytes
from ganpipe.metrics.extractors import load_extractor_class
from ganpipe.metrics.extractors.domain import DomainExtractor
from ganpipe.metrics.extractors.extraction import advancing, extract
from ganpipe.metrics.extractors.interface import Extractor
from ganpipe.progress import progress

FEATURES = "features.safetensors"
LARGEST_HALF = 10_000
"""Most samples of each half, and so most that are compared: Inception takes a quarter of an hour for them."""

_BYTES_LEARNED = 1 << 31  # of the images that the domain extractor learns from, all in memory: 2 GiB
_FEWEST_LEARNED = 1000


@dataclass(frozen=True)
class Reference:
    """What an extractor makes of both halves of the real data."""

    extractor: Extractor
    half_a: np.ndarray  # float64 features (n, d)
    half_b: np.ndarray


def prepare_reference(params: Params) -> None:
    """Fit the extractors that must be fitted, and write them with the features of both halves to data/reference.

    Depends on the packed data and the extractors alone, so that all experiments on the same data share it.
    Raises `MetricError` where an extractor cannot be had from this data.
    """
    torch.set_num_threads(1)  # more of them change the last bits of the extractor
    packed = Packed.open(paths.PACKED_FILE)
    packed.verify()
    rows = _halves(packed.rows("train"), params.evaluate.seed)
    for name in params.evaluate.extractors:
        extractor = _fitted(name, packed, params.evaluate)
        read = partial(packed.read, role=packed.kind)
        features = extract(extractor, read, rows, f"Features of real data ({name})").features
        half_a, half_b = np.split(features, 2)
        content = save({"half_a": half_a, "half_b": half_b}, _made_from(packed, extractor, params.evaluate.seed))
        write_bytes(paths.REFERENCE / name / FEATURES, content)


def compared(samples: int, packed: Packed) -> int:
    """Return how many of so many samples are compared with real data: at most half of it, and `LARGEST_HALF`."""
    return min(samples, len(packed.rows("train")) // 2, LARGEST_HALF)


def load_reference(name: str, packed: Packed, seed: int) -> Reference:
    """Load what `prepare_reference` wrote for an extractor.

    Raises `MetricError` where it is missing, or was made of other data, by another extractor or with another seed.
    """
    folder = paths.REFERENCE / name
    if not (folder / FEATURES).is_file():
        raise MetricError(f"{folder}: no features of the real data; run `dvc repro reference`")
    with safe_open(folder / FEATURES, framework="numpy") as file:
        features = {half: file.get_tensor(half) for half in ("half_a", "half_b")}
        found = file.metadata() or {}
    cls = load_extractor_class(name)
    extractor = cls.load(folder) if issubclass(cls, DomainExtractor) else cls()
    for what, value in _made_from(packed, extractor, seed).items():
        if found.get(what) != value:
            raise MetricError(
                f"{folder}: features of the real data were made with {what} {found.get(what)}, but it is {value} now; "
                "run `dvc repro --force --single-item reference`"
            )
    return Reference(extractor, features["half_a"], features["half_b"])


def _made_from(packed: Packed, extractor: Extractor, seed: int) -> dict[str, str]:
    """All that the features of the real data depend on."""
    return {"extractor": extractor.identity, "data": packed.content_sha256, "evaluate.seed": str(seed)}


def _fitted(name: str, packed: Packed, cfg: Evaluate) -> Extractor:
    cls = load_extractor_class(name)
    if not issubclass(cls, DomainExtractor):
        return cls()
    if not packed.classes:
        raise MetricError(
            f"evaluate.extractors: domain needs labels, but {packed.name} has none; "
            "use lite0 or pixel, or pattern for data.name = pattern"
        )
    most = max(_FEWEST_LEARNED, _BYTES_LEARNED // math.prod(packed.shape))
    learned = packed.some("train", most, cfg.seed)
    images, labels = (packed.read(learned, role) for role in ("image", "label"))
    with progress("Domain extractor", unit="img") as bar:
        extractor = cls.fit(
            images,
            labels,
            packed.classes,
            cfg.extractor_epochs,
            cfg.seed,
            cfg.extractor_accuracy,
            advancing(bar),
        )
    extractor.save(paths.REFERENCE / name)
    return extractor


def _halves(rows: range, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the rows of half A and, after as many, those of half B."""
    order = rows.start + np.random.default_rng(np.random.SeedSequence([seed, len(rows)])).permutation(len(rows))
    half, kept = len(rows) // 2, min(len(rows) // 2, LARGEST_HALF)
    return np.concatenate([order[:kept], order[half : half + kept]])
