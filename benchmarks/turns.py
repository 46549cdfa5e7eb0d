"""Rivals take turns, so that a busy machine slows all of them."""

from __future__ import annotations

import statistics
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


def report(title: str, one: str, other: str, rates: list[tuple[float, float]], goal: float | None) -> None:
    """Print the median rates of two rivals and the median of their ratios."""
    slow, fast = (statistics.median(column) for column in zip(*rates, strict=True))
    ratios = sorted(after / before for before, after in rates)
    print(
        f"{title}: {one} {slow:,.0f} img/s, {other} {fast:,.0f} img/s, ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}){f', goal {goal}' if goal else ''}",
        flush=True,
    )
