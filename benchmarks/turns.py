"""Rivals take turns, so that a busy machine slows all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_turns(rounds: int, *rivals: Callable[[], Result]) -> list[list[Result]]:
    """Return what each rival does in each round; the one that comes first changes from round to round."""
    found = []
    for number in range(rounds):
        turns = [(number + at) % len(rivals) for at in range(len(rivals))]
        results = {turn: rivals[turn]() for turn in turns}
        found.append([results[turn] for turn in range(len(rivals))])
    return found
