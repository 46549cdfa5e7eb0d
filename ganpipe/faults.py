"""What a machine does to a run, told in one true line: a full or broken disk, a forbidden place, no memory left."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

_ADVICE = {
    errno.ENOSPC: "make room on this disk",
    errno.EDQUOT: "your quota of this disk is used up: make room",
    errno.EIO: "the disk, or the network before it, is failing: look at it before you start again",
    errno.EFBIG: "this process may write no larger file: raise `ulimit -f`, or use another disk",
    errno.EMFILE: "this process may open no more files: raise `ulimit -n`",
    errno.ENFILE: "this machine can open no more files: end other programs",
    errno.EACCES: "let this user have it",
    errno.EPERM: "let this user have it",
    errno.EROFS: "use a place that can be written",
    errno.EISDIR: "a folder is where a file should be: move it away",
    errno.ENOTDIR: "a file is where a folder should be: move it away",
    errno.ELOOP: "links that lead to each other: remove them",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ESTALE: "a network disk lost it: mount it again",
}

_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|unable to allocate|bad_alloc|cannot allocate", re.I)
_IN_A_MESSAGE = re.compile(r"\berrno = (\d+)")  # of HDF5


def explained(error: BaseException) -> str | None:
    """Return the line for an error that comes from the machine, with what would do; None for every other error.

    Libraries wrap what the system said: HDF5 puts it into its message, torch raises another error over it. Both are
    looked through.
    """
    for cause in _chain(error):
        number = _number(cause)
        if number is not None:
            return f"{_place(cause)}: {os.strerror(number)}{_advice(number)}"
        if isinstance(cause, MemoryError) or (isinstance(cause, RuntimeError) and _NO_MEMORY.search(str(cause))):
            said = str(cause).strip().splitlines()
            return f"no memory is left{f' ({said[0][:160]})' if said else ''}: end other programs, or ask for less"
    for cause in _chain(error):
        if isinstance(cause, OSError):
            return " ".join(str(cause).split())[:300] or type(cause).__name__
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error of a kind that the machine may have caused, and those in whose handling it was raised."""
    seen: set[int] = set()
    here: BaseException | None = error
    while isinstance(here, OSError | RuntimeError | MemoryError) and id(here) not in seen:
        seen.add(id(here))
        yield here
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)


def _number(error: BaseException) -> int | None:
    """Return the number of the system's error, if there is one."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if isinstance(error, OSError | RuntimeError) and (found := _IN_A_MESSAGE.search(str(error))):
        return int(found[1])
    return None


def _place(error: BaseException) -> str:
    names = [getattr(error, name, None) for name in ("filename", "filename2")]
    return " -> ".join(os.fsdecode(name) for name in names if isinstance(name, str | bytes | os.PathLike)) or "writing"


def _advice(number: int) -> str:
    return f"; {_ADVICE[number]}" if number in _ADVICE else ""
