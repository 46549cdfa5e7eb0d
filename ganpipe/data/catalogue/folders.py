"""The data sets of the user's own pictures: a folder, pairs of pictures, two folders that are no pairs.

Each has one raw file: a tar made of the folder `data.source`, or a copy of the archive or of the arrays that it names.
"""

from __future__ import annotations

from ganpipe.data.catalogue.dataset import (
    Dataset,
    Layout,
    PairedFolders,
    RawField,
    RawFile,
    SideBySide,
    UnpairedFolders,
    UserFolder,
    UserFolders,
)

ARCHIVES = ("archive.zip", "archive.tar")
"""Names of the copy of an archive; a tar may be compressed."""
ARRAYS = ("arrays.npy", "arrays.npz")
"""Names of the copy of NumPy arrays."""

_FOLDER_TAR = "folder.tar"
_PAIR = {name: RawField("image", None) for name in ("a", "b")}
_PAIR_SIZE = 256  # pixels, that of pix2pix and CycleGAN


def _folder(name: str, title: str, fields: dict[str, RawField], layout: Layout, size: int) -> Dataset:
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
        files=(RawFile(_FOLDER_TAR, UserFolder(), size=None, sha256=None),),
        layout=layout,
        terms="your own",
        size=size,
    )


FOLDER = _folder(
    "folder",
    "pictures of your own in data.source, subfolders as classes",
    {"image": RawField("image", None), "label": RawField("label")},
    UserFolders(_FOLDER_TAR),
    size=64,
)

PAIRED_FOLDERS = _folder(
    "paired_folders",
    "pairs of pictures of your own, of the same name in two folders",
    _PAIR,
    PairedFolders(_FOLDER_TAR),
    _PAIR_SIZE,
)

SIDE_BY_SIDE = _folder(
    "side_by_side",
    "pairs of pictures of your own, left and right half of one file",
    _PAIR,
    SideBySide(_FOLDER_TAR),
    _PAIR_SIZE,
)

UNPAIRED_FOLDERS = _folder(
    "unpaired_folders",
    "two folders of pictures of your own that are no pairs",
    {name: RawField("image", None, space=name) for name in ("a", "b")},
    UnpairedFolders(_FOLDER_TAR),
    _PAIR_SIZE,
)

FOLDERS = (FOLDER, PAIRED_FOLDERS, SIDE_BY_SIDE, UNPAIRED_FOLDERS)
