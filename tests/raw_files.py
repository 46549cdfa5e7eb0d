"""Small raw files in the exact layout of the published ones, as `download` leaves them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.io import savemat

from ganpipe.data.catalogue.photographs import PHOTOGRAPHS_PAINTING
from ganpipe.data.catalogue.sets import CELEBA, CIFAR10, FLOWERS, FLOWERS102
from ganpipe.data.download.stage import SOURCE
from ganpipe.files import read_sealed, sha256_of, write_sealed


def picture(width: int = 40, height: int = 48, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Return a smooth random picture, so that JPEG keeps it about as it is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    """Return the bytes of a picture file."""
    out = io.BytesIO()
    image.save(out, format=format, **options)
    return out.getvalue()


def jpeg(width: int = 40, height: int = 48, seed: int = 0) -> bytes:
    """Return a JPEG of quality 90."""
    return encoded(picture(width, height, seed), quality=90)


def write_source(folder: Path, name: str) -> None:
    """Write what `download` says about the raw files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sealed(folder / SOURCE, {"name": name, "source": "a test", "files": {}})


def record_again(folder: Path) -> None:
    """Let the files of a folder be those of the download: a test has changed them."""
    told = read_sealed(folder / SOURCE)
    for name, record in told["files"].items():
        record["sha256"] = sha256_of(folder / name)
    write_sealed(folder / SOURCE, told)


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w:gz") -> None:
    """Write a tar archive with its folders."""
    with tarfile.open(path, mode) as archive:
        for folder in sorted({parent.as_posix() for name in members for parent in Path(name).parents} - {"."}):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_folder(folder: Path, members: Mapping[str, bytes], name: str = "folder") -> Path:
    """Make `folder` the raw files of a data set of the user's own pictures with these members."""
    write_source(folder, name)
    write_tar(folder / "folder.tar", members, "w:")
    return folder


FOUR_FOLDERS = {"trainA": 40, "trainB": 44, "testA": 16, "testB": 18}
"""How many pictures a small set of two spaces has in each folder; a set of pairs has as many in B as in A."""

_NAMES = {  # of the pictures of A and B, as the authors of CycleGAN published them
    "facades": ("{}_A.jpg", "{}_B.jpg"),
    "maps": ("{}_A.jpg", "{}_B.jpg"),
    "horse2zebra": ("n02381460_{}.jpg", "n02391049_{}.jpg"),
    "apple2orange": ("n07740461_{}.jpg", "n07749192_{}.jpg"),
    "summer2winter_yosemite": ("2011-05-12 05:46:{:02}.jpg", "2012-01-06 09:12:{:02}.jpg"),
    "monet2photo": ("{:05}.jpg", "2014-08-01 17:41:{:02}.jpg"),
    "vangogh2photo": ("{:05}.jpg", "2014-08-01 17:41:{:02}.jpg"),
}
_SIDES = {"maps": 600}  # pixels; the others: 256


def four_folders(root: str, pictures: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """Return a zip as the authors of CycleGAN made it: `root`/trainA and so on, with entries for the folders."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(root)
        for folder, members in pictures.items():
            archive.mkdir(f"{root}/{folder}")
            for name, content in members.items():
                archive.writestr(f"{root}/{folder}/{name}", content)
    return out.getvalue()


def translation_pictures(name: str, paired: bool) -> dict[str, dict[str, bytes]]:
    """Return small sets of pictures under their published names. B of a pair is the negative of A."""
    side, found = _SIDES.get(name, 256), {}
    for folder, count in FOUR_FOLDERS.items():
        split, letter = folder[:-1], folder[-1]
        first = 1000 * (split == "test") + 2000 * (letter == "B" and not paired)
        numbers = range(1, 1 + (FOUR_FOLDERS[f"{split}A"] if paired else count))
        drawn = [picture(side, side, first + number) for number in numbers]
        if paired and letter == "B":
            drawn = [ImageOps.invert(one) for one in drawn]
        named = _NAMES[name]["AB".index(letter)]
        found[folder] = {
            named.format(number): encoded(one, quality=90) for number, one in zip(numbers, drawn, strict=True)
        }
    return found


def write_translation(folder: Path, name: str, paired: bool) -> Path:
    """Make `folder` one of the sets of pix2pix or CycleGAN, see `translation_pictures`."""
    write_source(folder, name)
    (folder / f"{name}.zip").write_bytes(four_folders(name, translation_pictures(name, paired)))
    return folder


def write_two_folders(folder: Path, name: str, paired: bool) -> Path:
    """Make `folder` the raw files of two folders of the user's own pictures, which are pairs or not."""
    pictures = translation_pictures("facades" if paired else "monet2photo", paired)
    members = {f"{side}/{file}": content for side in "AB" for file, content in pictures[f"train{side}"].items()}
    return write_folder(folder, members, name)


def write_own_pictures(folder: Path, count: int) -> Path:
    """Make `folder` the raw files of a folder of the user's own: pictures of several sizes without classes."""
    return write_folder(folder, {f"{number:03d}.jpg": jpeg(40 + number, 80, number) for number in range(count)})


def write_photographs(folder: Path, count: int) -> Path:
    """Make `folder` the raw files of photographs of the user's own, large enough for tiles."""
    return write_folder(folder, {f"{number:03d}.jpg": jpeg(400, 270, number) for number in range(count)}, "photo_tiles")


def write_style_folders(folder: Path, counts: tuple[int, int]) -> Path:
    """Make `folder` the raw files of two folders of the user's own: photographs, and pictures of a style."""
    members = {f"mine/{number:03d}.jpg": jpeg(400, 270, number) for number in range(counts[0])}
    members |= {f"paintings/{number}.jpg": jpeg(500, 400, 100 + number) for number in range(counts[1])}
    return write_folder(folder, members, "style_folders")


def midi(count: int, seed: int, drums: bool = False) -> bytes:
    """Return a MIDI file of so many tones of two instruments, in chords of one or two, at a changing tempo."""
    from pretty_midi import Instrument, Note, PrettyMIDI

    rng = np.random.default_rng(seed)
    piece = PrettyMIDI(resolution=480, initial_tempo=100 + seed)
    instruments = [Instrument(0), Instrument(40)] + [Instrument(0, is_drum=True)] * drums
    begin = 0.0
    for number in range(count):
        pitch = 50 + (7 * number + seed) % 25  # a tone ends before the next of its pitch
        instruments[number % 2].notes.append(Note(int(rng.integers(60, 100)), pitch, begin, begin + 0.5))
        begin += 0.25 * int(rng.integers(0, 2))
    if drums:
        instruments[2].notes.append(Note(100, 35, 0.1, 0.2))
    piece.instruments += instruments
    written = io.BytesIO()
    piece.write(written)
    return written.getvalue()


def write_music(folder: Path, count: int) -> Path:
    """Make `folder` the raw files of music of the user's own: MIDI files of 150 tones each."""
    return write_folder(folder, {f"{number:02d}.mid": midi(150, number) for number in range(count)}, "music_folder")


def write_photographs_and_painting(folder: Path) -> Path:
    """Make `folder` fourteen photographs and a painting under their published names."""
    write_source(folder, "photographs-painting")
    for number, file in enumerate(PHOTOGRAPHS_PAINTING.files):
        kind = "PNG" if file.name.endswith(".png") else "JPEG"
        (folder / file.name).write_bytes(encoded(picture(400, 270, number), kind))
    return folder


def write_div2k(folder: Path, counts: tuple[int, int]) -> Path:
    """Make `folder` two zip files as DIV2K has them, with so many photographs of training and of validation."""
    write_source(folder, "div2k")
    for name, first, count in zip(("DIV2K_train_HR", "DIV2K_valid_HR"), (1, 801), counts, strict=True):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.mkdir(name)
            for number in range(first, first + count):
                archive.writestr(f"{name}/{number:04d}.png", encoded(picture(400, 270, number), "PNG"))
    return folder


def write_celeba(folder: Path, count: int = 12) -> Path:
    """Make `folder` a CelebA of the first `count` images: two thirds train, the rest halves of valid and test."""
    write_source(folder, "celeba")
    names = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("img_align_celeba")
        for number, name in enumerate(names):
            archive.writestr(f"img_align_celeba/{name}", jpeg(178, 218, number))
    lines = [str(count), " ".join(CELEBA.names("attributes")) + " "]
    lines += [
        f"{name} " + " ".join(f"{value:2d}" for value in row) for name, row in zip(names, signs(count), strict=True)
    ]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    parts = [0] * (2 * count // 3) + [1] * (count // 6) + [2] * count
    rows = [f"{name} {part}" for name, part in zip(names, parts, strict=False)]
    (folder / "list_eval_partition.txt").write_text("\n".join(rows) + "\n")
    return folder


def signs(count: int) -> np.ndarray:
    """Return the attributes -1 and 1 of the images of `write_celeba`, (count, 40)."""
    return 2 * np.random.default_rng(7).integers(0, 2, (count, 40)) - 1


def write_flowers(folder: Path, per_class: int = 4) -> Path:
    """Make `folder` a flower_photos.tgz with photographs of several sizes and its LICENSE.txt."""
    write_source(folder, "flowers")
    members = {"flower_photos/LICENSE.txt": b"All photographs by somebody, CC-BY"}
    for number, name in enumerate(reversed(FLOWERS.names("label"))):
        for at in range(per_class):
            photo = jpeg(90 + 10 * at, 80, 10 * number + at)
            members[f"flower_photos/{name}/{1000 - at}_{number:x}.jpg"] = photo
    write_tar(folder / "flower_photos.tgz", members)
    return folder


def write_flowers102(folder: Path, count: int = 12) -> Path:
    """Make `folder` a Flowers-102 of `count` images in an archive of mixed order."""
    write_source(folder, "flowers102")
    order = np.random.default_rng(1).permutation(count) + 1
    write_tar(folder / "102flowers.tgz", {f"jpg/image_{number:05d}.jpg": jpeg(80, 70, number) for number in order})
    savemat(folder / "imagelabels.mat", {"labels": labels102(count)[None]}, do_compression=True)
    train, valid, test = np.split(np.arange(count, 0, -1, dtype=np.uint16), [count // 4, count // 2])
    savemat(folder / "setid.mat", {"trnid": train[None], "valid": valid[None], "tstid": test[None]})
    return folder


def labels102(count: int) -> np.ndarray:
    """Return the classes 1.. of the images of `write_flowers102`."""
    return (np.arange(count) * 31 % len(FLOWERS102.names("label")) + 1).astype(np.uint8)


def write_idx(folder: Path, name: str = "mnist", counts: tuple[int, int] = (30, 10)) -> Path:
    """Make `folder` an MNIST of random images."""
    write_source(folder, name)
    rng = np.random.default_rng(0)
    for stem, count in zip(("train", "t10k"), counts, strict=True):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        header = np.array([2051, count, 28, 28], ">u4").tobytes()
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        header = np.array([2049, count], ">u4").tobytes()
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes()))
    return folder


def write_cifar(folder: Path, per_file: int = 4, spoil: Callable[[bytes], bytes] = bytes) -> np.ndarray:
    """Make `folder` a CIFAR-10 of random images, one batch of them spoilt; return the records of its six batches."""
    write_source(folder, "cifar10")
    records = np.random.default_rng(0).integers(0, 256, (6, per_file, 3073), np.uint8)
    records[..., 0] %= 10
    names = [name for part in CIFAR10.layout.parts for name in part.members]
    members = {name: records[at].tobytes() for at, name in enumerate(names)}
    members[names[2]] = spoil(members[names[2]])
    write_tar(folder / "cifar-10-binary.tar.gz", members | {"cifar-10-batches-bin/readme.html": b"<html>"})
    return records
