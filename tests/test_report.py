"""`ganpipe report`: the page of a trained workspace, opened in a browser, and what it says of unfinished ones."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import browser
import numpy as np
import pytest
import shapes
from miniatures import miniature, sample
from PIL import Image
from playwright.sync_api import Browser
from typer.testing import CliRunner

from ganpipe import paths, recipes, systems
from ganpipe.cli import app
from ganpipe.config import Params
from ganpipe.errors import DataError
from ganpipe.files import write_json
from ganpipe.history.table import write_csv
from ganpipe.metrics import judge, score
from ganpipe.metrics import stage as judging
from ganpipe.metrics.extractors.interface import INCEPTION, Extracted
from ganpipe.metrics.per_class import write_per_class
from ganpipe.metrics.reference import prepare_reference
from ganpipe.report import curves, params_table, provenance, read_files, scores
from ganpipe.report.page import write_report
from ganpipe.report.params_table import written

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


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a workspace after its sample stage is kept between tests."""
    return tmp_path_factory.mktemp("sampled") / "workspace"


@pytest.fixture
def finished(
    workspace: Callable[[str], Params],
    trained: Callable[[Params], None],
    sampled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A workspace with two previews or more, pictures, scores, a table of classes and a finding."""
    monkeypatch.setenv("DVC_TEST", "true")  # no process that asks for a newer DVC after each command
    params = miniature(workspace("digits-mlp"))
    if not sampled.exists():
        trained(params)
        sample(params)
        shutil.copytree(Path.cwd(), sampled)
    shutil.copytree(sampled, Path.cwd(), dirs_exist_ok=True)
    write_json(paths.METRICS, METRICS)
    shares = {f"<{digit}>": {"real": 0.1, "fake": digit / 45} for digit in range(10)}
    write_per_class(paths.PER_CLASS, shares, {"<3>": 0.5})
    write_json(paths.FINDINGS, [FINDING])
    return Path.cwd()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of all tests of this file."""
    with browser.running() as started:
        yield started


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_page_in_a_browser(finished: Path, chromium: Browser) -> None:
    balance = read_files.read_ideal(paths.MODEL)
    ideal = [f"at balance {balance[f'loss_{player}']:.3g}" for player in ("generator", "discriminator")]
    assert len(set(ideal)) == 2
    write_report(Path("report.html"))
    for width in (360, 1400):
        with browser.opened(chromium, Path("report.html"), width) as (page, complaints):
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


def test_the_slider_and_the_pointer(finished: Path, chromium: Browser) -> None:
    write_report(Path("report.html"))
    with browser.opened(chromium, Path("report.html"), 1000) as (page, complaints):
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


def test_without_scripts_all_pictures_and_numbers_are_there(finished: Path, chromium: Browser) -> None:
    write_report(Path("report.html"))
    with browser.opened(chromium, Path("report.html"), 360, scripts=False) as (page, complaints):
        assert page.locator("#previews figure:visible").count() == len(list(paths.PREVIEWS.glob("kimg-*.png")))
        assert not page.locator("#previews input").is_visible()
        assert "0.634" in page.locator("#metrics").inner_text()
        assert not complaints


def test_the_same_workspace_gives_the_same_bytes_and_no_machine_is_named(finished: Path) -> None:
    write_report(Path("a.html"))
    write_report(Path("b.html"))
    text = Path("a.html").read_text()
    assert text == Path("b.html").read_text()
    assert str(finished) not in text and "http" not in text.replace("http-equiv", "")
    assert "Recipe <code>digits-mlp</code>" in text
    assert "There is no dvc.lock" in text and 'id="missing"' not in text


def test_what_differs_from_the_recipe_is_shown(finished: Path, chromium: Browser) -> None:
    text = paths.PARAMS.read_text()
    paths.PARAMS.write_text(re.sub(r"(?m)^  batch: \d+", "  batch: 7", text))
    write_report(Path("report.html"))
    with browser.opened(chromium, Path("report.html"), 1000) as (page, _):
        assert page.locator("#params tr.changed").first.inner_text().split("\t")[:2] == ["train.batch", "7"]


PIPELINE = """\
stages:
  train:
    cmd: cp source data/model.txt
    deps: [source]
    params: [train]
    outs: [data/model.txt]
  sample:
    cmd: cp data/model.txt data/drawn.txt
    deps: [data/model.txt]
    params: [sample]
    outs: [data/drawn.txt]
  evaluate:
    cmd: cp data/drawn.txt data/scored.txt
    deps: [data/drawn.txt]
    outs: [data/scored.txt]
"""


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


def flagged() -> str:
    """What the page says of results that do not belong together."""
    write_report(Path("report.html"))
    return Path("report.html").read_text().partition('id="outdated"')[2].partition("</div>")[0]


def test_stages_that_ran_on_something_else_are_flagged(finished: Path) -> None:
    """With a real pipeline of the same three stages, which copy a file."""
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    paths.PIPELINE.write_text(PIPELINE)
    Path("source").write_text("one")
    dvc("repro", "-q", "train")
    assert flagged() == "", "stages that never ran are missing, not outdated"
    dvc("repro", "-q")
    assert flagged() == ""
    (digest,) = [out.digest for out in provenance.locked_outputs() if out.stage == "sample"]
    assert digest in Path("report.html").read_text()

    text = paths.PARAMS.read_text()
    paths.PARAMS.write_text(re.sub(r"(?m)^  count: \d+", "  count: 50", text))
    assert "stages sample, evaluate ran with other params, other code or other data" in flagged()

    paths.PARAMS.write_text(text)
    Path("source").write_text("two")
    assert "stages train, sample, evaluate ran" in flagged()
    dvc("repro", "-q", "train")
    assert "stages sample, evaluate ran" in flagged(), "results of two trainings are mixed"


def test_a_pipeline_that_dvc_cannot_read_is_said(finished: Path) -> None:
    paths.LOCK.write_text(
        "stages:\n  train:\n    outs:\n    - path: data/history.csv\n      hash: md5\n      md5: 0123abcd\n"
    )
    assert flagged() == ""
    page = Path("report.html").read_text()
    assert "no word on whether these results belong to the params" in page and "`dvc status` failed" in page
    assert "0123abcd" in page


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
def test_params_that_are_none_of_ganpipe_are_one_line(finished: Path, params: str) -> None:
    paths.PARAMS.write_text(params)
    code, _, err = run("report")
    assert code == 1 and "no system.name: it is no experiment of ganpipe" in err and err.count("\n") == 1
    assert not Path("report.html").exists()


def test_damaged_files_are_one_line(finished: Path) -> None:
    (paths.SAMPLES / "grid.png").write_bytes(b"no picture")
    code, _, err = run("report")
    assert code == 1 and "data/samples/grid.png" in err and err.count("\n") == 1
    (paths.SAMPLES / "grid.png").unlink()
    for path in (paths.METRICS, paths.FINDINGS, paths.PER_CLASS, paths.MODEL / "generator.json"):
        kept = path.read_bytes()
        path.write_text("[1")
        code, _, err = run("report")
        assert code == 1 and str(path) in err and err.count("\n") == 1
        path.write_bytes(kept)
    assert run("report")[0] == 0


def test_scores_are_arranged_with_floors_beside_them() -> None:
    (domain,) = scores.read_blocks(
        {**METRICS, "domain": {**METRICS["domain"], "new_score": 2.0, "fd_series": {"1": 3}}}
    )
    named = {score.name: score for score in domain.scores}
    assert list(named) == ["fd", "kd_x1000", "precision", "classes_covered", "new_score"]
    assert (named["fd"].floor, named["fd"].untrained) == (0.6, 60.0)
    assert named["fd"].place == pytest.approx(50)  # 6 is half way from 60 to 0.6 on a logarithmic scale
    assert (named["kd_x1000"].floor, named["kd_x1000"].std, named["kd_x1000"].place) == (-0.04, 0.5, None)
    assert named["classes_covered"].out_of == 10
    assert [scores.shown(value) for value in (0.0, 0.08612, 43.76, 2500.0, 12345.6)] == [
        "0", "0.0861", "43.8", "2500", "12,346",
    ]  # fmt: skip


TWO_OUTPUTS = {
    "n_fake": 40,
    "n_real": 40,
    "pixel": {
        "fake_b": {"extractor": "pixel@1", "fd": 6.0, "fd_floor": 0.6, "fd_untrained": 60.0, "fd_copy": 5.0},
        "fake_a": {"extractor": "pixel@2", "fd": 8.0, "fd_floor": 0.7, "fd_untrained": 70.0},
    },
    "paired": {
        "fake_b": {
            "l1": 0.12, "psnr": 17.0, "l1_mean_image": 0.21, "psnr_mean_image": 12.5, "l1_copy": 0.1, "psnr_copy": 18.0,
        },
        "fake_a": {"l1": 0.1, "psnr": 15.0, "l1_mean_image": 0.2, "psnr_mean_image": 16.0},
    },
}  # fmt: skip


def test_blocks_of_several_outputs_and_of_targets() -> None:
    blocks = scores.read_blocks(TWO_OUTPUTS)
    assert [(block.name, block.identity) for block in blocks] == [
        ("pixel · fake_b", "pixel@1"), ("pixel · fake_a", "pixel@2"), ("paired · fake_b", ""), ("paired · fake_a", ""),
    ]  # fmt: skip
    by_name = {block.name: {score.name: score for score in block.scores} for block in blocks}
    assert [list(found) for found in by_name.values()] == [["fd"], ["fd"], ["l1", "psnr"], ["l1", "psnr"]]
    assert by_name["pixel · fake_b"]["fd"].beaten_by == ["copy of the input"]
    assert by_name["pixel · fake_a"]["fd"].beaten_by == []
    l1, psnr = by_name["paired · fake_b"].values()
    assert l1.baselines == {"mean image": 0.21, "copy of the input": 0.1}
    assert (l1.beaten_by, psnr.beaten_by) == (["copy of the input"], ["copy of the input"])
    l1, psnr = by_name["paired · fake_a"].values()
    assert (l1.beaten_by, psnr.beaten_by) == ([], ["mean image"]), "of psnr the higher is better"
    assert [block.references for block in blocks] == [
        [scores.FLOOR, scores.UNTRAINED, "copy of the input"], [scores.FLOOR, scores.UNTRAINED],
        ["mean image", "copy of the input"], ["mean image"],
    ]  # fmt: skip
    assert scores.shown(float("inf")) == "inf"


def test_a_block_of_one_output_with_numbers_by_class_stays_one_block() -> None:
    found = {**METRICS["domain"], "conditional_accuracy_by_class": {"0": 0.5, "1": 0.7}}
    (block,) = scores.read_blocks({"n_fake": 40, "domain": found})
    assert (block.name, block.output, block.references) == ("domain", "", [scores.FLOOR, scores.UNTRAINED])


def test_two_outputs_with_targets_in_a_browser(workspace: Callable[[str], Params], chromium: Browser) -> None:
    """Files as a system leaves them that is given a picture and makes two: no page knows what trained here."""
    workspace("digits-mlp")
    write_json(paths.METRICS, TWO_OUTPUTS)
    rows = [{"kimg": float(kimg), "loss_generator": 1.0 / kimg} for kimg in (1, 2, 3)]
    write_csv(paths.HISTORY, [*rows, {"kimg": 4.0, "loss_generator": 0.2, "loss_discriminator": 1.4}])
    write_json(paths.FINDINGS, [])
    for name in ("grid", "grid_fake_a", "strips", "something_else"):
        Image.new("L", (64, 48), 90).save(_folder(paths.SAMPLES) / f"{name}.png")
    write_report(Path("report.html"))
    for width in (360, 1400):
        with browser.opened(chromium, Path("report.html"), width) as (page, complaints):
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert page.locator("section.scores h2").all_inner_texts() == [
                "Scores · pixel · fake_a", "Scores · pixel · fake_b",
                "Scores · paired · fake_a", "Scores · paired · fake_b",
            ]  # fmt: skip
            assert page.locator("#metrics thead").nth(3).inner_text().strip().split("\t") == [
                "score", "value", "mean image", "copy of the input", "better",
            ]  # fmt: skip
            l1 = page.locator("#metrics table").nth(3).locator("tbody tr").first.inner_text()
            assert "0.12\t0.21\t0.1\tlower" in l1 and "beaten by: copy of the input" in l1
            assert page.locator(".tile .beaten").all_inner_texts() == [
                "beaten by: copy of the input", "beaten by: mean image", "beaten by: copy of the input",
                "beaten by: copy of the input",
            ]  # fmt: skip
            assert page.locator("#samples figcaption").all_inner_texts() == [
                "Samples of the published generator", "Samples of the published generator: fake a",
                read_files.CAPTIONS["strips"], "something else",
            ]  # fmt: skip
            assert page.locator("#curves .chart").count() == 1
            assert page.locator("#curves .legend li").all_inner_texts() == ["generator"], "one point is no curve"
            assert not complaints


@pytest.fixture
def translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A workspace in which a small translation was trained, sampled and evaluated: its scores beside its targets."""
    monkeypatch.setattr(systems, "SYSTEMS", dict(systems.SYSTEMS))
    shapes.register()
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    params = shapes.params_of("translation", sample={"pictures": ["grid", "strips"]})
    shapes.write_data("translation", paths.PACKED)
    shapes.train_here(params, "translation")
    sample(params)
    prepare_reference(params, paths.PACKED, paths.REFERENCE)
    judging.evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)
    paths.PARAMS.write_text(params.model_dump_json())  # JSON is YAML
    return json.loads(paths.METRICS.read_text())["paired"]["translated"]


def test_a_real_translation_stands_beside_what_costs_nothing(translated: dict[str, float], chromium: Browser) -> None:
    assert translated["l1"] < translated["l1_copy"], "it has learned something"
    write_report(Path("report.html"))
    with browser.opened(chromium, Path("report.html"), 1000) as (page, complaints):
        assert page.locator("section.scores h2").all_inner_texts() == [
            "Scores · pixel", "Scores · paired · translated", "Scores · translation · translated"
        ]  # fmt: skip
        paired = page.locator("#metrics table").nth(1)
        assert paired.locator("thead").inner_text().strip().split("\t") == [
            "score", "value", "mean image", "copy of the input", "better",
        ]  # fmt: skip
        rows = [row.split("\t") for row in paired.locator("tbody tr").all_inner_texts()]
        assert [row[0].split()[0] for row in rows] == ["Distance", "PSNR", "Distance", "Pixels"]
        for row, name in zip(rows, ("l1", "psnr", "l1_differing"), strict=False):
            numbers = [translated[f"{name}{of}"] for of in ("", "_mean_image", "_copy")]
            assert [cell.split()[0] for cell in row[1:4]] == [scores.shown(number) for number in numbers]
        captions = page.locator("#samples figcaption").all_inner_texts()
        assert {read_files.CAPTIONS["grid"], read_files.CAPTIONS["strips"]} <= set(captions)
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert not complaints


def test_nothing_is_said_of_latents_where_the_generator_is_given_no_noise(
    workspace: Callable[[str], Params],
) -> None:
    """The 1010 GAN is given a constant: it has no latents to walk between."""
    for recipe, latents in (("digits-mlp", True), ("pattern-1010", False)):
        workspace(recipe)
        assert params_table.takes_noise(paths.PARAMS) == latents
        for kimg in (0, 1):
            Image.new("L", (8, 8)).save(_folder(paths.PREVIEWS) / f"kimg-{kimg}.png")
        write_report(Path("report.html"))
        page = Path("report.html").read_text()
        assert ("no interpolation strips" in page) == latents
        assert f"The same {'latents' if latents else 'inputs'} at 1 kimg" in page


def test_params_that_do_not_tell_are_those_of_a_generator_with_latents(workspace: Callable[[str], Params]) -> None:
    workspace("pattern-1010")
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("name: pattern_gan", "name: unheard_of"))
    assert params_table.takes_noise(paths.PARAMS)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("grid", read_files.CAPTIONS["grid"]),
        ("grid_fake_b", read_files.CAPTIONS["grid"] + ": fake b"),
        ("classes_image", read_files.CAPTIONS["classes"] + ": image"),
        ("gridlock", "gridlock"),
        ("my_own_picture", "my own picture"),
    ],
)
def test_captions(name: str, caption: str) -> None:
    assert read_files.caption_of(name) == caption


def test_losses_at_balance_are_read_without_the_generator(tmp_path: Path) -> None:
    assert read_files.read_ideal(tmp_path) == {}
    for content, ideal in (({}, {}), ({"ideal": {"loss_generator": 0.5}}, {"loss_generator": 0.5})):
        write_json(tmp_path / "generator.json", content)
        assert read_files.read_ideal(tmp_path) == ideal
    for damaged in ([1], {"ideal": [1]}, {"ideal": {"loss_generator": "low"}}):
        write_json(tmp_path / "generator.json", damaged)
        with pytest.raises(DataError, match=r"generator.json: no description of a generator"):
            read_files.read_ideal(tmp_path)


def test_a_report_imports_no_torch(finished: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganpipe.report.page import write_report; "
        "write_report(Path('report.html')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def emitted(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All names under which the evaluate stage and `ganpipe score` may write a number."""
    rng = np.random.default_rng(0)
    real, other, fake = rng.normal(size=(3, 100, 4))
    monkeypatch.setattr(score, "can_be_extrapolated", lambda samples, dimensions: True)
    monkeypatch.setattr(score, "frechet_at_infinity", lambda real, fake: 1.0)
    monkeypatch.setattr(score, "default_splits", lambda n: 2)
    found = score.compare(real, Extracted(fake, rng.dirichlet(np.ones(10), 100)), 5, other)
    tree = ast.parse(inspect.getsource(judge.Judge) + inspect.getsource(judging._copies))
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


def test_charts_of_a_generator_alone_and_of_a_discriminator_that_joins() -> None:
    alone = [{"kimg": kimg, "loss_generator": kimg, "generator/l1": kimg} for kimg in (1.0, 2.0, 3.0)]
    ideal = {"loss_generator": 0.5, "loss_discriminator": 1.5}
    (losses,) = curves.training_charts(alone, ideal, {})
    assert [label for label, _, _ in losses.paths] == ["generator"]
    assert [line.text for line in losses.ideals] == ["at balance 0.5"]
    joined = alone + [row | {"kimg": row["kimg"] + 3, "loss_discriminator": 1.0} for row in alone]
    (losses,) = curves.training_charts(joined, ideal, {})
    (_, _, generator), (_, _, discriminator) = losses.paths
    assert generator.startswith("M0.0 ") and discriminator.startswith("M600.0 ")
    overlaid = curves.overlaid_charts({"a": alone, "b": joined})
    assert [len(chart.paths) for chart in overlaid] == [2, 1]


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
    shown = read_files.read_previews(tmp_path)
    assert len(shown) == read_files.MOST_PREVIEWS
    assert (shown[0].caption, shown[-1].caption) == ("0.5 kimg", "99.5 kimg")
    noise = Image.effect_noise((1000, 1000), 90)
    noise.save(tmp_path / "large.png")
    large = read_files.embed(tmp_path / "large.png", "")
    assert large.uri.startswith("data:image/webp;base64,") and (large.width, large.height) == (1000, 1000)


def test_music_is_played_in_the_page(finished: Path, chromium: Browser) -> None:
    paths.MUSIC.mkdir()
    for number in range(read_files.MOST_SOUNDS + 1):
        with wave.open(str(paths.MUSIC / f"{number:02d}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(16_000))
    assert run("report")[0] == 0
    page = chromium.new_page()
    try:
        page.goto(Path("report.html").absolute().as_uri())
        players = page.locator("figure.sound audio")
        assert players.count() == read_files.MOST_SOUNDS
        page.wait_for_function("document.querySelector('audio').readyState > 0")
        assert players.first.evaluate("player => player.duration") == pytest.approx(0.5, abs=0.01)
        assert players.first.evaluate("player => player.play().then(() => !player.paused)")
    finally:
        page.close()


def test_paths_of_a_machine_are_cut() -> None:
    assert [written(v) for v in (str(Path.cwd() / "cats"), "cats/a", None, [1, 2], True)] == [
        "…/cats", "cats/a", "(blank)", "[1, 2]", "true",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["digits-dcgan", "pattern-1010"])
def test_every_recipe_is_its_own_nearest(name: str) -> None:
    from ganpipe.report.params_table import read_params_table

    found = read_params_table(recipes.path_of(name))
    assert found.recipe == name and not found.changed


def test_a_commit_is_named_and_changed_code_said(finished: Path) -> None:
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
