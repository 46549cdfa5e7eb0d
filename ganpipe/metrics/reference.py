"""The features of the real data, computed once for all experiments on the same data.

The training split is shuffled by `evaluate.seed` and cut into halves A and B. At most `LARGEST_HALF` rows of each are
used.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ganpipe import paths
from ganpipe.config import Evaluate, Params
from ganpipe.core.spec import DataSpec
from ganpipe.data.packed.columns import canonical_json
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.errors import MetricError
from ganpipe.files import write_bytes
from ganpipe.metrics.extractors import fitting_fields, load_extractor_class, required_fields
from ganpipe.metrics.extractors.committed import committed_folder
from ganpipe.metrics.extractors.domain import DomainExtractor
from ganpipe.metrics.extractors.extraction import advancing, extract
from ganpipe.metrics.extractors.interface import Extractor
from ganpipe.metrics.rows_needed import require_rows
from ganpipe.progress import progress

FEATURES = "features.safetensors"
LARGEST_HALF = 10_000
"""Most rows of each half, and so most samples that are compared: Inception takes a quarter of an hour for them."""

_ABOUT = "about"  # the only name in the metadata of the file
_ANEW = "run `dvc repro --force --single-item reference`"

_BYTES_LEARNED = 1 << 31
"""Most bytes of images that the domain extractor is trained on: all of them are in memory."""
_FEWEST_LEARNED = 1000
"""Images that it is trained on in any case."""


@dataclass(frozen=True)
class Reference:
    """An extractor and the features of both halves of the real data."""

    extractor: Extractor
    half_a: np.ndarray  # float64 features (n, d)
    half_b: np.ndarray


def prepare_reference(params: Params, packed_folder: Path, into: Path) -> None:
    """Write the features of both halves of every field that an extractor can look at, below the folder `into`.

    Extractors that have no weights yet are trained first. Depends on the packed data and `evaluate` only, so that all
    experiments on the same data share it. Raises `ConfigError` where an extractor can look at no field of the data, or
    there are too few rows, see `rows_needed`.
    """
    torch.set_num_threads(1)  # more of them change the last bits of the extractor
    packed = Packed.open(packed_folder / paths.PACKED_FILE.name)
    require_rows(params, packed)
    packed.verify()
    wanted = [(name, field) for name in params.evaluate.extractors for field in required_fields(name, packed.spec)]
    for name, field in wanted:
        folder = reference_folder(into, name, packed.spec, field)
        extractor = _made(name, packed, field, params.evaluate, folder)
        rows = _halves(packed.rows("train", packed.fields[field].space), params.evaluate.seed)
        read = partial(packed.read_rows, field)
        features = extract(extractor, read, rows, f"Features of real data ({name})").features
        half_a, half_b = np.split(features, 2)
        _write_features(folder / FEATURES, half_a, half_b, _made_from(packed, extractor, params.evaluate.seed))


def compared(samples: int, packed: Packed, field: str) -> int:
    """Return how many of `samples` are compared: at most half the real rows of `field`, and at most `LARGEST_HALF`."""
    return min(samples, len(packed.rows("train", packed.fields[field].space)) // 2, LARGEST_HALF)


def reference_folder(root: Path, name: str, spec: DataSpec, field: str) -> Path:
    """Return the folder of an extractor below data/reference: one for each field where it looks at several."""
    folder = root / name
    return folder if len(fitting_fields(name, spec)) == 1 else folder / field


def load_reference(root: Path, name: str, packed: Packed, field: str, seed: int) -> Reference:
    """Load the features of a field that `prepare_reference` wrote below `root`, with the extractor that made them.

    Raises `MetricError` where they are missing, or were made of other data, by another extractor or with another seed.
    """
    folder = reference_folder(root, name, packed.spec, field)
    if not (folder / FEATURES).is_file():
        raise MetricError(f"{folder}: no features of the real data; run `dvc repro reference`")
    half_a, half_b, found = _read_features(folder / FEATURES)
    cls = load_extractor_class(name)
    if issubclass(cls, DomainExtractor):
        extractor: Extractor = cls.load(committed_folder(packed.spec, field) or folder)
    else:
        extractor = cls()
    for what, value in _made_from(packed, extractor, seed).items():
        if found.get(what) != value:
            raise MetricError(
                f"{folder}: features of the real data were made with {what} {found.get(what)}, but it is {value} now; "
                f"{_ANEW}"
            )
    return Reference(extractor, half_a, half_b)


def _write_features(path: Path, half_a: np.ndarray, half_b: np.ndarray, made_from: Mapping[str, str]) -> None:
    """Write both halves with what they were made from and the SHA-256 of all: the same features give the same bytes.

    All that is said of them stands under one name: safetensors writes several in any order.
    """
    about = {**made_from, "sha256": _sha256(half_a, half_b, made_from)}
    write_bytes(path, save({"half_a": half_a, "half_b": half_b}, {_ABOUT: canonical_json(about)}))


def _read_features(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return both halves, and what they were made from. Raises `MetricError` for a damaged file."""
    try:
        with safe_open(path, framework="numpy") as file:
            half_a, half_b = (file.get_tensor(half) for half in ("half_a", "half_b"))
            made_from = json.loads((file.metadata() or {})[_ABOUT])
        if made_from.pop("sha256") != _sha256(half_a, half_b, made_from):
            raise ValueError("its content is not that of its SHA-256")
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MetricError(f"{path}: damaged ({reason}); {_ANEW}") from None
    return half_a, half_b, made_from


def _sha256(half_a: np.ndarray, half_b: np.ndarray, made_from: Mapping[str, str]) -> str:
    digest = hashlib.sha256(canonical_json(made_from).encode())
    for half in (half_a, half_b):
        digest.update(f"{half.dtype.str}{half.shape}".encode())
        digest.update(np.ascontiguousarray(half).data)
    return digest.hexdigest()


def _made_from(packed: Packed, extractor: Extractor, seed: int) -> dict[str, str]:
    """Return everything that the features of the real data depend on."""
    return {"extractor": extractor.identity, "data": packed.content_sha256, "evaluate.seed": str(seed)}


def _made(name: str, packed: Packed, field: str, cfg: Evaluate, folder: Path) -> Extractor:
    """Return an extractor for a field; save a classifier that has to be trained in `folder`."""
    cls = load_extractor_class(name)
    if not issubclass(cls, DomainExtractor):
        own: Extractor = cls()
        return own
    if own_folder := committed_folder(packed.spec, field):
        committed = cls.load(own_folder)
        print(
            f"domain: uses {committed.identity}, which comes with ganpipe for {packed.name}; evaluate.extractor_epochs "
            "and evaluate.extractor_accuracy do not apply",
            flush=True,
        )
        return committed
    trained = _trained(cls, packed, field, cfg)
    trained.save(folder)
    return trained


def _trained(cls: type[DomainExtractor], packed: Packed, field: str, cfg: Evaluate) -> DomainExtractor:
    spec = packed.spec
    label = spec.beside(field, "label")
    assert label is not None, "fitting_fields demands labels"
    most = max(_FEWEST_LEARNED, _BYTES_LEARNED // math.prod(spec.fields[field].shape))
    learned = subset(packed.rows("train", spec.fields[field].space), most, cfg.seed)
    images, labels = packed.read_rows(field, learned), packed.read_rows(label, learned)
    with progress("Domain extractor", unit="img") as bar:
        return cls.fit(
            images,
            labels,
            spec.names(label),
            cfg.extractor_epochs,
            cfg.seed,
            cfg.extractor_accuracy,
            advancing(bar),
        )


def _halves(rows: range, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the rows of half A followed by as many rows of half B."""
    order = rows.start + np.random.default_rng(np.random.SeedSequence([seed, len(rows)])).permutation(len(rows))
    half, kept = len(rows) // 2, min(len(rows) // 2, LARGEST_HALF)
    return np.concatenate([order[:kept], order[half : half + kept]])
