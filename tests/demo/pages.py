"""How tests use the page: a tab that listens for complaints, and pictures as they can be downloaded."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

SECONDS = 60  # that a busy machine may need for an answer


@contextmanager
def opened(browser: Browser, address: str, width: int = 1400) -> Iterator[Page]:
    """Open the page in a tab; afterwards it must have asked no other host for anything, and not have complained."""
    context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
    page, complaints = context.new_page(), []
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = (address, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
    page.goto(address)
    yield page
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert not complaints
    context.close()


def group(page: Page, number: int = 0) -> Locator:
    """The models that share controls."""
    return page.locator(".ganpipe-group").nth(number)


def shown(place: Locator, label: str, number: int = 0) -> np.ndarray | None:
    """The pixels of the picture of this label that can be downloaded; None: there is none yet."""
    links = place.locator(".ganpipe-picture:visible", has_text=label).nth(number).locator("a.download-link")
    if not links.count():
        return None
    answer = place.page.request.get(links.get_attribute("href") or "")
    return np.asarray(Image.open(io.BytesIO(answer.body()))) if answer.ok else None  # gone: another one is being drawn


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.1)


def is_shown(place: Locator, label: str, expected: Image.Image | np.ndarray, number: int = 0) -> None:
    """Wait until the picture of this label has exactly these pixels."""
    wanted = np.asarray(expected)
    eventually(lambda: np.array_equal(shown(place, label, number), wanted))


def is_told(page: Page, text: str) -> None:
    """Wait for a message with this text, and close all."""
    page.locator(".toast-body", has_text=text).first.wait_for()
    page.evaluate("document.querySelectorAll('.toast-close').forEach(button => button.click())")
    page.locator(".toast-body").first.wait_for(state="detached")


def drag(slider: Locator, start: float, end: float) -> None:
    """Drag with the mouse along a slider, from one share of its width to another."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    mouse, middle = slider.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + start * box["width"], middle)
    mouse.down()
    mouse.move(box["x"] + (start + end) / 2 * box["width"], middle)
    mouse.move(box["x"] + end * box["width"], middle)
    mouse.up()
