"""Texts of a person's own through a generator that is given captions, and captions under pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from packed_texts import write_captioned
from PIL import Image
from specs import images
from typer.testing import CliRunner

from ganpipe.cli import app
from ganpipe.config import Sample
from ganpipe.core.spec import DataSpec, Encoder, Field
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.pictures import grid, page
from ganpipe.pretrained.encoders import RandomEncoder
from ganpipe.sampling.apply import apply_to_files, apply_to_texts
from ganpipe.sampling.draw import all_items
from ganpipe.sampling.pictures import draw_plan, plans, preview, side_by_side
from ganpipe.sampling.published import Generator, load_generator, publish_generator
from ganpipe.systems.dcgan import DCGAN
from ganpipe.systems.text_to_image import TextToImage

SMALL = {"latent": 4, "width": 8, "heads": 2, "depth": 1, "patch": 4, "features": 2, "features_discriminator": 2}
TEXTS = ["a red one", "a blue one on red"]


def system(sha256: str = RandomEncoder(0).sha256) -> TextToImage:
    torch.manual_seed(0)
    text = Field(kind="text", shape=(9, 32), encoder=Encoder(source="random-0", sha256=sha256))
    fields = {"image": Field(kind="image", shape=(3, 8, 8)), "caption": text, "swapped": text}
    return TextToImage(TextToImage.Config.model_validate(SMALL), DataSpec(name="toy", fields=fields))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    publish_generator(system(), tmp_path / "model", "0" * 64)
    return tmp_path / "model"


def test_prompts_are_drawn_as_the_encoder_says(model: Path) -> None:
    generator = load_generator(model)
    made = generator.sample(prompts=TEXTS, seed=3)
    assert isinstance(made, np.ndarray) and made.shape == (2, 8, 8, 3) and made.dtype == np.uint8
    features = RandomEncoder(0).encode(TEXTS)[0].half().float()
    latents = torch.randn(64, 4, generator=torch.Generator().manual_seed(3))[:2]
    wanted = generator.system.generate({"latent": latents, "caption": features})["image"]
    assert np.abs(made.transpose(0, 3, 1, 2) / 127.5 - 1 - wanted.numpy()).max() < 1 / 127
    more = generator.sample(prompts=TEXTS, seed=3, n=5)
    assert len(more) == 5 and np.array_equal(more[:2], made) and not np.array_equal(more[2], made[0])  # other noise


def test_what_is_no_prompt_is_refused(model: Path) -> None:
    generator = load_generator(model)
    for prompts in ([], ["a", " "], "a red one"):
        with pytest.raises(ValueError, match="a list of texts is needed, none of them empty"):
            generator.sample(prompts=prompts)
    with pytest.raises(ValueError, match=r"caption: this generator \(TextToImage\) is given texts: pass prompts"):
        generator.sample(n=2)
    with pytest.raises(ValueError, match="image: is no row that is given beside prompts"):
        generator.sample(prompts=TEXTS, image=np.zeros((2, 8, 8, 3), np.uint8))
    other = Generator(DCGAN(DCGAN.Config(latent=4, features=2), images((1, 8, 8))))
    with pytest.raises(ValueError, match=r"prompts: this generator \(DCGAN\) takes no rows, no texts alone"):
        other.sample(prompts=TEXTS)


def test_another_encoder_under_the_same_name_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"the encoder random-0 is another one here \(sha256 \w{8}\.\.\.\)"):
        Generator(system("1" * 64)).sample(prompts=TEXTS)


def test_texts_become_files_named_after_them(model: Path, tmp_path: Path) -> None:
    said = apply_to_texts(model, ["A red one!", TEXTS[1]], tmp_path / "made", seed=3)
    assert "2 pictures drawn by Generator(text_to_image" in said
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"a-red-one.png", "a-blue-one-on-red.png"}
    wanted = load_generator(model).sample(prompts=["A red one!", TEXTS[1]], seed=3)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made" / "a-red-one.png")), wanted[0])
    with pytest.raises(ConfigError, match="there already"):
        apply_to_texts(model, TEXTS, tmp_path / "made")
    with pytest.raises(ConfigError, match="--text 'a b' and 'A-B' would both become"):
        apply_to_texts(model, ["a b", "A-B"], tmp_path / "other")
    with pytest.raises(ConfigError, match='is given texts: draw with --text "..." in place of pictures'):
        apply_to_files(model, [tmp_path], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command(model: Path, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "made")]
    done = CliRunner().invoke(app, ["apply", str(model), *out, "--text", TEXTS[0], "--text", TEXTS[1]])
    assert done.exit_code == 0 and len(list((tmp_path / "made").iterdir())) == 2
    for more, said in {
        ("--text", "a", "--label", "x"): "--text is drawn alone",
        (str(tmp_path), "--text", "a"): "--text is drawn alone",
        (): "name pictures or folders of pictures, or texts with --text",
    }.items():
        refused = CliRunner().invoke(app, ["apply", str(model), *more, "--out", str(tmp_path / "b")])
        assert refused.exit_code == 2 and said in refused.output


def test_rows_of_texts_take_turns_and_come_twice(tmp_path: Path) -> None:
    packed = write_captioned(tmp_path, {"train": 12, "valid": 4, "test": 3})
    given = GivenRows(packed, ["caption"])
    numbers = given.numbers("items", 0, 72)
    splits = [next(name for name, rows in packed.splits("items").items() if row in rows) for row in numbers]
    assert splits == ["train", "test", "valid"] * 24
    assert np.array_equal(numbers[:3], numbers[3:6]) and set(numbers) == set(range(19))
    assert given.texts("caption", 1, 2) == [packed.fields["caption"].names[number] for number in numbers[1:3]]
    assert set(GivenRows(packed, ["image"]).numbers("items", 0, 20)) == set(range(16, 19))  # pictures: held-out ones


def test_captions_are_written_under_pictures(tmp_path: Path) -> None:
    packed = write_captioned(tmp_path, {"train": 12, "valid": 4, "test": 3})
    drawn, given = system().eval(), GivenRows(packed, ["caption"])
    inputs, made = all_items(drawn, 9, 0, given)
    notes = [[text] for text in given.texts("caption", 0, 9)]
    assert preview(drawn, inputs, made, given).tobytes() == page([made["image"]], notes).tobytes()
    cfg = Sample(count=4, grid=3, pictures=("grid",))
    ((name, plan),) = plans(drawn, cfg, given)
    written = draw_plan(drawn, plan, 0)["image"]
    assert name == "grid" and written.tobytes() == page([made["image"]], notes, 3).tobytes()
    assert written.height > grid(made["image"], 3).height
    wanted = packed.read_rows("image", given.numbers("items", 0, 8))
    beside = page([made["image"][:8], wanted], notes[:8])
    assert side_by_side(drawn, inputs, made, given).tobytes() == beside.tobytes()
