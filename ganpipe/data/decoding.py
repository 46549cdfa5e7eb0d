"""Decoding images in several processes: the results in order, whatever the number of processes, in bounded memory."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context, parent_process

import numpy as np
from jaxtyping import UInt8

from ganpipe.data.images import Transform, UnreadableError
from ganpipe.data.layouts import Item
from ganpipe.errors import DataError

Result = UInt8[np.ndarray, "h w c"] | str
"""The pixels, or why there are none."""

_CHUNK_IMAGES = 64
_CHUNK_BYTES = 8 << 20
_ALONE = 4  # so few chunks are done before another process has started
_AHEAD = 3  # chunks per process that are waiting, being decoded or done


def decoded(
    items: Iterable[Item], transform: Transform, workers: int | None
) -> Generator[tuple[Item, Result], None, None]:
    """Yield every item with its pixels or what is wrong with it, in order.

    `workers` is the number of processes; None: one per core. At most 3 chunks per process, of 64 images or 8 MiB each,
    are in memory at a time. Raises `DataError` where the system kills a process.
    """
    chunks = _chunks(items)
    first = list(islice(chunks, _ALONE))
    count = workers or _cores()
    if count == 1 or len(first) < _ALONE:
        for chunk in chain(first, chunks):
            yield from zip(chunk, _decode(transform, _contents(chunk)), strict=True)
    else:
        yield from _in_processes(chain(first, chunks), transform, count)


def _in_processes(chunks: Iterable[list[Item]], transform: Transform, workers: int) -> Iterator[tuple[Item, Result]]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start)  # fork is not safe beside threads
    waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_decode, transform, _contents(chunk))))
            if len(waiting) > _AHEAD * workers:
                chunk, results = waiting.popleft()
                yield from zip(chunk, results.result(), strict=True)
        for chunk, results in waiting:
            yield from zip(chunk, results.result(), strict=True)
    except BrokenProcessPool:
        raise DataError(
            "a process that decodes images was killed, perhaps for lack of memory; lower runtime.workers and run again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += len(item.content)
        if len(chunk) == _CHUNK_IMAGES or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _contents(chunk: list[Item]) -> list[bytes | str]:
    return [item.problem or item.content for item in chunk]


def _decode(transform: Transform, contents: list[bytes | str]) -> list[Result]:
    """Decode what is bytes; what is a problem already stays one."""
    results: list[Result] = []
    for content in contents:
        try:
            results.append(content if isinstance(content, str) else transform.of_bytes(content))
        except UnreadableError as problem:
            results.append(str(problem))
    return results


def _start() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends: a killed packing must not leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this is a child
    parent.join()
    os._exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
