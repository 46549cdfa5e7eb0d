"""Drawing from a generator so that the same seed gives the same items, however many are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ganpipe.core.batch import to_uint8
from ganpipe.core.system import System
from ganpipe.errors import TrainingDiverged

BLOCK = 64  # latents are drawn and generated in blocks of this many: the first 10 of 100 are the same as 10 of 10


def draw_latents(system: System, n: int, seed: int) -> Tensor:
    """Return the first `n` latents of this seed."""
    return torch.cat(list(latent_blocks(system, n, seed)))


def latent_blocks(system: System, n: int, seed: int) -> Iterator[Tensor]:
    """Yield the first `n` latents of this seed, `BLOCK` at a time."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, n, BLOCK):
        yield system.latents(BLOCK, generator)[: n - start]


def render(system: System, latents: Tensor) -> np.ndarray:
    """Return what the system generates from latents, see `render_block`."""
    return np.concatenate([render_block(system, block) for block in latents.split(BLOCK)])


def render_block(system: System, latents: Tensor) -> np.ndarray:
    """Return what the system generates from `BLOCK` latents or fewer: uint8 NHWC images or float32 vectors.

    A block is filled up to the same size, since results may differ in the last bit between batch sizes. The system
    must be in evaluation mode. Raises `TrainingDiverged` for non-finite output.
    """
    full = torch.cat([latents, latents[:1].expand(BLOCK - len(latents), *latents.shape[1:])])
    with torch.no_grad():
        return _finished(system.generate(full))[: len(latents)].cpu().numpy()


def draw(system: System, n: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the first `n` items of this seed, block by block."""
    for latents in latent_blocks(system, n, seed):
        yield render_block(system, latents)


def _finished(generated: Tensor) -> Tensor:
    if generated.dim() == 4:
        return to_uint8(generated)
    if not torch.isfinite(generated).all():
        raise TrainingDiverged("the generator returns non-finite numbers", "train again with a lower train.lr")
    return generated.float()
