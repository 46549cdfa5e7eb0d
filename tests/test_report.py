"""`ganpipe report`: the page of a trained workspace, opened in a browser, and what it says of unfinished ones."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import browser
import numpy as np
import pytest
from miniatures import miniature
from PIL import Image
from typer.testing import CliRunner

from ganpipe import paths, recipes
from ganpipe.cli import app
from ganpipe.config import Params
from ganpipe.files import write_json
from ganpipe.metrics import score
from ganpipe.metrics import stage as judging
from ganpipe.metrics.extractors.interface import INCEPTION, Extracted
from ganpipe.metrics.per_class import write_per_class
from ganpipe.report import curves, scores
from ganpipe.report import read_files as material
from ganpipe.report.page import write_report
from ganpipe.report.params_table import written
from ganpipe.sampling.stage import sample
from ganpipe.training.stage import train

METRICS = {
    "schema": 1,
    "n_fake": 40,
    "n_real": 40,
    "domain": {
        "extractor": "lenet84@b7320f18",
        "classes": 10,
        "classes_covered": 9,
        "fd": 6.0,
        "fd_floor": 0.6,
        "fd_untrained": 60.0,
        "kd_x1000": 12.5,
        "kd_std_x1000": 0.5,
        "kd_floor_x1000": -0.04,
        "precision": 0.634,
    },
}
FINDING = {"name": "mode_collapse", "kimg": 0.1, "evidence": "diversity 0.02 <b>bold</b>", "remedy": "Lower train.lr."}


@pytest.fixture
def trained(workspace: Callable[[str], Params]) -> Path:
    """A workspace with two previews or more, pictures, scores, a table of classes and a finding."""
    params = miniature(workspace("digits-mlp"))
    train(params, "fingerprint")
    sample(params, "fingerprint")
    write_json(paths.METRICS, METRICS)
    shares = {f"<{digit}>": {"real": 0.1, "fake": digit / 45} for digit in range(10)}
    write_per_class(paths.PER_CLASS, shares, {"<3>": 0.5})
    write_json(paths.FINDINGS, [FINDING])
    return Path.cwd()


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_page_in_a_browser(trained: Path) -> None:
    ideal = [f"at balance {value:.3g}" for value in material.read_ideal(paths.MODEL).values()]
    assert len(set(ideal)) == 2
    write_report(Path("report.html"))
    for width in (360, 1400):
        with browser.opened(Path("report.html"), width) as (page, complaints):
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            assert page.locator("img").count() >= 2 + 2  # previews, grid, interpolation
            assert page.locator("#curves path").count() >= 4
            assert page.evaluate("[...document.querySelectorAll('path')].every(path => path.getTotalLength() > 10)")
            assert page.locator(".ideal b").all_inner_texts() == [*ideal, "at balance 0.5", "as real items 1"]
            assert page.locator(".mark b").all_inner_texts() == ["mode collapse"] * 3
            assert {"<3>", "50.0%"} <= set(page.locator("#classes tr").nth(4).inner_text().split("\t"))
            assert "diversity 0.02 <b>bold</b>" in page.locator("#findings").inner_text()
            assert not complaints


def test_the_slider_and_the_pointer(trained: Path) -> None:
    write_report(Path("report.html"))
    with browser.opened(Path("report.html"), 1000) as (page, complaints):
        picture = page.locator("#previews figure:visible img")
        slider, said = page.locator("#previews input"), page.locator("#previews output")
        last, kimg = picture.get_attribute("src"), said.inner_text()
        slider.fill("0")
        assert picture.count() == 1
        assert picture.get_attribute("src") != last
        assert (said.inner_text(), kimg) == ("0 kimg", "0.128 kimg")
        page.locator("#curves .plot").first.hover()
        assert re.fullmatch(r"[\d.]+ at [\d.]+ kimg", page.locator("#curves output").first.inner_text())
        assert not complaints


def test_without_scripts_all_pictures_and_numbers_are_there(trained: Path) -> None:
    write_report(Path("report.html"))
    with browser.opened(Path("report.html"), 360, scripts=False) as (page, complaints):
        assert page.locator("#previews figure:visible").count() == len(list(paths.PREVIEWS.glob("kimg-*.png")))
        assert not page.locator("#previews input").is_visible()
        assert "0.634" in page.locator("#metrics").inner_text()
        assert not complaints


def test_the_same_workspace_gives_the_same_bytes_and_no_machine_is_named(trained: Path) -> None:
    write_report(Path("a.html"))
    write_report(Path("b.html"))
    text = Path("a.html").read_text()
    assert text == Path("b.html").read_text()
    assert str(trained) not in text and "http" not in text.replace("http-equiv", "")
    assert "Recipe <code>digits-mlp</code>" in text
    assert "There is no dvc.lock" in text and 'id="missing"' not in text


def test_what_differs_from_the_recipe_and_from_the_lock_is_shown(trained: Path) -> None:
    text = paths.PARAMS.read_text()
    paths.PARAMS.write_text(re.sub(r"(?m)^  batch: \d+", "  batch: 7", text))
    paths.LOCK.write_text(
        "stages:\n  train:\n    params:\n      params.yaml:\n        train:\n          batch: 64\n          lr: 1e-5\n"
        "    outs:\n    - path: data/history.csv\n      hash: md5\n      md5: 0123abcd\n"
    )
    write_report(Path("report.html"))
    with browser.opened(Path("report.html"), 1000) as (page, _):
        assert page.locator("#params tr.changed").first.inner_text().split("\t")[:2] == ["train.batch", "7"]
        assert "train.batch, train.lr" in page.locator("#stale").inner_text()
        assert "0123abcd" in page.content()


def test_what_is_missing_is_said(workspace: Callable[[str], Params]) -> None:
    workspace("digits-mlp")
    code, _, err = run("report")
    assert code == 1 and "dvc repro" in err and err.count("\n") == 1
    assert not Path("report.html").exists()
    Image.new("L", (8, 8)).save(_folder(paths.SAMPLES) / "grid.png")
    code, out, err = run("report", "--out", "pages/mine.html")
    assert (code, err) == (0, "") and "ganpipe track sync" in out
    page = Path("pages/mine.html").read_text()
    assert "no curves" in page and "no scores" in page and "no samples:" not in page
    assert "no diagnostics" in page and "no interpolation strips" in page


@pytest.mark.parametrize("params", ["train:\n  lr: 1\n", "data:\n  name: digits\nsystem: dcgan\n"])
def test_params_that_are_none_of_ganpipe_are_one_line(trained: Path, params: str) -> None:
    paths.PARAMS.write_text(params)
    code, _, err = run("report")
    assert code == 1 and "no system.name: it is no experiment of ganpipe" in err and err.count("\n") == 1
    assert not Path("report.html").exists()


LOCK = """\
stages:
  train:
    outs:
    - {path: data/model/generator.json, hash: md5, md5: new}
    - {path: data/history.csv, hash: md5, md5: new}
  sample:
    deps:
    - {path: data/model/generator.json, hash: md5, md5: %s}
    - {path: ganpipe/sampling/stage.py, hash: md5, md5: code}
    outs:
    - {path: data/samples, hash: md5, md5: s.dir}
  evaluate:
    deps:
    - {path: data/samples, hash: md5, md5: s.dir}
"""


def test_results_of_different_runs_are_flagged(trained: Path) -> None:
    paths.LOCK.write_text(LOCK % "new")
    write_report(Path("report.html"))
    assert 'id="outdated"' not in Path("report.html").read_text()
    paths.LOCK.write_text(LOCK % "old")
    write_report(Path("report.html"))
    flag = Path("report.html").read_text().partition('id="outdated"')[2].partition("</div>")[0]
    assert "stage sample ran on another <code>data/model/generator.json</code> than stage train has left since" in flag
    assert "evaluate" not in flag


def test_damaged_files_are_one_line(trained: Path) -> None:
    (paths.SAMPLES / "grid.png").write_bytes(b"no picture")
    code, _, err = run("report")
    assert code == 1 and "data/samples/grid.png" in err and err.count("\n") == 1
    (paths.SAMPLES / "grid.png").unlink()
    for path in (paths.METRICS, paths.FINDINGS, paths.PER_CLASS):
        kept = path.read_bytes()
        path.write_text("[1")
        code, _, err = run("report")
        assert code == 1 and str(path) in err and err.count("\n") == 1
        path.write_bytes(kept)
    assert run("report")[0] == 0


def test_scores_are_arranged_with_floors_beside_them() -> None:
    (domain,) = scores.judged({**METRICS, "domain": {**METRICS["domain"], "new_score": 2.0, "fd_series": {"1": 3}}})
    named = {score.name: score for score in domain.scores}
    assert list(named) == ["fd", "kd_x1000", "precision", "classes_covered", "new_score"]
    assert (named["fd"].floor, named["fd"].untrained) == (0.6, 60.0)
    assert named["fd"].place == pytest.approx(50)  # 6 is half way from 60 to 0.6 on a logarithmic scale
    assert (named["kd_x1000"].floor, named["kd_x1000"].std, named["kd_x1000"].place) == (-0.04, 0.5, None)
    assert named["classes_covered"].out_of == 10
    assert [scores.shown(value) for value in (0.0, 0.08612, 43.76, 2500.0, 12345.6)] == [
        "0", "0.0861", "43.8", "2500", "12,346",
    ]  # fmt: skip


def emitted(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All names under which the evaluate stage and `ganpipe score` may write a number."""
    rng = np.random.default_rng(0)
    real, other, fake = rng.normal(size=(3, 100, 4))
    monkeypatch.setattr(score, "can_be_extrapolated", lambda samples, dimensions: True)
    monkeypatch.setattr(score, "frechet_at_infinity", lambda real, fake: 1.0)
    monkeypatch.setattr(score, "default_splits", lambda n: 2)
    found = score.compare(real, Extracted(fake, rng.dirichlet(np.ones(10), 100)), 5, other)
    tree = ast.parse(inspect.getsource(judging.Judge) + inspect.getsource(judging._copies))
    shares = [node for comprehension in ast.walk(tree) if isinstance(comprehension, ast.DictComp)
              for node in ast.walk(comprehension)]  # fmt: skip
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) and node not in shares for key in node.keys]
    keys += [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    found |= {key.value: 1.0 for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    del found["conditional_accuracy_by_class"]  # shown class by class
    return {*found, *score.named(INCEPTION, found)}


def test_every_score_has_a_meaning_and_every_meaning_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    names = emitted(monkeypatch)
    assert {"is_std", "fid_ratio", "fid_infinity", "fd_infinity", "cs_std", "valid_share", "class_tv"} <= names
    assert [one.name for one in scores.arranged(dict.fromkeys(names, 1)) if not one.about] == []
    assert set(scores._MEASURES) <= names


def test_deviations_stand_beside_their_scores() -> None:
    found = {"is_mean": 7.5, "is_std": 0.25, "fid": 9.0, "memorised_share": 0.1, "memorised_share_floor": 0.2}
    shown = {one.name: (one.std, one.floor) for one in scores.arranged(found)}
    assert shown == {"fid": (None, None), "is_mean": (0.25, None), "memorised_share": (None, 0.2)}


def test_charts_are_those_of_the_picture_with_its_lines() -> None:
    columns = ("loss_generator", "loss_discriminator", "score_generator", "diversity", "fd", "generator/adversarial")
    rows = [{"kimg": kimg, **dict.fromkeys(columns, kimg)} for kimg in (1.0, 2.0)]
    ideal = {"loss_generator": 0.5, "loss_discriminator": 1.5}
    losses, balance, diversity, frechet = curves.training_charts(rows, ideal, {"mode_collapse": 3.0})
    assert [chart.title for chart in (losses, diversity, frechet)] == [
        "Losses", "Diversity of the samples", "Fréchet distance in training",
    ]  # fmt: skip
    assert [(line.text, line.colour) for line in losses.ideals] == [
        ("at balance 0.5", curves.COLOURS[0]), ("at balance 1.5", curves.COLOURS[1]),
    ]  # fmt: skip
    assert [(line.text, line.colour) for line in balance.ideals] == [("at balance 0.5", "")]
    assert [line.text for line in diversity.ideals] == ["as real items 1"] and not frechet.ideals
    assert all(
        [(mark.text, mark.at) for mark in chart.marks] == [("mode collapse", 100)] for chart in (losses, frechet)
    )
    assert [chart.title for chart in curves.other_charts(rows)] == ["Generator"]
    overlaid = curves.overlaid_charts({"a": rows, "b": rows})
    assert [chart.title for chart in overlaid] == [
        "Losses: generator", "Losses: discriminator", "Scores: generator",
        "Diversity of the samples: mean distance of two", "Fréchet distance in training",
    ]  # fmt: skip
    assert [len(chart.ideals) for chart in overlaid] == [0, 0, 1, 1, 0]


def test_a_line_keeps_its_spikes_and_breaks_at_what_is_not_finite() -> None:
    points = [(float(i), 0.0) for i in range(5000)]
    points[1234] = (1234.0, 9.0)
    chart = curves.draw("t", "", [curves.Line("a", "red", points)])
    (_, _, path), values = chart.paths[0], json.loads(chart.values)
    assert len(values["lines"][0]["points"]) <= curves.MOST_POINTS + 2
    assert [1234.0, 9.0] in values["lines"][0]["points"]
    assert [tick.text for tick in chart.y_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert [tick.at for tick in chart.y_ticks] == [100, 80, 60, 40, 20, 0]
    assert path.count("M") == 1
    broken = [(0.0, 1.0), (1.0, 2.0), (2.0, float("nan")), (3.0, 1.0), (4.0, 2.0)]
    chart = curves.draw("t", "", [curves.Line("a", "red", broken)])
    assert chart.paths[0][2] == "M0.0 400.0L250.0 0.0M750.0 400.0L1000.0 0.0"


def test_previews_are_thinned_evenly_and_large_pictures_packed(tmp_path: Path) -> None:
    for index in range(100):
        Image.new("L", (4, 4), index).save(_folder(tmp_path / "previews") / f"kimg-{index:05d}.500.png")
    shown = material.read_previews(tmp_path)
    assert len(shown) == material.MOST_PREVIEWS
    assert (shown[0].caption, shown[-1].caption) == ("0.5 kimg", "99.5 kimg")
    noise = Image.effect_noise((1000, 1000), 90)
    noise.save(tmp_path / "large.png")
    large = material.show(tmp_path / "large.png", "")
    assert large.uri.startswith("data:image/webp;base64,") and (large.width, large.height) == (1000, 1000)


def test_paths_of_a_machine_are_cut() -> None:
    assert [written(v) for v in (str(Path.cwd() / "cats"), "cats/a", None, [1, 2], True)] == [
        "…/cats", "cats/a", "(blank)", "[1, 2]", "true",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["digits-dcgan", "pattern-1010"])
def test_every_recipe_is_its_own_nearest(name: str) -> None:
    from ganpipe.report.params_table import read_settings

    found = read_settings(recipes.path_of(name))
    assert found.recipe == name and not found.changed


def test_a_commit_is_named_and_changed_code_said(trained: Path) -> None:
    Path("ganpipe").mkdir()
    Path("ganpipe/a.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "params.yaml", "ganpipe"], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True)
    write_report(Path("report.html"))
    assert "with changes to the code" not in Path("report.html").read_text()
    Path("ganpipe/a.py").write_text("a = 2\n")
    write_report(Path("report.html"))
    assert "with changes to the code" in Path("report.html").read_text()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
