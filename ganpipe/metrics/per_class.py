"""The table of classes, data/per_class.csv: the share each has of real data and samples, and of what was asked for."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ganpipe.files import replacing

COLUMNS = ("class", "real_share", "fake_share", "conditional_accuracy")

Shares = Mapping[str, Mapping[str, float]]
"""By the name of a class: its share of the `real` labels, and of what a classifier takes the `fake` samples for."""


def write_per_class(path: Path, shares: Shares, accuracies: Mapping[str, float]) -> None:
    """Write one row per class; `accuracies`, by class, of those that were asked for: a blank cell is none.

    Without a classifier there are no classes, and the table is its header alone: DVC wants a file.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, share in shares.items():
            writer.writerow([name, share["real"], share["fake"], accuracies.get(name, "")])
