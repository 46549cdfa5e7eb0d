"""Music of the user's own: MIDI and MusicXML as windows of tones, splits, what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from raw_files import midi, write_folder

from ganpipe.config import Data
from ganpipe.core.tones import LENGTH, PITCH, TONE, WAIT
from ganpipe.data.pack.own_music import tones_of_midi
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError

SCORE = """<score-partwise version="3.1"><part id="P1"><measure number="1"><attributes><divisions>2</divisions>
<time><beats>4</beats><beat-type>4</beat-type></time></attributes>{notes}</measure></part></score-partwise>"""
NOTE = "<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>1</duration></note>"


def score(count: int) -> bytes:
    return SCORE.format(notes="".join(NOTE.format(step="CDEFGAB"[number % 7]) for number in range(count))).encode()


def packed(tmp_path: Path, members: Mapping[str, bytes], **values: object) -> Packed:
    raw = write_folder(tmp_path / "raw", members, "music_folder")
    pack(Data.model_validate({"name": "music_folder", **values}), raw, tmp_path / "packed")
    return Packed.open(tmp_path / "packed" / "data.h5")


def test_midi_and_scores_become_windows_and_every_tenth_piece_is_for_the_test(tmp_path: Path) -> None:
    members = {f"{number:02d}.mid": midi(100, number) for number in range(9)} | {"09.musicxml": score(60)}
    found = packed(tmp_path, members)
    assert found.fields["notes"].names == TONE and found.fields["notes"].shape == (48, 4)
    assert {name: len(rows) for name, rows in found.splits("items").items()} == {"train": 18, "test": 1}
    assert found.fields["piece"].names == tuple(sorted(members))
    notes = found.slice("notes", found.rows("test", "items"))[0]
    assert notes[:3, PITCH].tolist() == [60, 62, 64] and set(notes[:, LENGTH]) == {0.5}
    assert notes[:, WAIT].tolist() == [0, *[0.5] * 47]


def test_folders_of_splits_are_heeded(tmp_path: Path) -> None:
    members = {f"all/{folder}/{number}.mid": midi(50, number) for folder in ("train", "Test") for number in range(3)}
    found = packed(tmp_path, members)
    assert {name: len(rows) for name, rows in found.splits("items").items()} == {"train": 3, "test": 3}
    assert all("train" in found.fields["piece"].names[label] for label in found.slice("piece", range(3)))


def test_times_are_quarters_at_any_tempo_and_percussion_is_left_out() -> None:
    tones = tones_of_midi(midi(40, seed=20, drums=True))  # at 120 quarters a minute half a second is a quarter
    assert len(tones) == 40 and set(np.round(tones[:, LENGTH], 2)) == {1.0}
    assert set(np.round(tones[:, WAIT], 2)) == {0.0, 0.5} and tones[0, WAIT] == 0
    together = np.flatnonzero(np.round(tones[:, WAIT], 2) == 0)[1:]
    assert (tones[together, PITCH] >= tones[together - 1, PITCH]).all()  # by pitch where they begin together


def test_what_cannot_be_used_is_listed_with_the_reason(tmp_path: Path) -> None:
    members = {
        "a.mid": midi(100, 0),
        "b.mid": b"MThd but no more",
        "c.mxl": b"PK\3\4 broken",
        "d.xml": b"<html></html>",
        "e.mid": midi(47, 1),
        "cover.jpg": b"x",
        ".hidden.mid": b"",
    }
    found = packed(tmp_path, members)
    assert found.count("items") == 2
    listed = (tmp_path / "packed" / "quarantine.csv").read_text()
    for line in (
        "b.mid,cannot be read as MIDI",
        "c.mxl,cannot be read as MusicXML",
        'd.xml,"has 0 tones',
        'e.mid,"has 47 tones, and a window takes 48',
        "cover.jpg,is neither MIDI nor MusicXML",
    ):
        assert line in listed
    assert ".hidden.mid" not in listed


@pytest.mark.parametrize(
    ("members", "values", "message"),
    [
        ({"a.txt": b"x"}, {}, "holds no music that can be used.*give MIDI or MusicXML"),
        ({"test/a.mid": midi(60, 0)}, {}, "holds music of the split test only"),
        ({"a.mid": b"x", "b.mid": b"x", "c.mid": midi(60, 0)}, {"max_bad": 1}, "more than data.max_bad = 1"),
    ],
)
def test_a_folder_without_music_is_refused(
    tmp_path: Path, members: Mapping[str, bytes], values: dict[str, int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        packed(tmp_path, members, **values)
    assert not (tmp_path / "packed" / "data.h5").exists()


def test_midi_without_its_package_gives_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganpipe.data.pack.own_music.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pretty_midi is missing; run `pip install 'ganpipe\[music\]'`"):
        packed(tmp_path, {"a.mid": b""})
