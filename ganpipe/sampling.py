"""The sample stage: one HDF5 file of samples, a picture of a grid, and a picture of walks between latents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.drawing import draw_latents, render
from ganpipe.data.packed import About, write_packed
from ganpipe.device import prepare_device
from ganpipe.generator import Generator, load_generator
from ganpipe.pictures import save_png, sheet
from ganpipe.progress import Progress, progress
from ganpipe.training.checkpoint import Checkpoints


def sample(params: Params, train_fingerprint: str) -> None:
    """Draw `sample.count` items from the published generator into data/samples.

    Pixels are quantised here, once, and evaluated as written. By now DVC has recorded the generator, so the finished
    checkpoint of its training is deleted.
    """
    device = prepare_device(params.runtime)
    generator = load_generator(paths.MODEL)
    generator.system.to(device)
    _write_samples(generator, params)
    _draw_pictures(generator, params)
    Checkpoints(paths.state_dir(), train_fingerprint).discard()


def slerp(start: Float[Tensor, "n z"], end: Float[Tensor, "n z"], place: float) -> Float[Tensor, "n z"]:
    """Interpolate along the arc from `start` to `end` (Shoemake 1985), row by row; straight where they are parallel.

    Latents on the straight line between two normal draws are shorter than any the generator was trained on.
    """
    unit_start, unit_end = torch.nn.functional.normalize(start), torch.nn.functional.normalize(end)
    angle = (unit_start * unit_end).sum(dim=1, keepdim=True).clamp(-1, 1).acos()
    parallel = angle.sin() < 1e-4
    divisor = torch.where(parallel, torch.ones_like(angle), angle.sin())
    arc = ((1 - place) * angle).sin() / divisor * start + (place * angle).sin() / divisor * end
    return torch.where(parallel, torch.lerp(start, end, place), arc)


def _write_samples(generator: Generator, params: Params) -> None:
    spec, count, seed = generator.data, params.sample.count, params.sample.seed
    blocks = render(generator.system, draw_latents(generator.system, count, seed))
    about = About(
        name=f"{params.system.name} on {spec.name}",
        kind=spec.kind,
        source=f"{count} samples of a {params.system.name} generator trained on {spec.name}, seed {seed}",
        licence="as the training data",
        citation="",
        transform="none",
    )
    with progress("Sampling", total=count, unit="img") as bar:
        write_packed(paths.SAMPLES_FILE, about, count, _counted(blocks, spec.kind, bar))


def _counted(blocks: Iterator[np.ndarray], role: str, bar: Progress) -> Iterator[dict[str, np.ndarray]]:
    for block in blocks:
        yield {role: block}
        bar.advance(len(block))


def _draw_pictures(generator: Generator, params: Params) -> None:
    cfg = params.sample
    items = generator.sample(cfg.grid**2, cfg.seed)
    save_png(sheet(items, columns=cfg.grid), paths.SAMPLES / "grid.png")
    ends = draw_latents(generator.system, 2 * cfg.interpolation_pairs, cfg.seed)
    walk = [slerp(ends[0::2], ends[1::2], float(place)) for place in np.linspace(0, 1, cfg.interpolation_steps)]
    rows = torch.stack(walk, dim=1).flatten(0, 1)
    strip = np.concatenate(list(render(generator.system, rows)))
    save_png(sheet(strip, columns=cfg.interpolation_steps), paths.SAMPLES / "interpolation.png")
