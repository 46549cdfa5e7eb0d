"""The sample stage: one HDF5 file of samples, and the pictures that `sample.pictures` names, `<name>.png` each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.batch import batch_size
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.spec import Field
from ganpipe.core.system import System
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import DataError
from ganpipe.files import write_json
from ganpipe.machine import prepare_device
from ganpipe.metrics.copies import JUDGED, nearness, summary
from ganpipe.pictures import as_images, grid, labelled, save_png
from ganpipe.progress import progress, say
from ganpipe.rolls import drawable
from ganpipe.sampling.cycles import PREFIX, goes_back, sent_back
from ganpipe.sampling.direct import beside_direct
from ganpipe.sampling.draw import Items, all_items, choices, given_fields, given_spaces, items, most_items
from ganpipe.sampling.music import draw_music
from ganpipe.sampling.photographs import draw_photographs
from ganpipe.sampling.pictures import COMPARED, draw_plan, plans, side_by_side
from ganpipe.sampling.published import Generator, load_generator

SPACE = "items"


def sample(params: Params, model: Path, packed: Path, into: Path) -> None:
    """Draw `sample.count` items from the generator in the folder `model` into `samples.h5` in the folder `into`.

    Pixels are quantised here, once, and evaluated as written. A generator that makes its items from rows of the data
    takes them from the held-out rows of `packed`, see `GivenRows`. Without noise or a choice it makes one item of each
    row. Where the generator can make what it was given, samples.h5 also holds what it makes of its own outputs, see
    `sampling.cycles`. Raises `CheckpointError` for a generator that cannot be loaded, `DataError` for data it was not
    trained on.
    """
    generator = load_generator(model, params.sample.options)
    generator.system.to(prepare_device(params.runtime))
    data = Packed.open(packed / paths.PACKED_FILE.name)
    require_same_fields(generator, data)
    data.verify()
    given = GivenRows(data, given_fields(generator.system))
    _write_samples(generator.system, given, params, into / paths.SAMPLES_FILE.name)
    _draw_pictures(generator.system, given, params, into)
    asked = "photographs" in params.sample.pictures
    draw_photographs(generator, data, asked, params.sample.seed, into / paths.PHOTOGRAPHS.name)
    shutil.rmtree(into / paths.MUSIC.name, ignore_errors=True)  # of earlier params
    if "music" in params.sample.pictures:
        draw_music(generator.system, given, params.sample.seed, into / paths.MUSIC.name)
    if "nearest" in params.sample.pictures:
        _draw_nearest(generator.system, data, given, params, into)


def require_same_fields(generator: Generator, packed: Packed) -> None:
    """Raise `DataError` if the packed data lacks a field that the generator was trained on."""
    system = generator.system
    used = {*system.outputs.values(), *(one.field for one in system.inputs.values() if isinstance(one, Choice | Given))}
    for name in sorted(used):
        mine, found = generator.data.fields[name], packed.fields.get(name)
        if found is None or not mine.is_part_of(found) or mine.space != found.space:
            raise DataError(f"{packed.path}: not what the generator was trained on; run `dvc repro`")


def _write_samples(system: System, given: GivenRows, params: Params, path: Path) -> None:
    count = most_items(system, params.sample.count, given)
    if count < params.sample.count:
        say(f"{count} samples instead of {params.sample.count}: the generator makes one of each held-out row")
    trained_on, seed = system.data.name, params.sample.seed
    about = About(
        name=f"{params.system.name} on {trained_on}",
        source=f"{count} samples of a {params.system.name} generator trained on {trained_on}, seed {seed}",
        licence="as the training data",
        citation="",
        transform="none",
        extra={
            "outputs": json.dumps(dict(system.outputs), sort_keys=True),
            "options": json.dumps(params.sample.options or {}, sort_keys=True),
        },
    )
    blocks = _blocks(system, count, seed, given)
    write_packed(path, about, _sample_fields(system), {SPACE: SpaceRows(count, blocks)})


def _sample_fields(system: System) -> dict[str, Field]:
    """Return the fields of samples.h5: outputs, what comes back of them, choices, and row numbers of given rows."""
    known = system.data.fields
    made = {output: known[field] for output, field in system.outputs.items()}
    made |= {PREFIX + field: known[field] for field in goes_back(system)}
    chosen = {one.field: known[one.field] for one in system.inputs.values() if isinstance(one, Choice)}
    fields = {name: field.model_copy(update={"space": SPACE}) for name, field in (made | chosen).items()}
    return fields | {f"row_{space}": Field(kind="row", shape=(), space=SPACE) for space in given_spaces(system)}


def _blocks(system: System, count: int, seed: int, given: GivenRows) -> Iterator[Items]:
    """Yield blocks of outputs, with what comes back of them, the choices and the row numbers of given rows."""
    spaces, done = given_spaces(system), 0
    with progress("Sampling", total=count, unit="img") as bar:
        for number, (inputs, made) in enumerate(items(system, count, seed, given)):
            n = batch_size(inputs)
            taken = {f"row_{space}": given.numbers(space, done, n) for space in spaces}
            back = sent_back(system, inputs, made, given, done, seed, number)
            yield {
                **made,
                **{PREFIX + field: values for field, values in back.items()},
                **choices(system, inputs),
                **taken,
            }
            done += n
            bar.advance(n)


def _draw_pictures(system: System, given: GivenRows, params: Params, into: Path) -> None:
    for stale in (*into.glob("*.png"), into / paths.NEAREST.name):
        stale.unlink(missing_ok=True)  # of earlier params, perhaps of another generator
    for name, plan in plans(system, params.sample, given):
        for number, (output, picture) in enumerate(draw_plan(system, plan, params.sample.seed).items()):
            save_png(picture, into / (f"{name}_{output}.png" if number else f"{name}.png"))
    if "strips" in params.sample.pictures:
        seed = params.sample.seed
        inputs, made = all_items(system, min(COMPARED, most_items(system, COMPARED, given)), seed, given)
        back = sent_back(system, inputs, made, given, 0, seed, 0)
        save_png(side_by_side(system, inputs, made, given, back), into / "strips.png")
    if "gatys" in params.sample.pictures:
        save_png(beside_direct(system, given, params.sample.seed), into / "gatys.png")


def _draw_nearest(system: System, packed: Packed, given: GivenRows, params: Params, into: Path) -> None:
    """Draw samples beside their nearest training items, write the distances, and print whether they are copies."""
    output, field = next(iter(system.outputs.items()))
    kind = system.data.fields[field].kind
    _, made = all_items(system, most_items(system, JUDGED, given), params.sample.seed, given)
    samples = made[output]
    found = nearness(packed, field, samples, system.device, mirrored=params.data.flip)
    shown = min(params.sample.grid, len(samples))
    nearest = packed.read_rows(field, found.rows[:shown].ravel()).reshape(shown, -1, *samples.shape[1:])
    beside = np.concatenate([samples[:shown, np.newaxis], nearest], axis=1)
    labels = ["  ".join(f"{distance:.3g}" for distance in row) for row in found.distances[:shown]]
    items = drawable(beside.reshape(-1, *samples.shape[1:]), system.data.fields[field])
    picture = grid(as_images(items), columns=beside.shape[1])
    save_png(labelled(picture, labels), into / "nearest.png")
    write_json(into / paths.NEAREST.name, found.described())
    say(summary(found, kind))
