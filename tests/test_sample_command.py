"""`ganpipe sample`: pictures of a trained generator as files in a folder of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conditional import Obedient, add_to_table, obedient
from data.packed_sets import write_set
from enlarging import DATA, TINY
from metrics.sets import column
from metrics.sets import write_set as pack_columns
from miniatures import miniature
from PIL import Image
from several import Several, several
from translating import Translator, translator
from typer.testing import CliRunner

from ganpipe import paths, systems
from ganpipe.cli import app
from ganpipe.config import Params, SystemSection
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.system import System
from ganpipe.core.tones import PITCH, TONE
from ganpipe.data.pack.own_music import tones_of_midi
from ganpipe.sampling import to_folder
from ganpipe.sampling.published import load_generator, publish_generator
from ganpipe.systems.esrgan import ESRGAN


def sample(*arguments: str) -> str:
    """Call `ganpipe sample`; return the line it printed."""
    result = CliRunner().invoke(app, ["sample", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments: str) -> str:
    """Return the one line of a refused command."""
    result = CliRunner().invoke(app, ["sample", *arguments])
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip()


def files(folder: str) -> dict[str, bytes]:
    """The content of all files below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[System], None]:
    """Return a function that publishes a system of a test as the generator of the current workspace."""
    monkeypatch.chdir(tmp_path)
    for cls in (Obedient, Several, Translator):
        add_to_table(monkeypatch, cls)
    return lambda system: publish_generator(system, paths.MODEL, "fingerprint")


def test_files_are_what_the_generator_draws_whatever_their_number(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    trained(miniature(workspace("digits-mlp")))
    before = files("data")
    assert sample("--out", "many", "-n", "70", "--seed", "5") == (
        "many: 70 items of Generator(mlp_gan, 28 x 28 grey images, trained on digits), seed 5\n"
    )
    sample("--out", "new/few", "-n", "3", "--seed", "5")
    many, few = files("many"), files("new/few")
    assert sorted(many) == [f"{number:06d}.png" for number in range(70)]
    assert few == {name: many[name] for name in sorted(many)[:3]}
    drawn = load_generator(paths.MODEL).sample(70, seed=5)
    assert np.array_equal(drawn[..., 0], [np.asarray(Image.open(f"many/{name}")) for name in sorted(many)])
    sample("--out", "other", "-n", "3", "--model", "data/model")
    assert files("other") != few, "another seed"
    assert files("data") == before
    assert not list(Path().rglob(".*.part"))


def test_pictures_that_are_there_are_never_replaced(publish: Callable[[System], None]) -> None:
    publish(obedient("label"))
    Path("mine").mkdir()
    sample("--out", "mine", "-n", "2")
    before = files("mine")
    assert refusal("--out", "mine") == "--out mine: is there already and not an empty folder; name another one"
    assert files("mine") == before
    assert "is there already" in refusal("--out", "data/model/generator.json")
    assert refusal("--out", "data/samples") == (
        "--out data/samples: lies in data, which belongs to the pipeline; name a folder elsewhere"
    )
    assert not paths.SAMPLES.exists()


def test_a_class_is_drawn_where_it_is_asked_for(publish: Callable[[System], None]) -> None:
    publish(obedient("label"))
    sample("--out", "foxes", "-n", "5", "--label", "fox")
    drawn = load_generator(paths.MODEL).sample(5, label="fox")
    assert all((np.asarray(Image.open(f"foxes/00000{n}.png")) == drawn[n, ..., 0]).all() for n in range(5))
    assert refusal("--out", "cows", "--label", "cow") == (
        "label = 'cow' is unknown; the classes 0..2 are cat, dog, fox"
    )
    assert "takes no attributes (Obedient)" in refusal("--out", "cows", "--on", "fox")
    assert not Path("cows").exists()


def test_attributes_are_turned_on_and_off(publish: Callable[[System], None]) -> None:
    publish(obedient("attributes"))
    sample("--out", "some", "-n", "4", "--on", "fox", "--on", "dog", "--off", "cat")
    rows = [np.asarray(Image.open(path))[:3, 0].tolist() for path in sorted(Path("some").iterdir())]
    assert rows == [[0, 255, 255]] * 4
    assert refusal("--out", "cows", "--off", "cow") == "attribute 'cow' is unknown; there are cat, dog, fox"
    assert refusal("--out", "cows", "--off", "fox", "--on", "fox") == "--on fox and --off fox: one or the other"


def test_vectors_are_written_as_numbers_and_a_second_output_under_its_own_name(
    publish: Callable[[System], None],
) -> None:
    publish(several())
    sample("--out", "numbers", "-n", "2", "--seed", "1")
    assert sorted(files("numbers")) == ["000000.csv", "000000_other.csv", "000001.csv", "000001_other.csv"]
    drawn = load_generator(paths.MODEL).sample(2, seed=1)
    assert isinstance(drawn, dict)
    for name, values in (("", drawn["vector"]), ("_other", drawn["other"])):
        found = [np.loadtxt(f"numbers/00000{n}{name}.csv", np.float32, delimiter=",") for n in range(2)]
        assert np.array_equal(found, values), "no digit is lost"


def test_music_is_written_as_numbers_and_as_midi(
    publish: Callable[[System], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(6, 4), names=TONE)})
    options = {"tones": 6, "units": 4, "units_discriminator": 4}
    publish(systems.build(SystemSection(name="c_rnn_gan", **options), data, seed=0))
    sample("-n", "2", "--out", "music")
    assert sorted(files("music")) == ["000000.csv", "000000.mid", "000001.csv", "000001.mid"]
    found = np.loadtxt("music/000001.csv", np.float32, delimiter=",", skiprows=1)
    np.testing.assert_allclose(tones_of_midi(files("music")["000001.mid"])[:, PITCH], found[:, PITCH])
    monkeypatch.setattr("ganpipe.sampling.music.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["sample", "-n", "1", "--out", "numbers"])
    assert sorted(files("numbers")) == ["000000.csv"]
    assert "no MIDI beside the CSV" in result.output


def test_rows_that_a_generator_is_given_are_the_held_out_ones(publish: Callable[[System], None]) -> None:
    publish(translator())
    rows = np.random.default_rng(0).integers(0, 256, (12, 2, 3, 1), np.uint8)
    splits = {"items": {"train": (0, 9), "test": (9, 12)}}
    write_set(paths.PACKED_FILE, {"items": {"source": rows, "target": rows}}, splits=splits)
    said = sample("--out", "translated", "-n", "5")
    assert said.startswith("translated: 3 items of ")
    assert said.endswith("seed 0, not 5: one of each held-out row\n")
    assert len(files("translated")) == 9

    def pictures(suffix: str) -> np.ndarray:
        return np.stack([np.asarray(Image.open(f"translated/00000{n}{suffix}.png")) for n in range(3)])

    assert sorted(pictures("_given_source").tolist()) == sorted(rows[9:, ..., 0].tolist())
    assert np.array_equal(pictures(""), 255 - pictures("_given_source"))
    assert np.array_equal(pictures("_wanted_target"), pictures("_given_source")), "the very rows of the set"
    paths.PACKED_FILE.unlink()
    result = CliRunner().invoke(app, ["sample", "--out", "more"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert str(paths.PACKED_FILE) in result.stderr


def test_nothing_is_left_where_drawing_ends_early(
    publish: Callable[[System], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(obedient("label"))
    write, written = to_folder._write, []

    def failing(*arguments: object) -> None:
        written.append(arguments)
        if len(written) > 1:  # the first block of 64 is written
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(to_folder, "_write", failing)
    before = files(".")
    assert CliRunner().invoke(app, ["sample", "--out", "half", "-n", "70"]).exit_code == 130
    assert files(".") == before


def test_options_for_drawing_are_set_by_name(publish: Callable[[System], None]) -> None:
    torch.manual_seed(0)
    system = ESRGAN(ESRGAN.Config.model_validate({**TINY, "growth": 2}), DATA)
    system.keep_weights()
    with torch.no_grad():
        for weight in system.generator.parameters():
            weight *= 20
    publish(system)
    low = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8)
    columns = {"low": column(low), "image": column(low.repeat(4, 1).repeat(4, 2))}
    pack_columns(paths.PACKED_FILE, columns, {"train": (0, 2), "test": (2, 4)})
    for alpha in ("0.0", "1.0"):
        sample("--out", alpha, "-n", "2", "--option", f"alpha={alpha}")
        expected = load_generator(paths.MODEL, {"alpha": float(alpha)}).sample(low=low[2:])
        assert np.array_equal(np.asarray(Image.open(Path(alpha, "000000.png"))), expected[0])
    assert files("0.0") != files("1.0")
    assert "blocks is no option of esrgan" in refusal("--out", "x", "--option", "blocks=3")
