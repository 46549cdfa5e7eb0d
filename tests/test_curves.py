"""The picture of a training: the same bytes every time, a panel for what there is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

from ganpipe.history.panels import draw_curves
from ganpipe.history.table import Row, write_csv

LOSSES = [{"kimg": float(k), "loss_generator": 1 / k, "loss_discriminator": 1.0} for k in range(1, 9)]
SCORES = [row | {"score_generator": 0.4, "score_discriminator": 0.6} for row in LOSSES]
FULL = [row | ({"diversity": 0.9, "fd": 3.0} if row["kimg"] % 4 == 0 else {}) for row in SCORES]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


ALONE = [{"kimg": float(k), "loss_generator": 1 / k, "generator/l1": 1 / k} for k in range(1, 9)]
JOINED = ALONE[:4] + SCORES[4:]


@pytest.mark.parametrize(
    ("rows", "panels"), [(LOSSES, 1), (SCORES, 2), (FULL, 4), (ALONE, 1), (JOINED, 2), ([*ALONE, {"kimg": 9.0}], 1)]
)
def test_a_panel_for_what_there_is(rows: list[Row], panels: int, tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", rows, {}, {})
    assert Image.open(tmp_path / "curves.png").size == (800, 260 * panels)


def colours(path: Path, box: tuple[int, int, int, int]) -> dict[str, int]:
    """How many pixels of a part (left, top, right, bottom) of a picture have the colour of each line."""
    r, g, b = np.moveaxis(pixels(path)[box[1] : box[3], box[0] : box[2]], -1, 0)
    blue, orange = (b > r + 60) & (b > g), (r > b + 100) & (r > g + 60)
    return {"generator": int(blue.sum()), "discriminator": int(orange.sum())}


def test_a_line_begins_where_its_column_does(tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", JOINED, {}, {})
    left, right = (colours(tmp_path / "curves.png", box) for box in ((70, 40, 350, 230), (450, 40, 780, 230)))
    assert left["generator"] > 100 and left["discriminator"] == 0
    assert right["generator"] > 100 and right["discriminator"] > 20


def test_a_generator_alone_has_one_line_and_no_balance_of_another(tmp_path: Path) -> None:
    draw_curves(tmp_path / "alone.png", ALONE, {}, {})
    draw_curves(tmp_path / "with.png", ALONE, {"loss_discriminator": 1.4}, {})
    assert colours(tmp_path / "alone.png", (0, 0, 800, 260))["discriminator"] == 0
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "with.png").read_bytes()


def test_the_same_history_gives_the_same_bytes_whatever_the_users_taste(tmp_path: Path) -> None:
    draw_curves(tmp_path / "a.png", FULL, {"loss_generator": 0.69}, {"mode_collapse": 4.0})
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black"}):
        draw_curves(tmp_path / "b.png", FULL, {"loss_generator": 0.69}, {"mode_collapse": 4.0})
        assert matplotlib.rcParams["font.size"] == 20, "theirs again"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes()


def test_findings_are_red_and_balance_is_a_line(tmp_path: Path) -> None:
    draw_curves(tmp_path / "plain.png", LOSSES, {}, {})
    draw_curves(tmp_path / "marked.png", LOSSES, {}, {"mode_collapse": 4.0})
    draw_curves(tmp_path / "ideal.png", LOSSES, {"loss_generator": 0.5}, {})

    def red(name: str) -> int:
        r, g, b = np.moveaxis(pixels(tmp_path / name), -1, 0)
        return int(((r > 200) & (g < 60) & (b < 60)).sum())

    assert red("plain.png") == red("ideal.png") == 0
    assert red("marked.png") > 50
    assert (pixels(tmp_path / "plain.png") != pixels(tmp_path / "ideal.png")).any(axis=-1).sum() > 300


def test_a_single_row_is_drawn_too(tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", LOSSES[:1], {}, {})
    assert len(np.unique(pixels(tmp_path / "curves.png"))) > 10


def dvc_plots(folder: Path, rows: list[Row]) -> dict[str, list[dict]]:
    """What `dvc plots show` draws of a history with the plots of this project."""

    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

    if not (folder / ".dvc").exists():
        shutil.copytree(REPOSITORY / ".dvc/plots", folder / ".dvc/plots")
        (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n")
        text = (REPOSITORY / "dvc.yaml").read_text()
        (folder / "dvc.yaml").write_text(text[text.index("\nplots:") :])
    write_csv(folder / "data/history.csv", rows)
    shown = json.loads(dvc("plots", "show", "--json"))
    assert not {error["name"] for error in shown.get("errors", [])} & {"losses", "scores"}, shown["errors"]
    return {name: [plot["content"] for plot in plots] for name, plots in shown["data"].items()}


def values(plot: dict, column: str) -> list[object]:
    """The values that a plot draws of a column, after its filter; that of the file in which there is no such column."""
    field = plot["encoding"]["y"]["field"]
    (condition,) = plot["transform"]
    assert condition["filter"] == f"isValid(datum['{field}']) && datum['{field}'] !== ''"
    points = [point for point in plot["data"]["values"] if point.get("field", column) == column]
    return [point[field] for point in points if point.get(field) not in (None, "")]


def test_dvc_draws_columns_with_blanks_without_them(tmp_path: Path) -> None:
    rows = [row | ({"diversity_nearest": 0.8} if "diversity" in row else {}) for row in FULL]
    drawn = dvc_plots(tmp_path, rows)
    for plot, column, count in (("diversity", "diversity", 2), ("frechet", "fd", 2), ("scores", "score_generator", 8)):
        assert len(values(drawn[plot][0], column)) == count
    drawn = dvc_plots(tmp_path, [row | {"diversity": 1.0, "diversity_nearest": 1.0, "fd": 1.0} for row in JOINED])
    assert len(values(drawn["losses"][0], "loss_generator")) == 8
    for plot in ("losses", "scores"):
        assert len(values(drawn[plot][0], f"{'loss' if plot == 'losses' else 'score'}_discriminator")) == 4


def test_dvc_draws_a_generator_alone(tmp_path: Path) -> None:
    drawn = dvc_plots(tmp_path, ALONE)
    assert len(values(drawn["losses"][0], "loss_generator")) == 8
