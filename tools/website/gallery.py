"""The gallery: every recipe that has a picture, with what README.md says of it in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from readme import REPOSITORY, sections

from ganpipe import recipes

_PICTURES = REPOSITORY / "docs" / "pictures"
_NO_NUMBER = ("system", "source", "recipe")


def page() -> str:
    """Return the gallery as Markdown whose links are relative to the top of the repository."""
    parts = [
        "# Gallery",
        "What recipes drew, not chosen, with what README.md says of them. Distances compare on the same data alone: "
        "[Systems](README.md#systems), [scores](docs/metrics.md).",
        '<div class="grid cards" markdown>',
        *(_card(name) for name in shown()),
        "</div>",
    ]
    return "\n\n".join(parts) + "\n"


def shown() -> list[str]:
    """Return the recipes that have a picture."""
    return [name for name in recipes.names() if (_PICTURES / f"{name}.png").exists()]


def facts(name: str) -> list[str]:
    """Return what the tables of README.md say of a recipe. Raises `ValueError` where none of them names it."""
    found = [fact for text in sections().values() for table in tables(text) for fact in _facts(name, *table)]
    if not found:
        raise ValueError(f"README.md: no table names the recipe {name}, which has a picture: write its minutes there")
    return found


def _card(name: str) -> str:
    lines = [
        f"**{name}**",
        f"![{name}](docs/pictures/{name}.png)",
        recipes.title_of(name),
        *facts(name),
        f"```bash\nganpipe recipe use {name} && dvc repro\n```",
    ]
    first, *rest = "\n\n".join(lines).splitlines()
    return "\n".join([f"-   {first}", *(f"    {line}".rstrip() for line in rest)])


def _facts(name: str, header: list[str], *rows: list[str]) -> Iterator[str]:
    """Yield what a table says of a recipe: its header, if it is one of pictures, and its rows."""
    yield from (cell for cell in header if cell.startswith(f"`{name}`,"))
    for row in rows:
        if any(_names(cell, name) for cell in row):
            pairs = zip(header, row, strict=True)
            numbers = [f"{title} {cell}" for title, cell in pairs if cell and title not in _NO_NUMBER]
            yield row[1] if "what it is" in header else f"{row[0]}: {', '.join(numbers)}"


def _names(cell: str, name: str) -> bool:
    """Whether the cell is a list of recipes, plain or with links, of which `name` is one."""
    plain = re.sub(r"\[(`[^`]*`)\]\([^)]*\)", r"\1", cell)
    return bool(re.fullmatch(r"`[\w-]+`(, `[\w-]+`)*", plain)) and f"`{name}`" in plain


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the cells of every table of a Markdown text, its header first."""
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        yield [header, *rows]
