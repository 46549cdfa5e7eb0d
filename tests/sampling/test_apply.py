"""`ganpipe apply`: pictures of any size and kind through a published generator, at their own size."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from conditional import Obedient, add_to_table, obedient
from PIL import Image
from specs import images, pictures
from torch import nn
from typer.testing import CliRunner

from ganpipe import paths
from ganpipe.cli import app
from ganpipe.core.batch import Batch, to_float, to_uint8
from ganpipe.core.inputs import Given, Input, Noise
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.system import System
from ganpipe.sampling.one_picture import Route, translated
from ganpipe.sampling.published import Generator, load_generator, publish_generator
from ganpipe.systems.configs import SystemConfig
from ganpipe.systems.cyclegan import CycleGAN
from ganpipe.systems.pix2pix import Pix2Pix
from ganpipe.systems.stargan import StarGAN

S = TypeVar("S", bound=System)
RANDOM = np.random.default_rng(0)


class Enlarger(System):
    """Returns the very picture it is given, every pixel `scale` x `scale` times; noise stands in a corner."""

    class Config(SystemConfig):
        scale: int = 1
        multiple: int | None = 4
        noise: bool = False
        also: str | None = None

        @property
        def inputs(self) -> Mapping[str, Input]:
            noise = {"latent": Noise((1,))} if self.noise else {}
            also = {"also": Given(self.also)} if self.also else {}
            return {"photo": Given("low"), **noise, **also}

    cfg: Config
    adversaries = ()
    outputs = {"image": "high"}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        self.generator = nn.Linear(1, 1)
        self.seen: list[torch.Size] = []

    @property
    def given_multiple(self) -> int | None:
        return self.cfg.multiple

    def generate(self, inputs: Batch) -> Batch:
        photo = inputs["photo"]
        self.seen.append(photo.shape)
        made = photo.repeat_interleave(self.cfg.scale, 2).repeat_interleave(self.cfg.scale, 3)
        if self.cfg.noise:
            made[:, 0, 0, 0] = inputs["latent"][:, 0].tanh()
        return {"image": made}


def enlarger(channels: int = 3, side: int = 8, **options: Any) -> Enlarger:
    cfg = Enlarger.Config(**options)
    low = Field(kind="image", shape=(channels, side, side))
    high = Field(kind="image", shape=(channels, side * cfg.scale, side * cfg.scale))
    words = Field(kind="tokens", shape=(3,), names=("a", "b"))
    fields = {"low": low, "other": low, "high": high, "words": words}
    return Enlarger(cfg, DataSpec(name="toys", fields=fields))


def pix2pix(side: int = 16, **options: Any) -> Pix2Pix:
    torch.manual_seed(0)
    small = {"features": 2, "features_discriminator": 2, "patch_layers": 1}
    return livelier(Pix2Pix(Pix2Pix.Config(**small, **options), pictures((1, side, side), (3, side, side))))


def cyclegan() -> CycleGAN:
    torch.manual_seed(0)
    small = {"features": 2, "blocks": 1, "features_discriminator": 2, "patch_layers": 1, "identity_weight": 0}
    return livelier(CycleGAN(CycleGAN.Config(**small), pictures((3, 16, 16), (1, 16, 16), paired=False)))


def stargan(condition: str = "label") -> StarGAN:
    torch.manual_seed(0)
    names = {"classes": ("T-shirt/top", "bag")} if condition == "label" else {"attributes": ("Smiling", "Hat")}
    small = {"features": 2, "blocks": 1, "features_discriminator": 2, "condition": condition}
    return livelier(StarGAN(StarGAN.Config(**small), images((3, 16, 16), **names)))


def livelier(system: S) -> S:
    """Raise the contrast of an untrained system: its weights are so small that all pictures are nearly grey."""
    with torch.no_grad():
        for parameter in system.parameters():
            if parameter.ndim > 1:
                parameter *= 8
    return system.eval()


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), np.uint8)


def save(path: str, pixels: np.ndarray, **options: Any) -> np.ndarray:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze()).save(path, **options)
    return pixels


def read(path: str) -> np.ndarray:
    pixels = np.asarray(Image.open(path))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def run(*arguments: str) -> str:
    """Call `ganpipe apply` on the generator of the workspace; return what it printed."""
    result = CliRunner().invoke(app, ["apply", "data/model", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments: str, code: int = 2) -> str:
    """Return the one line of a refused command."""
    result = CliRunner().invoke(app, ["apply", "data/model", *arguments])
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Applying")]
    return line.removeprefix("Error: ")


def files() -> dict[str, bytes]:
    """The content of all files of the workspace, by name."""
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[System], None]:
    """Return a function that publishes a system as the generator of the current workspace."""
    monkeypatch.chdir(tmp_path)
    for cls in (Obedient, Enlarger):
        add_to_table(monkeypatch, cls)
    return lambda system: publish_generator(system, paths.MODEL, "fingerprint")


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(61, 43), (3, 5), (1, 1), (1, 40), (8, 8), (64, 20), (9, 8)])
def test_padding_shifts_nothing_and_is_cut_off_again(height: int, width: int, scale: int) -> None:
    system = enlarger(scale=scale)
    photo = picture(height, width)
    made = translated(Generator(system), photo, Route("low", "image"))
    assert np.array_equal(made, photo.repeat(scale, 0).repeat(scale, 1))
    ((_, _, *sides),) = system.seen
    expected = [max(8, -(-side // 4) * 4) for side in (height, width)]
    assert sides == expected, "no more is padded than the generator needs"


def test_what_is_padded_is_the_mirrored_picture_on_all_sides() -> None:
    generator = Generator(cyclegan())
    photo = picture(22, 17)
    padded = np.pad(photo, ((1, 1), (1, 2), (0, 0)), mode="reflect")
    with torch.no_grad():
        whole = generator.system.translators["b"](to_float(torch.from_numpy(padded)[None]))  # type: ignore[index]
    expected = to_uint8(whole)[0].numpy()[1:-1, 1:-2]
    assert np.array_equal(translated(generator, photo, Route("a", "fake_b")), expected)


@pytest.mark.parametrize("multiple_of", ["levels", "quarters"])
def test_the_systems_take_all_sizes_that_they_say(multiple_of: str) -> None:
    system, route = (
        (pix2pix(), Route("a", "translated")) if multiple_of == "levels" else (cyclegan(), Route("a", "fake_b"))
    )
    assert system.given_multiple == {"levels": 16, "quarters": 4}[multiple_of]
    channels, *_ = system.data.image_shape("a", "")
    for height, width in ((61, 43), (3, 5), (16, 48)):
        made = translated(Generator(system), picture(height, width, channels), route)
        assert made.shape == (height, width, system.data.image_shape("b", "")[0])
        assert made.std() > 5, "not an empty picture"


def test_a_picture_of_the_data_s_size_becomes_what_sample_makes_of_it(publish: Callable[[System], None]) -> None:
    photo, grey = save("photo.png", picture(16, 16)), save("grey.png", picture(16, 16, 1))
    publish(cyclegan())
    run("photo.png", "--to", "fake_b", "--out", "cycle")
    given = {"a": photo[None], "b": picture(16, 16, 1)[None]}
    assert np.array_equal(read("cycle/photo.png"), load_generator(paths.MODEL).sample(**given)["fake_b"][0])
    for norm in ("picture", "average"):
        publish(pix2pix(dropout_when_drawing=False, norm_when_drawing=norm))
        run("grey.png", "--out", norm)
        assert np.array_equal(read(f"{norm}/grey.png"), load_generator(paths.MODEL).sample(a=grey[None])[0])
    publish(stargan())
    run("photo.png", "--label", "bag", "--out", "star")
    assert np.array_equal(read("star/photo.png"), load_generator(paths.MODEL).sample(label="bag", image=photo[None])[0])
    publish(enlarger(side=16, noise=True))
    run("photo.png", "--seed", "3", "--out", "noisy")
    assert np.array_equal(read("noisy/photo.png"), load_generator(paths.MODEL).sample(seed=3, low=photo[None])[0])


def test_a_file_depends_on_the_picture_and_the_seed_and_not_on_its_neighbours(
    publish: Callable[[System], None],
) -> None:
    publish(pix2pix(side=32))  # from this size on it has layers with dropout
    for name in ("a", "b"):
        save(f"in/{name}.png", picture(20, 30, 1))
    run("in", "--out", "both")
    run("in/b.png", "--out", "alone")
    run("in/b.png", "--out", "other", "--seed", "1")
    assert Path("both/b.png").read_bytes() == Path("alone/b.png").read_bytes()
    assert not np.array_equal(read("other/b.png"), read("both/b.png")), "dropout is the noise"


def test_options_for_drawing_are_set_by_name(publish: Callable[[System], None]) -> None:
    publish(pix2pix(side=32))
    grey = save("grey.png", picture(32, 32, 1))
    run("grey.png", "--out", "out", "--option", "dropout_when_drawing=false", "--option", "norm_when_drawing=average")
    plain = {"dropout_when_drawing": False, "norm_when_drawing": "average"}
    expected = load_generator(paths.MODEL, plain).sample(a=grey[None])
    assert np.array_equal([read("out/grey.png")], expected)
    assert "features is no option of pix2pix" in refusal("grey.png", "--out", "x", "--option", "features=2")
    for wrong in ("features", "features=", "features=[", "=\t"):
        assert "name=value is needed" in refusal("grey.png", "--out", "x", "--option", wrong)


def test_pictures_are_read_by_the_rules_of_packing(publish: Callable[[System], None]) -> None:
    publish(enlarger())
    grey = save("in/grey.png", picture(9, 7, 1))
    deep = RANDOM.integers(0, 65536, (9, 7), np.uint16)
    save("in/deep.png", deep)
    clear = save("in/clear.png", picture(9, 7, 4))
    turned = save("in/turned.tif", picture(9, 7), exif=orientation(6))
    run("in", "--out", "out")
    assert np.array_equal(read("out/grey.png"), grey.repeat(3, 2))
    assert np.array_equal(read("out/deep.png"), (deep >> 8).astype(np.uint8)[..., None].repeat(3, 2))
    assert np.array_equal(read("out/turned.png"), np.rot90(turned, -1))
    alpha = clear[..., 3:] / 255
    assert np.abs(read("out/clear.png") - (clear[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    publish(enlarger(channels=1))
    colour = save("colour.png", picture(9, 7))
    run("colour.png", "--out", "greys")
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read("greys/colour.png")[..., 0] - luma).max() <= 1


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def test_files_of_one_stem_are_refused_before_anything_is_written(publish: Callable[[System], None]) -> None:
    publish(enlarger())
    save("in/a.png", picture(4, 4))
    save("in/a.bmp", picture(4, 4))
    assert refusal("in", "--out", "out") == (
        "in/a.bmp and in/a.png would both become out/a.png; give them folders of their own"
    )
    assert not Path("out").exists()
    assert "1 pictures made" in run("in/a.png", "in/a.png", "--out", "out"), "the same file twice is one"


def test_nothing_is_replaced_unless_it_is_asked_for(publish: Callable[[System], None]) -> None:
    publish(enlarger())
    for name in ("a", "b", "c"):
        save(f"in/{name}.png", picture(4, 4))
    for name in ("a", "c"):
        save(f"out/{name}.png", picture(4, 4))
    before = files()
    assert refusal("in", "--out", "out") == (
        "out/a.png and 1 more: there already; name another folder with --out, or replace them with --force"
    )
    line = "in/a.png: is one of the pictures to translate; name another folder with --out"
    assert refusal("in", "--out", "in", "--force") == line
    assert "belongs to the pipeline" in refusal("in", "--out", "data/mine", "--force")
    assert files() == before
    run("in", "--out", "out", "--force")
    assert all(np.array_equal(read(f"out/{name}.png"), read(f"in/{name}.png")) for name in ("a", "b", "c"))


def test_a_file_that_cannot_be_used_is_told_and_the_others_are_made(publish: Callable[[System], None]) -> None:
    publish(enlarger())
    save("in/good.png", picture(5, 6))
    save("in/large.png", picture(50, 60))
    save("in/.hidden.png", picture(5, 6))
    save("in/deeper/other.png", picture(5, 6))
    encoded = io.BytesIO()
    Image.fromarray(picture(40, 40)).save(encoded, "JPEG")
    Path("in/cut.jpg").write_bytes(encoded.getvalue()[:300])
    Path("in/empty.png").touch()
    Path("in/notes.txt").write_text("no picture")
    result = CliRunner().invoke(
        app, ["apply", "data/model", "in", "gone.png", "in/notes.txt", "--out", "out", "--max-pixels", "2999"]
    )
    assert result.exit_code == 1
    told = result.stdout.splitlines()
    assert told[0] == "in: left out 1 .txt, 1 folders: no pictures in a format that is read"
    assert told[1].startswith("in/cut.jpg cannot be decoded: ")
    assert told[2:] == [
        "in/empty.png is empty",
        "in/large.png is 60 x 50 = 3000 pixels, more than --max-pixels = 2999",
        "gone.png cannot be read: No such file or directory",
        "in/notes.txt is no image in a known format",
    ]
    assert result.stderr.splitlines()[-1] == (
        "Error: out: 1 pictures made by Generator(enlarger, 8 x 8 colour images, trained on toys); "
        "5 of 6 files could not be used, see above"
    )
    assert [path.name for path in Path("out").iterdir()] == ["good.png"]
    Path("none").mkdir()
    assert refusal("none", "--out", "out", code=1) == "none: no pictures in a format that is read"


def test_the_wanted_output_is_named_where_there_are_several(publish: Callable[[System], None]) -> None:
    publish(cyclegan())
    system = load_generator(paths.MODEL).system
    photo, grey = save("photo.png", picture(20, 24)), save("grey.png", picture(20, 24, 1))
    with torch.no_grad():
        b, a = (
            to_uint8(system.translators[name](to_float(torch.from_numpy(given)[None])))[0].numpy()  # type: ignore[index]
            for name, given in (("b", photo), ("a", grey))
        )
    for wanted in ("fake_b", "b"):
        run("photo.png", "--to", wanted, "--out", wanted)
        assert np.array_equal(read(f"{wanted}/photo.png"), b)
    run("grey.png", "--to", "a", "--out", "back")
    assert np.array_equal(read("back/grey.png"), a)
    there = "fake_b (like b), fake_a (like a)"
    assert refusal("photo.png", "--out", "out") == f"this generator makes several pictures: name one with --to: {there}"
    assert refusal("photo.png", "--out", "out", "--to", "c") == f"--to c: not one of: {there}"
    publish(pix2pix())
    run("photo.png", "--to", "translated", "--out", "out")
    assert refusal("photo.png", "--out", "more", "--to", "a") == "--to a: not one of: translated (like b)"


def test_a_file_of_each_class_or_of_the_one_that_is_named(publish: Callable[[System], None]) -> None:
    publish(stargan())
    photo = save("photo.png", picture(16, 16))
    run("photo.png", "--out", "all")
    run("photo.png", "--out", "one", "--label", "bag")
    assert sorted(path.name for path in Path("all").iterdir()) == ["photo_T-shirt-top.png", "photo_bag.png"]
    for file, name in (
        ("all/photo_T-shirt-top.png", "T-shirt/top"),
        ("all/photo_bag.png", "bag"),
        ("one/photo.png", "bag"),
    ):
        assert np.array_equal(read(file), load_generator(paths.MODEL).sample(label=name, image=photo[None])[0])
    assert refusal("photo.png", "--out", "out", "--label", "cow") == (
        "label = 'cow' is unknown; the classes 0..1 are T-shirt/top, bag"
    )
    assert not Path("out").exists()


def test_attributes_are_off_unless_they_are_named(publish: Callable[[System], None]) -> None:
    publish(stargan("attributes"))
    photo = save("photo.png", picture(16, 16))

    def expected(smiling: bool, hat: bool) -> np.ndarray:
        asked = {"Smiling": smiling, "Hat": hat}
        return load_generator(paths.MODEL).sample(attributes=asked, image=photo[None])[0]

    run("photo.png", "--out", "none")
    run("photo.png", "--out", "hat", "--on", "Hat", "--off", "Smiling")
    run("photo.png", "--out", "both", "--on", "Hat", "--on", "Smiling")
    assert np.array_equal(read("none/photo.png"), expected(False, False))
    assert np.array_equal(read("hat/photo.png"), expected(False, True))
    assert np.array_equal(read("both/photo.png"), expected(True, True))
    assert not np.array_equal(read("none/photo.png"), read("hat/photo.png"))
    assert refusal("photo.png", "--out", "x", "--on", "Cow") == "attribute 'Cow' is unknown; there are Smiling, Hat"
    assert (
        refusal("photo.png", "--out", "x", "--on", "Hat", "--off", "Hat") == "--on Hat and --off Hat: one or the other"
    )
    assert "takes no label (StarGAN)" in refusal("photo.png", "--out", "x", "--label", "Hat")


def test_a_generator_that_cannot_be_given_one_picture_says_so(publish: Callable[[System], None]) -> None:
    save("photo.png", picture(8, 8))
    lines = {
        "draw from it with `ganpipe sample`": obedient("label"),
        "this generator (Enlarger) is given tokens (words); apply gives it pictures only": enlarger(also="words"),
        "this generator (Enlarger) makes image of several pictures (low, other); apply gives it one": enlarger(
            also="other"
        ),
    }
    for line, system in lines.items():
        publish(system)
        assert refusal("photo.png", "--out", "out").endswith(line)
    assert not Path("out").exists()


def test_a_generator_of_one_size_takes_no_other(publish: Callable[[System], None]) -> None:
    publish(enlarger(multiple=None))
    save("in/fits.png", picture(8, 8))
    save("in/wide.png", picture(8, 9))
    result = CliRunner().invoke(app, ["apply", "data/model", "in", "--out", "out"])
    assert result.exit_code == 1
    assert result.stdout == "in/wide.png is 9 x 8 pixels, and this generator takes 8 x 8 pixels only\n"
    assert [path.name for path in Path("out").iterdir()] == ["fits.png"]


def test_lack_of_memory_and_numbers_that_are_not_finite_are_told_of_the_picture(
    publish: Callable[[System], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(enlarger())
    save("in/large.png", picture(40, 30))
    save("in/odd.png", np.zeros((8, 8, 3), np.uint8))
    save("in/small.png", np.full((8, 4, 3), 99, np.uint8))
    usual = Enlarger.generate

    def generate(system: Enlarger, inputs: Batch) -> Batch:
        if inputs["photo"].shape[2] > 8:
            torch.empty(1 << 55)  # the error of the real allocator
        return {"image": usual(system, inputs)["image"].log1p()}  # that of black is infinite

    monkeypatch.setattr(Enlarger, "generate", generate)
    result = CliRunner().invoke(app, ["apply", "data/model", "in", "--out", "out"])
    assert result.exit_code == 1, result.output
    large, odd = result.stdout.splitlines()
    assert large == (
        "in/large.png is 30 x 40 pixels, and the generator needs more memory for it than there is: make it smaller"
    )
    assert odd.startswith("in/odd.png cannot be translated: 1 of 1 generated images hold non-finite pixels")
    assert [path.name for path in Path("out").iterdir()] == ["small.png"]


def test_a_file_appears_whole_or_not_at_all(publish: Callable[[System], None], monkeypatch: pytest.MonkeyPatch) -> None:
    publish(enlarger())
    for name in ("a", "b", "c"):
        save(f"in/{name}.png", picture(4, 4))
    usual, written = Image.Image.save, []

    def failing(image: Image.Image, path: Path, **options: Any) -> None:
        usual(image, path, **options)
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", failing)
    assert CliRunner().invoke(app, ["apply", "data/model", "in", "--out", "out"]).exit_code == 130
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]
