"""Copies among samples: of each other, and of the training data, in pixels or in the features of an extractor."""

from __future__ import annotations

import hashlib
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
from ganpipe.metrics.distances import Neighbourhood, Points, distance_rows, squared_distances
from ganpipe.progress import progress

NEAREST = 3
"""Training items that are named for each sample."""
COPYING = 0.5
"""A sample at less than this share of the median distance between real items counts as a copy."""
JUDGED = 100
"""Samples, and real items, that the picture of nearest training items is made from."""

_SIDE = 64
"""Largest side in pixels at which images are compared; larger ones are averaged down."""
_BLOCK_BYTES = 1 << 26
"""Training items in memory at a time, in float64."""

Items = Shaped[np.ndarray, "n ..."]


@dataclass(frozen=True)
class Nearness:
    """The nearest training items of each sample, and how near real items are to each other.

    Distances are root mean square differences: in grey levels of 255 for images, in units of the data for vectors and
    sequences.
    """

    rows: Int64[np.ndarray, "n k"]  # of the field's space in the packed file, nearest first
    distances: Float64[np.ndarray, "n k"]
    between_real: Float64[np.ndarray, " m"]  # of some training items, each to its nearest other

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
        """`fake` over `real`; None where `real` is 0: most training items have an equal."""
        return self.fake / self.real if self.real > 0 else None

    @property
    def memorised_share(self) -> float:
        """The share of samples that count as copies of a training item, see `COPYING`."""
        return float(np.mean(self.distances[:, 0] < COPYING * self.real))

    @property
    def memorised_share_floor(self) -> float:
        """The share of real items that would count as copies of another one."""
        return float(np.mean(self.between_real < COPYING * self.real))

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON: rows of data/packed and distances, sample by sample."""
        nearest = [
            {"rows": rows.tolist(), "distances": [float(f"{distance:.6g}") for distance in distances]}
            for rows, distances in zip(self.rows, self.distances, strict=True)
        ]
        return {"fake": self.fake, "real": self.real, "ratio": self.ratio, "samples": nearest}


def nearness(
    packed: Packed,
    field: str,
    samples: Items,
    device: torch.device,
    mirrored: bool = False,
    judged: int = JUDGED,
) -> Nearness:
    """Compare samples, and up to `judged` training items spread evenly, with all training items but themselves.

    Samples and training items are stored rows of `field`. The set is read once, block by block, so that memory does not
    grow with it. Computed in float64, in which distances of pixels are exact. `mirrored`: the training saw mirror
    images too, so the nearer of a sample and its mirror image counts. Raises `DataError` for fewer than four training
    items.
    """
    train = packed.rows("train", packed.fields[field].space)
    if len(train) <= NEAREST:
        raise DataError(f"{packed.path}: the nearest training items need {NEAREST + 1} of them, found {len(train)}")
    real = np.unique(np.linspace(train.start, train.stop - 1, min(judged, len(train))).astype(np.int64))
    queries = np.concatenate([samples, packed.read_rows(field, real)])
    own = torch.as_tensor(np.concatenate([np.full(len(samples), -1), real]), device=device)
    rows, distances = _search(packed, field, _views(queries, device, mirrored), own)
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


def duplicate_share(items: Items) -> float:
    """Return the share of items that equal an earlier one, number for number: 0 when all differ."""
    return 1 - len(different(items)) / len(items)


def different(items: Items) -> set[bytes]:
    """Return the sha256 of the items: one for each different item."""
    return {hashlib.sha256(item.tobytes()).digest() for item in items}


def copied_share(real: Neighbourhood, fake: Points) -> float:
    """Return the share of fakes that lie nearer to a real than that real lies to any other real.

    One minus the authenticity of Alaa et al. 2022, arXiv:2102.08921, section 4.3; 1 for copies of these reals. New data
    of the same distribution score about a half (less in few dimensions), so that the value has a meaning only beside
    that of held-out reals. A real that exists twice has distance 0 to another, and no fake counts as its copy.
    """
    room = real.radii(1)
    copied = []
    for _, rows in distance_rows(fake, real.points):
        nearest = rows.min(dim=1)
        copied.append(nearest.values < room[nearest.indices])
    return float(torch.cat(copied).double().mean())


def _search(
    packed: Packed, field: str, views: Float64[Tensor, "v n d"], own: Int64[Tensor, " n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, k) and distances (n, k) of the nearest training items of the queries, `own` rows left out."""
    count, dimensions = views.shape[1:]
    best = torch.full((count, NEAREST), torch.inf, dtype=torch.float64, device=views.device)
    found = torch.full((count, NEAREST), -1, device=views.device)
    space = packed.fields[field].space
    train = packed.rows("train", space)
    with progress("Nearest training items", total=len(train), unit="img") as bar:
        for block in _blocks(train, packed.row_bytes(space), dimensions):
            items = _points(packed.slice(field, block), views.device)
            rows = torch.arange(block.start, block.stop, device=views.device)
            squares = torch.stack([squared_distances(view, items) for view in views]).amin(dim=0)
            squares.masked_fill_(own[:, None] == rows, torch.inf)
            best, places = torch.cat([best, squares], dim=1).topk(NEAREST, largest=False)
            found = torch.cat([found, rows.expand(count, -1)], dim=1).gather(1, places)
            bar.advance(len(block))
    return found.cpu().numpy(), (best / dimensions).sqrt().cpu().numpy()


def _views(queries: Items, device: torch.device, mirrored: bool) -> Float64[Tensor, "v n d"]:
    seen = [queries, queries[:, :, ::-1].copy()] if mirrored and queries.ndim == 4 else [queries]
    return torch.stack([_points(items, device) for items in seen])


def _points(items: Items, device: torch.device) -> Float64[Tensor, "n d"]:
    """Return items as points: one flat row each, images averaged down to `_SIDE` pixels first."""
    points = torch.as_tensor(items, device=device).double()
    if points.dim() == 4 and (factor := -(-max(points.shape[1:3]) // _SIDE)) > 1:
        points = avg_pool2d(points.permute(0, 3, 1, 2), factor, ceil_mode=True)
    return points.flatten(1)


def _blocks(rows: range, row_bytes: int, dimensions: int) -> Iterator[range]:
    step = max(1, _BLOCK_BYTES // (8 * max(row_bytes, dimensions)))
    for start in range(rows.start, rows.stop, step):
        yield range(start, min(start + step, rows.stop))
