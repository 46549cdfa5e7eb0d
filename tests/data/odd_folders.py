"""A table of odd sources of the user's own pictures, each with the exact outcome of download and pack."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from raw_files import encoded, jpeg, picture

NO = "is no picture in a format that is read"
MEND = "mend what data.source names in params.yaml, and run `dvc repro`"
LINK = "a link, and data.follow_links is false"
NEEDS = "needs the path of a folder of pictures, or of a zip or tar of one"

PNG = encoded(picture(12, 10), "PNG")
JPEG = jpeg(12, 10)
AVIF = encoded(picture(12, 10), "AVIF")
TEXT = b"Notes on the pictures.\nP is for picture, GIF for none.\n"


def tga(signed: bool) -> bytes:
    """Return a TGA with the signature of its second version at the end, or without."""
    content = encoded(picture(12, 10), "TGA")
    return content if signed else content.removesuffix(b"TRUEVISION-XFILE.\0")


def psd() -> bytes:
    """Return a PSD of one layer, which Pillow reads and does not write."""
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 10, 12, 8, 3)
    return header + bytes(12) + bytes(2) + np.asarray(picture(12, 10)).transpose(2, 0, 1).tobytes()


def raw_file() -> bytes:
    """Return a TIFF whose first page is a reduced version of another, as in a camera's raw file."""
    return encoded(picture(12, 10), "TIFF", tiffinfo={254: 1})


def heic() -> bytes:
    """Return a HEIC picture."""
    from pillow_heif import from_pillow

    out = io.BytesIO()
    from_pillow(picture(64, 64)).save(out)
    return out.getvalue()


BY_FORMAT = {
    **{
        format: encoded(picture(12, 10), format)
        for format in ("BMP", "DDS", "GIF", "ICNS", "IM", "JPEG2000", "PCX", "PPM", "QOI", "SGI", "TIFF", "WEBP")
    },
    **{format: encoded(picture(12, 10, mode="1"), format) for format in ("MSP", "XBM")},
    "ICO": encoded(picture(16, 16), "ICO"),
    "BLP": encoded(picture(12, 10).quantize(9), "BLP"),
    "PSD": psd(),
    "TGA": tga(signed=True),
}

Files = Mapping[str, bytes]
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A source and what comes of it: rows, classes, splits and what is left out, or one line of error."""

    source: Files | Write  # the files of the folder `mine`; or what writes them there or to a file beside
    rows: int = 0
    error: str = ""
    classes: tuple[str, ...] = ()
    splits: Mapping[str, int] = field(default_factory=dict)  # empty: all rows are `train`
    bad: Mapping[str, str] = field(default_factory=dict)  # unusable pictures, which count for data.max_bad
    beside: Mapping[str, str] = field(default_factory=dict)  # other entries of quarantine.csv
    skipped: Mapping[str, int] = field(default_factory=dict)  # of the manifest
    told: str = ""  # part of what is printed
    name: str = "folder"
    path: str = "mine"
    params: Mapping[str, object] = field(default_factory=dict)


def numbered(pattern: str, count: int, content: bytes = PNG) -> dict[str, bytes]:
    """Return files of the same content and numbered names."""
    return {pattern.format(number): content for number in range(count)}


def archive(name: str, files: Files, change: Callable[[Path], None] = lambda path: None) -> Write:
    """Return what writes files to a zip or tar; a name that ends with a slash is a folder."""

    def write(folder: Path) -> None:
        path = folder / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as out:
                for inside, content in files.items():
                    out.writestr(inside, content)
        else:
            mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w:")
            with tarfile.open(path, mode) as out:
                for inside, content in files.items():
                    info = tarfile.TarInfo(inside.rstrip("/"))
                    info.type = tarfile.DIRTYPE if inside.endswith("/") else tarfile.REGTYPE
                    info.size = len(content)
                    out.addfile(info, io.BytesIO(content))
        change(path)

    return write


def cut(path: Path) -> None:
    """Truncate a file."""
    path.write_bytes(path.read_bytes()[:-40])


def without_suffix(path: Path) -> None:
    """Take the suffix off the name of a file."""
    path.rename(path.with_suffix(""))


def encrypted(path: Path) -> None:
    """Set the flag of encryption of the first member of a zip."""
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def as_windows(path: Path) -> None:
    """Make a zip one of an old program of Windows, with backslashes between folders."""
    content = path.read_bytes().replace(b"cat/", b"cat\\").replace(b"dog/", b"dog\\")
    path.write_bytes(content.replace(b"PK\1\2\x14\3", b"PK\1\2\x14\0"))


def arrays(name: str, change: Callable[[Path], None] = lambda path: None, **named: np.ndarray) -> Write:
    """Return what writes arrays to an .npy or .npz file."""

    def write(folder: Path) -> None:
        if name.endswith(".npy"):
            np.save(folder / name, named["x"])
        else:
            np.savez(folder / name, **named)
        change(folder / name)

    return write


def with_links(files: Files, links: Mapping[str, str], elsewhere: Files | None = None) -> Write:
    """Return what writes files, links beside them, and files in a folder `elsewhere` that links may lead to."""

    def write(folder: Path) -> None:
        put(folder / "mine", files)
        put(folder / "elsewhere", elsewhere or {})
        for name, target in links.items():
            (folder / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "mine" / name).symlink_to(target)

    return write


def put(folder: Path, files: Files) -> None:
    """Write files below a folder; a name that ends with a slash is an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)


def pixels(*shape: int) -> np.ndarray:
    """Return random bytes."""
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


FORMATS: dict[str, Case] = {
    "pictures of one kind": Case(numbered("{}.png", 3), rows=3),
    "one picture": Case({"a.png": PNG}, rows=1),
    "the same picture twice": Case({"a.png": PNG, "b.png": PNG}, rows=2),
    "6 jpg and 54 avif": Case(numbered("{}.jpg", 6, JPEG) | numbered("x{}.avif", 54, AVIF), rows=60),
    "classes in two formats": Case({"cat/1.jpg": JPEG, "dog/1.avif": AVIF}, rows=2, classes=("cat", "dog")),
    "many formats": Case({f"{name}.{name.lower()}": content for name, content in BY_FORMAT.items()}, rows=18),
    "many formats without suffix": Case(BY_FORMAT, rows=18),
    "many formats called .txt": Case({f"{name}.txt": content for name, content in BY_FORMAT.items()}, rows=18),
    "jfif, jpe, apng, dib": Case(
        {"a.jfif": JPEG, "b.jpe": JPEG, "c.apng": PNG, "d.dib": encoded(picture(12, 10), "DIB")}, rows=4
    ),
    "upper case suffixes": Case({"A.PNG": PNG, "B.JPG": JPEG, "C.AVIF": AVIF, "D.TGA": tga(False)}, rows=4),
    "wrong suffixes": Case({"a.jpg": PNG, "b.png": AVIF, "c.mp4": JPEG, "d": PNG}, rows=4),
    "tga by its suffix": Case({"a.tga": tga(False), "b.vda": tga(False)}, rows=2),
    "tga without signature and suffix": Case(
        {"a.png": PNG, "b": tga(False)}, rows=1, beside={"b": NO}, skipped={"without suffix": 1}
    ),
    "heic": Case({"a.heic": heic(), "b.jpg": JPEG, "c": heic()}, rows=3),
    "photographs with side-cars": Case(
        {"1.jpg": JPEG, "1.json": b"{}", "1.xmp": b"<x/>", "2.jpg": JPEG, "2.json": b"{}"},
        rows=2,
        beside={"1.json": NO, "1.xmp": NO, "2.json": NO},
        skipped={".json": 2, ".xmp": 1},
        told="Left out 2 .json, 1 .xmp: no pictures in a format that is read; all in packed/quarantine.csv",
    ),
    "what programs leave behind": Case(
        {"1.jpg": JPEG, ".DS_Store": b"\0\0\0\1Bud1", "Thumbs.db": b"\xd0\xcf", "desktop.ini": b"[.ShellClassInfo]"},
        rows=1,
        beside={".DS_Store": "hidden", "Thumbs.db": NO, "desktop.ini": NO},
        skipped={".db": 1, ".ini": 1},
    ),
    "formats that are not decoded": Case(
        {
            "1.png": PNG,
            "a.eps": encoded(picture(12, 10), "EPS"),
            "b.pdf": encoded(picture(12, 10), "PDF"),
            "c.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            "d.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(99),
            "e.h5": b"\x89HDF\r\n\x1a\n" + bytes(99),
            "f.mpg": b"\0\0\1\xb3" + bytes(99),
            "g.wmf": b"\xd7\xcd\xc6\x9a" + bytes(99),
        },
        rows=1,
        beside=dict.fromkeys(("a.eps", "b.pdf", "c.svg", "d.mp4", "e.h5", "f.mpg", "g.wmf"), NO),
        skipped=dict.fromkeys((".eps", ".pdf", ".svg", ".mp4", ".h5", ".mpg", ".wmf"), 1),
        told="1 .svg and 1 others: no pictures",
    ),
    "a camera's raw file": Case(
        {"1.png": PNG, "2.dng": raw_file()},
        rows=1,
        bad={"2.dng": "is a camera's raw file; develop it to JPEG, PNG or TIFF first"},
    ),
}

UNUSABLE: dict[str, Case] = {
    "text called .jpg": Case({"a.jpg": TEXT, "b.jpg": JPEG}, rows=1, bad={"a.jpg": "is no image in a known format"}),
    "empty files": Case(
        {"a.jpg": b"", "b.jpg": JPEG, "c.txt": b"", "d": b""},
        rows=1,
        bad={"a.jpg": "is empty"},
        beside={"c.txt": NO, "d": NO},
        skipped={".txt": 1, "without suffix": 1},
    ),
    "truncated without suffix": Case(
        {"a": JPEG[:30], "b.jpg": JPEG}, rows=1, bad={"a": "cannot be decoded: Truncated File Read"}
    ),
    "notes do not count for max_bad": Case(
        numbered("{}.txt", 5, TEXT) | {"a.png": PNG},
        rows=1,
        beside=dict.fromkeys(numbered("{}.txt", 5), NO),
        skipped={".txt": 5},
        params={"max_bad": 0},
    ),
    "one unusable picture too many": Case(
        {"a.png": PNG, "b.png": b"", "c.png": b"", "d.txt": TEXT},
        error="raw: more than data.max_bad = 1 images cannot be used: 'b.png' is empty, 'c.png' is empty; repair or "
        "remove them, or raise data.max_bad",
        params={"max_bad": 1},
    ),
    "notes only": Case(
        numbered("{}.txt", 3, TEXT) | {"a.mp4": TEXT},
        error="raw: holds no image that can be used; left out 3 .txt, 1 .mp4, no pictures in a format that is read",
    ),
    "unusable pictures only": Case(
        {"a.png": b"", "b.png": TEXT},
        error="raw: holds no image that can be used; left out 'a.png' is empty, 'b.png' is no image in a known format",
    ),
    "nothing": Case({}, error="data.source = 'mine': there are no files in this folder, nor in its subfolders"),
    "empty folders": Case(
        {"a/": b"", "b/c/": b""}, error="data.source = 'mine': there are no files in this folder, nor in its subfolders"
    ),
    "hidden files only": Case(
        {".a.png": PNG, ".b/c.png": PNG},
        error="data.source = 'mine': there is nothing to take in this folder; left out .a.png (hidden), .b (hidden)",
    ),
    "no such folder": Case(
        {},
        path="nowhere",
        error=f"params.yaml: data.source = 'nowhere': there is no such folder; data.name = 'folder' {NEEDS}",
    ),
    "one shape among others": Case(
        {"a.png": PNG, "b.png": encoded(picture(20, 10), "PNG")},
        rows=1,
        params={"crop": "whole", "size": None},
        bad={"b.png": "would be 20 x 10 pixels where the first image is 12 x 10"},
    ),
}

CLASSES: dict[str, Case] = {
    "classes with deep folders": Case(
        {"cat/1.png": PNG, "cat/a/b/c/2.png": PNG, "dog/x/3.png": PNG}, rows=3, classes=("cat", "dog")
    ),
    "one class": Case({"cat/1.png": PNG, "cat/2.png": PNG}, rows=2, classes=("cat",)),
    "an empty class": Case(
        {"cat/1.png": PNG, "dog/": b""},
        error=f"raw/folder.tar: the folder 'dog' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "a class without pictures": Case(
        {"cat/1.png": PNG, "dog/1.jxl": TEXT, "dog/a/2.jxl": TEXT, "dog/b.txt": TEXT},
        error="raw/folder.tar: the folder 'dog' gives no picture: it holds 2 .jxl, 1 .txt; fill or remove it, and "
        + MEND,
    ),
    "a class of hidden pictures": Case(
        {"cat/1.png": PNG, "dog/.1.png": PNG},
        error=f"raw/folder.tar: the folder 'dog' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "a class of unusable pictures": Case(
        {"cat/1.png": PNG, "dog/1.png": b"", "dog/2.png": TEXT},
        error="raw: no picture in the folder 'dog' of the split train can be used; left out 'dog/1.png' is empty, "
        "'dog/2.png' is no image in a known format; repair or remove it",
    ),
    "pictures beside classes": Case(
        {"cat/1.png": PNG, "2.png": PNG}, rows=1, classes=("cat",), bad={"2.png": "lies in no folder of a class"}
    ),
    "an empty folder beside pictures": Case({"1.png": PNG, "later/": b""}, rows=1),
    "a folder of notes beside pictures": Case(
        {"1.png": PNG, "notes/1.txt": TEXT}, rows=1, beside={"notes/1.txt": NO}, skipped={".txt": 1}
    ),
    "classes of odd names": Case(
        {"üñï ✿ 🌸/1.png": PNG, "a b/1.png": PNG, "-n/1.png": PNG}, rows=3, classes=("-n", "a b", "üñï ✿ 🌸")
    ),
    "a notes folder in a class": Case(
        {"cat/1.png": PNG, "cat/notes/1.txt": TEXT},
        rows=1,
        classes=("cat",),
        beside={"cat/notes/1.txt": NO},
        skipped={".txt": 1},
    ),
}

SPLIT = {"train/1.png": PNG, "train/2.png": PNG, "val/3.png": PNG, "test/4.png": PNG}
SPLITS: dict[str, Case] = {
    "train, val, test": Case(SPLIT, rows=4, splits={"train": 2, "valid": 1, "test": 1}),
    "splits of classes in any case": Case(
        {"TRAIN/cat/1.png": PNG, "TRAIN/dog/2.png": PNG, "Validation/cat/3.png": PNG, "Validation/dog/4.png": PNG},
        rows=4,
        classes=("cat", "dog"),
        splits={"train": 2, "valid": 2},
    ),
    "training_set and test_set": Case(
        {"training_set/a/1.png": PNG, "test_set/a/2.png": PNG}, rows=2, classes=("a",), splits={"train": 1, "test": 1}
    ),
    "training, dev, testing": Case(
        {"training/1.png": PNG, "dev/2.png": PNG, "testing/3.png": PNG},
        rows=3,
        splits={"train": 1, "valid": 1, "test": 1},
    ),
    "train alone": Case({"train/1.png": PNG, "train/2.png": PNG}, rows=2),
    "train alone with classes": Case({"train/a/1.png": PNG, "train/b/2.png": PNG}, rows=2, classes=("a", "b")),
    "train among classes": Case(
        numbered("train/{}.png", 2) | {"plane/1.png": PNG, "car/1.png": PNG}, rows=4, classes=("car", "plane", "train")
    ),
    "two splits and a class": Case(
        {"train/1.png": PNG, "test/1.png": PNG, "plane/1.png": PNG},
        error="raw/folder.tar: test, train are folders of splits, but 'plane' with pictures of its own lies beside "
        "them; move its pictures into the splits, or rename the folders where all of them are classes",
    ),
    "train and an empty class": Case(
        {"train/1.png": PNG, "plane/": b""},
        error=f"raw/folder.tar: the folder 'plane' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "notes beside splits": Case(
        SPLIT | {"annotations/1.xml": TEXT, "README.md": TEXT},
        rows=4,
        splits={"train": 2, "valid": 1, "test": 1},
        beside={"annotations/1.xml": NO, "README.md": NO},
        skipped={".xml": 1, ".md": 1},
    ),
    "test alone": Case(
        {"test/1.png": PNG},
        error="raw: holds pictures of the split test only; put those to learn from into train",
    ),
    "an empty split": Case(
        {"train/1.png": PNG, "val/2.png": PNG, "test/": b""},
        error=f"raw/folder.tar: the folder 'test' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "a class that one split lacks": Case(
        {"train/a/1.png": PNG, "train/b/1.png": PNG, "test/a/1.png": PNG, "test/b/1.txt": TEXT},
        error=f"raw/folder.tar: the folder 'test/b' gives no picture: it holds 1 .txt; fill or remove it, and {MEND}",
    ),
    "classes in one split alone": Case(
        {"train/a/1.png": PNG, "train/b/1.png": PNG, "test/1.png": PNG},
        error="raw: no picture in the split test can be used; left out 'test/1.png' lies in no folder of a class; "
        "repair or remove it",
    ),
    "a split of unusable pictures": Case(
        {"train/1.png": PNG, "test/1.png": TEXT},
        error="raw: no picture in the split test can be used; left out 'test/1.png' is no image in a known format; "
        "repair or remove it",
    ),
    "a picture beside splits": Case(
        SPLIT | {"0.png": PNG},
        rows=4,
        splits={"train": 2, "valid": 1, "test": 1},
        bad={"0.png": "lies in no folder of a split"},
    ),
}

LINKS: dict[str, Case] = {
    "a link to a picture": Case(with_links({"a.png": PNG}, {"b.png": "a.png"}), rows=2),
    "a link to a folder elsewhere": Case(
        with_links({"cat/1.png": PNG}, {"dog": "../elsewhere"}, {"1.png": PNG, "x/2.png": PNG}),
        rows=3,
        classes=("cat", "dog"),
    ),
    "a folder of links": Case(
        with_links({}, {"1.png": "../elsewhere/a.png", "2.png": "../elsewhere/b.png"}, {"a.png": PNG, "b.png": PNG}),
        rows=2,
    ),
    "a loop": Case(
        with_links({"cat/1.png": PNG}, {"cat/again": "../cat", "cat/up": ".."}),
        rows=1,
        classes=("cat",),
        beside=dict.fromkeys(("cat/again", "cat/up"), "a link to a folder that it lies in"),
        skipped={"a link to a folder that it lies in": 2},
    ),
    "dangling links": Case(
        with_links({"1.png": PNG}, {"2.png": "gone.png", "3.png": "3.png"}),
        rows=1,
        beside=dict.fromkeys(("2.png", "3.png"), "a link that leads nowhere"),
        skipped={"a link that leads nowhere": 2},
        told="mine: left out 2.png (a link that leads nowhere), 3.png (a link that leads nowhere)",
    ),
    "links not followed": Case(
        with_links({"1.png": PNG}, {"2.png": "1.png"}),
        rows=1,
        params={"follow_links": False},
        beside={"2.png": LINK},
        skipped={LINK: 1},
    ),
    "links only, not followed": Case(
        with_links({}, {"1.png": "../elsewhere/a.png"}, {"a.png": PNG}),
        params={"follow_links": False},
        error=f"data.source = 'mine': there is nothing to take in this folder; left out 1.png ({LINK})",
    ),
    "dangling links only": Case(
        with_links({}, {"1.png": "gone"}),
        error="data.source = 'mine': there is nothing to take in this folder; left out 1.png (a link that leads "
        "nowhere)",
    ),
    "a class of dangling links": Case(
        with_links({"cat/1.png": PNG}, {"dog/1.png": "gone"}),
        error=f"raw/folder.tar: the folder 'dog' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
}

LONG = "ö" * 120 + ".png"
BYTES = os.fsdecode(b"\xff\xfe.png")
NAMES: dict[str, Case] = {
    "line ends": Case({"a\nb.png": PNG, "c\r\n.png": b""}, rows=1, bad={"c\\r\\n.png": "is empty"}),
    "emoji": Case({"🌸/🐈.png": PNG, "🌸/🐕.png": b""}, rows=1, classes=("🌸",), bad={"🌸/🐕.png": "is empty"}),
    "a very long name": Case(
        {LONG: PNG, f"{LONG[:-4]}.txt": TEXT}, rows=1, beside={f"{LONG[:-4]}.txt": NO}, skipped={".txt": 1}
    ),
    "a very long suffix": Case(
        {"a.png": PNG, "b." + "x" * 50: TEXT}, rows=1, beside={"b." + "x" * 50: NO}, skipped={"without suffix": 1}
    ),
    "bytes that are no UTF-8": Case({BYTES: PNG, f"x{BYTES}": b""}, rows=1, bad={"x\\xff\\xfe.png": "is empty"}),
    "spaces, dashes and quotes": Case({"--help .png": PNG, ' "1", 2.png': PNG, "a,b;c.png": PNG}, rows=3),
    "four hundred folders deep": Case({"a/" * 400 + "1.png": PNG}, rows=1, classes=("a",)),
}

TWO = {"cat/1.png": PNG, "dog/2.png": PNG}
WRAPPED = {f"mine/{name}": content for name, content in TWO.items()}
ARCHIVES: dict[str, Case] = {
    **{
        f"a {suffix} file": Case(archive(f"a.{suffix}", TWO), path=f"a.{suffix}", rows=2, classes=("cat", "dog"))
        for suffix in ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
    },
    "a zip without suffix": Case(
        archive("a.zip", TWO, without_suffix),
        path="a",
        rows=2,
        classes=("cat", "dog"),
    ),
    "a folder around everything": Case(
        archive("a.zip", WRAPPED | {"mine/.DS_Store": b"", "__MACOSX/mine/._1.png": b"\0", "readme.txt": TEXT}),
        path="a.zip",
        rows=2,
        classes=("cat", "dog"),
        beside={"mine/.DS_Store": "hidden", "__MACOSX/mine/._1.png": "hidden", "readme.txt": NO},
        skipped={".txt": 1},
        told="Left out 2 hidden, 1 .txt: no pictures",
    ),
    "a folder around splits": Case(
        archive("a.tar.gz", {"x/": b"", **{f"x/{name}": content for name, content in SPLIT.items()}}),
        path="a.tar.gz",
        rows=4,
        splits={"train": 2, "valid": 1, "test": 1},
    ),
    "a folder around a flat set": Case(archive("a.zip", numbered("x/{}.png", 3)), path="a.zip", rows=3),
    "a split around everything": Case(
        archive("a.zip", {f"train/{name}": content for name, content in TWO.items()}),
        path="a.zip",
        rows=2,
        classes=("cat", "dog"),
    ),
    "an archive with an empty class": Case(
        archive("a.zip", TWO | {"emu/": b""}),
        path="a.zip",
        error=f"raw/archive.zip: the folder 'emu' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "a wrapped archive with an empty class": Case(
        archive("a.tar", WRAPPED | {"mine/emu/": b""}),
        path="a.tar",
        error=f"raw/archive.tar: the folder 'emu' gives no picture: it is empty; fill or remove it, and {MEND}",
    ),
    "a zip of old Windows": Case(archive("a.zip", TWO, as_windows), path="a.zip", rows=2, classes=("cat", "dog")),
    "members that lead out": Case(
        archive("a.tar", TWO | {"../x.png": PNG, "/etc/y.png": PNG, "../notes.txt": TEXT}),
        path="a.tar",
        rows=2,
        classes=("cat", "dog"),
        bad=dict.fromkeys(("../x.png", "/etc/y.png"), "has a name that leads out of the archive"),
        beside={"../notes.txt": "has a name that leads out of the archive"},
        skipped={".txt": 1},
    ),
    "an encrypted member": Case(
        archive("a.zip", {"1.png": PNG, "2.png": PNG}, encrypted),
        path="a.zip",
        rows=1,
        bad={"1.png": "is encrypted"},
    ),
    "an archive of notes": Case(
        archive("a.zip", {"1.txt": TEXT}),
        path="a.zip",
        error="raw: holds no image that can be used; left out 1 .txt, no pictures in a format that is read",
    ),
    "an empty zip": Case(archive("a.zip", {}), path="a.zip", error="raw: holds no image that can be used"),
    "a truncated zip": Case(
        archive("a.zip", TWO, cut),
        path="a.zip",
        error="data.source = 'a.zip': is a damaged zip file: File is not a zip file",
    ),
    "a truncated tar.gz": Case(
        archive("a.tar.gz", TWO, cut),
        path="a.tar.gz",
        error="raw/archive.tar: cannot be read as an archive: Compressed file ended before the end-of-stream marker "
        f"was reached; {MEND}",
    ),
    "another kind of archive": Case(
        lambda folder: put(folder, {"a.rar": b"Rar!\x1a\7\1\0" + bytes(99)}),
        path="a.rar",
        error="params.yaml: data.source = 'a.rar': is no zip, tar, .npy or .npz file that can be read; data.name = "
        f"'folder' {NEEDS}",
    ),
    "one picture as the source": Case(
        lambda folder: put(folder, {"a.png": PNG}),
        path="a.png",
        error="params.yaml: data.source = 'a.png': is no zip, tar, .npy or .npz file that can be read; data.name = "
        f"'folder' {NEEDS}",
    ),
}

SHAPES = "(n, height, width), (n, height, width, channels) or (n, channels, height, width) with 1, 3 or 4 channels"
ARRAYS: dict[str, Case] = {
    "an npy of grey images": Case(arrays("a.npy", x=pixels(5, 8, 9)), path="a.npy", rows=5),
    "an npz with labels": Case(
        arrays("a.npz", images=pixels(3, 8, 8, 3), labels=np.array([7, 10, 7])),
        path="a.npz",
        rows=3,
        classes=("7", "10"),
    ),
    "labels that are texts, in a column": Case(
        arrays("a.npz", x=pixels(3, 3, 8, 8), y=np.array([["b"], ["a"], ["b"]])),
        path="a.npz",
        rows=3,
        classes=("a", "b"),
    ),
    "the layout of Keras": Case(
        arrays("a.npz", x_train=pixels(4, 8, 8), y_train=np.arange(4) % 2, x_test=pixels(2, 8, 8), y_test=np.arange(2)),
        path="a.npz",
        rows=6,
        classes=("0", "1"),
        splits={"train": 4, "test": 2},
    ),
    "arrays without names": Case(
        lambda folder: np.savez(folder / "a.npz", pixels(2, 8, 8), np.array([1, 0])),
        path="a.npz",
        rows=2,
        classes=("0", "1"),
    ),
    "numbers 0..1": Case(
        arrays("a.npy", x=pixels(2, 8, 8) / 255),
        path="a.npy",
        rows=2,
        told="raw/arrays.npy: arrays.npy: values 0..0.972549 are taken as 0 (black) .. 1 (white)",
    ),
    "numbers -1..1": Case(
        arrays("a.npy", x=(pixels(2, 3, 8, 8) / 127.5 - 1).astype(np.float32)),
        path="a.npy",
        rows=2,
        told="are taken as -1 (black) .. 1 (white)",
    ),
    "an array of another name": Case(
        arrays("a.npz", images=pixels(2, 8, 8), weights=np.ones(2)),
        path="a.npz",
        rows=2,
        beside={"weights": "has a name of neither images nor labels"},
        skipped={"arrays": 1},
    ),
    "numbers in no known range": Case(
        arrays("a.npy", x=np.linspace(-2.5, 3, 128).reshape(2, 8, 8)),
        path="a.npy",
        error="raw/arrays.npy: arrays.npy hold values -2.5..3, of which nothing says what is black and white; give "
        f"0..255, 0..1 or -1..1 without NaN; {MEND}",
    ),
    "numbers that are none": Case(
        arrays("a.npy", x=np.full((2, 8, 8), np.nan)),
        path="a.npy",
        error="raw/arrays.npy: arrays.npy hold values nan..nan, of which nothing says what is black and white; give "
        f"0..255, 0..1 or -1..1 without NaN; {MEND}",
    ),
    "flattened images": Case(
        arrays("a.npy", x=pixels(2, 64)),
        path="a.npy",
        error=f"raw/arrays.npy: arrays.npy has the shape (2, 64), not {SHAPES}; {MEND}",
    ),
    "an array of one picture": Case(
        arrays("a.npy", x=pixels(8, 8, 3)),
        path="a.npy",
        error=f"raw/arrays.npy: arrays.npy has the shape (8, 8, 3), that of one picture; give {SHAPES}; {MEND}",
    ),
    "labels of another number": Case(
        arrays("a.npz", x=pixels(3, 8, 8), y=np.arange(2)),
        path="a.npz",
        error=f"raw/arrays.npz: y has the shape (2,), not (3,) as there are images; {MEND}",
    ),
    "labels in one split alone": Case(
        arrays("a.npz", x_train=pixels(2, 8, 8), y_train=np.arange(2), x_test=pixels(2, 8, 8)),
        path="a.npz",
        error=f"raw/arrays.npz: the split test has images, but no labels; {MEND}",
    ),
    "no images among arrays": Case(
        arrays("a.npz", a=pixels(2, 8, 8), b=pixels(2, 8, 8)),
        path="a.npz",
        error=f"raw/arrays.npz: has no images to learn from, such as images or x_train; it holds a, b; {MEND}",
    ),
    "no rows": Case(
        arrays("a.npy", x=pixels(0, 8, 8)),
        path="a.npy",
        error=f"raw/arrays.npy: arrays.npy holds no images: its shape is (0, 8, 8); {MEND}",
    ),
    "pickled objects": Case(
        lambda folder: np.save(folder / "a.npy", np.array([{}], object)),
        path="a.npy",
        error="raw/arrays.npy: holds Python objects (a pickle), which run code when they are opened; save plain arrays "
        f"instead; {MEND}",
    ),
    "a truncated npy": Case(
        arrays("a.npy", cut, x=pixels(2, 8, 8)),
        path="a.npy",
        error="raw/arrays.npy: cannot be read as NumPy arrays: it declares (2, 8, 8) of uint8, which are 128 bytes, "
        "and holds 88; " + MEND,
    ),
    "arrays for pairs": Case(
        arrays("a.npy", x=pixels(2, 8, 8)),
        path="a.npy",
        name="paired_folders",
        error="params.yaml: data.source = 'a.npy': holds NumPy arrays, which data.name = 'folder' reads; data.name = "
        f"'paired_folders' {NEEDS}",
    ),
}

PAIRS: dict[str, Case] = {
    "pairs with side-cars": Case(
        {"A/1.png": PNG, "A/1.txt": TEXT, "B/1.avif": AVIF, "B/1.json": b"{}"},
        name="paired_folders",
        rows=1,
        beside={"A/1.txt": NO, "B/1.json": NO},
        skipped={".txt": 1, ".json": 1},
    ),
    "pairs in a wrapped zip": Case(
        archive("a.zip", {"set/trainA/1.png": PNG, "set/trainB/1.jpg": JPEG}),
        path="a.zip",
        name="paired_folders",
        rows=1,
    ),
    "halves beside notes": Case(
        {"train/1.png": PNG, "validation/2.avif": AVIF, "train/notes.txt": TEXT},
        name="side_by_side",
        rows=2,
        splits={"train": 1, "valid": 1},
        beside={"train/notes.txt": NO},
        skipped={".txt": 1},
    ),
    "no pictures in one of two folders": Case(
        {"A/1.png": PNG, "B/1.txt": TEXT},
        name="unpaired_folders",
        error="raw/folder.tar: data.name = 'unpaired_folders' needs two folders, such as A and B, or trainA, trainB, "
        f"testA and testB, found pictures in a; {MEND}",
    ),
}


def of_bits(brightest: int) -> bytes:
    """Return a grey PNG of 16 bits whose largest value is `brightest`."""
    values = np.linspace(0, brightest, 120).round().astype(np.uint16).reshape(10, 12)
    return encoded(Image.fromarray(values), "PNG")


GIANT = {"a.png": PNG, "giant.png": encoded(picture(100, 80), "PNG")}
SIZES: dict[str, Case] = {
    "a giant": Case(
        GIANT,
        1,
        bad={"giant.png": "is 100 x 80 = 8000 pixels, more than data.max_pixels = 1000"},
        params={"max_pixels": 1000},
    ),
    "a giant that is let in": Case(GIANT, 2, params={"max_pixels": 8000}),
    "nothing but giants": Case(
        {"giant.png": GIANT["giant.png"]},
        error="raw: holds no image that can be used; left out 'giant.png' is 100 x 80 = 8000 pixels, more than "
        "data.max_pixels = 1000",
        params={"max_pixels": 1000},
    ),
    "pictures of 12 bits": Case(
        {"a.png": of_bits(4095), "b.png": of_bits(3000)},
        2,
        told="2 of 2 pictures have 16 bits a channel, but their largest value is 4095 of 65535",
    ),
    "pictures of 16 bits": Case({"a.png": of_bits(65535)}, 1),
    "pictures of less than half the size": Case(
        {"a.png": PNG}, 1, told="1 of 1 pictures have less than half of data.size = 64", params={"size": 64}
    ),
}

CASES: dict[str, Case] = {
    **{f"{name}": case for table in (FORMATS, UNUSABLE, CLASSES, SPLITS, LINKS, NAMES) for name, case in table.items()},
    **{f"{name}": case for table in (ARCHIVES, ARRAYS, PAIRS, SIZES) for name, case in table.items()},
}
