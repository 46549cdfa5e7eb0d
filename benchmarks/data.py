"""How fast packing and reading are, beside what people use otherwise, on synthetic JPEGs of CelebA's size.

Run `python benchmarks/data.py`. Rivals take turns in every round, so that a busy machine slows all of them, and each
comes first equally often; the ratios printed are medians over the rounds. Cold reads run in fresh processes after the
file was dropped from the page cache; a cache below the operating system, as of a virtual disk, may still help all.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
from turns import in_turns, report

from ganpipe.data.download.stage import SOURCE
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import Order
from ganpipe.data.packed.sampler import Sampler
from ganpipe.files import write_json

WIDTH, HEIGHT, SIZE, BATCH = 178, 218, 64, 128
CLASSES = 10
RANDOM_ROWS = 4000  # of a cold file
PACK = """
import os, sys, time
from pathlib import Path
from ganpipe.config import Data
from ganpipe.data.pack.stage import pack
folder, size, workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
start, busy = time.perf_counter(), sum(os.times()[:4])
pack(Data(name="folder", size=size), folder / "raw", folder / "packed", workers)
print(time.perf_counter() - start, sum(os.times()[:4]) - busy)
"""


def main() -> None:
    """Make the images, then time packing, warm and cold reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--cold", nargs=2, help=argparse.SUPPRESS)  # how a fresh process is told what to read
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.cold:
        print(COLD_READERS[options.cold[0]](Path(options.cold[1])))
        return
    folder = Path(tempfile.mkdtemp(prefix="ganpipe-benchmark-"))
    try:
        run(folder, options.images, options.rounds)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, images: int, rounds: int) -> None:
    """Print all three comparisons."""
    seconds = timed(lambda: make_images(folder, images))
    print(f"{images} JPEGs of {WIDTH} x {HEIGHT}, quality 90, made in {seconds:.0f} s; packed to {SIZE} x {SIZE} x 3")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__} with one thread")
    packs = in_turns(rounds, *(partial(pack_rates, folder, images, workers) for workers in (1, 2)))
    report("pack", "1 process", "2 processes", [(one[0], two[0]) for one, two in packs], 1.5)
    report("pack per second of CPU time", "1 process", "2 processes", [(one[1], two[1]) for one, two in packs], None)
    image_folder, sampler = jpeg_batches(folder / "jpegs"), Sampler(Packed.open(folder / "packed/data.h5"), 0)
    sampled = (sampler.fetch(position, BATCH)["image"] for position in count(0, BATCH))
    warm = in_turns(rounds, partial(rate, image_folder, 3), partial(rate, sampled, 300))
    report("warm random batches of floats", "ImageFolder", "Sampler", warm, 100)
    cold = in_turns(rounds, *(partial(cold_rate, folder, reader) for reader in COLD_READERS))
    report("cold reads", "random h5py rows", "shuffled blocks", [(row[0], row[1]) for row in cold], 5)
    report("cold, up to floats", "random h5py rows", "Sampler", [(row[0], row[2]) for row in cold], None)


def make_images(folder: Path, count: int) -> None:
    """Write JPEGs in class folders for ImageFolder, and the same as one tar file for `pack`."""
    rng = np.random.default_rng(0)
    raw = folder / "raw"
    raw.mkdir()
    with tarfile.open(raw / "folder.tar", "w:") as archive:
        for number in range(count):
            content = noisy_jpeg(rng)
            name = f"{number % CLASSES}/{number:06d}.jpg"
            path = folder / "jpegs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    write_json(raw / SOURCE, {"name": "folder", "source": "synthetic", "files": {}})


def noisy_jpeg(rng: np.random.Generator) -> bytes:
    """Return a smooth random picture with a little noise, 7.1 KB like those of CelebA."""
    coarse = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8))
    coarse = coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noise = rng.integers(-1, 2, (HEIGHT, WIDTH, 1), np.int16)
    pixels = np.clip(np.asarray(coarse, np.int16) + noise, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def pack_rates(folder: Path, images: int, workers: int) -> tuple[float, float]:
    """Return images per second, and per second of CPU time, of packing in a process as light as the stage.

    The start of the processes counts. What the second figure loses is the price of working together; the rest of
    what two processes gain or not depends on whether another core is free.
    """
    command = [sys.executable, "-c", PACK, str(folder), str(SIZE), str(workers)]
    seconds, busy = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    return images / seconds, images / busy


def jpeg_batches(folder: Path) -> Iterator[torch.Tensor]:
    """Yield random batches the way a tutorial does it, decoding anew each time."""
    steps = [Resize(SIZE), CenterCrop(SIZE), ToTensor(), Normalize((0.5,) * 3, (0.5,) * 3)]
    images = ImageFolder(str(folder), Compose(steps))
    rng = np.random.default_rng(1)
    while True:
        yield torch.stack([images[row][0] for row in rng.integers(0, len(images), BATCH)])


def rate(batches: Iterator[torch.Tensor], number: int) -> float:
    """Return images per second of warm batches."""
    next(batches)
    return BATCH * number / timed(lambda: sum(1 for _ in islice(batches, number)))


def cold_rate(folder: Path, reader: str) -> float:
    """Return images per second of a fresh process on a file that was dropped from the page cache."""
    path = folder / "packed/data.h5"
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    command = [sys.executable, __file__, "--cold", reader, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cold_blocks(path: Path) -> float:
    """Read one epoch in shuffled blocks, as the sampler does, without any conversion."""
    packed = Packed.open(path)
    rows = packed.count("items")
    order = Order(rows, packed.row_bytes("items"), seed=0)

    def read_all() -> None:
        for number in range(order.groups):
            packed.read_ranges("image", order.group(0, number).blocks)

    return rows / timed(read_all)


def cold_sampler(path: Path) -> float:
    """Serve one epoch from the disk, up to float batches."""
    packed = Packed.open(path)
    sampler = Sampler(packed, 0, ram_limit=0.0)
    positions = range(0, packed.count("items") // BATCH * BATCH, BATCH)
    return len(positions) * BATCH / timed(lambda: [len(sampler.fetch(at, BATCH)) for at in positions])


def cold_random(path: Path) -> float:
    """Read random rows one by one through h5py, without any conversion."""
    with h5py.File(path) as file:
        images = file["items/image"]
        rows = np.random.default_rng().permutation(len(images))[:RANDOM_ROWS]
        return len(rows) / timed(lambda: [images[row] for row in rows])


COLD_READERS = {"random": cold_random, "blocks": cold_blocks, "sampler": cold_sampler}


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
