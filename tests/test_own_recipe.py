"""`ganpipe recipe use --source --size`: what it writes runs at once, what will not do is refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_files import jpeg
from typer.testing import CliRunner

from ganpipe import params, paths, recipes
from ganpipe.cli import app
from ganpipe.config import Data, load_params, read_yaml
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError
from ganpipe.metrics import extractors
from ganpipe.recipes.own_data import checked_source


def use(*arguments: str) -> tuple[int, str]:
    """Call `ganpipe recipe use`; return its exit code and all it printed."""
    result = CliRunner().invoke(app, ["recipe", "use", *arguments])
    return result.exit_code, result.stdout + result.stderr


def refusal(*arguments: str) -> str:
    """Return the one line of a refused command, which leaves params.yaml as it was."""
    before = paths.PARAMS.read_bytes() if paths.PARAMS.exists() else None
    code, said = use(*arguments)
    assert code == 2
    assert said.count("\n") == 1
    assert (paths.PARAMS.read_bytes() if paths.PARAMS.exists() else None) == before
    return said.removeprefix("Error: ").rstrip()


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without params.yaml, beside a folder of pictures."""
    here = tmp_path / "checkout"
    (here / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    for number in range(12):
        (pictures / f"{number}.jpg").write_bytes(jpeg(seed=number))
    return here


@pytest.mark.parametrize("source", ["../my pictures", "absolute"])
def test_what_it_writes_can_be_packed_at_once(source: str) -> None:
    source = str(Path("../my pictures").resolve()) if source == "absolute" else source
    assert use("folder-dcgan", "--source", source, "--size", "32") == (
        0,
        "params.yaml is now the recipe folder-dcgan. Run `dvc repro`.\n"
        f"data.source: (blank) -> {source}\n"
        "data.size: 64 -> 32\n",
    )
    written = params.load()
    assert (written.data.source, written.data.size) == (source, 32)
    download(written.data, paths.RAW)
    pack(written.data, paths.RAW, paths.PACKED, 1)
    packed = Packed.open(paths.PACKED_FILE)
    assert (packed.count("items"), packed.fields["image"].shape) == (12, (3, 32, 32))


def test_it_keeps_every_comment_and_changes_no_other_value() -> None:
    use("folder-dcgan", "--source", "../my pictures", "--size", "32")
    theirs, ours = (file.read_text().splitlines() for file in (recipes.path_of("folder-dcgan"), paths.PARAMS))
    changed = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert [b.split(":")[0].strip() for _, b in changed] == ["source", "size"]
    assert all(a.partition("#")[2] == b.partition("#")[2] for a, b in changed)


@pytest.mark.parametrize(
    "name", ["a # b: c", "'quoted' \"twice\"", "größe 目", "- list", "true", "12", "%&*!|>{}[],@`"]
)
def test_a_folder_may_have_any_name(name: str) -> None:
    Path(name).mkdir()
    Path(name, "1.jpg").write_bytes(jpeg())
    assert use("folder-dcgan", f"--source={name}")[0] == 0
    assert params.load().data.source == name


def test_the_home_folder_and_params_elsewhere_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    use("folder-dcgan", "--source=~/my pictures")
    assert params.load().data.source == str(tmp_path / "my pictures")
    Path("other").mkdir()
    use("folder-dcgan", "--source", "../my pictures", "--params", "other/params.yaml")
    assert load_params(Path("other/params.yaml")).data.source == str(tmp_path / "my pictures")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source", "nowhere"), "--source nowhere: there is no such folder or file"),
        (("--source", "~nobody-of-this-name/x"), "--source ~nobody-of-this-name/x: there is no such folder or file"),
        (("--source", "empty"), "--source empty: there are no files in this folder, nor in its subfolders"),
        (
            ("--source", "https://example.org/x"),
            "--source https://example.org/x: data.name = 'folder' needs a folder or file on this machine",
        ),
        (
            ("--size", "50"),
            "recipe folder-dcgan: data.size = 50: images of 50x50 do not halve evenly to a side of 4 to 7; "
            "set data.size: 48 or 56",
        ),
    ],
)
def test_what_will_not_do_is_refused_before_anything_is_written(arguments: tuple[str, str], said: str) -> None:
    Path("empty/within").mkdir(parents=True)
    assert refusal("folder-dcgan", *arguments) == said
    use("digits-dcgan")
    assert refusal("folder-dcgan", *arguments) == said


def test_a_name_that_is_no_utf8_is_refused() -> None:
    name = os.fsdecode(b"p\xff")
    Path(name).mkdir()
    assert "there is no such folder or file" in refusal("folder-dcgan", "--source", name)


def test_a_folder_of_links_alone_is_not_empty() -> None:
    Path("links").mkdir()
    Path("links/all").symlink_to(Path("../my pictures").resolve())
    assert use("folder-dcgan", "--source", "links")[0] == 0


def test_published_sets_come_from_a_folder_that_holds_their_files() -> None:
    Path("flower_photos.tgz").write_bytes(b"")
    Path("celeba").mkdir()
    Path("celeba/list_attr_celeba.txt").write_bytes(b"")
    good = [
        ("flowers-gan", "flower_photos.tgz"), ("flowers-gan", "."), ("celeba-dcgan", "celeba"),
        ("celeba-dcgan", "celeba/list_attr_celeba.txt"), ("celeba-dcgan", "https://example.org/celeba"),
    ]  # fmt: skip
    for recipe, source in good:
        assert use(recipe, "--source", source)[0] == 0, (recipe, source)
        assert params.load().data.source == source
    assert refusal("celeba-dcgan", "--source", "../my pictures") == (
        "--source ../my pictures: holds none of the files of celeba: img_align_celeba.zip, list_attr_celeba.txt, "
        "list_eval_partition.txt; for pictures of your own there is folder-dcgan"
    )


def test_a_set_that_is_computed_comes_from_nowhere_and_has_no_size() -> None:
    assert refusal("pattern-1010", "--source", "../my pictures") == (
        "--source ../my pictures: data.name = 'pattern' is computed, not read from anywhere; for pictures of your own "
        "there is folder-dcgan"
    )
    assert refusal("pattern-1010", "--size", "32") == "--size 32: data.name = 'pattern' holds no pictures"


@pytest.mark.parametrize("name", ["folder", "paired_folders", "side_by_side", "unpaired_folders"])
def test_every_set_of_own_pictures_takes_a_folder(name: str) -> None:
    """Systems for pairs are to come; their recipes need nothing more than this."""
    data = Data(name=name)
    assert checked_source("../my pictures/", data, paths.PARAMS) == "../my pictures"
    with pytest.raises(ConfigError, match="no such folder"):
        checked_source("nowhere", data, paths.PARAMS)


@pytest.mark.parametrize("recipe", recipes.names())
def test_a_size_is_taken_or_refused_in_one_line_by_every_recipe(recipe: str) -> None:
    code, said = use(recipe, "--size", "64")
    if code:
        assert said.count("\n") == 1
    else:
        assert params.load().data.size == 64
    assert (code == 0) == (recipe not in ("pattern-1010", "chorales-crnngan", "folder-crnngan"))


# What protects the work of a person.


def test_what_a_command_wrote_is_replaced_with_a_word_about_it() -> None:
    use("folder-dcgan", "--source", "../my pictures", "--size", "32")
    _, said = use("folder-dcgan", "--source", "../my pictures")
    assert said.splitlines()[-1] == (
        "It replaces what `ganpipe recipe use folder-dcgan --source '../my pictures' --size 32` wrote."
    )
    assert use("digits-mlp")[0] == 0
    assert not Path("params.yaml.bak").exists()
    assert "It replaces" not in use("digits-mlp")[1]


def test_what_a_person_changed_after_it_is_kept() -> None:
    use("folder-dcgan", "--source", "../my pictures")
    mine = paths.PARAMS.read_text().replace("kimg: 240 ", "kimg: 480 ")
    paths.PARAMS.write_text(mine)
    assert "holds changes that are not committed" in refusal("folder-dcgan", "--source", "../my pictures")
    assert use("folder-dcgan", "--source", "../my pictures", "--force")[0] == 0
    assert Path("params.yaml.bak").read_text() == mine


def test_the_difference_shows_what_was_filled_in() -> None:
    use("folder-dcgan", "--source", "../my pictures")
    assert recipes.difference("folder-dcgan", paths.PARAMS) == ["data.source: (blank) -> ../my pictures"]


def test_without_a_source_it_says_what_is_missing() -> None:
    assert "Set data.source to the place of your pictures, or use --source" in use("folder-dcgan")[1]
    assert paths.PARAMS.read_bytes() == recipes.path_of("folder-dcgan").read_bytes()


@pytest.fixture
def without_lite0(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def hide() -> None:
        entry = extractors.Entry("lite0:Lite0Extractor", extra="lite0", packages=("a_package_that_is_not_there",))
        monkeypatch.setitem(extractors.EXTRACTORS, "lite0", entry)

    return hide


def test_an_extractor_that_is_not_installed_gives_way_to_pixel(without_lite0: Callable[[], None]) -> None:
    use("folder-dcgan")
    assert params.load().evaluate.extractors == ("lite0",)
    without_lite0()
    _, said = use("folder-dcgan", "--source", "../my pictures")
    assert "evaluate.extractors: ['lite0'] -> ['pixel']\n" in said
    assert "run `pip install 'ganpipe[lite0]'`" in said
    assert params.load().evaluate.extractors == ("pixel",)
    assert read_yaml(paths.PARAMS)["data"]["source"] == "../my pictures"
