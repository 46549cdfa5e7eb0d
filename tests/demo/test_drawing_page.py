"""The page of generators that are given nothing, in a browser: what it shows is what `Generator.sample` draws."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import browser
import numpy as np
import pytest
from demo.pages import SECONDS, drag, eventually, group, is_shown, is_told, opened, shown
from demo.published import published
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from ganpipe import recipes
from ganpipe.config import load_params
from ganpipe.demo import limits
from ganpipe.demo.drawing import SIDE, STEPS
from ganpipe.demo.page import running
from ganpipe.pictures import sheet
from ganpipe.rolls import piano_rolls
from ganpipe.sampling.draw import render, rows
from ganpipe.sampling.latent_pictures import THRESHOLDS
from ganpipe.sampling.music import draw_music
from ganpipe.sampling.pictures import PLANS
from ganpipe.sampling.published import Generator, load_generator

FIRST = 16


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Generator]]]:
    """The address of a page, and its generators: two of classes, one of attributes, one of music."""
    with published(tmp_path_factory.mktemp("models"), "painter", "dimmer", "faces", "composer") as folders:
        generators = [load_generator(folder) for folder in folders]
        with running(folders) as (address, _):
            yield address, generators


@pytest.fixture(scope="module")
def chromium(served: tuple[str, list[Generator]]) -> Iterator[Browser]:
    """The browser of this file; the server is started before, since it has an event loop of its own."""
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def page(served: tuple[str, list[Generator]], chromium: Browser) -> Iterator[Page]:
    """One tab for all tests of this file, each of which sets what it needs."""
    with opened(chromium, served[0]) as tab:
        yield tab


@pytest.fixture
def models(served: tuple[str, list[Generator]]) -> list[Generator]:
    return served[1]


def draws(page: Page, number: int = 0) -> Locator:
    """A group of models, with its draw in sight."""
    found = group(page, number)
    found.get_by_role("tab", name="Draw").click()
    return found


def set_seed(place: Locator, seed: str, label: str = "Seed") -> None:
    place.get_by_label(label, exact=True).and_(place.page.locator(":visible")).fill(seed)


def seed_of(place: Locator, label: str = "Seed") -> int:
    return int(place.get_by_label(label, exact=True).and_(place.page.locator(":visible")).input_value())


def choose(place: Locator, label: str, option: str) -> None:
    place.get_by_label(label, exact=True).and_(place.page.locator(":visible")).click()
    place.page.get_by_role("option", name=option).last.click()
    place.page.keyboard.press("Tab")


def slider(place: Locator, label: str) -> Locator:
    return place.locator(".block:visible", has_text=label).locator("input[type=range]:visible").first


def test_both_models_are_drawn_side_by_side_from_one_seed(page: Page, models: list[Generator]) -> None:
    place = draws(page)
    for seed in ("0", "7"):
        set_seed(place, seed)
        for number, model in enumerate(models[:2]):
            is_shown(place, "Drawn", sheet(model.sample(FIRST, seed=int(seed))), number)
    left, right = (place.locator(".ganpipe-picture:visible").nth(number).bounding_box() for number in (0, 1))
    assert left and right and left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]


def test_music_is_shown_as_piano_rolls(page: Page, models: list[Generator]) -> None:
    place = draws(page, 2)
    set_seed(place, "5")
    is_shown(place, "Drawn", sheet(piano_rolls(models[3].sample(FIRST, seed=5))))


def test_music_is_played_and_downloaded(page: Page, models: list[Generator], tmp_path: Path) -> None:
    place = draws(page, 2)
    set_seed(place, "6")
    is_shown(place, "Drawn", sheet(piano_rolls(models[3].sample(FIRST, seed=6))))
    draw_music(models[3].system, None, 6, tmp_path / "music")
    for number in (1, 7):
        if number > 1:  # its roll is the third one in the second of four rows
            rolls = place.locator(".ganpipe-picture:visible img")
            size = rolls.bounding_box()
            assert size
            rolls.click(position={"x": 0.6 * size["width"], "y": 0.4 * size["height"]})
        files = [tmp_path / "music" / f"{number - 1:02d}{suffix}" for suffix in (".wav", ".mid")]
        eventually(lambda file=files[0]: sound(place) == file.read_bytes())
        with page.expect_download() as download:
            place.get_by_role("button", name="Download as MIDI").and_(page.locator(":visible")).click()
        assert download.value.suggested_filename == f"piece-{number}.mid"
        assert Path(download.value.path()).read_bytes() == files[1].read_bytes()
    assert place.get_by_label("range slider for Piece").locator("visible=true").input_value() == "7"
    place.get_by_role("button", name="Play", exact=True).locator("visible=true").click()
    place.get_by_role("button", name="Pause", exact=True).locator("visible=true").wait_for()
    eventually(lambda: place.locator("#time:visible").inner_text() != "0:00")


def sound(place: Locator) -> bytes | None:
    """The sound that can be downloaded; None: there is none yet."""
    links = place.locator("a.download-link[download$='.wav']:visible")
    return place.page.request.get(links.get_attribute("href") or "").body() if links.count() else None


def test_the_number_of_pictures_is_dragged(page: Page, models: list[Generator]) -> None:
    place = draws(page)
    set_seed(place, "3")
    drag(slider(place, "Pictures"), (FIRST - 1) / 63, 0.5)
    count = int(slider(place, "Pictures").input_value())
    assert 25 < count < 40
    is_shown(place, "Drawn", sheet(models[0].sample(count, seed=3)))
    slider(place, "Pictures").fill(str(FIRST))


def test_fifty_quick_clicks_leave_it_responsive(page: Page, models: list[Generator]) -> None:
    place = draws(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    set_seed(place, "1")
    button = place.get_by_role("button", name="New draw").and_(page.locator(":visible"))
    button.evaluate("button => { for (let click = 0; click < 50; click++) button.click() }")
    eventually(lambda: seed_of(place) != 1)
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=seed_of(place))))
    assert len(asked) < 50
    start = time.monotonic()
    set_seed(place, "2")
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=2)))
    assert time.monotonic() - start < SECONDS / 2


@pytest.mark.parametrize("threshold", [THRESHOLDS[0], THRESHOLDS[-1]])
def test_truncated_latents_are_those_of_the_picture_truncation(
    page: Page, models: list[Generator], threshold: float
) -> None:
    place, system = draws(page), models[0].system
    set_seed(place, "5")
    place.get_by_role("radio", name=f"{threshold:g}", exact=True).click()
    cfg = load_params(recipes.path_of("digits-dcgan")).sample.model_copy(update={"grid": FIRST, "seed": 5})
    row = 1 + THRESHOLDS.index(threshold)
    inputs = rows(PLANS["truncation"](system, cfg, None).inputs, row * FIRST, (row + 1) * FIRST)
    is_shown(place, "Drawn", sheet(render(system, inputs, 5)["image"]))
    place.get_by_role("radio", name="as drawn").click()


def test_a_class_is_chosen(page: Page, models: list[Generator]) -> None:
    place = draws(page)
    set_seed(place, "4")
    choose(place, "Class", "fox")
    for number, model in enumerate(models[:2]):
        is_shown(place, "Drawn", sheet(model.sample(FIRST, seed=4, label="fox")), number)
    choose(place, "Class", "any")
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=4)))


def test_a_walk_goes_from_one_seed_to_the_other(page: Page, models: list[Generator]) -> None:
    place = group(page)
    place.get_by_role("tab", name="Walk").click()
    choose(place, "Class", "dog")
    set_seed(place, "8", "From seed")
    set_seed(place, "9", "To seed")
    ends = {seed: sheet(models[0].sample(1, seed=seed, label="dog"), 1) for seed in (8, 9)}
    drag(slider(place, "Place on the way"), 0.5, 0.0)
    is_shown(place, "Here", ends[8])
    middle = slider(place, "Place on the way")
    drag(middle, 0.01, 0.99)
    is_shown(place, "Here", ends[9])
    way = shown(place, "The whole way")
    assert way is not None
    width = (way.shape[1] - 2) // STEPS
    for seed, step in ((8, 0), (9, STEPS - 1)):
        left = step * width
        assert np.array_equal(way[:, left : left + width + 2], np.asarray(ends[seed]))


def test_a_map_has_the_first_latents_in_its_corners_and_shows_the_place_that_is_clicked(
    page: Page, models: list[Generator]
) -> None:
    place = group(page)
    place.get_by_role("tab", name="Map").click()
    choose(place, "Class", "cat")
    set_seed(place, "6")
    corners = models[1].sample(4, seed=6, label="cat")
    picture = place.locator(".ganpipe-picture:visible", has_text="Map").nth(1).locator("img")
    eventually(lambda: np.array_equal(corner(place, 0, 0), corners[0]))
    for number, (down, across) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        assert np.array_equal(corner(place, down, across), corners[number])
        if down == across:
            continue
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        assert box
        page.mouse.click(
            box["x"] + box["width"] * (0.05 + 0.9 * across), box["y"] + box["height"] * (0.05 + 0.9 * down)
        )
        is_shown(place, "Here", sheet(corners[number : number + 1], 1), 1)


def corner(place: Locator, down: int, across: int) -> np.ndarray | None:
    """A corner of the map of the second model, its pixels as the generator made them."""
    pixels = shown(place, "Map", 1)
    if pixels is None:
        return None
    size = (pixels.shape[0] - 2) // SIDE
    top, left = down * (SIDE - 1) * size + 2, across * (SIDE - 1) * size + 2
    return pixels[top : top + size - 2 : 8, left : left + size - 2 : 8, np.newaxis]


def test_attributes_are_turned_on_and_off(page: Page, models: list[Generator]) -> None:
    place = draws(page, 1)
    set_seed(place, "2")
    choose(place, "Attributes on", "cat")
    choose(place, "Attributes off", "fox")
    is_shown(place, "Drawn", sheet(models[2].sample(FIRST, seed=2, attributes={"cat": True, "fox": False})))
    choose(place, "Attributes off", "cat")
    is_told(page, "--on cat and --off cat: one or the other")


def test_a_bad_seed_is_told_in_one_line(page: Page, models: list[Generator]) -> None:
    place = draws(page)
    for seed in ("1.5", ""):  # all others: test_demo_command.py
        set_seed(place, seed)
        is_told(page, f"seed = {seed or 'blank'}: a whole number from 0 to 4294967295 is needed")
    set_seed(place, "1")
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=1)))


def test_a_draw_that_takes_too_long_is_ended(
    page: Page, models: list[Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = draws(page)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "SECONDS", 0)
        set_seed(place, "11")
        is_told(page, "not done after 0 seconds: ask for fewer or smaller pictures")
        eventually(lambda: shown(place, "Drawn") is None)
    set_seed(place, "12")
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=12)))


def test_what_is_shown_can_be_downloaded(page: Page, models: list[Generator], tmp_path: Path) -> None:
    place = draws(page)
    set_seed(place, "13")
    is_shown(place, "Drawn", sheet(models[0].sample(FIRST, seed=13)))
    with page.expect_download() as download:
        place.get_by_role("button", name="Download").and_(page.locator(":visible")).first.click()
    assert download.value.suggested_filename.endswith(".png")
    with Image.open(download.value.path()) as picture:
        assert np.array_equal(picture, sheet(models[0].sample(FIRST, seed=13)))


def test_a_narrow_window_has_all_below_each_other(
    served: tuple[str, list[Generator]], chromium: Browser, models: list[Generator]
) -> None:
    with opened(chromium, served[0], width=360) as page:
        place = group(page)
        is_shown(place, "Drawn", sheet(models[1].sample(FIRST, seed=0)), 1)
        for name in ("Walk", "Map"):
            place.get_by_role("tab", name=name).click()
            eventually(lambda: shown(place, "Here") is not None)
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
