"""The data sets of the user's own pictures: a folder, pairs of pictures, two folders that are no pairs.

Each has one raw file: a tar made of the folder `data.source`, or a copy of the archive or of the arrays that it names.
"""

from __future__ import annotations

from dataclasses import replace

from ganpipe.core.tones import TONE
from ganpipe.data.catalogue.dataset import (
    Dataset,
    Layout,
    MusicFolder,
    PairedFolders,
    RawField,
    RawFile,
    SideBySide,
    StyleFolders,
    Tiles,
    UnpairedFolders,
    UserFolders,
)
from ganpipe.data.catalogue.origins import UserFolder

ARCHIVES = ("archive.zip", "archive.tar")
"""Names of the copy of an archive; a tar may be compressed."""
ARRAYS = ("arrays.npy", "arrays.npz")
"""Names of the copy of NumPy arrays."""

FOLDER_TAR = "folder.tar"
"""Name of the tar that is made of a folder."""

TILES = {
    "image": RawField("image", None),
    "low": RawField("image", None),
    "photo": RawField("label"),
    "tile": RawField("vector", (2,)),
}
"""The fields of tiles: the tile, its small version unless data.scale is 1, the name of the photograph, and the row and
the column of the tile in it."""
TILES_TRANSFORM = "tiles of 96 pixels side by side, and each 4 times smaller (bicubic, antialiased)"

UNPAIRED = {name: RawField("image", None, space=name) for name in ("a", "b")}
"""Two fields of images that are no pairs: two spaces."""
STYLE_TRANSFORM = "a: tiles of 128 pixels side by side; b: reduced to a shorter side of 256 pixels at most (Lanczos), "
STYLE_TRANSFORM += "overlapping squares of 128 pixels"

_PAIR = {name: RawField("image", None) for name in ("a", "b")}
_PAIR_SIZE = 256  # pixels, that of pix2pix and CycleGAN


def _folder(name: str, title: str, fields: dict[str, RawField], layout: Layout, size: int | None) -> Dataset:
    """Pictures of the user's own, in `data.source`."""
    return Dataset(
        name=name,
        title=title,
        fields=fields,
        count=None,
        source="the folder named by data.source",
        licence="that of the pictures",
        citation="none",
        transform=f"largest centre square, resized to {size} with antialiasing",
        files=(RawFile(FOLDER_TAR, UserFolder(), size=None, sha256=None),),
        layout=layout,
        terms="your own",
        size=size,
    )


FOLDER = _folder(
    "folder",
    "pictures of your own in data.source, subfolders as classes",
    {"image": RawField("image", None), "label": RawField("label")},
    UserFolders(FOLDER_TAR),
    size=64,
)

PAIRED_FOLDERS = _folder(
    "paired_folders",
    "pairs of pictures of your own, of the same name in two folders",
    _PAIR,
    PairedFolders(FOLDER_TAR),
    _PAIR_SIZE,
)

SIDE_BY_SIDE = _folder(
    "side_by_side",
    "pairs of pictures of your own, left and right half of one file",
    _PAIR,
    SideBySide(FOLDER_TAR),
    _PAIR_SIZE,
)

UNPAIRED_FOLDERS = _folder(
    "unpaired_folders",
    "two folders of pictures of your own that are no pairs",
    UNPAIRED,
    UnpairedFolders(FOLDER_TAR),
    _PAIR_SIZE,
)

PHOTO_TILES = replace(
    _folder(
        "photo_tiles",
        "photographs of your own in tiles, with a small version of each",
        TILES,
        Tiles(((None, FOLDER_TAR),)),
        size=96,
    ),
    transform=TILES_TRANSFORM,
)

STYLE_FOLDERS = replace(
    _folder(
        "style_folders",
        "two folders of your own: photographs, pictures of a style",
        UNPAIRED,
        StyleFolders(FOLDER_TAR),
        size=128,
    ),
    transform=STYLE_TRANSFORM,
)

MUSIC_FOLDER = replace(
    _folder(
        "music_folder",
        "MIDI and MusicXML files of your own in windows of 48 tones",
        {"notes": RawField("sequence", (48, len(TONE)), TONE), "piece": RawField("label")},
        MusicFolder(FOLDER_TAR, window=48),
        size=None,
    ),
    licence="that of the music",
    transform="windows of 48 tones without overlap: length, pitch, intensity, wait",
)

FOLDERS = (FOLDER, PAIRED_FOLDERS, SIDE_BY_SIDE, UNPAIRED_FOLDERS, PHOTO_TILES, STYLE_FOLDERS, MUSIC_FOLDER)
