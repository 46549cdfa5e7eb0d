"""The training history: the means of all named scalars between two log points, and the CSV file behind every curve.

A player that took no step between two log points has no loss in that row. The CSV file has a column for the losses and
scores of both players in any case: DVC draws nothing of a plot for which one column is not in the file. No row depends
on the clock or on the speed of the machine: the same training writes the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganpipe.errors import DataError
from ganpipe.files import replacing

Row = dict[str, float]
"""One log point: `kimg` (thousands of real images shown so far) and the mean of every scalar seen since the last one.

A scalar that was not seen since the last log point has no key.
"""

LEADING = ("kimg", "loss_generator", "loss_discriminator", "score_generator", "score_discriminator")
"""The columns of every CSV file, in this order before all others; those that a system lacks are blank."""


class History:
    """Collects scalars between log points and keeps one row of means per log point."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """All closed rows, oldest first."""
        return self._rows

    def add(self, values: Mapping[str, float]) -> None:
        """Take one observation of each named scalar into the open row. Raises `ValueError` for the name `kimg`."""
        if "kimg" in values:
            raise ValueError("'kimg' is the clock of the history and cannot be the name of a scalar")
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
            self._counts[name] = self._counts.get(name, 0) + 1

    def close_row(self, kimg: float) -> Row:
        """Close the open row at `kimg` thousand images, return it and start the next; unseen scalars are absent."""
        row = {"kimg": float(kimg)} | {name: self._sums[name] / self._counts[name] for name in sorted(self._sums)}
        self._rows.append(row)
        self._sums, self._counts = {}, {}
        return row

    def state_dict(self) -> dict[str, Any]:
        """Return everything, the open row included, as lists, mappings, floats and ints."""
        return {"rows": [dict(row) for row in self._rows], "sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the rows to come are the same bit for bit."""
        self._rows = [dict(row) for row in state["rows"]]
        self._sums = dict(state["sums"])
        self._counts = dict(state["counts"])

    def write_csv(self, path: Path) -> None:
        """Write all closed rows, see `write_csv`."""
        write_csv(path, self._rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write rows as CSV, atomically: the columns of `LEADING`, then all others by name.

    A value that a row lacks is a blank cell. Every number is written so that reading it back gives the same double.
    """
    columns = [*LEADING, *sorted({name for row in rows for name in row} - set(LEADING))]
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([repr(float(row[name])) if name in row else "" for name in columns] for row in rows)


def read_csv(path: Path) -> list[Row]:
    """Read what `write_csv` wrote; a blank cell gives no key. Raises `DataError` for a missing or damaged file."""
    try:
        text = path.read_bytes().decode("utf-8")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run `dvc repro train`") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, str(error)) from None
    columns = lines[0] if lines else []
    if tuple(columns[: len(LEADING)]) != LEADING or len(set(columns)) != len(columns):
        raise _damaged(path, f"row 1 is not {','.join(LEADING)},... with each name once")
    if not text.endswith("\n"):  # a number cut off in its middle is still a number
        raise _damaged(path, f"row {len(lines)} is cut off")
    return [_row(path, number, columns, cells) for number, cells in enumerate(lines[1:], start=2)]


def read_curves(path: Path) -> list[Row]:
    """Read any CSV file with a column `kimg` and otherwise numbers or blanks. Raises `DataError`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{name: float(cell) for name, cell in row.items() if cell} for row in reader]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: not a table of numbers under names: {error}") from None
    if not rows or any("kimg" not in row for row in rows):
        raise DataError(f"{path}: needs a column kimg with a number in every row, and at least one row")
    return sorted(rows, key=lambda row: row["kimg"])


def _row(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(columns):
        raise _damaged(path, f"row {number} has {len(cells)} cells instead of {len(columns)}")
    if not cells[0]:
        raise _damaged(path, f"row {number} has no kimg")
    try:
        return {name: float(cell) for name, cell in zip(columns, cells, strict=True) if cell}
    except ValueError as error:
        raise _damaged(path, f"row {number}: {error}") from None


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: damaged training history: {problem}; restore it with `dvc checkout {path}`")
