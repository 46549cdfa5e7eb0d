"""The kinds of generator inputs that each picture of the sample stage needs. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from ganpipe.config.schema import Picture
from ganpipe.core.inputs import Choice, Constant, Given, Input, Noise
from ganpipe.errors import ConfigError

NEEDS: Mapping[Picture, tuple[type[Input], ...]] = {
    "grid": (),
    "classes": (Choice,),  # one row per class or attribute
    "interpolation": (Noise,),
    "line": (Noise,),
    "arithmetic": (Noise,),
    "truncation": (Noise,),
    "nearest": (),
    "strips": (Given,),  # each given row beside its output, the wanted row, and what the way back makes of the output
    "photographs": (Given,),  # held-out photographs whole, where the data holds them in tiles
    "music": (),  # windows of tones as MIDI files and sound
    "gatys": (Given,),  # given rows, outputs, and pixels moved downhill on the same losses, see `System.direct_loss`
}
"""Every picture that `sample.pictures` may name, with the kinds of inputs that it varies or shows."""

_MUSIC = "pretty_midi"  # the package that writes music

_WORDS: Mapping[type[Input], str] = {
    Noise: "noise",
    Choice: "a choice of classes or attributes",
    Given: "rows of the data",
    Constant: "a constant",
}


def require_inputs(
    pictures: Iterable[Picture],
    inputs: Mapping[str, Input],
    system: str,
    where: str,
    direct: bool = False,
    music: bool = False,
) -> None:
    """Raise `ConfigError` for the first picture that needs a kind of input that the generator of `system` lacks.

    `direct`: the system has losses that judge pixels without its networks, which `gatys` needs. `music`: it makes
    windows of tones.
    """
    kinds = {type(given) for given in inputs.values()}
    for picture in pictures:
        for needed in NEEDS[picture]:
            if needed not in kinds:
                has = ", ".join(f"{name} ({_WORDS[type(given)]})" for name, given in inputs.items())
                raise ConfigError(
                    f"{where}: sample.pictures: {picture} needs a generator that is given {_WORDS[needed]}, but that "
                    f"of system.name = {system!r} is given {has or 'nothing'}; leave {picture} out"
                )
        if picture == "gatys" and not direct:
            raise ConfigError(
                f"{where}: sample.pictures: gatys needs losses that judge pictures without the networks that learn; "
                f"system.name = {system!r} has none; leave gatys out"
            )
        if picture == "music" and not music:
            raise ConfigError(
                f"{where}: sample.pictures: music needs a generator of tones; that of system.name = {system!r} makes "
                "none; leave music out"
            )
        if picture == "music" and find_spec(_MUSIC) is None:
            raise ConfigError(
                f"{where}: sample.pictures: music: the Python package {_MUSIC} is missing; run "
                "`pip install 'ganpipe[music]'`"
            )
