"""The picture `gatys`: what outputs become where their pixels, and no generator, are moved downhill on the same losses.

The baseline of feed-forward networks: Gatys et al. 2015, arXiv:1508.06576. Deviation: Adam in place of L-BFGS, from the
given picture in place of noise.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from ganpipe.core.batch import Batch, to_stored
from ganpipe.core.system import System
from ganpipe.pictures import strip
from ganpipe.progress import progress
from ganpipe.sampling.draw import GivenSource, Items, all_items, most_items, sources

SHOWN = 3
"""Given rows at most: each takes minutes of a CPU."""

_WANTED = 16  # rows that each output should look like
_RATE = 0.05  # of Adam; pixels are in [-1, 1]


def beside_direct(system: System, given: GivenSource, seed: int) -> Image.Image:
    """Draw given pictures, what the generator makes of each, and its pixels moved downhill from the given picture on.

    Builds the frozen networks of the system.
    """
    system.build_frozen()
    system.to(system.device).eval()
    inputs, made = all_items(system, most_items(system, SHOWN, given), seed, given)
    count = len(next(iter(made.values())))
    found = []
    with progress("Moving pixels", total=count, unit="img") as bar:
        for row in range(count):
            found.append(moved(system, _rows(system, given, row)))
            bar.advance()
    columns = []
    for output, source in sources(system).items():
        started = given.fetch(source, 0, count)
        columns.append((f"given: {source}", to_stored("image", started).numpy()))
        columns.append((f"made: {output}", made[output]))
        columns.append((f"pixels: {output}", np.concatenate([one[output] for one in found])))
    return strip(columns)


def moved(system: System, batch: Batch) -> Items:
    """Return the outputs for one given row as pixels that begin as it, in stored form; see `System.direct_loss`."""
    loss = system.direct_loss(batch)
    pixels = {output: batch[source].clone().requires_grad_() for output, source in sources(system).items()}
    optimizer = torch.optim.Adam(pixels.values(), lr=_RATE)
    for _ in range(system.cfg.direct_steps):
        optimizer.zero_grad()
        torch.stack(list(loss(pixels).values())).sum().backward()
        optimizer.step()
    return {output: to_stored("image", values.detach()).cpu().numpy() for output, values in pixels.items()}


def _rows(system: System, given: GivenSource, row: int) -> Batch:
    """Return one given row of every field that an output is made from, and rows that the outputs should look like."""
    rows = {source: given.fetch(source, row, 1) for source in sources(system).values()}
    rows |= {field: given.fetch(field, 0, _WANTED) for field in system.outputs.values()}
    return {field: values.to(system.device) for field, values in rows.items()}
