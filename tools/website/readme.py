"""Pages made of README.md and CHANGELOG.md, and links that lead to the right page of the site.

README.md stays the only place of what it says: each of its sections becomes a page, or a part of the start page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
PAGES: Mapping[str, tuple[str, ...]] = {
    "index.md": ("", "Start", "What comes out, and where", "Experiments", "Data", "Limits"),
    "your-own-pictures.md": ("Your own pictures",),
    "systems.md": ("Systems",),
    "pictures-from-texts.md": ("Pictures from texts",),
    "pictures-from-pictures.md": ("Pictures from pictures",),
}
"""The sections of README.md on each page, by their titles; "" is what stands before the first."""
ELSEWHERE = {"Adding a system": "adding-a-system.md"}
"""Sections that only lead to a page."""
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def pages() -> dict[str, str]:
    """Return the pages made of README.md and CHANGELOG.md, by path. Raises `ValueError` for a section without page."""
    found = sections()
    if unknown := found.keys() - {title for titles in PAGES.values() for title in titles} - ELSEWHERE.keys():
        raise ValueError(f"README.md: no page of the site holds the section {', '.join(sorted(unknown))}")
    made = {}
    for page, titles in PAGES.items():
        text = "".join(found[title] for title in titles)
        made[page] = text if page == "index.md" else re.sub(r"^#(#+ )", r"\1", text, flags=re.MULTILINE)
    made["changelog.md"] = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    return made


def sections() -> dict[str, str]:
    """Return the sections of README.md by their titles, each with its heading."""
    parts = re.split(r"^(?=## )", (REPOSITORY / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.splitlines()[0].removeprefix("## ") if part.startswith("## ") else "": part for part in parts}


def linked(text: str, page: str) -> str:
    """Return the Markdown of a page with links that hold on the site.

    `page` is its path on the site. A page that is made of a file at the top of the repository has links relative to
    that, all others relative to docs. Code stays as it is.
    """
    at_top = page in PAGES or page in ("changelog.md", "gallery.md")
    base = "" if at_top else posixpath.join("docs", posixpath.dirname(page))

    def moved(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        target = posixpath.normpath(posixpath.join(base, path)) if path else ("README.md" if at_top else "")
        return f"]({_relative(_on_site(target, anchor), page)})" if target else match[0]

    parts = _FENCE.split(text.replace("<details>", '<details markdown="1">'))  # Markdown in it, as on a git host
    return "".join(part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts))


def _on_site(target: str, anchor: str) -> str:
    """Return the path on the site of a file of the repository, with the anchor."""
    if target == "README.md":
        return _page_of(anchor.removeprefix("#"))
    if target == "CHANGELOG.md":
        return f"changelog.md{anchor}"
    if target.startswith("docs/"):
        return target.removeprefix("docs/") + anchor
    module = target.removesuffix(".py").removesuffix("/__init__").strip("/").split("/")
    if module[0] == "ganpipe":
        return f"reference/{module[1]}.md#{'.'.join(module)}"
    raise ValueError(f"a link leads to {target}, which has no page on the site")


def _page_of(anchor: str) -> str:
    """Return the page that holds the section of README.md with this anchor."""
    for page, titles in PAGES.items():
        for title in titles:
            slug = re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")
            if slug == anchor:
                return page if slug == "" or page != "index.md" else f"{page}#{anchor}"
    raise ValueError(f"README.md has no section #{anchor}")


def _relative(target: str, page: str) -> str:
    path, hash_, anchor = target.partition("#")
    return posixpath.relpath(path, posixpath.dirname(page) or ".") + hash_ + anchor
