"""How fast 12,556 emoji are drawn and packed at 64 px, by one process and by two.

Run `python benchmarks/emoji.py`, with `--source DIR` where the npm packages are in a folder already. The rivals take
turns in every round, so that a busy machine slows both; the ratios printed are medians over the rounds. Every packing
must have the same content hash.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from turns import in_turns, report

from ganpipe.config import Data
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.stage import download
from ganpipe.data.packed.file import Packed

PACK = """
import os, sys, time
from pathlib import Path
from ganpipe.config import Data
from ganpipe.data.pack.stage import pack
if __name__ == "__main__":
    raw, into, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    start, busy = time.perf_counter(), sum(os.times()[:4])
    pack(Data(name="emoji"), raw, into, workers)
    print(time.perf_counter() - start, sum(os.times()[:4]) - busy)
"""


def main() -> None:
    """Bring the packages, then time packing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="a folder with the npm packages")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    source = options.source and str(Path(options.source).resolve())
    folder = Path(tempfile.mkdtemp(prefix="ganpipe-benchmark-"))
    try:
        download(Data(name="emoji", source=source), folder / "raw")
        run(folder, options.rounds)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, rounds: int) -> None:
    """Print the rates of one process and of two, and what a second of CPU time is worth to each."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    hashes: set[str] = set()
    found = in_turns(rounds, *(partial(rates, folder, workers, hashes) for workers in (1, 2)))
    report("pack", "1 process", "2 processes", [(one[0], two[0]) for one, two in found], 1.5)
    report("pack per second of CPU time", "1 process", "2 processes", [(one[1], two[1]) for one, two in found], None)
    print(f"{2 * rounds} packings, content hashes: {', '.join(sorted(hashes))}")


def rates(folder: Path, workers: int, hashes: set[str]) -> tuple[float, float]:
    """Return drawings per second, and per second of CPU time, of packing in a process as light as the stage.

    The start of the processes counts.
    """
    command = [sys.executable, "-c", PACK, str(folder / "raw"), str(folder / "packed"), str(workers)]
    seconds, busy = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    hashes.add(Packed.open(folder / "packed/data.h5").content_sha256)
    count = lookup("emoji").count or 0
    return count / seconds, count / busy


if __name__ == "__main__":
    main()
