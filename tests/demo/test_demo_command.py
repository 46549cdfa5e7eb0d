"""`ganpipe demo` as a command: which generators it takes, its bounds, its server and what it leaves behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conditional import add_to_table, obedient
from conftest import REPOSITORY
from demo.published import published, sketcher
from specs import images
from torch import nn
from typer.testing import CliRunner

from ganpipe.cli import app
from ganpipe.core.inputs import Given, Input
from ganpipe.core.spec import DataSpec, Encoder, Field
from ganpipe.core.system import System
from ganpipe.data.catalogue.emoji import EMOJI_CAPTIONS
from ganpipe.data.pack import digit_texts
from ganpipe.demo import limits, models
from ganpipe.demo.drawing import Wish, draw, write_piece
from ganpipe.demo.page import running
from ganpipe.errors import ConfigError, GanpipeError
from ganpipe.pretrained import captions
from ganpipe.sampling.published import Generator, load_generator, publish_generator
from ganpipe.systems.configs import SystemConfig


class Illustrator(System):
    """Is given numbers of words. Nobody trains it."""

    class Config(SystemConfig):
        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"caption": Given("caption")}

    adversaries = ()

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        self.generator = nn.Linear(3, 4)


def refusal(*arguments: str) -> str:
    """Return the one line of a refused command."""
    result = CliRunner().invoke(app, ["demo", "--no-browser", *arguments])
    assert result.exit_code in (1, 2), result.output
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder without a store of runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / ".dvc").mkdir()


def test_what_is_no_generator_is_refused_in_one_line(tmp_path: Path) -> None:
    assert refusal("nobody") == "nobody: no folder with a published generator, and no MLflow run that holds one"
    assert refusal() == "data/model: no folder with a published generator, and no MLflow run that holds one"
    (tmp_path / "empty").mkdir()
    assert refusal("empty").startswith("empty/generator.json: no such file; run `dvc repro train`")
    assert refusal(*"abcde") == "5 models: the page shows at most 4 side by side; name fewer"


def test_a_generator_of_tokens_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_table(monkeypatch, Illustrator)
    spec = images((1, 2, 2))
    words = Field(kind="tokens", shape=(3,), names=("a", "b"))
    spec = DataSpec(name="toy", fields={**spec.fields, "caption": words})
    publish_generator(Illustrator(Illustrator.Config(), spec), tmp_path / "model", "fingerprint")
    assert refusal("model") == (
        "model: this generator is given tokens, for which the page has no input; draw from it with `ganpipe sample`"
    )


def test_a_missing_encoder_of_captions_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = sketcher()
    for name, encoder in {
        "none": Encoder(source="minilm", sha256="0" * 64),
        "other": Encoder(source="random-0", sha256="0" * 64),
    }.items():
        caption = system.data.fields["caption"].model_copy(update={"encoder": encoder})
        system.data = system.data.model_copy(update={"fields": {**system.data.fields, "caption": caption}})
        publish_generator(system, tmp_path / name, "fingerprint")
    monkeypatch.setattr(captions, "find_spec", lambda name: None)
    assert refusal("none") == "captions: the Python package tokenizers is missing; run `pip install 'ganpipe[text]'`"
    assert refusal("other").startswith("the encoder random-0 is another one here (sha256 ")


def test_captions_of_published_data_are_known_where_these_are_not_packed(tmp_path: Path) -> None:
    system = sketcher()
    system.data = system.data.model_copy(update={"name": "digits-captions"})
    publish_generator(system, tmp_path / "digits", "fingerprint")
    (model,) = models.load_models(["digits"], tmp_path / "runs")
    every = {digit_texts.caption_of(parts) for parts in product(range(10), range(3), range(3))}
    assert len(model.captions(4)) == 4 and every.issuperset(model.captions(9))
    styles = {f"{vendor.lower()} style" for vendor in EMOJI_CAPTIONS.fields["label"].names}
    assert styles == {caption.split(", ")[1] for caption in models.CAPTIONS["emoji-captions"]}


def test_without_what_writes_music_the_page_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganpipe.demo.player.can_write_music", lambda: False)
    with (
        published(tmp_path, "composer") as folders,
        running(folders) as (address, _),
        urllib.request.urlopen(address, timeout=60) as answer,
    ):
        content = answer.read()
    assert b"the Python package pretty_midi is missing" in content and b"ganpipe[music]" in content
    assert b"Download as MIDI" not in content


def test_a_piece_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    window = np.array([[1, 60, 80, 0], [1, 62, 80, 600]], np.float32)
    with pytest.raises(ConfigError, match=r"^piece 3 lasts 401 seconds, more than this page's limit of 300; `ganpipe"):
        write_piece(window, 3, tmp_path / "pieces")
    assert not (tmp_path / "pieces").exists()


def test_a_run_is_named_as_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with published(tmp_path / "store", "painter") as (folder,):
        asked: list[tuple[str, Path]] = []

        def copied(name: str, into: Path) -> Path:
            asked.append((name, into))
            return Path(folder)

        monkeypatch.setattr(models, "copy_generator", copied)
        (model,) = models.load_models(["6c9244f4"], tmp_path / "runs")
    assert asked == [("6c9244f4", tmp_path / "runs" / "0")]
    assert model.title == "6c9244f4" and model.rows is None
    assert model.asks == models.Asks(given=None, noise=True, choices=(("label", ("cat", "dog", "fox")),))


def test_it_says_how_to_install_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "ganpipe.demo.page", raising=False)
    assert refusal() == "ganpipe demo needs gradio, which is not installed: `pip install 'ganpipe[demo]'`"


def test_a_taken_port_is_refused_and_a_free_one_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal("--port", str(port)).startswith(f"port {port} is taken; try `ganpipe demo --port ")


def test_the_server_is_on_this_machine_only_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    with published(tmp_path, "star") as (folder,):
        command = [sys.executable, "-c", "from ganpipe.cli import app; app()", "demo", folder, "--no-browser"]
        environment = os.environ | {"TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(REPOSITORY)}
        environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "GRADIO_ANALYTICS_ENABLED": "True"}  # neither is heeded
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            assert server.stdout
            lines = iter(server.stdout.readline, "")
            address = next(line.strip() for line in lines if line.startswith("http"))
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert b"ganpipe demo" in answer.read()
            port = int(address.rstrip("/").rpartition(":")[2])
            with socket.socket() as other:  # on all addresses it would be on this one too
                assert other.connect_ex(("127.0.0.2", port)) != 0
            assert list((tmp_path / "temporary").iterdir())
        finally:
            server.send_signal(signal.SIGTERM)
            _, complaints = server.communicate(timeout=60)
    assert server.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in complaints
    assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, None, "7", True, float("nan"), float("inf")])
def test_seeds_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^seed = .*: a whole number from 0 to 4294967295 is needed$"):
        limits.require_seed(value)


def test_numbers_within_their_bounds_are_taken() -> None:
    assert [limits.require_seed(value) for value in (0, 7.0, 2**32 - 1)] == [0, 7, 2**32 - 1]
    assert limits.require_count(64, 64) == 64
    assert limits.require_place(1, "place") == 1.0
    with pytest.raises(ConfigError, match="pictures = 65: a whole number from 1 to 64 is needed"):
        limits.require_count(65, 64)
    with pytest.raises(ConfigError, match=r"place = 1\.01: a number from 0 to 1 is needed"):
        limits.require_place(1.01, "place")
    assert limits.require_caption("a" * 500) == "a" * 500
    for value in (None, 7, "", " \n"):
        with pytest.raises(ConfigError, match="^caption = blank: type what is to be drawn$"):
            limits.require_caption(value)
    said = f"^caption = {'a' * 40}...: 501 letters, more than this page's limit of 500; shorten it$"
    with pytest.raises(ConfigError, match=said):
        limits.require_caption("a" * 501)
    assert [limits.most_pictures(side, side) for side in (28, 512, 1024, 8192)] == [64, 64, 16, 1]


def test_time_is_looked_at_before_every_layer_and_only_within_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(obedient("label"))
    monkeypatch.setattr(limits, "SECONDS", 0)
    with pytest.raises(GanpipeError, match="not done after 0 seconds"), limits.bounded(generator.system):
        draw(generator, Wish(0), 1)
    assert len(draw(generator, Wish(0), 1)["image"]) == 1


def test_an_unknown_choice_is_refused(tmp_path: Path) -> None:
    with published(tmp_path, "painter") as (folder,):
        generator = load_generator(folder)
    with pytest.raises(ConfigError, match="label = 9 is unknown"):
        draw(generator, Wish(0, label=9), 1)
    with pytest.raises(ConfigError, match="takes no attributes"):
        draw(generator, Wish(0, on=("cat",)), 1)


def test_the_oldest_files_go_first_and_those_of_the_page_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEMPORARY_BYTES", 250)
    files = [tmp_path / "deep" / name for name in ("page", "old", "new", "newest")]
    files[0].parent.mkdir()
    for age, file in enumerate(files):
        file.write_bytes(bytes(100))
        os.utime(file, (age, age))
    limits.forget_oldest(tmp_path, frozenset({files[0]}))
    assert [file.exists() for file in files] == [True, False, True, True]
