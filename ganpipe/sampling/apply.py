"""`ganpipe apply`: pictures of the user's own, of any size, through a trained generator that is given pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ganpipe.config import Runtime
from ganpipe.core.spec import VALUES
from ganpipe.core.system import System
from ganpipe.data.pack.images import MAX_PIXELS, Transform, UnreadableError
from ganpipe.data.pack.items import is_hidden
from ganpipe.data.pack.left_out import counted
from ganpipe.data.pack.recognise import enough, is_picture, kind_of, named_as_picture
from ganpipe.errors import ConfigError, DataError
from ganpipe.machine import memory_limited, prepare_device
from ganpipe.pictures import picture_of, save_png
from ganpipe.progress import progress, say
from ganpipe.sampling.draw import chosen_fields, given_fields, sources
from ganpipe.sampling.one_picture import Pixels, Route, UnfitPictureError, translated
from ganpipe.sampling.prompts import Prompts
from ganpipe.sampling.published import Asked, Generator, load_generator
from ganpipe.sampling.to_folder import attributes_asked, options_asked, require_outside_pipeline

_NAME = 80  # letters of a file's name, of a text


def apply_to_files(
    model: Path,
    files: Sequence[Path],
    out: Path,
    *,
    to: str | None = None,
    label: str | None = None,
    on: Collection[str] = (),
    off: Collection[str] = (),
    options: Sequence[str] = (),
    seed: int = 0,
    force: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> str:
    """Translate pictures by the generator in the folder `model` into PNG files in `out`; return a line that says so.

    `files` are pictures and folders of them, see `pictures_among`; `photo.jpg` becomes `photo.png`. A generator that
    chooses a class makes one of each, `photo_<class>.png`, or of `label` alone. Attributes that `on` does not name are
    off, since nobody knows those of a new picture. `to` is an output, or the field that it looks like. `options` are
    those of `load_generator`, written `name=value`. A file depends on the picture, the seed and what is asked for, not
    on the other files.

    Before anything is written, raises `ConfigError` for two files that would get one name, a file that is there already
    (without `force`) or is one of the pictures, a folder of the pipeline, an unknown name, and a generator that takes
    no pictures; `CheckpointError` for one that cannot be loaded. A picture that cannot be used is told in a line, and
    after all others are written `DataError` says how many were.
    """
    require_outside_pipeline(out)
    generator = load_generator(model, options_asked(options))
    route = route_of(generator.system, to)
    versions = _versions(generator, label, attributes_asked(on, off))
    pictures = pictures_among(files)
    _require_free(_targets(pictures, out, versions), pictures, force)
    device = prepare_device(Runtime())
    generator.system.to(device)
    channels = generator.data.image_shape(route.source, "apply")[0]
    decoder = Transform(crop=None, size=None, channels=channels, max_pixels=max_pixels)

    def make(path: Path) -> None:
        image = _decoded(decoder, path)
        for suffix, asked in versions.items():
            _write(translated(generator, image, route, asked, seed), _target(path, out, suffix))

    with memory_limited(device):
        failed = _failures(pictures, make)
    done = f"{out}: {(len(pictures) - failed) * len(versions)} pictures made by {generator!r}"
    if failed:
        raise DataError(f"{done}; {failed} of {len(pictures)} files could not be used, see above")
    return done


def apply_to_texts(
    model: Path, texts: Sequence[str], out: Path, *, options: Sequence[str] = (), seed: int = 0, force: bool = False
) -> str:
    """Draw a picture of each text by the generator in the folder `model` into `out`; return a line that says so.

    "Red apple, noto style" becomes `red-apple-noto-style.png`. A file depends on the texts, their order and the seed.
    Before anything is written, raises `ConfigError` for two texts that would get one name, a file that is there already
    (without `force`), a folder of the pipeline, an unknown option, an empty text and a generator that is not given
    texts alone or makes no picture; `CheckpointError` for one that cannot be loaded or has another encoder here.
    """
    require_outside_pipeline(out)
    generator = load_generator(model, options_asked(options))
    output = _output(generator.system, None)
    targets = [out / f"{re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')[:_NAME] or 'text'}.png" for text in texts]
    for number, target in enumerate(targets):
        if target in targets[:number]:
            other = texts[targets.index(target)]
            raise ConfigError(f"--text {other!r} and {texts[number]!r} would both become {target}; draw them apart")
    _require_free(targets, (), force)
    device = prepare_device(Runtime())
    try:
        source = Prompts(generator.system, texts)
        generator.system.to(device)
        blocks = [made[output] for _, made in generator.blocks(len(texts), seed, given=source)]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for target, pixels in zip(targets, np.concatenate(blocks), strict=True):
        _write(pixels, target)
    return f"{out}: {len(texts)} pictures drawn by {generator!r}, seed {seed}"


def route_of(system: System, to: str | None) -> Route:
    """Return the way to the output `to`, named itself or by its field. None: to the only output there is.

    Of several given pictures it begins at the one that is not of the output's own field: what looks like `b` is made of
    `a`. Raises `ConfigError` where the generator takes no pictures, something else beside them or several for one item,
    and where `to` is unknown or missing.
    """
    name, fields = type(system).__name__, system.data.fields
    given = dict.fromkeys(given_fields(system))
    if not given:
        raise ConfigError(f"this generator ({name}) is given no pictures; draw from it with `ganpipe sample`")
    if other := [field for field in given if fields[field].kind != "image"]:
        if [fields[field].kind for field in given] == ["text"]:
            raise ConfigError(f'this generator ({name}) is given texts: draw with --text "..." in place of pictures')
        values = VALUES[fields[other[0]].kind]
        raise ConfigError(f"this generator ({name}) is given {values} ({other[0]}); apply gives it pictures only")
    output = _output(system, to)
    source = sources(system)[output]
    if more := [field for field in given if field not in (source, system.outputs[output])]:
        several = ", ".join([source, *more])
        raise ConfigError(f"this generator ({name}) makes {output} of several pictures ({several}); apply gives it one")
    return Route(source, output)


def pictures_among(files: Sequence[Path]) -> list[Path]:
    """Return files as they are, and in place of a folder the pictures that lie in it, by name; each file once.

    Hidden files are left out, files that are no pictures and folders in folders are left out and counted in a line.
    Raises `DataError` where nothing is left.
    """
    found: dict[Path, Path] = {}
    for path in files:
        for picture in _in_folder(path) if path.is_dir() else [path]:
            found.setdefault(picture.absolute(), picture)
    if not found:
        raise DataError(f"{', '.join(map(str, files))}: no pictures in a format that is read")
    return list(found.values())


def _output(system: System, to: str | None) -> str:
    """Return the output that is wanted. Raises `ConfigError` where it is unknown, not clear or no picture."""
    outputs = system.outputs
    found = [output for output, field in outputs.items() if to in (None, output, field)]
    if len(found) != 1:
        there = ", ".join(f"{output} (like {field})" for output, field in outputs.items())
        what = "this generator makes several pictures: name one with --to" if to is None else f"--to {to}: not one of"
        raise ConfigError(f"{what}: {there}")
    if (kind := system.data.fields[outputs[found[0]]].kind) != "image":
        raise ConfigError(f"this generator ({type(system).__name__}) makes {VALUES[kind]}; apply writes pictures only")
    return found[0]


def _versions(generator: Generator, label: str | None, named: Mapping[str, bool]) -> dict[str, Asked]:
    """Return what is asked for in each file made of a picture, by the end of the file's stem."""
    kinds = {field: generator.data.fields[field].kind for field in chosen_fields(generator.system)}
    classes = [name for field, kind in kinds.items() if kind == "label" for name in generator.data.names(field)]
    known = [name for field, kind in kinds.items() if kind == "attributes" for name in generator.data.names(field)]
    attributes = {**dict.fromkeys(known, False), **named}
    try:
        if label is not None or not classes:
            return {"": generator.asked(label, attributes)}
        return {f"_{name.replace('/', '-')}": generator.asked(name, attributes) for name in classes}
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _failures(pictures: Sequence[Path], make: Callable[[Path], None]) -> int:
    """Make files of each picture, and say of which none can be made and why; return how many these are."""
    failed = 0
    with progress("Applying", total=len(pictures), unit="pictures") as bar:
        for path in pictures:
            try:
                make(path)
            except (UnreadableError, UnfitPictureError) as problem:
                failed += 1
                say(f"{path} {problem}")
            bar.advance()
    return failed


def _target(picture: Path, out: Path, suffix: str) -> Path:
    return out / f"{picture.stem}{suffix}.png"


def _targets(pictures: Sequence[Path], out: Path, versions: Collection[str]) -> list[Path]:
    """Return the files to write. Raises `ConfigError` where two of them would have one name."""
    made: dict[Path, Path] = {}
    for picture in pictures:
        for suffix in versions:
            target = _target(picture, out, suffix)
            if (other := made.setdefault(target, picture)) is not picture:
                raise ConfigError(f"{other} and {picture} would both become {target}; give them folders of their own")
    return list(made)


def _require_free(targets: Sequence[Path], pictures: Sequence[Path], force: bool) -> None:
    """Raise `ConfigError` where a picture would be replaced by what is made of it, or a file without `force`."""
    own = {picture.resolve() for picture in pictures}
    there = [target for target in targets if target.exists()]
    if mine := [target for target in there if target.resolve() in own]:
        raise ConfigError(f"{mine[0]}: is one of the pictures to translate; name another folder with --out")
    if there and not force:
        more = f" and {len(there) - 1} more" if there[1:] else ""
        raise ConfigError(
            f"{there[0]}{more}: there already; name another folder with --out, or replace them with --force"
        )


def _in_folder(folder: Path) -> Iterator[Path]:
    """Yield the pictures in a folder by name, and say what was left out."""
    left_out: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        if is_hidden(path.name):
            continue
        if path.is_file() and _is_picture(path):
            yield path
        else:
            left_out["folders" if path.is_dir() else kind_of(path.name)] += 1
    if left_out:
        say(f"{folder}: left out {counted(left_out)}: no pictures in a format that is read")


def _is_picture(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            return is_picture(path.name, enough(opened))
    except OSError:  # if it is one, why it cannot be read is told in its turn
        return named_as_picture(path.name)


def _write(pixels: Pixels, path: Path) -> None:
    save_png(picture_of(pixels), path)


def _decoded(decoder: Transform, path: Path) -> Pixels:
    if path.exists() and not path.is_file():
        raise UnreadableError("is no file")
    try:
        return decoder.of_bytes(path.read_bytes())
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from None
    except UnreadableError as problem:  # it names the param of packing
        raise UnreadableError(str(problem).replace("data.max_pixels", "--max-pixels")) from None
