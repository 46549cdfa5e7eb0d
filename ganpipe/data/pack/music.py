"""Music as windows of tones, from MusicXML (version 2 and later, score-partwise) in compressed .mxl files.

A tone is a row of four numbers, as C-RNN-GAN has them (Mogren 2016, arXiv:1611.09904, section 3): its length, its
pitch, its intensity, and the time since the tone before it began. Tones are ordered by their beginning, then by pitch,
over all parts; tied notes are one tone, grace notes are left out, repeats are played once.
Deviations: times are quarter notes (there ticks of MIDI, 384 per quarter), the pitch is that of MIDI (there Hz). The
scores have no dynamics, so the intensity is a metrical accent, as a player would give it: 96 on the first beat of a
measure, 80 on the others, 64 between beats.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float32

from ganpipe.data.catalogue.dataset import Chorales, Dataset
from ganpipe.data.pack.archives import ADVICE, Member, members
from ganpipe.data.pack.items import TEST, TRAIN, split_at
from ganpipe.data.pack.whole import Table
from ganpipe.errors import DataError

EVERY = 10
"""Of so many pieces the last is for the test; of chorales, of so many numbers in the catalogue of Bach's works."""

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_DOWNBEAT, _BEAT, _BETWEEN = 96.0, 80.0, 64.0
_BWV = re.compile(r"bwv(\d+)")


def read_chorales(dataset: Dataset, raw: Path) -> Table:
    """Read all pieces as windows of consecutive tones; what is left at the end of a piece makes no window.

    Pieces are in the order of their numbers. All of every tenth number are of the split test. Raises `DataError`
    naming a piece that cannot be read.
    """
    layout = dataset.layout
    assert isinstance(layout, Chorales)
    path = raw / layout.archive
    pieces = {Path(member.name).stem: member for member in members(path, lambda name: name.endswith(".mxl"))}
    numbers = sorted({_number(name, path) for name in pieces})
    tested = {number for place, number in enumerate(numbers) if split_at(place, EVERY) == TEST}
    order = sorted(pieces, key=lambda name: (_number(name, path) in tested, _number(name, path), name))
    windows, labels, splits = [], [], []
    for place, name in enumerate(order):
        windows.append(windows_of(tones_of(_score(pieces[name], path)), layout.window))
        labels += [place] * len(windows[-1])
        splits += [TEST if _number(name, path) in tested else TRAIN] * len(windows[-1])
    columns = {"notes": np.concatenate(windows), "piece": np.array(labels, np.int64)}
    train = splits.count(TRAIN)
    return Table(columns, {TRAIN: (0, train), TEST: (train, len(splits))}, {"piece": tuple(order)})


def windows_of(tones: Float32[np.ndarray, "n 4"], window: int) -> Float32[np.ndarray, "windows tones 4"]:
    """Return consecutive windows of so many tones; what is left at the end makes none."""
    count = len(tones) // window
    return tones[: count * window].reshape(count, window, tones.shape[1])


def tones_of(score: ElementTree.Element) -> Float32[np.ndarray, "n 4"]:
    """Return the tones of a score: length and wait in quarter notes, pitch of MIDI, intensity 64 to 96."""
    return in_order(tone for part in score.findall("part") for tone in _Part().read(part))


def in_order(tones: Iterable[tuple[float, float, float, float]]) -> Float32[np.ndarray, "n 4"]:
    """Return tones, each its beginning, pitch, length and intensity, by their beginning and pitch, with their waits."""
    found = np.array(sorted(tones), np.float64).reshape(-1, 4)
    wait = np.diff(found[:, 0], prepend=found[:1, 0])
    return np.column_stack([found[:, 2], found[:, 1], found[:, 3], wait]).astype(np.float32)


@dataclass
class _Part:
    """Where the reading of a part stands: times in quarter notes from the beginning of the piece."""

    divisions: int = 1  # of a quarter note
    nominal: float = 4.0  # length of a measure by its signature
    beat: float = 1.0
    begin: float = 0.0  # of the measure
    open: dict[int, list[float]] = field(default_factory=dict)  # tied tones by pitch: beginning, length, intensity

    def read(self, part: ElementTree.Element) -> Iterator[tuple[float, float, float, float]]:
        for number, measure in enumerate(part.findall("measure")):
            yield from self._measure(measure, first=number == 0)
        for pitch, (begin, length, intensity) in self.open.items():  # a tie that nothing ends
            yield begin, pitch, length, intensity

    def _measure(self, measure: ElementTree.Element, first: bool) -> Iterator[tuple[float, float, float, float]]:
        for attributes in measure.findall("attributes"):
            self._attributes(attributes)
        upbeat = max(0.0, self.nominal - self._length(measure)) if first else 0.0
        cursor = last = longest = 0.0
        for element in measure:
            length = self._duration(element)
            match element.tag:
                case "backup":
                    cursor -= length
                case "forward":
                    cursor += length
                case "note" if element.find("grace") is None:
                    begin = last if element.find("chord") is not None else cursor
                    yield from self._note(element, self.begin + begin, length, self._accent(begin + upbeat))
                    last, cursor = begin, begin + length
            longest = max(longest, cursor)
        self.begin += longest

    def _note(
        self, note: ElementTree.Element, begin: float, length: float, intensity: float
    ) -> Iterator[tuple[float, float, float, float]]:
        pitch = note.find("pitch")
        if pitch is None:
            return
        octave, alter = float(pitch.findtext("octave", "4")), float(pitch.findtext("alter", "0"))
        number = round(12 * (octave + 1) + _STEPS[pitch.findtext("step", "C")] + alter)
        ties = {tie.get("type") for tie in note.findall("tie")}
        if "stop" in ties and number in self.open:
            first = self.open.pop(number)
            begin, length, intensity = first[0], first[1] + length, first[2]
        if "start" in ties:
            self.open[number] = [begin, length, intensity]
        else:
            yield begin, number, length, intensity

    def _attributes(self, attributes: ElementTree.Element) -> None:
        self.divisions = int(attributes.findtext("divisions", str(self.divisions)))
        if (time := attributes.find("time")) is not None:
            beats, unit = int(time.findtext("beats", "4")), int(time.findtext("beat-type", "4"))
            self.nominal, self.beat = 4.0 * beats / unit, 4.0 / unit

    def _duration(self, element: ElementTree.Element) -> float:
        return float(element.findtext("duration", "0")) / self.divisions

    def _length(self, measure: ElementTree.Element) -> float:
        """Return the length of the first voice of a measure."""
        notes = [one for one in measure.findall("note") if one.find("chord") is None and one.find("grace") is None]
        voice = notes[0].findtext("voice") if notes else None
        return sum(self._duration(note) for note in notes if note.findtext("voice") == voice)

    def _accent(self, place: float) -> float:
        if place % self.nominal < 1e-6:
            return _DOWNBEAT
        rest = place % self.beat
        return _BEAT if min(rest, self.beat - rest) < 1e-6 else _BETWEEN


def score_in(content: bytes) -> ElementTree.Element:
    """Return the score in a MusicXML file, or the one that the container of a compressed file names.

    Raises `ValueError`, `KeyError`, `StopIteration`, `zipfile.BadZipFile` or `ElementTree.ParseError`.
    """
    if not content.startswith(b"PK\3\4"):
        return ElementTree.fromstring(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        named = next(one.get("full-path") for one in container.iter() if one.tag.endswith("rootfile"))
        return ElementTree.fromstring(archive.read(str(named)))


def _score(piece: Member, path: Path) -> ElementTree.Element:
    try:
        if piece.problem:
            raise ValueError(piece.problem)
        return score_in(piece.content)
    except (ValueError, KeyError, StopIteration, zipfile.BadZipFile, ElementTree.ParseError) as error:
        raise DataError(f"{path}: {piece.name} cannot be read as MusicXML: {error}; {ADVICE}") from None


def _number(name: str, path: Path) -> int:
    found = _BWV.match(name)
    if found is None:
        raise DataError(f"{path}: {name!r} is named after no number of a work, such as bwv66.6; {ADVICE}")
    return int(found[1])
