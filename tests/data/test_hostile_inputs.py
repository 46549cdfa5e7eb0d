"""Hostile and odd inputs of `pack`: each is packed, left out with a reason, or refused in one line; no tracebacks."""

from __future__ import annotations

import csv
import gzip
import io
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image
from raw_files import encoded, jpeg, picture, write_celeba, write_folder, write_source

from ganpipe.config import Data
from ganpipe.data.pack import archives, images
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError

SIZE = 16


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that announces a size and holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def oriented() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(), "JPEG", exif=exif)


def frames(format: str) -> bytes:
    pictures = [picture(seed=seed) for seed in range(3)]
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:])


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a JPEG whose header announces another size."""
    content = bytearray(jpeg())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def text_bomb() -> bytes:
    """Return a PNG with a compressed comment of 100 MB."""
    good = encoded(picture(), "PNG")
    content = b"Comment\0\0" + zlib.compress(b"\0" * 10**8)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    return good[:33] + chunk + good[33:]


GOOD: dict[str, tuple[str, bytes]] = {
    "1x1": ("x.png", encoded(Image.new("RGB", (1, 1)), "PNG")),
    "animated GIF": ("x.gif", frames("GIF")),
    "animated PNG": ("x.png", frames("PNG")),
    "animated WebP": ("x.webp", frames("WEBP")),
    "several pages": ("x.tiff", frames("TIFF")),
    "CMYK JPEG": ("x.jpg", encoded(picture(mode="CMYK"), "JPEG")),
    "CMYK TIFF": ("x.tif", encoded(picture(mode="CMYK"), "TIFF")),
    "LAB": ("x.png", encoded(picture(), "PNG")),
    # older ones write such a file and cannot read it
    **({"YCbCr": ("x.tif", encoded(picture(mode="YCbCr"), "TIFF"))} if PIL.__version__ >= "13" else {}),
    "palette": ("x.gif", encoded(picture().quantize(9), "GIF")),
    "palette with transparency": ("x.png", encoded(picture().quantize(9), "PNG", transparency=3)),
    "alpha": ("x.png", encoded(picture(mode="RGBA"), "PNG")),
    "grey with alpha": ("x.png", encoded(picture(mode="LA"), "PNG")),
    "grey": ("x.jpg", encoded(picture(mode="L"), "JPEG")),
    "one bit": ("x.pbm", encoded(picture(mode="1"), "PPM")),
    "16 bits": ("x.png", encoded(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30)), "PNG")),
    "16 bits big-endian": ("x.pgm", encoded(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30)), "PPM")),
    "rotated by EXIF": ("x.jpg", oriented()),
    "broken EXIF": ("x.jpg", encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    "progressive": ("x.jpg", encoded(picture(), "JPEG", progressive=True)),
    "a PNG called .jpg": ("x.jpg", encoded(picture(), "PNG")),
    "capitals": ("X.JPEG", jpeg()),
    "BMP": ("x.bmp", encoded(picture(), "BMP")),
    "bytes after the end": ("x.jpg", jpeg() + b"<?php evil() ?>" * 99),
    "unicode name": ("Grüße – 花 🌸.jpg", jpeg()),
    "newline in the name": ("a\nb\r.jpg", jpeg()),
    "quotes and commas in the name": ("""it's "a", b.jpg""", jpeg()),
    "spaces in the name": ("  x  .jpg", jpeg()),
    "a very long name": ("x" * 300 + ".jpg", jpeg()),
    "name like an option": ("--help.jpg", jpeg()),
    "a wrong width": ("x.jpg", jpeg_of_size(60_000, 1)),  # libjpeg fills up what is missing
    "dots in the name": ("a..b.jpg", jpeg()),
}

BAD: dict[str, tuple[str, bytes, str]] = {
    "zero bytes": ("x.jpg", b"", "is empty"),
    "truncated JPEG": ("x.jpg", jpeg()[:-300], "cannot be decoded: .*truncated"),
    "truncated header": ("x.jpg", jpeg()[:20], "no image in a known format"),
    "truncated PNG": ("x.png", encoded(picture(), "PNG")[:-700], "cannot be decoded: "),
    "PNG with a wrong checksum": (
        "x.png",
        encoded(picture(), "PNG").replace(b"IHDR\0\0\0\x28", b"IHDR\0\0\0\x29"),
        "PNG|known|decoded",
    ),
    "truncated GIF": ("x.gif", encoded(picture(), "GIF")[:-300], "cannot be decoded"),
    "30000 x 30000": ("x.png", png_header(30_000, 30_000), "is 30000 x 30000 = 900000000 pixels, more than"),
    "30000 x 30000 JPEG": ("x.jpg", jpeg_of_size(30_000, 30_000), "is 30000 x 30000 = 900000000 pixels, more than"),
    "just above the limit": (
        "x.png",
        png_header(10_000, 9_000),
        "is 10000 x 9000 = 90000000 pixels, more than data.max_pixels = 89478485",
    ),
    "2^31 x 2^31": ("x.png", png_header(2**31 - 1, 2**31 - 1), "is 2147483647 x 2147483647 = .* pixels, more than"),
    "0 x 0": ("x.png", png_header(0, 0), "cannot be decoded|no image in a known format"),
    "HTML": ("x.jpg", b"<!DOCTYPE html><title>Quota exceeded</title>", "no image in a known format"),
    "a zip": ("x.jpg", b"PK\3\4" + bytes(99), "no image in a known format"),
    "text": ("x.png", b"no image at all", "no image in a known format"),
    "random bytes": ("x.gif", np.random.default_rng(0).bytes(5000), "no image in a known format"),
    "SVG": ("x.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no image in a known format"),
    "PostScript": ("x.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image in a known format"),
    "floating point": ("x.tif", encoded(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "floating-point pixels"),
    "32 bits": ("x.tif", encoded(Image.fromarray(np.full((9, 9), 70_000, np.int32)), "TIFF"), "32-bit pixels"),
    "a sliver": ("x.png", encoded(Image.new("1", (1, 89_000_000 // 89)), "PNG"), "would become 16 x"),
    "a bomb of a comment": ("x.png", text_bomb(), "cannot be decoded"),
    "traversal": ("../x.jpg", jpeg(), "leads out of the archive"),
    "traversal further in": ("a/../../x.jpg", jpeg(), "leads out of the archive"),
    "absolute": ("/etc/x.jpg", jpeg(), "leads out of the archive"),
    "traversal with backslashes": ("a\\..\\..\\x.jpg", jpeg(), "leads out of the archive"),
}


def packed_with(tmp_path: Path, members: dict[str, bytes], **params: object) -> tuple[Packed, list[dict[str, str]]]:
    """Pack a folder of two good images and these members; return the set and the rows of the quarantine."""
    raw = write_folder(tmp_path / "folder", {"0.jpg": jpeg(seed=1), "1.jpg": jpeg(seed=2)} | members)
    pack(Data(name="folder", size=SIZE, **params), raw, tmp_path / "packed")
    return read_back(tmp_path / "packed")


def read_back(folder: Path) -> tuple[Packed, list[dict[str, str]]]:
    packed = Packed.open(folder / "data.h5")
    packed.verify()
    path = folder / "quarantine.csv"
    if not path.exists():
        return packed, []
    with path.open(encoding="utf-8", newline="") as opened:
        return packed, list(csv.DictReader(opened))


@pytest.mark.parametrize("case", GOOD)
def test_odd_images_are_packed(tmp_path: Path, case: str) -> None:
    name, content = GOOD[case]
    packed, bad = packed_with(tmp_path, {name: content})
    assert bad == [] and packed.count("items") == 3 and packed.fields["image"].shape == (3, SIZE, SIZE)


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_left_out_and_listed(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, reason = BAD[case]
    packed, bad = packed_with(tmp_path, {name: content})
    assert packed.count("items") == 2 and [row["name"] for row in bad] == [name]
    assert re.search(reason, bad[0]["reason"]) and "0x" not in bad[0]["reason"]
    told = [line for line in capsys.readouterr().err.splitlines() if "Left out" in line]
    assert len(told) == 1 and "Left out 1 images that cannot be used: " in told[0] and "quarantine.csv" in told[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "packed"]  # nothing was extracted


@pytest.mark.parametrize("case", BAD)
def test_one_bad_image_too_many_is_one_line_and_no_file(tmp_path: Path, case: str) -> None:
    name, content, reason = BAD[case]
    raw = write_folder(tmp_path / "folder", {"0.jpg": jpeg(), name: content})
    with pytest.raises(
        DataError, match=f"more than data.max_bad = 0 images cannot be used: .*({reason}).*; repair"
    ) as caught:
        pack(Data(name="folder", size=SIZE, max_bad=0), raw, tmp_path / "packed")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "packed").iterdir()) == []


def special(kind: bytes, target: str = "0.jpg") -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("x.jpg")
        info.type, info.linkname = kind, target
        archive.addfile(info)

    return add


def repeated(archive: tarfile.TarFile) -> None:
    for seed in (3, 4):
        info = tarfile.TarInfo("x.jpg")
        info.size = len(jpeg(seed=seed))
        archive.addfile(info, io.BytesIO(jpeg(seed=seed)))


SPECIAL: dict[str, tuple[Callable[[tarfile.TarFile], None], str, int]] = {
    "symbolic link": (special(tarfile.SYMTYPE), "is a link", 0),
    "symbolic link outside": (special(tarfile.SYMTYPE, "/etc/passwd"), "is a link", 0),
    "hard link": (special(tarfile.LNKTYPE), "is a link", 0),
    "hard link outside": (special(tarfile.LNKTYPE, "../../secret.jpg"), "is a link", 0),
    "character device": (special(tarfile.CHRTYPE), "is no regular file", 0),
    "block device": (special(tarfile.BLKTYPE), "is no regular file", 0),
    "named pipe": (special(tarfile.FIFOTYPE), "is no regular file", 0),
    "duplicate": (repeated, "has the name of an earlier member", 1),
}


@pytest.mark.parametrize("case", SPECIAL)
def test_special_members_of_a_tar_are_left_out(tmp_path: Path, case: str) -> None:
    add, reason, kept = SPECIAL[case]
    raw = write_folder(tmp_path / "folder", {"0.jpg": jpeg()})
    with tarfile.open(raw / "folder.tar", "a:") as archive:
        add(archive)
    pack(Data(name="folder"), raw, tmp_path / "packed")
    packed, bad = read_back(tmp_path / "packed")
    assert packed.count("items") == 1 + kept and bad == [{"name": "x.jpg", "reason": reason}]


def test_a_name_that_is_no_unicode_is_escaped(tmp_path: Path) -> None:
    packed, bad = packed_with(tmp_path, {"\udcff.jpg": b"", "\udcfe/x.jpg": jpeg(), "a/y.jpg": jpeg()})
    assert packed.fields["label"].names == ("\\xfe", "a")
    assert [row["name"] for row in bad] == ["\\xff.jpg", "0.jpg", "1.jpg"]


def zip_member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"img_align_celeba/{name}")
    info.external_attr = mode << 16
    return info


ZIPS: dict[str, tuple[str, Callable[[zipfile.ZipFile], None], str]] = {
    "symbolic link": (
        "000002.jpg",
        lambda new: new.writestr(zip_member("000002.jpg", 0o120777), "/etc/passwd"),
        "is a link",
    ),
    "device": ("000002.jpg", lambda new: new.writestr(zip_member("000002.jpg", 0o020666), b""), "is no regular file"),
    "duplicate": ("", lambda new: new.writestr(zip_member("000002.jpg"), jpeg(178, 218)), "has the name of an earlier"),
    "traversal": ("", lambda new: new.writestr(zip_member("../../../etc/x.jpg"), jpeg()), "leads out of the archive"),
    "damaged": (
        "000002.jpg",
        lambda new: new.writestr(zip_member("000002.jpg"), jpeg(178, 218)[:99]),
        "cannot be decoded|known",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", ZIPS)
def test_special_members_of_a_zip_are_left_out(tmp_path: Path, case: str) -> None:
    without, add, reason = ZIPS[case]
    path = rewritten(write_celeba(tmp_path / "celeba", 6), without)
    with zipfile.ZipFile(path, "a") as new:
        add(new)
    pack(Data(name="celeba"), tmp_path / "celeba", tmp_path / "packed")
    packed, bad = read_back(tmp_path / "packed")
    assert packed.count("items") == (5 if without else 6) and len(bad) == 1 and re.search(reason, bad[0]["reason"])


def rewritten(raw: Path, without: str) -> Path:
    """Write CelebA's zip again without one image."""
    path = raw / "img_align_celeba.zip"
    with zipfile.ZipFile(path) as old:
        kept = {name: old.read(name) for name in old.namelist() if not without or not name.endswith(without)}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in kept.items():
            new.writestr(name, content)
    return path


def flip_in_member(content: bytes) -> bytes:
    at = content.index(b"000003.jpg") + 200
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


def encrypt_flag(content: bytes) -> bytes:
    at = content.index(b"PK\1\2", content.index(b"PK\1\2") + 4)  # the second member of the directory
    return content[: at + 8] + b"\1" + content[at + 9 :]


@pytest.mark.parametrize(("spoil", "reason"), [(flip_in_member, "cannot be expanded"), (encrypt_flag, "encrypted")])
def test_damaged_members_of_a_zip_are_left_out(tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str) -> None:
    path = write_celeba(tmp_path / "celeba", 6) / "img_align_celeba.zip"
    path.write_bytes(spoil(path.read_bytes()))
    pack(Data(name="celeba"), tmp_path / "celeba", tmp_path / "packed")
    packed, bad = read_back(tmp_path / "packed")
    assert packed.count("items") == 5 and reason in bad[0]["reason"]


ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda good: b"", "empty file"),
    "HTML": (lambda good: b"<html>" + b"x" * 2000, "cannot be read as an archive"),
    "truncated in a header": (lambda good: good[:700], "cannot be read as an archive"),
    "truncated in a member": (lambda good: good[:1500], "unexpected end of data"),
    "truncated between members": (lambda good: good[: good.index(b"1.jpg\0")], "it ends without its end mark"),
    "a damaged header": (lambda good: good.replace(b"1.jpg\0", b"1.jpx\0", 1), "it ends without its end mark"),
    "no end mark": (lambda good: good.rstrip(b"\0") + b"\0" * (-len(good.rstrip(b"\0")) % 512), "without its end mark"),
    "truncated gzip": (lambda good: gzip.compress(good)[:-300], "ended before the end-of-stream"),
    "damaged gzip": (lambda good: gzip.compress(good)[:500] + b"\xff" * 500, "cannot be read as an archive"),
    "gzip with a wrong checksum": (
        lambda good: gzip.compress(good)[:-8] + b"\0" * 8,
        "CRC check failed|cannot be read",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_damaged_archives_are_refused(tmp_path: Path, case: str) -> None:
    spoil, problem = ARCHIVES[case]
    raw = write_folder(tmp_path / "folder", {f"{number}.jpg": jpeg(seed=number) for number in range(3)})
    (raw / "folder.tar").write_bytes(spoil((raw / "folder.tar").read_bytes()))
    refused(raw, tmp_path / "packed", problem)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1, -30])
def test_a_truncated_zip_is_refused(tmp_path: Path, keep: float) -> None:
    path = write_celeba(tmp_path / "celeba", 4) / "img_align_celeba.zip"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    refused(tmp_path / "celeba", tmp_path / "packed", "cannot be read as an archive")


def refused(raw: Path, into: Path, problem: str, **params: object) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        pack(Data(name=raw.name, **params), raw, into)
    assert "\n" not in str(caught.value) and list(into.iterdir()) == []


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    refused(
        write_folder(tmp_path / "folder", {"readme.txt": b"nothing"}), tmp_path / "packed", "holds no image that can be"
    )
    raw = write_folder(tmp_path / "folder", {"a.jpg": b"", "b.jpg": b""})
    refused(raw, tmp_path / "packed", "holds no image that can be used")


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    """A small gzip may announce a name of 400 MB, which Python's tarfile would read into the memory."""
    write_source(tmp_path / "folder", "folder")
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 400 << 20
    (tmp_path / "folder/folder.tar").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT), 1))
    refused(tmp_path / "folder", tmp_path / "packed", "a header of 419430400 bytes")


def test_a_member_of_negative_size_does_not_hang(tmp_path: Path) -> None:
    write_source(tmp_path / "folder", "folder")
    header = bytearray(tarfile.TarInfo("x.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    (tmp_path / "folder/folder.tar").write_bytes(bytes(header) + bytes(1024))
    refused(tmp_path / "folder", tmp_path / "packed", "cannot be read as an archive")


def test_a_member_of_absurd_size_is_left_out_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 20_000)
    packed, bad = packed_with(tmp_path, {"x.jpg": jpeg() + bytes(20_000)})
    assert packed.count("items") == 2 and "more than 20000" in bad[0]["reason"]


def test_too_many_members_and_too_much_content_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_folder(tmp_path / "folder", {"a.jpg": jpeg(), "zeros.txt": bytes(10**6)})
    plain = (raw / "folder.tar").read_bytes()
    (raw / "folder.tar").write_bytes(gzip.compress(plain))
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)
    refused(raw, tmp_path / "packed", "expands to more than [0-9]+ bytes, as only bombs do")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    refused(raw, tmp_path / "packed", "holds more than 1 members")


def test_the_list_is_complete_and_in_the_order_of_the_archive(tmp_path: Path) -> None:
    members = {f"{number}\n.jpg": b"" for number in range(200, 300)}
    _, bad = packed_with(tmp_path, members)
    assert [row["name"] for row in bad] == [name.replace("\n", "\\n") for name in members]
    raw = write_folder(tmp_path / "folder", members | {"0.jpg": jpeg()})
    refused(
        raw,
        tmp_path / "other",
        r"more than data.max_bad = 99 images cannot be used: '200\\n.jpg' is empty, ",
        max_bad=99,
    )


def test_a_second_packing_takes_the_old_list_away(tmp_path: Path) -> None:
    packed_with(tmp_path, {"x.jpg": b""}, shards=2)
    packed, bad = packed_with(tmp_path, {})
    assert bad == [] and sorted(path.name for path in packed.path.parent.iterdir()) == [
        "data.h5",
        "manifest.json",
        "preview.png",
    ]


def test_the_limit_is_that_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS == images.MAX_PIXELS
