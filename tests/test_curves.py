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


@pytest.mark.parametrize(("rows", "panels"), [(LOSSES, 1), (SCORES, 2), (FULL, 4)])
def test_a_panel_for_what_there_is(rows: list[Row], panels: int, tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", rows, {}, {})
    assert Image.open(tmp_path / "curves.png").size == (800, 260 * panels)


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


def test_dvc_draws_columns_with_blanks_without_them(tmp_path: Path) -> None:
    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    dvc("init", "--no-scm", "-q")
    shutil.copytree(REPOSITORY / ".dvc/plots", tmp_path / ".dvc/plots")
    text = (REPOSITORY / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text(text[text.index("\nplots:") :])
    rows = [row | ({"diversity_nearest": 0.8} if "diversity" in row else {}) for row in FULL]
    write_csv(tmp_path / "data/history.csv", rows)
    drawn = json.loads(dvc("plots", "show", "--json"))["data"]
    for plot in ("diversity", "frechet"):
        (condition,) = drawn[plot][0]["content"]["transform"]
        column = drawn[plot][0]["content"]["encoding"]["y"]["field"]
        assert condition["filter"] == f"isValid(datum['{column}']) && datum['{column}'] !== ''"
    assert column == "fd" and drawn["losses"]
