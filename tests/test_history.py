"""The training history: means, exact resume, and a CSV file that gives back what was written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganpipe.errors import DataError
from ganpipe.history.table import LEADING, History, Row, read_csv, write_csv

NAMES = st.sampled_from([*LEADING[1:], "gradient_penalty", "lr", "a,b", 'quo"te'])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OBSERVATIONS = st.dictionaries(NAMES, FLOATS, max_size=4)
# A window is what is observed between two log points.
WINDOWS = st.lists(st.lists(OBSERVATIONS, max_size=5), max_size=6)


def replay(history: History, windows: list[list[dict[str, float]]], first: int = 1) -> None:
    for number, window in enumerate(windows, start=first):
        for values in window:
            history.add(values)
        history.close_row(number * 0.3)


def test_a_row_holds_the_mean_of_each_scalar_over_its_own_observations() -> None:
    history = History()
    history.add({"loss_generator": 1.0, "lr": 0.5})
    history.add({"loss_generator": 2.0})
    assert history.close_row(2.0) == {"kimg": 2.0, "loss_generator": 1.5, "lr": 0.5}
    assert history.close_row(3.0) == {"kimg": 3.0}, "nothing of the closed row may leak into the next"
    assert len(history.rows) == 2


def test_kimg_is_no_name_for_a_scalar() -> None:
    with pytest.raises(ValueError, match="kimg"):
        History().add({"kimg": 1.0})


@given(windows=WINDOWS, open_window=st.lists(OBSERVATIONS, min_size=2, max_size=6), data=st.data())
def test_a_resume_in_the_middle_of_a_window_continues_bit_for_bit(windows, open_window, data) -> None:
    cut = data.draw(st.integers(0, len(open_window)))
    straight, first = History(), History()
    for history in (straight, first):
        replay(history, windows)
    for values in open_window:
        straight.add(values)
    for values in open_window[:cut]:
        first.add(values)
    resumed = History()
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for values in open_window[cut:]:
        resumed.add(values)
    assert repr(resumed.close_row(99.0)) == repr(straight.close_row(99.0))
    assert repr(resumed.state_dict()) == repr(straight.state_dict())


def test_the_state_is_a_copy() -> None:
    history = History()
    history.add({"lr": 1.0})
    state = history.state_dict()
    history.add({"lr": 3.0})
    history.close_row(1.0)
    assert state == {"rows": [], "sums": {"lr": 1.0}, "counts": {"lr": 1}}


@given(windows=WINDOWS)
def test_csv_gives_back_the_same_doubles(windows, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("csv") / "history.csv"
    history = History()
    replay(history, windows)
    history.write_csv(path)
    assert [repr(sorted(row.items())) for row in read_csv(path)] == [repr(sorted(r.items())) for r in history.rows]


def test_csv_keeps_what_is_not_finite_and_leaves_absent_cells_blank(tmp_path: Path) -> None:
    write_csv(tmp_path / "h.csv", [{"kimg": 1.0, "z": math.nan, "a": math.inf}, {"kimg": 2.0, "loss_generator": 0.1}])
    text = (tmp_path / "h.csv").read_text()
    assert text == ",".join(LEADING) + ",a,z\n1.0,,,,,inf,nan\n2.0,0.1,,,,,\n"
    first, second = read_csv(tmp_path / "h.csv")
    assert math.isnan(first["z"]) and first["a"] == math.inf and set(second) == {"kimg", "loss_generator"}
    assert [file.name for file in tmp_path.iterdir()] == ["h.csv"], "no draft is left behind"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"kimg": 1.0, "fd": 2.0}],
        [{"kimg": 1.0, "loss_generator": 2.0, "a": 0.0}, {"kimg": 2.0}],
        [{"kimg": 1.0, "loss_generator": 2.0}, {"kimg": 2.0, "loss_discriminator": 1.0}],
        [dict.fromkeys(reversed((*LEADING, "a")), 1.0)],
    ],
)
def test_leading_columns_are_there_in_any_case(rows: list[Row], tmp_path: Path) -> None:
    """DVC draws nothing of a plot with a column that the file lacks; see `test_curves`."""
    write_csv(tmp_path / "h.csv", rows)
    header = (tmp_path / "h.csv").read_text().splitlines()[0].split(",")
    assert tuple(header[: len(LEADING)]) == LEADING
    assert header[len(LEADING) :] == sorted({name for row in rows for name in row} - set(LEADING))
    assert read_csv(tmp_path / "h.csv") == rows


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    write_csv(path, [{"kimg": 1.0}])
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_csv(path, [{"kimg": 2.0, "\ud800": 1.0}])
    assert path.read_bytes() == before


HEADER = ",".join(LEADING)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "row 1"),
        (b"epoch,loss\n1,2\n", "row 1"),
        (f"{HEADER},a,a\n".encode(), "row 1"),
        (b"loss_generator,kimg\n1.0,2.0\n", "row 1 is not kimg,loss_generator,loss_discriminator"),
        (b"kimg,a,loss_generator\n1.0,2.0,3.0\n", "row 1 is not kimg,loss_generator"),
        (f"{HEADER}\n1.0,2.0\n".encode(), "2 cells instead of 5"),
        (f"{HEADER}\n,1.0,,,\n".encode(), "no kimg"),
        (f"{HEADER}\n1.0,zero,,,\n".encode(), "zero"),
        (f"{HEADER}\n1.0,1.0,1.0,1.0,0.12".encode(), "cut off"),
        (b"\xff\xfe\x00", "damaged"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_csv(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_csv(tmp_path / "history.csv")


def test_history_imports_neither_mlflow_nor_torch() -> None:
    code = "import sys, ganpipe.history.table; print(sorted({'mlflow', 'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
