"""Decoding images in several processes into one file: the same rows for any number of processes, in bounded memory.

The processes write the pixels to the file themselves, so that none go through a pipe.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.data.pack.layouts import Item
from ganpipe.errors import DataError
from ganpipe.machine import available_cores

_CHUNK_IMAGES = 64
_CHUNK_BYTES = 8 << 20
_ALONE = 128  # images: not worth starting another process
_AHEAD = 3  # chunks per other process that are waiting or being decoded; as many again may be done


@dataclass
class Rows:
    """A file of decoded images, one after the other, all of the shape (height, width, channels) of the first.

    Its row number n is the n-th image; one that cannot be used leaves a gap.
    """

    path: Path
    transform: Transform
    shape: tuple[int, int, int] | None = None  # None: no image has been decoded


@dataclass(frozen=True)
class _Chunk:
    """Images to be decoded into the rows from `start` on."""

    start: int
    items: list[Item]

    @property
    def contents(self) -> list[bytes | str]:
        """The bytes of each, or why there are none."""
        return [item.problem or item.content for item in self.items]


_Problems = Future[list[str | None]]  # of each image of a chunk; None: it is in its row


def decoded(items: Iterable[Item], rows: Rows, workers: int | None) -> Generator[tuple[Item, str | None], None, None]:
    """Write the pixels of every item to `rows`, and yield it with what is wrong with it or None, in order.

    `workers` is the number of processes, this one included; None: one per core. At most 6 chunks per process, of 64
    images or 8 MiB each, are in memory at a time. Raises `DataError` where the system kills a process.
    """
    others = (workers or available_cores()) - 1
    chunks = _chunks(items)
    for chunk in chunks:
        yield from _results(chunk, _here(chunk, rows))
        if others and rows.shape is not None and chunk.start + len(chunk.items) >= _ALONE:
            yield from _in_processes(chunks, rows, others)


def _in_processes(chunks: Iterable[_Chunk], rows: Rows, others: int) -> Iterator[tuple[Item, str | None]]:
    """Give chunks to other processes; whenever these have enough to do, decode one here."""
    pool = ProcessPoolExecutor(others, get_context("spawn"), initializer=_start)  # fork is not safe beside threads
    waiting: deque[tuple[_Chunk, _Problems]] = deque()
    try:
        for chunk in chunks:
            busy = sum(not problems.done() for _, problems in waiting) >= _AHEAD * others
            problems = _here(chunk, rows) if busy else pool.submit(_decode, rows, chunk.start, chunk.contents)
            waiting.append((chunk, problems))
            while waiting and (waiting[0][1].done() or len(waiting) > 2 * _AHEAD * others):
                yield from _results(*waiting.popleft())
        for chunk, problems in waiting:
            yield from _results(chunk, problems)
    except BrokenProcessPool:
        raise DataError(
            "a process that decodes images was killed, perhaps for lack of memory; lower runtime.workers and run again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _here(chunk: _Chunk, rows: Rows) -> _Problems:
    problems: _Problems = Future()
    problems.set_result(_decode(rows, chunk.start, chunk.contents))
    return problems


def _results(chunk: _Chunk, problems: _Problems) -> Iterator[tuple[Item, str | None]]:
    return zip(chunk.items, problems.result(), strict=True)


def _chunks(items: Iterable[Item]) -> Iterator[_Chunk]:
    chunk: list[Item] = []
    size = start = 0
    for item in items:
        chunk.append(item)
        size += len(item.content)
        if len(chunk) == _CHUNK_IMAGES or size >= _CHUNK_BYTES:
            yield _Chunk(start, chunk)
            start, chunk, size = start + len(chunk), [], 0
    if chunk:
        yield _Chunk(start, chunk)


def _decode(rows: Rows, start: int, contents: list[bytes | str]) -> list[str | None]:
    """Decode images into the rows from `start` on; return what is wrong with each, or None."""
    with rows.path.open("r+b") as file:
        return [_written(rows, file, row, content) for row, content in enumerate(contents, start)]


def _written(rows: Rows, file: BinaryIO, row: int, content: bytes | str) -> str | None:
    if isinstance(content, str):
        return content
    try:
        pixels = rows.transform.of_bytes(content)
    except UnreadableError as problem:
        return str(problem)
    if rows.shape is None:
        rows.shape = pixels.shape
    if pixels.shape != rows.shape:
        (height, width, _), (first_height, first_width, _) = pixels.shape, rows.shape
        return f"would be {width} x {height} pixels where the first image is {first_width} x {first_height}"
    file.seek(row * pixels.nbytes)
    file.write(np.ascontiguousarray(pixels).data)
    return None


def _start() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends: a killed packing must not leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this is a child
    parent.join()
    os._exit(1)
