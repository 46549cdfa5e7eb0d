"""The site is whole: it builds without a warning, its links hold, and it opens from the disk without network."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from conftest import REPOSITORY
from docs_site import Read, broken, build
from playwright.sync_api import Browser, Page

from ganpipe import recipes
from ganpipe.systems import SYSTEMS

OPENED = ("index", "gallery", "params", "commands", "course/03-the-value", "reference/losses")
WIDTHS = (360, 1400)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Read]:
    """All pages that a reader can come to."""
    return {file: Read(file) for file in site.rglob("*.html") if file.name != "404.html"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    with browser.running() as started:
        yield started


def test_every_link_leads_to_a_file_and_an_anchor(pages: dict[Path, Read]) -> None:
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert not broken(pages)


def test_nothing_is_fetched_from_the_network(pages: dict[Path, Read]) -> None:
    fetched = [address for page in pages.values() for address in page.fetched]
    assert fetched and not [address for address in fetched if "//" in address]


def test_every_page_of_docs_is_in_the_navigation(site: Path, pages: dict[Path, Read]) -> None:
    index = site / "index.html"
    reached = {(site / link.partition("#")[0]).resolve() for link in pages[index].links if ":" not in link}
    assert {file.resolve() for file in pages} - reached == set()


def test_the_reference_shows_every_public_module(pages: dict[Path, Read]) -> None:
    anchors = {anchor for file, page in pages.items() if file.parent.name == "reference" for anchor in page.anchors}
    listed = ["git", "ls-files", "ganpipe/*.py"]
    files = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files}
    assert len(modules) > 150
    assert modules - {"ganpipe"} - anchors == set()


def test_the_listings_are_complete(site: Path, pages: dict[Path, Read]) -> None:
    assert set(recipes.names()) <= pages[site / "recipes.html"].anchors
    assert set(SYSTEMS) <= pages[site / "params.html"].anchors
    assert {"ganpipe-recipe-use", "ganpipe-check"} <= pages[site / "commands.html"].anchors


@pytest.mark.parametrize("name", OPENED)
def test_a_page_opens_from_the_disk_without_complaint(chromium: Browser, site: Path, name: str) -> None:
    for width in WIDTHS:
        page = _watched(chromium, width)
        page.goto((site / f"{name}.html").as_uri(), wait_until="load")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].filter(one => one.complete && !one.naturalWidth).length") == 0
        page.context.close()
        assert page.complaints == []  # type: ignore[attr-defined]


def test_the_search_finds_a_page_from_the_disk(chromium: Browser, site: Path) -> None:
    page = _watched(chromium, 1400)
    page.goto((site / "index.html").as_uri())
    page.fill("input[name=query]", "minibatch_std")
    page.wait_for_selector(".md-search-result__item a[href*='params.html']", state="attached", timeout=60_000)
    page.context.close()
    assert page.complaints == []  # type: ignore[attr-defined]


def _watched(chromium: Browser, width: int) -> Page:
    """A page that collects what it complains of, what it could not load, and what it asks the network for."""
    page = chromium.new_context(viewport={"width": width, "height": 800}).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.complaints = complaints  # type: ignore[attr-defined]
    return page
