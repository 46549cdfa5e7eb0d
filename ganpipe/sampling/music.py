"""Windows of tones as music: MIDI files, and sound for those who have no player of MIDI. Needs `ganpipe[music]`."""

from __future__ import annotations

import wave
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ganpipe.core.onsets import onsets
from ganpipe.core.system import System
from ganpipe.core.tones import INTENSITY, LENGTH, PITCH, WAIT, holds_tones
from ganpipe.files import replacing
from ganpipe.sampling.draw import GivenSource, all_items, most_items

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

PIECES = 8
"""Windows that are written as music."""
QUARTERS_PER_MINUTE = 90.0
RATE = 16_000
"""Samples of sound per second."""

_TICKS = 384  # of a quarter in a MIDI file, as in C-RNN-GAN
_TAIL = 0.5  # seconds of silence at the end, which the sound of a synthesizer may fill


def can_write_music() -> bool:
    """Return whether the package that writes music is installed."""
    return find_spec("pretty_midi") is not None


def draw_music(system: System, given: GivenSource | None, seed: int, folder: Path) -> None:
    """Write the first items of every output that is music to a new folder: `00.mid` and its sound, `00.wav`, and so on.

    Of several outputs the files are called `<output>_00.mid`.
    """
    folder.mkdir()
    _, made = all_items(system, most_items(system, PIECES, given), seed, given)
    outputs = [name for name, field in system.outputs.items() if holds_tones(system.data.fields[field])]
    for output in outputs:
        for number, window in enumerate(made[output]):
            name = f"{number:02d}" if len(outputs) == 1 else f"{output}_{number:02d}"
            midi = midi_of(window)
            write_midi(midi, folder / f"{name}.mid")
            write_sound(midi, folder / f"{name}.wav")


def midi_of(window: Float[np.ndarray, "tones 4"]) -> PrettyMIDI:
    """Return a window as a piece for piano of 90 quarters a minute.

    Pitches and intensities are rounded, and outside of those of MIDI they are the outermost; tones too short for a tick
    of MIDI are one long.
    """
    from pretty_midi import Instrument, Note, PrettyMIDI

    midi = PrettyMIDI(resolution=_TICKS, initial_tempo=QUARTERS_PER_MINUTE)
    piano = Instrument(program=0)
    second = 60 / QUARTERS_PER_MINUTE
    window = window.astype(np.float64)
    window[:, WAIT] = np.maximum(window[:, WAIT], 0)
    for begin, tone in zip(onsets(window), window, strict=True):
        pitch = int(np.clip(np.round(tone[PITCH]), 0, 127))
        velocity = int(np.clip(np.round(tone[INTENSITY]), 1, 127))
        length = max(tone[LENGTH], 1 / _TICKS)
        piano.notes.append(Note(velocity, pitch, begin * second, (begin + length) * second))
    midi.instruments.append(piano)
    return midi


def write_midi(midi: PrettyMIDI, path: Path) -> None:
    """Write a piece as a MIDI file."""
    with replacing(path) as part:
        midi.write(str(part))


def write_sound(midi: PrettyMIDI, path: Path) -> None:
    """Write a piece as sound of one channel: by FluidSynth where the Python package of it is installed, else sines."""
    try:
        import fluidsynth  # noqa: F401  the package pyfluidsynth, which needs a library of the system
    except ImportError:
        sound = midi.synthesize(fs=RATE)
    else:
        sound = midi.fluidsynth(fs=RATE)
    loudest = max(float(np.abs(sound).max(initial=0)), 1e-9)
    samples = np.round(sound / loudest * 0.9 * 32_767).astype("<i2")
    samples = np.concatenate([samples, np.zeros(round(_TAIL * RATE), "<i2")])
    with replacing(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
