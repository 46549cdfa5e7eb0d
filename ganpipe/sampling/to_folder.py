"""`ganpipe sample`: items of a trained generator as files in a folder of the user's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganpipe import paths
from ganpipe.core.batch import Batch, batch_size, to_stored
from ganpipe.core.spec import Field
from ganpipe.core.system import System
from ganpipe.core.tones import holds_tones
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import ConfigError
from ganpipe.files import remove, temporary
from ganpipe.pictures import picture_of
from ganpipe.progress import progress, say
from ganpipe.sampling.draw import choices, given_fields, given_spaces, most_items, sources
from ganpipe.sampling.music import can_write_music, midi_of, write_midi
from ganpipe.sampling.published import Generator, load_generator
from ganpipe.sampling.stage import require_same_fields


def sample_to_folder(
    model: Path,
    out: Path,
    n: int,
    seed: int,
    label: str | None,
    on: Collection[str],
    off: Collection[str],
    options: Sequence[str] = (),
) -> str:
    """Write `n` items of the generator in the folder `model` to the new folder `out`; return a line that says so.

    `label` is the class to draw, `on` and `off` are attributes to turn on and off; all others are drawn evenly.
    `options` are those of `load_generator`, written `name=value`.

    Images become `000000.png`, `000001.png` and so on, vectors and sequences `000000.csv`, a line per step, and music
    also `000000.mid`, where the package that writes it is installed. The first
    output has these names, each further one `000000_<output>.png`. Beside them stand the pictures that they were made
    from, `000000_given_<field>.png`, texts in `.txt`, and where it is known what they should be,
    `000000_wanted_<field>.png`. A file depends on the seed and on what is asked for alone, not on `n`. Rows that a
    generator is given are those of `GivenRows`; without noise or a choice one item is made of each. The folder gets its
    name
    when it is complete. Raises `ConfigError` for a folder that is not empty or belongs to the pipeline, a class or an
    attribute that is unknown or not taken, `CheckpointError` for a generator that cannot be loaded, and `DataError` for
    data it was not trained on.
    """
    _require_free(out)
    attributes = attributes_asked(on, off)
    generator = load_generator(model, options_asked(options))
    given = _given_rows(generator)
    count = most_items(generator.system, n, given)
    try:
        blocks = generator.blocks(count, seed, label, attributes, given)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    with _appearing(out) as folder, progress("Sampling", total=count, unit="items") as bar:
        done = 0
        for inputs, made in blocks:
            size = batch_size(inputs)
            for place, (output, field) in enumerate(generator.system.outputs.items()):
                _write(made[output], generator.data.fields[field], folder, done, f"_{output}" if place else "")
            _write_texts(generator.system, given, folder, done, size)
            for suffix, field, items in _beside(generator.system, inputs, given, done, size):
                _write(items, generator.data.fields[field], folder, done, suffix)
            done += size
            bar.advance(size)
    _tell_missing_midi(generator)
    fewer = f", not {n}: one of each held-out row" if count < n else ""
    return f"{out}: {count} items of {generator!r}, seed {seed}{fewer}"


def _tell_missing_midi(generator: Generator) -> None:
    music = any(holds_tones(generator.data.fields[field]) for field in generator.system.outputs.values())
    if music and not can_write_music():
        say("no MIDI beside the CSV: the Python package pretty_midi is missing; run `pip install 'ganpipe[music]'`")


def attributes_asked(on: Collection[str], off: Collection[str]) -> dict[str, bool]:
    """Return whether each named attribute is on. Raises `ConfigError` for one that is to be on and off."""
    if both := sorted({*on} & {*off}):
        raise ConfigError(f"--on {both[0]} and --off {both[0]}: one or the other")
    return dict.fromkeys(on, True) | dict.fromkeys(off, False)


def options_asked(named: Sequence[str]) -> dict[str, Any]:
    """Return options by name, with values as params.yaml would have them. Raises `ConfigError` for anything else."""
    options: dict[str, Any] = {}
    for one in named:
        name, _, value = one.partition("=")
        try:
            options[name] = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            options[name] = None
        if options[name] is None:
            raise ConfigError(f"--option {one}: name=value is needed, with a value as in params.yaml")
    return options


def require_outside_pipeline(out: Path) -> None:
    """Raise `ConfigError` where the folder to write lies among the outputs of the pipeline."""
    if out.resolve().is_relative_to(paths.DATA.resolve()):
        raise ConfigError(f"--out {out}: lies in {paths.DATA}, which belongs to the pipeline; name a folder elsewhere")


def _beside(
    system: System, inputs: Batch, given: GivenRows | None, start: int, count: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield given pictures and, where they are known, wanted ones: the end of the file name, the field, the items."""
    if given is None:
        return
    chosen = choices(system, inputs)
    for field in given_fields(system):
        if system.data.fields[field].kind == "image":
            yield f"_given_{field}", field, to_stored("image", given.fetch(field, start, count)).numpy()
    for output, source in sources(system).items():
        field = system.outputs[output]
        if (wanted := given.wanted(field, source, start, count, chosen)) is not None:
            yield f"_wanted_{field}", field, to_stored(system.data.fields[field].kind, wanted).numpy()


def _write_texts(system: System, given: GivenRows | None, folder: Path, start: int, count: int) -> None:
    """Write the given texts of each item: `000000_given_<field>.txt`."""
    for field in given_fields(system):
        if given is not None and system.data.fields[field].kind == "text":
            for number, text in enumerate(given.texts(field, start, count), start):
                (folder / f"{number:06d}_given_{field}.txt").write_text(f"{text}\n", encoding="utf-8")


def _require_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: is there already and not an empty folder; name another one")
    require_outside_pipeline(out)


def _given_rows(generator: Generator) -> GivenRows | None:
    if not given_spaces(generator.system):
        return None
    packed = Packed.open(paths.PACKED_FILE)
    require_same_fields(generator, packed)
    return GivenRows(packed, given_fields(generator.system))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Lend a hidden folder beside `folder` that takes its name after the block, and vanishes where the block raises."""
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = temporary(target)
    part.mkdir()
    try:
        yield part
        part.replace(target)
    except BaseException:
        remove(part)
        raise


def _write(items: np.ndarray, field: Field, folder: Path, start: int, suffix: str) -> None:
    """Write items in stored form: images as PNG, numbers as CSV that gives back the same float32, music as MIDI too."""
    for number, item in enumerate(items, start):
        path = folder / f"{number:06d}{suffix}"
        if field.kind == "image":
            picture_of(item).save(f"{path}.png")
            continue
        header = ",".join(field.names) if field.kind == "sequence" else ""
        if holds_tones(field) and can_write_music():
            write_midi(midi_of(item), Path(f"{path}.mid"))
        np.savetxt(f"{path}.csv", np.atleast_2d(item), "%.9g", delimiter=",", header=header, comments="")
