"""Decodes images in several processes into files: the same rows for any number of processes, in bounded memory.

The processes write the pixels to the files themselves, so that no pixels go through a pipe.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.data.pack.items import Item
from ganpipe.errors import DataError
from ganpipe.machine import available_cores

_CHUNK_IMAGES = 64
_CHUNK_BYTES = 8 << 20
_ALONE = 128  # images: not worth starting another process
_AHEAD = 3  # chunks per other process that are waiting or being decoded; as many again may be done


@dataclass
class PixelFile:
    """A file of decoded images, one after the other, all of the shape (height, width, channels) of the first.

    Row number n is the n-th image of this file. An image that cannot be used leaves a gap.
    """

    path: Path
    transform: Transform
    shape: tuple[int, int, int] | None = None  # None: no image has been decoded


@dataclass(frozen=True)
class _Chunk:
    """Images to be decoded, each with its pixel file and its row there; `start` counts the images before."""

    start: int
    items: list[Item]
    rows: list[tuple[str, int]]

    @property
    def contents(self) -> list[bytes | str]:
        """The bytes of each image, or the reason why there are none."""
        return [item.problem or item.content for item in self.items]


_Problems = list[str | None]  # of each image of a chunk; None: it is in its row
_Done = Future[tuple[_Problems, Seen]]


def decoded(
    items: Iterable[Item], files: Mapping[str, PixelFile], workers: int | None, seen: Seen
) -> Generator[tuple[Item, str | None], None, None]:
    """Write the pixels of every item to the file of its field; yield it with the reason why it cannot be used, or None.

    The order is that of the items. What is odd about those that can be used is added to `seen`.

    `workers` is the number of processes, this one included; None: one per core. At most 6 chunks per process, of 64
    images or 8 MiB each, are in memory at a time. Raises `DataError` where the system kills a process.
    """
    others = (workers or available_cores()) - 1
    chunks = _chunks(items)
    for chunk in chunks:
        yield from _results(chunk, _here(chunk, files), seen)
        if others and _shapes_known(chunk, files) and chunk.start + len(chunk.items) >= _ALONE:
            yield from _in_processes(chunks, files, others, seen)


def _in_processes(
    chunks: Iterable[_Chunk], files: Mapping[str, PixelFile], others: int, seen: Seen
) -> Iterator[tuple[Item, str | None]]:
    """Give chunks to other processes; decode one here while these are busy, or to learn the shape of its images."""
    pool = ProcessPoolExecutor(others, get_context("spawn"), initializer=_start)  # fork is not safe beside threads
    waiting: deque[tuple[_Chunk, _Done]] = deque()
    try:
        for chunk in chunks:
            busy = sum(not done.done() for _, done in waiting) >= _AHEAD * others
            alone = busy or not _shapes_known(chunk, files)
            done = _here(chunk, files) if alone else pool.submit(_decode, dict(files), chunk.rows, chunk.contents)
            waiting.append((chunk, done))
            while waiting and (waiting[0][1].done() or len(waiting) > 2 * _AHEAD * others):
                yield from _results(*waiting.popleft(), seen)
        for chunk, done in waiting:
            yield from _results(chunk, done, seen)
    except BrokenProcessPool:
        raise DataError(
            "a process that decodes images was killed, perhaps for lack of memory; lower runtime.workers and run again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _shapes_known(chunk: _Chunk, files: Mapping[str, PixelFile]) -> bool:
    return all(files[name].shape is not None for name, _ in chunk.rows)


def _here(chunk: _Chunk, files: Mapping[str, PixelFile]) -> _Done:
    done: _Done = Future()
    done.set_result(_decode(files, chunk.rows, chunk.contents))
    return done


def _results(chunk: _Chunk, done: _Done, seen: Seen) -> Iterator[tuple[Item, str | None]]:
    problems, noted = done.result()
    seen.add(noted)
    return zip(chunk.items, problems, strict=True)


def _chunks(items: Iterable[Item]) -> Iterator[_Chunk]:
    chunk, size = _Chunk(0, [], []), 0
    counts: Counter[str] = Counter()
    for item in items:
        chunk.items.append(item)
        chunk.rows.append((item.field, counts[item.field]))
        counts[item.field] += 1
        size += len(item.content)
        if len(chunk.items) == _CHUNK_IMAGES or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = _Chunk(chunk.start + len(chunk.items), [], []), 0
    if chunk.items:
        yield chunk


def _decode(
    files: Mapping[str, PixelFile], rows: list[tuple[str, int]], contents: list[bytes | str]
) -> tuple[_Problems, Seen]:
    """Decode images into their rows; return for each the reason why it cannot be used, or None, and what is odd."""
    seen = Seen()
    with ExitStack() as stack:
        opened = {name: stack.enter_context(files[name].path.open("r+b")) for name in {name for name, _ in rows}}
        problems = [
            _written(files[name], opened[name], row, content, seen)
            for (name, row), content in zip(rows, contents, strict=True)
        ]
    return problems, seen


def _written(pixel_file: PixelFile, file: BinaryIO, row: int, content: bytes | str, seen: Seen) -> str | None:
    if isinstance(content, str):
        return content
    noted = Seen()
    try:
        pixels = pixel_file.transform.of_bytes(content, noted)
    except UnreadableError as problem:
        return str(problem)
    if pixel_file.shape is None:
        pixel_file.shape = pixels.shape
    if pixels.shape != pixel_file.shape:
        (height, width, _), (first_height, first_width, _) = pixels.shape, pixel_file.shape
        return f"would be {width} x {height} pixels where the first image is {first_width} x {first_height}"
    seen.add(noted)
    file.seek(row * pixels.nbytes)
    file.write(np.ascontiguousarray(pixels).data)
    return None


def _start() -> None:
    """Leave Ctrl-C to the parent, and end when the parent ends: a killed packing must not leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this is a child
    parent.join()
    os._exit(1)
