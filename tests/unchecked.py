"""Calls whose array shapes are not checked, as outside the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def unchecked() -> Iterator[None]:
    """Let any arrays in: to see what the code says of wrong ones, or since checks of small steps take longer than they.

    A training of networks of twenty weights takes a quarter of the time.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
