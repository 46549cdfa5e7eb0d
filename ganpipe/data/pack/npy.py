"""Whether a NumPy array is as large as it says, before memory is taken for it."""

from __future__ import annotations

import math
from io import BufferedIOBase
from typing import IO

from numpy.lib import format as npy

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def require_whole(opened: BufferedIOBase | IO[bytes], size: int) -> None:
    """Raise `ValueError` where an opened `.npy` of `size` bytes declares another number of bytes than it holds.

    What is no array is left to NumPy, which says so, and so are Python objects, whose size nothing says.
    """
    try:
        read = _HEADERS.get(npy.read_magic(opened))
        shape, _, dtype = read(opened) if read else ((), False, None)
    except (ValueError, EOFError):
        return
    if dtype is None or dtype.hasobject:
        return
    declared, held = math.prod(shape) * dtype.itemsize, size - opened.tell()
    if declared > held or any(length < 0 for length in shape):
        raise ValueError(f"it declares {shape} of {dtype}, which are {declared} bytes, and holds {held}")
