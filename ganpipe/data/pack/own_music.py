"""Music of the user's own, MIDI and MusicXML files, as windows of tones; see `pack.music`."""

from __future__ import annotations

import io
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float32

from ganpipe.data.catalogue.dataset import Dataset, MusicFolder
from ganpipe.data.pack.archives import Member, members
from ganpipe.data.pack.items import SPLITS, TRAIN, is_hidden, split_at
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.music import EVERY, in_order, score_in, tones_of, windows_of
from ganpipe.data.pack.recognise import kind_of
from ganpipe.data.pack.scan import ADVICE, archive_in
from ganpipe.data.pack.split_folders import split_of
from ganpipe.data.pack.whole import Table
from ganpipe.errors import DataError

_MIDI = (".mid", ".midi")
_SCORES = (".mxl", ".musicxml", ".xml")


def read_own_music(dataset: Dataset, raw: Path, bad: Quarantine) -> Table:
    """Read all pieces of a folder or archive as windows of consecutive tones, by split and name.

    Folders called train, valid and test are splits; without any, every tenth piece by name is for the test. What is
    left at the end of a piece makes no window. Percussion is left out. Pieces that cannot be read, or have too few
    tones for a window, go to `bad`, and so do files that are no music. Raises `DataError` where no piece is left, and
    where MIDI files need a package that is not installed.
    """
    layout = dataset.layout
    assert isinstance(layout, MusicFolder)
    path = archive_in(raw, layout.archive)
    pieces: dict[str, Float32[np.ndarray, "n tones 4"]] = {}
    for member in members(path, lambda name: name != "./", advice=ADVICE):
        if member.name.endswith("/") or is_hidden(member.name):
            continue
        if not member.name.lower().endswith(_MIDI + _SCORES):
            bad.add_beside(member.name, kind_of(member.name), "is neither MIDI nor MusicXML")
            continue
        try:
            tones = _tones(member, path)
            pieces[member.name] = windows_of(tones, layout.window)
            if not len(pieces[member.name]):
                raise ValueError(f"has {len(tones)} tones, and a window takes {layout.window}")
        except ValueError as problem:
            pieces.pop(member.name, None)
            bad.add(member.name, str(problem))
    return _table(pieces, raw, bad)


def _table(pieces: dict[str, Float32[np.ndarray, "n tones 4"]], raw: Path, bad: Quarantine) -> Table:
    if not pieces:
        raise DataError(f"{raw}: holds no music that can be used{bad.summary()}; give MIDI or MusicXML files")
    names = sorted(pieces)
    told = {name: split for name in names for part in name.split("/")[:-1] if (split := split_of(part))}
    splits = {name: told.get(name, TRAIN) if told else split_at(place, EVERY) for place, name in enumerate(names)}
    if TRAIN not in splits.values():
        raise DataError(f"{raw}: holds music of the split {', '.join(sorted(set(splits.values())))} only")
    order = sorted(names, key=lambda name: (SPLITS.index(splits[name]), name))
    counts = {split: sum(len(pieces[name]) for name in order if splits[name] == split) for split in SPLITS}
    ends, start = {}, 0
    for split, count in counts.items():
        if count:
            ends[split] = (start, start + count)
        start += count
    labels = np.repeat(np.arange(len(order)), [len(pieces[name]) for name in order]).astype(np.int64)
    columns = {"notes": np.concatenate([pieces[name] for name in order]), "piece": labels}
    return Table(columns, ends, {"piece": tuple(order)})


def _tones(piece: Member, path: Path) -> Float32[np.ndarray, "n 4"]:
    """Return the tones of a piece. Raises `ValueError` with the reason where it cannot be read."""
    if piece.problem:
        raise ValueError(piece.problem)
    if piece.name.lower().endswith(_MIDI):
        if find_spec("pretty_midi") is None:
            raise DataError(
                f"{path}: {piece.name!r} is MIDI, and the Python package pretty_midi is missing; "
                "run `pip install 'ganpipe[music]'`"
            )
        return tones_of_midi(piece.content)
    try:
        return tones_of(score_in(piece.content))
    except (KeyError, StopIteration, zipfile.BadZipFile, ElementTree.ParseError) as problem:
        raise ValueError(f"cannot be read as MusicXML: {problem}") from None


def tones_of_midi(content: bytes) -> Float32[np.ndarray, "n 4"]:
    """Return the tones of a MIDI file; times by its tempo map."""
    from pretty_midi import PrettyMIDI

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes on other tracks than the first, which are heeded
            midi = PrettyMIDI(io.BytesIO(content))
    except Exception as problem:  # whatever a parser runs into in a damaged file
        raise ValueError(f"cannot be read as MIDI: {problem or type(problem).__name__}") from None

    def quarters(seconds: float) -> float:
        return midi.time_to_tick(seconds) / midi.resolution

    notes = [note for instrument in midi.instruments if not instrument.is_drum for note in instrument.notes]
    return in_order(
        (quarters(one.start), one.pitch, quarters(one.end) - quarters(one.start), one.velocity) for one in notes
    )
