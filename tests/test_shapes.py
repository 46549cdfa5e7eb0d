"""Systems of every shape go through the pipeline: train, kill and resume, sample, evaluate, report, check."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import shapes
import torch
from children import kill_when, started
from once import made_once, shared_folder
from PIL import Image

from ganpipe import paths, systems
from ganpipe.config import Sample
from ganpipe.core.batch import to_float
from ganpipe.core.inputs import Choice, Given
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import ConfigError
from ganpipe.history.table import read_csv
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate
from ganpipe.preflight import checks
from ganpipe.preflight.checks import preflight
from ganpipe.report.page import write_report
from ganpipe.sampling.cycles import goes_back
from ganpipe.sampling.draw import render
from ganpipe.sampling.needs import require_inputs
from ganpipe.sampling.pictures import plans
from ganpipe.sampling.published import load_generator
from ganpipe.sampling.stage import sample

TRANSLATES = ("two_phases", "no_adversary", "translation", "two_spaces", "attributes", "captions")

Workspace = Callable[[str], Path]


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systems, "SYSTEMS", dict(systems.SYSTEMS))
        shapes.register()
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a function that goes through all stages with a system once, and returns the folder of its results."""
    root = shared_folder(tmp_path_factory, "shapes")
    return lambda name: made_once(root / name, lambda folder: _run_all_stages(name, folder))


def _run_all_stages(name: str, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _new_workspace(folder, patch)
        shapes.write_data(name, paths.PACKED)
        pictures = ["grid", "strips"] if name in TRANSLATES else ["grid"]
        params = shapes.params_of(name, sample={"pictures": pictures})
        shapes.train_here(params, "once")
        sample(params, paths.MODEL, paths.PACKED, paths.SAMPLES)
        prepare_reference(params, paths.PACKED, paths.REFERENCE)
        evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)


def _new_workspace(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / ".dvc").mkdir(parents=True)
    patch.chdir(folder)
    patch.delenv("DVC_ROOT", raising=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, the current folder."""
    _new_workspace(tmp_path / "workspace", monkeypatch)
    return tmp_path / "workspace"


def published(folder: Path) -> dict[str, str]:
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    kept = [path for path in files if path.relative_to(folder / "data").parts[0] in OUTPUTS]
    hashes = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}
    hashes.pop("data/model/generator.json")  # it names the fingerprint
    return hashes


OUTPUTS = ("model", "previews", "history.csv", "findings.json", "curves.png")


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_killed_training_ends_with_the_bytes_of_an_uninterrupted_one(
    name: str, trained: Workspace, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = published(trained(name))
    assert any(file.endswith("generator.safetensors") for file in whole)
    shapes.write_data(name, paths.PACKED)
    child = started(shapes.train_often_saving, name)
    kill_when(child, lambda: any(paths.state_dir().glob("checkpoints/*/previous.pt")))
    shapes.train_here(shapes.params_of(name), "saved")
    assert "Resuming at" in capfd.readouterr().out
    assert published(here) == whole


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_samples_hold_every_output_what_was_chosen_and_the_row_they_were_made_from(
    name: str, trained: Workspace
) -> None:
    folder = trained(name)
    system = load_generator(folder / paths.MODEL).system
    samples, data = Packed.open(folder / paths.SAMPLES_FILE), Packed.open(folder / paths.PACKED_FILE)
    samples.verify()
    given = {data.fields[one.field].space for one in system.inputs.values() if isinstance(one, Given)}
    chosen = {one.field for one in system.inputs.values() if isinstance(one, Choice)}
    back = {f"back_{field}" for field in goes_back(system)}
    assert samples.fields.keys() == {*system.outputs, *chosen, *(f"row_{space}" for space in given), *back}
    assert bool(back) == (name in ("two_spaces", "attributes"))
    assert json.loads(samples.attributes["outputs"]) == dict(system.outputs)
    for output, field in system.outputs.items():
        assert samples.fields[output].shape == data.fields[field].shape
    for space in given:
        rows, held_out = samples.slice(f"row_{space}"), data.rows("test", space)
        assert sorted(rows[: len(held_out)]) == list(held_out) != rows[: len(held_out)].tolist()
        assert np.array_equal(rows, np.resize(rows[: len(held_out)], len(rows)))
    assert (folder / paths.SAMPLES / "grid.png").is_file()


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_every_output_is_scored_and_stands_on_the_page(
    name: str, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(trained(name), tmp_path / "copy")
    monkeypatch.chdir(folder)
    system, scores = load_generator(paths.MODEL).system, json.loads(paths.METRICS.read_text())
    (extractor,) = shapes.params_of(name).evaluate.extractors
    found = scores[extractor] if len(system.outputs) > 1 else {next(iter(system.outputs)): scores[extractor]}
    assert found.keys() == set(system.outputs)
    for block in found.values():
        assert ("fd_untrained" in block) == (name != "growing")  # it starts with small pictures
        assert np.isfinite([block["fd"], block["fd_floor"], block.get("fd_untrained", 0.0)]).all()
    write_params(name)
    write_report(Path("report.html"))
    page = Path("report.html").read_text()
    assert page.count("data:image/") >= 5
    assert extractor in page
    assert "no interpolation" not in page or system.inputs.keys() & {"latent"}


def write_params(name: str) -> None:
    from ruamel.yaml import YAML

    YAML().dump(shapes.params_of(name).model_dump(mode="json"), paths.PARAMS)


def test_paired_outputs_are_compared_with_their_targets_beside_what_costs_nothing(trained: Workspace) -> None:
    scores = json.loads((trained("translation") / paths.METRICS).read_text())["paired"]["translated"]
    samples = Packed.open(trained("translation") / paths.SAMPLES_FILE)
    data = Packed.open(trained("translation") / paths.PACKED_FILE)
    rows = samples.slice("row_items")
    made, wanted = (x.astype(float) / 255 for x in (samples.slice("translated"), data.read_rows("b", rows)))
    assert scores["l1"] == pytest.approx(np.abs(made - wanted).mean(), rel=1e-5)
    source = data.read_rows("a", rows).astype(float) / 255
    assert scores["l1_copy"] == pytest.approx(np.abs(source - wanted).mean(), rel=1e-5)
    assert scores["l1"] < scores["l1_copy"]  # it turns dark into bright
    assert scores["l1_mean_image"] > 0


def test_unpaired_outputs_have_no_target(trained: Workspace) -> None:
    assert "paired" not in json.loads((trained("two_spaces") / paths.METRICS).read_text())


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_the_check_says_what_is_right_and_what_does_not_apply(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_MEASURED_SECONDS", 0.05)
    if name == "attributes":  # its generator, held to its input, fools nobody in the time it is given
        monkeypatch.setattr(checks, "_PAIRS", 0)
    shapes.write_data(name, paths.PACKED)
    lines = list(preflight(shapes.params_of(name)))
    outputs = [line for line in lines if line.startswith("output")]
    assert len(outputs) == len(shapes.SHAPES[name].outputs)
    assert [line.split(":")[0] for line in lines[len(outputs) :]] == ["disk", "cost", "noise", "one batch"]
    noise = lines[-2]
    if name == "no_adversary":
        assert "does not apply: NoAdversary has no adversary" in noise
    elif name == "two_phases":
        assert "waits for a later phase" in noise and "loss falls" in lines[-1]
    elif name in ("two_spaces", "growing"):
        assert "several generators" in noise
    else:
        assert "of pairs told apart" in noise


def test_a_player_that_waits_leaves_its_columns_blank_until_it_moves(trained: Workspace) -> None:
    rows = read_csv(trained("two_phases") / paths.HISTORY)
    alone = [row for row in rows if row["kimg"] <= 0.064]
    assert alone and all("loss_generator" in row and "loss_discriminator" not in row for row in alone)
    assert "loss_discriminator" in rows[-1]
    assert not any("loss_discriminator" in row for row in read_csv(trained("no_adversary") / paths.HISTORY))


def test_frozen_networks_are_in_no_file_but_their_hash_is(trained: Workspace) -> None:
    from safetensors import safe_open

    folder = trained("no_adversary")
    with safe_open(folder / paths.MODEL / "generator.safetensors", "numpy") as weights:
        assert not [name for name in weights.keys() if "trunk" in name]  # noqa: SIM118
    description = json.loads((folder / paths.MODEL / "generator.json").read_text())
    assert len(description["frozen"]["trunk"]) == 64
    assert description["train_fingerprint"] != "once"
    checkpoint = next((folder / ".ganpipe/checkpoints").glob("*/last.pt"))
    assert not [name for name in torch.load(checkpoint, weights_only=True)["system"] if "trunk" in name]


def test_rows_that_are_given_were_held_out(trained: Workspace) -> None:
    data = Packed.open(trained("translation") / paths.PACKED_FILE)
    rows = Packed.open(trained("translation") / paths.SAMPLES_FILE).slice("row_items")
    assert not set(rows.tolist()) & set(data.rows("train", "items"))


def test_a_growing_output_is_published_at_its_last_size_and_shown_at_every_size(trained: Workspace) -> None:
    folder = trained("growing")
    assert load_generator(folder / paths.MODEL).sample(3).shape == (3, 8, 8, 1)
    sizes = [Image.open(path).size for path in sorted((folder / paths.PREVIEWS).glob("kimg-*.png"))]
    assert sizes == 5 * [sizes[0]]  # small ones are enlarged
    film = Image.open(folder / paths.PREVIEWS / "evolution.gif")
    assert film.n_frames == len(sizes)
    with_score = [row for row in read_csv(folder / paths.HISTORY) if "fd" in row]
    assert [row["kimg"] for row in with_score] == [with_score[-1]["kimg"]]  # not while it was small


def test_what_comes_back_is_made_of_the_outputs_and_the_own_attributes_of_the_rows(trained: Workspace) -> None:
    for name in ("two_spaces", "attributes"):
        folder = trained(name)
        samples, data = Packed.open(folder / paths.SAMPLES_FILE), Packed.open(folder / paths.PACKED_FILE)
        generator = load_generator(folder / paths.MODEL)
        if name == "two_spaces":
            again = generator.sample(a=samples.slice("fake_a"), b=samples.slice("fake_b"))
            assert isinstance(again, dict)
            expected = {"back_a": again["fake_a"], "back_b": again["fake_b"]}
        else:
            own = data.read_rows("attributes", samples.slice("row_items"))
            inputs = {"source": to_float(torch.from_numpy(samples.slice("image"))), "wanted": torch.from_numpy(own)}
            expected = {"back_image": render(generator.system, {**inputs, "wanted": inputs["wanted"].float()})["image"]}
        for field, images in expected.items():
            assert np.array_equal(samples.slice(field), images)
            assert not np.array_equal(images, data.read_rows(field.removeprefix("back_"), samples.slice(ROWS[field])))
        scores = json.loads((folder / paths.METRICS).read_text())["translation"]
        for output, block in scores.items():
            back = "back_image" if name == "attributes" else {"fake_b": "back_a", "fake_a": "back_b"}[output]
            real = data.read_rows(back.removeprefix("back_"), samples.slice(ROWS[back])).astype(float)
            assert block["cycle_l1"] == pytest.approx(np.abs(samples.slice(back) - real).mean() / 255, rel=1e-5)


ROWS = {"back_a": "row_a", "back_b": "row_b", "back_image": "row_items"}


def test_strips_show_what_came_back_and_a_row_per_attribute_begins_with_what_was_given(trained: Workspace) -> None:
    wide = Image.open(trained("two_spaces") / paths.SAMPLES / "strips.png")
    pair = Image.open(trained("translation") / paths.SAMPLES / "strips.png")
    assert wide.width > 1.9 * pair.width, "a, made, back of both directions beside source, made, wanted"
    folder = trained("attributes")
    data, generator = Packed.open(folder / paths.PACKED_FILE), load_generator(folder / paths.MODEL)
    given, names = GivenRows(data), data.fields["attributes"].names
    ((_, plan),) = plans(generator.system, Sample(count=4, grid=3, pictures=("classes",)), given)
    assert plan.labels == ("given", *names) and plan.first is not None
    rows = given.numbers("items", 0, 3)
    assert np.array_equal(plan.first, data.read_rows("image", rows))
    own = data.read_rows("attributes", rows)
    asked = plan.inputs["wanted"].reshape(len(names), 3, -1).numpy()
    for at in range(len(names)):
        assert np.array_equal(np.abs(asked[at] - own).argmax(axis=1), [at] * 3)
        assert np.abs(asked[at] - own).sum() == 3, "one attribute is turned over, the others stay"


def test_generators_take_rows_choices_and_noise_in_a_notebook(trained: Workspace) -> None:
    translator = load_generator(trained("translation") / paths.MODEL)
    images = shapes.pictures(5, shapes.SIDE, seed=9)
    assert np.array_equal(translator.sample(a=images), translator.sample(5, a=images))
    both = load_generator(trained("two_spaces") / paths.MODEL).sample(a=images, b=images)
    assert isinstance(both, dict) and both.keys() == {"fake_a", "fake_b"}
    starred = load_generator(trained("attributes") / paths.MODEL)
    on, off = (starred.sample(image=images, attributes={"bright": b, "left": False}) for b in (True, False))
    assert not np.array_equal(on, off)
    words = np.array([[0, 1], [0, 2]], np.int32)
    painted = load_generator(trained("captions") / paths.MODEL).sample(6, seed=1, caption=words)
    assert painted.shape == (6, 8, 8, 1)
    assert load_generator(trained("sequences") / paths.MODEL).sample(4).shape == (4, 6, 2)
    with pytest.raises(ValueError, match="a is missing: this generator .Translation. takes a"):
        translator.sample(3)
    with pytest.raises(ValueError, match="takes no label"):
        translator.sample(a=images, label=1)
    with pytest.raises(ValueError, match="rows of uint8"):
        translator.sample(a=images.astype(np.float32))


def test_pictures_that_the_inputs_do_not_allow_are_refused() -> None:
    inputs = shapes.Translation.Config().inputs
    require_inputs(("grid", "strips"), inputs, "translation", "params.yaml")
    for picture in ("classes", "interpolation", "truncation"):
        with pytest.raises(ConfigError, match=f"{picture} needs"):
            require_inputs((picture,), inputs, "translation", "params.yaml")
