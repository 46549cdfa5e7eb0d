"""The published weights as text: a table of all, and a card of one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import InWheel, Published
from ganpipe.files import readable_size
from ganpipe.paths import state_dir
from ganpipe.pretrained.fetch import lookup
from ganpipe.pretrained.table import TABLE, Weights

_WIDTH = 100  # columns of text beside the titles


def table() -> list[str]:
    """Return one aligned line per entry, below a line of titles, and a line on random weights."""
    rows = [("name", "size", "here", "what it is"), *(map(_row, TABLE.values()))]
    rows.append(("random-SEED", "-", "-", "VGG19 with random weights: compares with nothing, not with another seed"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{name:<{widths[0]}}  {size:>{widths[1]}}  {here:<{widths[2]}}  {title}" for name, size, here, title in rows
    ]


def card(name: str) -> list[str]:
    """Return all that is known of published weights. Raises `ConfigError` where the name is unknown."""
    entry = lookup(name)
    facts = [
        (entry.name, entry.title),
        ("from", entry.source),
        ("licence", entry.licence),
        ("cite", entry.citation),
        ("expects", entry.expects),
        ("layers", ", ".join(entry.layers)),
        *(("features" if number == 0 else "", remark) for number, remark in enumerate(entry.remarks)),
        *(fact for file in entry.files for fact in _file(file)),
    ]
    return [line for title, text in facts for line in _wrapped(title, text)]


def _row(entry: Weights) -> tuple[str, str, str, str]:
    size = sum(file.size or 0 for file in entry.files)
    folder = state_dir() / "weights" / entry.name
    here = all((folder / file.name).is_file() for file in entry.files)
    return entry.name, readable_size(size), "yes" if here else "no", entry.title


def _file(file: RawFile) -> Iterator[tuple[str, str]]:
    yield "file", f"{file.name}  {file.size:,} bytes"
    yield "", f"sha256 {file.sha256}"
    if isinstance(file.origin, InWheel):
        yield "", f"{file.origin.member} in the wheel {file.origin.requirement}"
    if isinstance(file.origin, InWheel | Published):
        yield from (("", url) for url in file.origin.urls)


def _wrapped(title: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{title if number == 0 else '':<10}{line}" for number, line in enumerate(lines)]
