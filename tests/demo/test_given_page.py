"""The page of generators that are given a picture or a caption, in a browser.

Pictures are those that `ganpipe apply` makes, what is drawn of captions is that of `Generator.sample`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
import requests
from demo.pages import drag, eventually, group, is_shown, is_told, opened, shown
from demo.published import published
from PIL import Image
from playwright.sync_api import Browser, Page

from ganpipe.demo.limits import UPLOAD_BYTES
from ganpipe.demo.page import running
from ganpipe.pictures import sheet
from ganpipe.sampling.apply import apply_to_files
from ganpipe.sampling.published import load_generator

DRAWINGS = 9
"""Pictures of a caption, unless somebody says how many."""


class Served:
    """A page with a generator of two outputs and its data, one that is told attributes, and one that draws captions."""

    def __init__(self, address: str, folder: Path, models: list[str], files: Path) -> None:
        self.address, self.folder, self.models, self.files = address, folder, models, files
        files.mkdir()

    def applied(self, model: int, picture: Path, name: str, **asked: Any) -> np.ndarray:
        """What `ganpipe apply` makes of a picture."""
        apply_to_files(Path(self.models[model]), [picture], self.files / name, force=True, **asked)
        return np.asarray(Image.open(self.files / name / f"{picture.stem}.png"))

    def drawn(self, caption: str, seed: int, count: int) -> Image.Image:
        """What the generator of captions draws of one."""
        return sheet(load_generator(self.models[2]).sample(count, seed=seed, prompts=[caption]))

    def example(self, number: int) -> Path:
        return self.folder / "examples" / "0" / f"example-{number}.png"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with (
        published(tmp_path_factory.mktemp("models"), "cycle", "star", "sketcher") as models,
        running(models) as (address, folder),
    ):
        yield Served(address, folder, models, tmp_path_factory.mktemp("files") / "made")


@pytest.fixture(scope="module")
def chromium(served: Served) -> Iterator[Browser]:
    """The browser of this file; the server is started before, since it has an event loop of its own."""
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def page(served: Served, chromium: Browser) -> Iterator[Page]:
    """One tab for all tests of this file, each of which chooses its picture."""
    with opened(chromium, served.address) as tab:
        yield tab


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph of a size that no training saw."""
    ramp = np.add.outer(np.arange(29), np.arange(37)).astype(np.uint8)
    pixels = np.stack([ramp * 3, ramp[::-1] * 3, np.full_like(ramp, 90)], axis=-1)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def upload(page: Page, file: Path, number: int = 0) -> None:
    """Choose a file of one's own; the one that is there is put away."""
    place = group(page, number)
    if not place.locator("input[type=file]").count():
        place.get_by_label("Clear").or_(place.get_by_label("Remove")).first.click()
    place.locator("input[type=file]").set_input_files(file)


def draw_caption(page: Page, caption: str) -> None:
    """Type a caption, and press the key that ends it."""
    box = group(page, 2).get_by_role("textbox")
    box.fill(caption)
    box.press("Enter")


def test_it_opens_with_an_example_of_the_test_split_and_another_can_be_chosen(page: Page, served: Served) -> None:
    place = group(page)
    is_shown(place, "Before and after", served.applied(0, served.example(1), "first", to="fake_b"))
    given = np.asarray(Image.open(served.example(1)))[np.newaxis]
    sampled = load_generator(served.models[0]).sample(a=given, b=np.zeros((1, 16, 16, 1), np.uint8))
    assert np.array_equal(shown(place, "Before and after"), sampled["fake_b"][0, ..., 0])
    place.get_by_role("button", name="Thumbnail 3").click()
    is_shown(place, "Before and after", served.applied(0, served.example(3), "third", to="fake_b"))
    assert place.get_by_text("example-3").count()


def test_one_of_several_outputs_is_chosen(page: Page, served: Served) -> None:
    place = group(page)
    place.get_by_role("button", name="Thumbnail 6").click()
    place.get_by_role("radio", name="fake_a").click()
    is_shown(place, "Before and after", served.applied(0, served.example(6), "back", to="fake_a"))
    place.get_by_role("radio", name="fake_b").click()
    is_shown(place, "Before and after", served.applied(0, served.example(6), "there", to="fake_b"))


def test_a_picture_of_any_size_is_uploaded(page: Page, served: Served, photo: Path) -> None:
    upload(page, photo)
    is_shown(group(page), "Before and after", served.applied(0, photo, "own", to="fake_b"))


def test_the_border_between_before_and_after_is_dragged(page: Page, served: Served) -> None:
    place = group(page)
    place.get_by_role("button", name="Thumbnail 1").click()
    is_shown(place, "Before and after", served.applied(0, served.example(1), "dragged", to="fake_b"))
    after = place.get_by_test_id("imageslider-image").nth(1)

    def hidden() -> float:
        """How much of the result is hidden at its left, in per cent."""
        found = re.search(r"inset\(0px 0px 0px ([\d.]+)%\)", after.get_attribute("style") or "")
        assert found
        return float(found[1])

    assert hidden() == 50
    drag(place.locator(".slider-wrap"), 0.5, 0.6)
    eventually(lambda: 55 < hidden() < 90)


def test_attributes_that_are_not_on_are_off(page: Page, served: Served, photo: Path) -> None:
    place = group(page, 1)
    upload(page, photo, 1)
    is_shown(place, "Before and after", served.applied(1, photo, "none"))
    place.get_by_label("Attributes on", exact=True).click()
    page.get_by_role("option", name="Hat").last.click()
    page.keyboard.press("Tab")
    is_shown(place, "Before and after", served.applied(1, photo, "hat", on=["Hat"]))


def test_corrupt_and_giant_pictures_are_told_in_one_line(
    page: Page, served: Served, photo: Path, tmp_path: Path
) -> None:
    half, giant, text = tmp_path / "half.jpg", tmp_path / "giant.png", tmp_path / "words.png"
    half.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    Image.new("1", (5000, 5000)).save(giant)
    text.write_text("no picture <b>at all</b>")
    for file, said in (
        (half, "half.jpg cannot be decoded: "),
        (giant, "giant.png is 5000 x 5000 = 25000000 pixels, more than this page's limit of 16777216"),
        (text, "words.png is no image in a known format"),
    ):
        upload(page, file)
        is_told(page, said)
    upload(page, photo)
    is_shown(group(page), "Before and after", served.applied(0, photo, "after", to="fake_b"))


def test_an_upload_of_50_megabytes_is_refused_and_leaves_nothing(
    page: Page, served: Served, photo: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(50 * 2**20)
    upload(page, large)
    is_told(page, "exceed")
    assert sum(file.stat().st_size for file in served.folder.rglob("*") if file.is_file()) < UPLOAD_BYTES
    with large.open("r+b") as file:  # past the page, which looks at the size before it sends anything
        file.truncate(UPLOAD_BYTES + 1)
        refused = requests.post(f"{served.address}gradio_api/upload", files={"files": file}, timeout=60)
    assert refused.status_code == 413
    assert sum(file.stat().st_size for file in served.folder.rglob("*") if file.is_file()) < UPLOAD_BYTES
    upload(page, photo)
    is_shown(group(page), "Before and after", served.applied(0, photo, "small", to="fake_b"))


def test_an_example_of_the_data_is_drawn_and_another_can_be_chosen(page: Page, served: Served) -> None:
    place = group(page, 2)
    box = place.get_by_role("textbox")
    shown_first = box.input_value()
    is_shown(place, "Drawn", served.drawn(shown_first, 0, DRAWINGS))
    others = place.get_by_role("button", name=re.compile("a (red|green|blue) picture, number"))
    captions = [text.strip() for text in others.all_inner_texts()]
    assert captions[0] == shown_first and len(captions) == len({*captions}) == 6
    others.nth(3).click()
    is_shown(place, "Drawn", served.drawn(captions[3], 0, DRAWINGS))
    assert box.input_value() == captions[3]


def test_a_caption_is_typed_and_drawn_with_a_seed_as_often_as_wanted(page: Page, served: Served) -> None:
    place = group(page, 2)
    place.get_by_label("Seed", exact=True).fill("3")
    draw_caption(page, "a red one, on blue")
    is_shown(place, "Drawn", served.drawn("a red one, on blue", 3, DRAWINGS))
    place.get_by_label("range slider for Pictures").fill("2")
    is_shown(place, "Drawn", served.drawn("a red one, on blue", 3, 2))
    with page.expect_download() as download:
        place.get_by_role("button", name="Download").click()
    with Image.open(download.value.path()) as picture:
        assert np.array_equal(picture, served.drawn("a red one, on blue", 3, 2))


def test_ten_thousand_words_and_none_are_told_in_one_line(page: Page, served: Served) -> None:
    place = group(page, 2)
    place.get_by_label("Seed", exact=True).fill("4")
    for caption, said in (
        ("apple " * 10_000, "60000 letters, more than this page's limit of 500"),
        (" ", "= blank: type"),
    ):
        draw_caption(page, caption)
        is_told(page, said)
    draw_caption(page, "a green one")
    is_shown(place, "Drawn", served.drawn("a green one", 4, 2))


def test_a_narrow_window_has_all_below_each_other(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 900})
    box, drawn = group(page, 2).get_by_role("textbox"), group(page, 2).locator(".ganpipe-picture")
    eventually(lambda: page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"))
    above, below = box.bounding_box(), drawn.bounding_box()
    assert above and below and above["y"] + above["height"] < below["y"]
    page.set_viewport_size({"width": 1400, "height": 900})
