"""The memorisation check: how near samples come to the training data, measured in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError
from ganpipe.progress import progress

NEAREST = 3
COPYING = 0.5  # twice as near to the training data as real data is to itself
JUDGED = 100  # samples, and as many real items, of the picture

_SIDE = 64  # pixels; larger images are averaged down to at most this
_BLOCK_BYTES = 1 << 26

Items = Shaped[np.ndarray, "n ..."]


@dataclass(frozen=True)
class Nearness:
    """The nearest training items of each sample, and how near real items are to each other.

    Distances are root mean square differences: grey levels of 255 for images, plain numbers for vectors.
    """

    rows: Int64[np.ndarray, "n k"]  # of the packed file, nearest first
    distances: Float64[np.ndarray, "n k"]
    between_real: Float64[np.ndarray, " m"]  # of some training items to their nearest other

    @property
    def real(self) -> float:
        """The median distance of a training item to its nearest other."""
        return float(np.median(self.between_real))

    @property
    def fake(self) -> float:
        """The median distance of a sample to its nearest training item."""
        return float(np.median(self.distances[:, 0]))

    @property
    def ratio(self) -> float | None:
        """The median sample's distance over the median real item's; None where most real items have an equal."""
        return self.fake / self.real if self.real > 0 else None

    @property
    def memorised_share(self) -> float:
        """The share of samples that are near enough to a training item to be its copy, by `COPYING`."""
        return float(np.mean(self.distances[:, 0] < COPYING * self.real))

    @property
    def memorised_share_floor(self) -> float:
        """The same share of real items."""
        return float(np.mean(self.between_real < COPYING * self.real))

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON: rows of data/packed and distances, sample by sample."""
        nearest = [
            {"rows": rows.tolist(), "distances": [float(f"{distance:.6g}") for distance in distances]}
            for rows, distances in zip(self.rows, self.distances, strict=True)
        ]
        return {"fake": self.fake, "real": self.real, "ratio": self.ratio, "samples": nearest}


def nearness(
    packed: Packed, samples: Items, device: torch.device, mirrored: bool = False, judged: int = JUDGED
) -> Nearness:
    """Compare samples, and up to `judged` training items spread evenly, with all training items but themselves.

    Read once, block by block, so that memory does not grow with the set; float64, in which distances of pixels are
    exact. `mirrored`: the training saw mirror images too, so an item counts as near as the nearer of both.
    Raises `DataError` for a set of fewer than four training items.
    """
    train = packed.rows("train")
    if len(train) <= NEAREST:
        raise DataError(f"{packed.path}: the nearest training items need {NEAREST + 1} of them, found {len(train)}")
    real = np.unique(np.linspace(train.start, train.stop - 1, min(judged, len(train))).astype(np.int64))
    queries = np.concatenate([samples, packed.read(real, packed.kind)])
    own = torch.as_tensor(np.concatenate([np.full(len(samples), -1), real]), device=device)
    rows, distances = _search(packed, _views(queries, device, mirrored), own)
    return Nearness(rows[: len(samples)], distances[: len(samples)], distances[len(samples) :, 0])


def summary(found: Nearness, kind: str) -> str:
    """Return one line for a person: whether the samples look like copies."""
    unit = " grey levels" if kind == "image" else ""
    line = (
        f"nearest: a sample is {found.fake:.3g}{unit} from the nearest training {kind}, "
        f"a real {kind} {found.real:.3g} from the nearest other (medians)"
    )
    if found.ratio is None:
        return f"{line}: most of the training data exists twice, so nothing can be said about copying"
    verdict = f"below {COPYING:g}: the generator may be copying" if found.ratio < COPYING else "no sign of copying"
    return f"{line}: ratio {found.ratio:.2f}, {verdict}"


def _search(packed: Packed, views: Float64[Tensor, "v n d"], own: Int64[Tensor, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, k) and distances (n, k) of the nearest training items of the queries, `own` rows left out."""
    count, dimensions = views.shape[1:]
    best = torch.full((count, NEAREST), torch.inf, dtype=torch.float64, device=views.device)
    found = torch.full((count, NEAREST), -1, device=views.device)
    train = packed.rows("train")
    with progress("Nearest training items", total=len(train), unit="img") as bar:
        for block in _blocks(train, packed.row_bytes, dimensions):
            items = _points(packed.all(packed.kind, block), views.device)
            rows = torch.arange(block.start, block.stop, device=views.device)
            squares = _squared_distances(views, items).masked_fill(own[:, None] == rows, torch.inf)
            best, places = torch.cat([best, squares], dim=1).topk(NEAREST, largest=False)
            found = torch.cat([found, rows.expand(count, -1)], dim=1).gather(1, places)
            bar.advance(len(block))
    return found.cpu().numpy(), (best / dimensions).sqrt().cpu().numpy()


def _squared_distances(views: Float64[Tensor, "v n d"], items: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    """Return the smallest squared distance over the views of each query to each item."""
    lengths = views.square().sum(dim=2, keepdim=True) + items.square().sum(dim=1)
    return (lengths - 2 * views @ items.T).clamp(min=0).amin(dim=0)


def _views(queries: Items, device: torch.device, mirrored: bool) -> Float64[Tensor, "v n d"]:
    seen = [queries, queries[:, :, ::-1].copy()] if mirrored and queries.ndim == 4 else [queries]
    return torch.stack([_points(items, device) for items in seen])


def _points(items: Items, device: torch.device) -> Float64[Tensor, "n d"]:
    """Return images, averaged down where they are large, or vectors as points."""
    points = torch.as_tensor(items, device=device).double()
    if points.dim() == 4 and (factor := -(-max(points.shape[1:3]) // _SIDE)) > 1:
        points = avg_pool2d(points.permute(0, 3, 1, 2), factor, ceil_mode=True)
    return points.flatten(1)


def _blocks(rows: range, row_bytes: int, dimensions: int) -> Iterator[range]:
    step = max(1, _BLOCK_BYTES // (8 * max(row_bytes, dimensions)))
    for start in range(rows.start, rows.stop, step):
        yield range(start, min(start + step, rows.stop))
