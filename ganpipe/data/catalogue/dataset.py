"""An entry of the catalogue: the fields of a set, its raw files, where they come from, how they are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganpipe.core.spec import Kind
from ganpipe.data.catalogue.drawings import Drawings
from ganpipe.data.catalogue.origins import Origin

# ---------------------------------------------------------------------------------------------------- the raw files


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
class Edges:
    """The format of MNIST read as pairs: the field b is the picture with a margin, a its edges by Sobel's filters."""

    parts: tuple[IdxPart, ...]
    margin: int  # black pixels added on each side


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
    """An archive of images in folders named by their classes: `root`/<class>/.../<image>.

    `skipped` are members known to be no images.
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
class UserFolders:
    """Pictures of the user's own in folders that are splits, classes or both; or NumPy arrays of them.

    The sorted names of the folders are the classes. Without such folders the pictures have none.
    """

    archive: str  # of a folder; an archive or arrays of the user's own have other names, see `folders`


@dataclass(frozen=True)
class PairedFolders:
    """An archive of two folders of images, in which images of the same name are a pair: A/1.png and B/1.jpg.

    The folders are A and B, any two others, or trainA, trainB, testA and so on; the first in alphabetical order is the
    field a. Splits are folders too, beside or inside: trainA, train/A and A/train mean the same. A side at the end of
    the name does not count: A/1_A.png and B/1_B.png are a pair.
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


@dataclass(frozen=True)
class Glyphs:
    """Two fonts, whose common characters are drawn as pairs; every tenth by its number is of the split test."""

    a: str
    b: str


@dataclass(frozen=True)
class TwoDigits:
    """Two gzip files with one row per digit: its pixels and last its label, of MNIST and of UCI.

    The fields a and b are spaces of their own, each with labels; every tenth digit of each is of the split test.
    """

    mnist: str
    uci: str


@dataclass(frozen=True)
class Chorales:
    """A tar of compressed MusicXML files named by their numbers, bwv66.6.mxl; every tenth number is of the split test.

    The field `notes` has windows of so many tones, `piece` is the file of each.
    """

    archive: str
    window: int


@dataclass(frozen=True)
class MusicFolder:
    """MIDI and MusicXML files of the user's own in an archive; the fields are those of `Chorales`."""

    archive: str
    window: int


@dataclass(frozen=True)
class DigitTexts:
    """A gzip file as in `Csv` of digits, with captions composed from what was measured of each.

    "a thick seven, leaning left": the label, the width of the stroke and the slant, each of the latter in thirds.
    """

    file: str


@dataclass(frozen=True)
class Tiles:
    """Photographs of any size, each cut into tiles that stand side by side, with a small version of each tile.

    `archives` are archives, or single photographs, with the split of their photographs. None: folders called train, val
    and test in the archive are splits, as in `UserFolders`; without such folders every eighth photograph by name is of
    the split test.
    """

    archives: tuple[tuple[str | None, str], ...]  # split, archive
    scale: int = 4  # side of a tile / side of its small version; 1: no small version


@dataclass(frozen=True)
class StyleTiles:
    """Photographs cut into tiles side by side, and pictures of a style cut into overlapping squares: no pairs.

    Fields a and b, each a space of its own. A picture of a style is first reduced until its shorter side is two squares
    long; it is never enlarged. The corners of its squares are an eighth of their side apart, and every eighth of those
    to learn from is of the split test.
    """

    pictures: tuple[tuple[str, str, str], ...]  # field a (photograph) or b (style), split, file


@dataclass(frozen=True)
class StyleFolders:
    """An archive of two folders, photographs (a) and pictures of a style (b), cut as those of `StyleTiles`.

    The folders are named as those of `UnpairedFolders`. Where none is a split valid or test, every eighth photograph
    by name is of the split test.
    """

    archive: str


Layout = (
    Crops
    | Csv
    | Vectors
    | Synthetic
    | Idx
    | Edges
    | CifarBatches
    | ClassFolders
    | Celeba
    | MatLabels
    | UserFolders
    | PairedFolders
    | SideBySide
    | UnpairedFolders
    | Drawings
    | Tiles
    | StyleTiles
    | StyleFolders
    | MusicFolder
    | Glyphs
    | TwoDigits
    | Chorales
    | DigitTexts
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
    count: int | None  # rows of all spaces together; None: as many as the user's folder holds
    source: str
    licence: str
    citation: str
    transform: str  # what packing does to the published values unless params.yaml says otherwise
    files: tuple[RawFile, ...]
    layout: Layout
    splits: tuple[tuple[str, int], ...] = ()  # names and lengths in packed order, of all spaces together; empty: train
    terms: str = ""  # the licence in two or three words
    crop: int | None = None  # default side of the centre crop, pixels; None: the largest centre square
    size: int | None = None  # default side of the packed images, pixels; None: as published
    counterparts: tuple[str, ...] = ()  # fields: rows that agree in them show the same thing, in another class or style
    aligned: tuple[str, ...] = ()  # splits: row i of one space and row i of another show the same thing

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

    def packed_size(self, crop: int | str | None, size: int | None) -> tuple[int, int] | None:
        """Return height and width of the packed images for these `data.crop` and `data.size`.

        None where only the pictures tell, and for sets without images.
        """
        published = self.image_shape[1:] if self.image_shape else None
        size = size if size is not None or crop is not None else self.size
        crop = crop if crop is not None else self.crop
        if not self.images or (crop == "whole" and not published):
            return None
        if crop == "whole" and published:
            short, long = sorted(published)
            longer, shorter = (long, short) if size is None else (int(size * long / short), size)
            return (shorter, longer) if published[0] <= published[1] else (longer, shorter)
        side = size if size is not None else crop
        if side is not None:
            return int(side), int(side)
        return (published[0], published[1]) if published else None

    def names(self, field: str) -> tuple[str, ...]:
        """Return the names of the classes or attributes of a field; empty where they are not known or there is none."""
        return self.fields[field].names if field in self.fields else ()
