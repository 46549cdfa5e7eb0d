"""Music that the sample stage writes: MIDI that gives the tones back, and sound in which every tone is heard."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from ganpipe.config import parse
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.tones import LENGTH, PITCH, TONE, WAIT
from ganpipe.data.pack.own_music import tones_of_midi
from ganpipe.errors import ConfigError
from ganpipe.sampling import needs
from ganpipe.sampling.music import PIECES, QUARTERS_PER_MINUTE, RATE, draw_music, midi_of, write_midi, write_sound
from ganpipe.systems.c_rnn_gan import CRNNGAN
from ganpipe.systems.configs.c_rnn_gan import Config

WINDOW = np.array([[1, 60, 96, 0], [0.5, 64, 64, 0], [2, 67, 80, 0.75], [0.25, 72, 127, 1.5]], np.float32)


def sound(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def test_midi_gives_the_tones_back(tmp_path: Path) -> None:
    write_midi(midi_of(WINDOW), tmp_path / "a.mid")
    np.testing.assert_allclose(tones_of_midi((tmp_path / "a.mid").read_bytes()), WINDOW, atol=1e-3)


def test_the_same_window_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_midi(midi_of(WINDOW), tmp_path / f"{name}.mid")
        write_sound(midi_of(WINDOW), tmp_path / f"{name}.wav")
    for suffix in ("mid", "wav"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_every_tone_is_heard_while_it_lasts(tmp_path: Path) -> None:
    write_sound(midi_of(WINDOW), tmp_path / "a.wav")
    heard, quarter = sound(tmp_path / "a.wav"), RATE * 60 / QUARTERS_PER_MINUTE
    begins = np.concatenate([[0], np.cumsum(WINDOW[1:, WAIT])])
    for begin, tone in zip(begins, WINDOW, strict=True):
        part = heard[round(begin * quarter) : round((begin + tone[LENGTH]) * quarter)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        wanted = 440 * 2 ** ((tone[PITCH] - 69) / 12) * len(part) / RATE
        near = spectrum[max(0, round(wanted) - 3) : round(wanted) + 4].max()
        assert near > 0.1 * spectrum.max()
    assert not heard[round(3.5 * quarter) + RATE // 10 :].any()  # no tone is stuck


def test_numbers_beyond_thosetones_of_midi_become_the_outermost() -> None:
    notes = midi_of(np.array([[0, 200, 500, 0], [1, -5, -3, -2]], np.float32)).instruments[0].notes
    assert [(note.pitch, note.velocity) for note in notes] == [(127, 127), (0, 1)]
    assert notes[0].end > notes[0].start and notes[1].start == 0


def test_pieces_of_a_generator_are_the_first_of_the_seed(tmp_path: Path) -> None:
    data = DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(6, 4), names=TONE)})
    system = CRNNGAN(parse(Config, {"tones": 6, "units": 4, "units_discriminator": 4}, "params.yaml"), data).eval()
    draw_music(system, None, 3, tmp_path / "music")
    assert len(list((tmp_path / "music").glob("*.mid"))) == len(list((tmp_path / "music").glob("*.wav"))) == PIECES


def test_music_needs_a_generator_of_tones_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="music needs a generator of tones; that of system.name = 'dcgan' makes none"):
        needs.require_inputs(["music"], {}, "dcgan", "params.yaml")
    needs.require_inputs(["music"], {}, "c_rnn_gan", "params.yaml", music=True)
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pretty_midi is missing; run `pip install 'ganpipe\[music\]'`"):
        needs.require_inputs(["music"], {}, "c_rnn_gan", "params.yaml", music=True)
