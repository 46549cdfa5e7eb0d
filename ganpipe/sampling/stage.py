"""The sample stage: one HDF5 file of samples, and the pictures that `sample.pictures` names, `<name>.png` each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganpipe import paths
from ganpipe.config import Params, Sample
from ganpipe.core.batch import DataSpec
from ganpipe.core.system import System
from ganpipe.data.packed.columns import ROLES
from ganpipe.data.packed.file import About, Packed, write_packed
from ganpipe.errors import DataError
from ganpipe.files import write_json
from ganpipe.machine import prepare_device
from ganpipe.metrics.copies import JUDGED, nearness, summary
from ganpipe.pictures import as_images, grid, labelled, save_png, sheet
from ganpipe.progress import progress
from ganpipe.sampling.draw import draw_latents, latent_blocks, render, render_block
from ganpipe.sampling.latent_pictures import (
    THRESHOLDS,
    arithmetic,
    condition_names,
    per_condition,
    slerp,
    truncation,
    walk,
)
from ganpipe.sampling.published import Generator, load_generator
from ganpipe.training.checkpoint import Checkpoints


def sample(params: Params, train_fingerprint: str) -> None:
    """Draw `sample.count` items from the published generator into data/samples.

    Pixels are quantised here, once, and evaluated as written. By now DVC has recorded the generator, so the finished
    checkpoint of its training is deleted. Raises `ConfigError` for pictures that this system cannot draw, before
    anything is written.
    """
    device = prepare_device(params.runtime)
    generator = load_generator(paths.MODEL)
    generator.system.to(device)
    plans = _plans(generator.system, params.sample)
    _write_samples(generator, params)
    _draw_pictures(generator, plans, params)
    Checkpoints(paths.state_dir(), train_fingerprint).discard()


def _write_samples(generator: Generator, params: Params) -> None:
    system, spec, count, seed = generator.system, generator.data, params.sample.count, params.sample.seed
    asked = system.asked(draw_latents(system, 1, seed))
    about = About(
        name=f"{params.system.name} on {spec.name}",
        kind=spec.kind,
        source=f"{count} samples of a {params.system.name} generator trained on {spec.name}, seed {seed}",
        licence="as the training data",
        citation="",
        transform="none",
        classes=spec.classes if "label" in asked else (),
        attributes=spec.attributes if "attributes" in asked else (),
    )
    write_packed(paths.SAMPLES_FILE, about, count, _blocks(system, spec, count, seed))


def _blocks(system: System, spec: DataSpec, count: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield generated items with what each was asked for beside it."""
    with progress("Sampling", total=count, unit="img") as bar:
        for latents in latent_blocks(system, count, seed):
            asked = {
                role: values.cpu().numpy().astype(ROLES[role][0]) for role, values in system.asked(latents).items()
            }
            yield {spec.kind: render_block(system, latents), **asked}
            bar.advance(len(latents))


@dataclass(frozen=True)
class _Plan:
    """A picture to be: what to render, row by row, and what stands before each row (nothing: no margin)."""

    latents: Tensor
    columns: int
    labels: Sequence[str] = ()


def _plans(system: System, cfg: Sample) -> dict[str, _Plan]:
    """Plan the pictures that are asked for. Raises `ConfigError` for one that this system cannot draw."""
    first = draw_latents(system, cfg.grid, cfg.seed)
    ends = draw_latents(system, 2 * cfg.interpolation_pairs, cfg.seed)
    start, end = ends[0::2], ends[1::2]
    places, steps = np.linspace(0, 1, cfg.interpolation_steps).tolist(), cfg.interpolation_steps
    made: dict[str, Callable[[], _Plan]] = {
        "grid": lambda: _Plan(draw_latents(system, cfg.grid**2, cfg.seed), cfg.grid),
        "classes": lambda: _Plan(per_condition(system, first), cfg.grid, condition_names(system, first)),
        "interpolation": lambda: _Plan(walk(system, start, end, places, slerp), steps),
        "line": lambda: _Plan(walk(system, start, end, places, torch.lerp), steps),
        "arithmetic": lambda: _Plan(arithmetic(system, start, end), len(start), ("s1", "s2", "s1 + s2", "s1 - s2")),
        "truncation": lambda: _Plan(truncation(system, first, cfg.seed + 1), cfg.grid, ("all", *map(str, THRESHOLDS))),
    }
    return {name: made[name]() for name in cfg.pictures if name in made}


def _draw_pictures(generator: Generator, plans: Mapping[str, _Plan], params: Params) -> None:
    for stale in (*paths.SAMPLES.glob("*.png"), paths.NEAREST):
        stale.unlink(missing_ok=True)  # of another choice of pictures, and perhaps of another generator
    for name, plan in plans.items():
        items = render(generator.system, plan.latents)
        save_png(_picture(items, plan), paths.SAMPLES / f"{name}.png")
    if "nearest" in params.sample.pictures:
        _draw_nearest(generator, params)


def _picture(items: np.ndarray, plan: _Plan) -> Image.Image:
    if plan.labels:
        return labelled(grid(as_images(items), plan.columns), plan.labels)
    return sheet(items, plan.columns)


def _draw_nearest(generator: Generator, params: Params) -> None:
    """Draw samples beside their nearest training items, write which they are, and say whether they look like copies."""
    packed, kind = Packed.open(paths.PACKED_FILE), generator.data.kind
    if (packed.kind, packed.shape) != (kind, generator.data.shape):
        raise DataError(f"{packed.path}: not what the generator was trained on; run `dvc repro`")
    samples = generator.sample(JUDGED, params.sample.seed)
    found = nearness(packed, samples, generator.system.device, mirrored=params.data.flip)
    shown = min(params.sample.grid, JUDGED)
    nearest = packed.read(found.rows[:shown].ravel(), kind).reshape(shown, -1, *samples.shape[1:])
    rows = np.concatenate([samples[:shown, np.newaxis], nearest], axis=1)
    labels = ["  ".join(f"{distance:.3g}" for distance in row) for row in found.distances[:shown]]
    picture = grid(as_images(rows.reshape(-1, *samples.shape[1:])), columns=rows.shape[1])
    save_png(labelled(picture, labels), paths.SAMPLES / "nearest.png")
    write_json(paths.NEAREST, found.described())
    print(summary(found, kind), flush=True)
