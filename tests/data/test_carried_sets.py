"""The sets that Python packages carry: counts, pairs, splits, and the chorales as music21 reads them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ganpipe.config import Data
from ganpipe.data.download.stage import download
from ganpipe.data.pack.music import tones_of
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError

NAMES = ("glyphs", "digits-uci", "chorales", "photographs")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Packed]:
    """Return a function that packs a set of this module, once for each size and number of workers."""
    root = tmp_path_factory.mktemp("carried")
    (root / ".dvc").mkdir()
    done: dict[tuple[str, int | None, int], Packed] = {}

    def get(name: str, size: int | None = None, workers: int = 1) -> Packed:
        key = name, size, workers
        if key not in done:
            raw, into = root / name / "raw", root / name / f"{size}-{workers}"
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(root)
                patch.delenv("DVC_ROOT", raising=False)
                download(Data(name=name), raw)
                pack(Data(name=name, size=size), raw, into, workers)
            done[key] = Packed.open(into / "data.h5")
        return done[key]

    return get


def lengths(found: Packed, space: str) -> dict[str, int]:
    return {split: len(rows) for split, rows in found.splits(space).items()}


def test_glyphs_are_pairs_of_one_size_and_place(packed: Callable[..., Packed]) -> None:
    found = packed("glyphs")
    assert found.count("items") == 3243 and lengths(found, "items") == {"train": 2919, "test": 324}
    sans, serif = (255 - found.slice(name)[..., 0].astype(int) for name in ("a", "b"))
    inked = (sans.sum(axis=(1, 2)) > 0) & (serif.sum(axis=(1, 2)) > 0)
    assert inked.mean() > 0.98  # the rest are spaces and marks of direction
    own = np.abs(sans - serif)[inked].mean()
    other = np.abs(sans - np.roll(serif, 1, axis=0))[inked].mean()
    shifted = np.abs(sans - np.roll(serif, 3, axis=1))[inked].mean()
    assert own < 0.6 * other and own < 0.8 * shifted  # the same character at the same height


def test_glyphs_at_another_size(packed: Callable[..., Packed]) -> None:
    found = packed("glyphs", 32, 2)
    assert found.fields["a"].shape == found.fields["b"].shape == (1, 32, 32)


def test_a_letter_is_drawn_upright(packed: Callable[..., Packed]) -> None:
    from ganpipe.data.pack.glyphs import Pen

    font = importlib.util.find_spec("matplotlib").submodule_search_locations[0]  # type: ignore[union-attr,index]
    ink = 255 - Pen(Path(font, "mpl-data/fonts/ttf/DejaVuSans.ttf"), 64, 1).of_bytes(b"L")[..., 0].astype(int)
    assert ink[ink.any(axis=1)][-1].sum() > 2 * ink[ink.any(axis=1)][0].sum()  # its foot is below
    columns = ink[:, ink.any(axis=0)].sum(axis=0)
    assert columns[:5].max() > 2 * columns[-5:].max()  # its stem is on the left


def test_digits_of_two_origins_are_two_spaces_with_labels(packed: Callable[..., Packed]) -> None:
    found = packed("digits-uci")
    assert lengths(found, "a") == {"train": 4500, "test": 500} and lengths(found, "b") == {"train": 1618, "test": 179}
    assert found.fields["a"].shape == found.fields["b"].shape == (1, 16, 16)
    assert found.spec.beside("a", "label") == "a_label" and found.spec.beside("b", "label") == "b_label"
    assert found.hints == ()
    assert found.class_counts("a_label") == [500] * 10
    assert found.class_counts("b_label") == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for name in ("a", "b"):
        label = f"{name}_label"
        images, labels = found.slice(name).reshape(-1, 256).astype(float), found.slice(label)
        means = np.stack([images[labels == number].mean(axis=0) for number in range(10)])
        nearest = np.argmin(((images[:, None] - means) ** 2).sum(axis=2), axis=1)
        assert (nearest == labels).mean() > 0.75  # the labels belong to the pictures


def test_chorales_are_windows_of_pieces(packed: Callable[..., Packed]) -> None:
    found = packed("chorales")
    assert found.count("items") == 2083 and len(found.fields["piece"].names) == 408
    notes = found.slice("notes")
    length, pitch, intensity, wait = notes.reshape(-1, 4).T
    assert (length > 0).all() and (wait >= 0).all()
    assert pitch.min() >= 36 and pitch.max() <= 88
    assert set(np.unique(intensity)) == {64.0, 80.0, 96.0}
    pieces = found.slice("piece")
    rows = {split: set(pieces[rows.start : rows.stop]) for split, rows in found.splits("items").items()}
    numbers = {
        split: {found.fields["piece"].names[piece].partition(".")[0] for piece in mine} for split, mine in rows.items()
    }
    assert not numbers["train"] & numbers["test"]


def test_photographs_are_tiles_and_three_are_held_out(packed: Callable[..., Packed]) -> None:
    found = packed("photographs")
    assert {name: field.shape for name, field in found.fields.items()} == {
        "image": (3, 96, 96),
        "low": (3, 24, 24),
        "photo": (),
        "tile": (2,),
    }
    names, photos = found.fields["photo"].names, found.slice("photo")
    by_split = {
        split: {names[photo] for photo in photos[rows.start : rows.stop]}
        for split, rows in found.splits("items").items()
    }
    assert by_split["test"] == {"chelsea", "china", "coffee"} and len(by_split["train"]) == 11
    assert not by_split["test"] & by_split["train"]
    assert found.class_counts("photo")[names.index("astronaut")] == (512 // 96) ** 2


def test_a_missing_photograph_is_one_line(tmp_path: Path) -> None:
    from raw_files import write_source

    write_source(tmp_path, "photographs")
    with pytest.raises(DataError, match=r"astronaut.png: cannot be read: No such file.*dvc repro download"):
        pack(Data(name="photographs"), tmp_path, tmp_path / "packed")


_ORACLE = """
import sys
from music21 import converter, note, chord
score = converter.parse(sys.argv[1]).stripTies()
found = []
for part in score.parts:
    for one in part.recurse().notes:
        if one.duration.isGrace:
            continue
        for pitch in one.pitches:
            found.append((float(one.getOffsetInHierarchy(score)), pitch.midi, float(one.quarterLength)))
print(sorted(found))
"""


@pytest.mark.parametrize("piece", ["bwv66.6", "bwv1.6"])
def test_a_chorale_has_the_tones_that_music21_finds(piece: str, tmp_path: Path) -> None:
    import zipfile

    folder = importlib.util.find_spec("music21").submodule_search_locations[0]  # type: ignore[union-attr,index]
    path = Path(folder, "corpus", "bach", f"{piece}.mxl")
    with zipfile.ZipFile(path) as archive:
        name = next(one for one in archive.namelist() if one.endswith((".xml", ".musicxml")) and "META" not in one)
        tones = tones_of(ElementTree.fromstring(archive.read(name)))
    begins = np.cumsum(tones[:, 3]) + 0.0
    ours = sorted(zip(begins.tolist(), tones[:, 1].tolist(), tones[:, 0].tolist(), strict=True))
    told = subprocess.run([sys.executable, "-c", _ORACLE, str(path)], capture_output=True, text=True, check=True)
    theirs = [(float(begin), float(pitch), float(length)) for begin, pitch, length in eval(told.stdout)]
    first = theirs[0][0]
    assert ours == [(begin - first, pitch, length) for begin, pitch, length in theirs]


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    import io
    import tarfile

    from raw_files import write_source

    write_source(tmp_path, "chorales")
    with tarfile.open(tmp_path / "chorales.tar", "w") as archive:
        info = tarfile.TarInfo("bwv1.6.mxl")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"oops"))
    with pytest.raises(DataError, match=r"chorales.tar: bwv1.6.mxl cannot be read as MusicXML"):
        pack(Data(name="chorales"), tmp_path, tmp_path / "packed")


def test_params_for_pictures_are_refused_for_music(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="data.size is for images, but data.name = 'chorales' holds sequences, labels"
    ):
        pack_of("chorales", tmp_path)


def pack_of(name: str, tmp_path: Path) -> None:
    from raw_files import write_source

    write_source(tmp_path, name)
    pack(Data(name=name, size=64), tmp_path, tmp_path / "packed")


@pytest.mark.parametrize("name", NAMES)
def test_two_packings_have_one_hash(name: str, packed: Callable[..., Packed]) -> None:
    assert packed(name).content_sha256 == packed(name, None, 2).content_sha256


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"music21.*is missing; install ganpipe\[music\] again"):
        download(Data(name="chorales"), tmp_path / "raw")
