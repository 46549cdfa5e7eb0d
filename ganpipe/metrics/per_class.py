"""The table of classes, data/per_class.csv: their shares of real data and samples, and their conditional accuracy."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ganpipe.files import replacing
from ganpipe.words import cell

COLUMNS = ("class", "real_share", "fake_share", "conditional_accuracy")

Shares = Mapping[str, Mapping[str, float]]
"""By the name of a class: its share of the `real` labels, and of the classes a classifier assigns to `fake` samples."""


def write_per_class(path: Path, shares: Shares, accuracies: Mapping[str, float]) -> None:
    """Write one row per class, with its conditional accuracy where `accuracies` has one, else a blank cell.

    Without a classifier there are no classes, and the table is its header alone: DVC demands the file.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, share in shares.items():
            writer.writerow([cell(name), share["real"], share["fake"], accuracies.get(name, "")])
