"""The browser that pages are tested in; as a command it exits with 1 where there is none."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find(own: str) -> str | None:
    """Return the program of a browser: one of the system, or playwright's `own` if it has been installed."""
    installed = [path for name in NAMES if (path := shutil.which(name))]
    return next(iter([*installed, *([own] if Path(own).exists() else [])]), None)


@contextmanager
def running() -> Iterator[Browser]:
    """Start a browser for the tests of a file: to start one takes longer than to open a page.

    It is not shared by more tests than these: while one runs, no event loop of asyncio can.
    """
    with sync_playwright() as playwright:
        program = find(playwright.chromium.executable_path)
        assert program, "no browser to open pages in: `apt-get install chromium`, or `playwright install chromium`"
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int, scripts: bool = True) -> Iterator[tuple[Page, list[str]]]:
    """Open a file, and collect all it complains of on the console, and every address it asks for beside its own."""
    context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = file.resolve().as_uri()
    page.on("request", lambda request: complaints.append(request.url) if _is_foreign(request.url, address) else None)
    page.goto(address)
    yield page, complaints
    context.close()


def _is_foreign(url: str, own: str) -> bool:
    return url != own and not url.startswith("data:")


if __name__ == "__main__":
    with sync_playwright() as here:
        sys.exit(find(here.chromium.executable_path) is None)
