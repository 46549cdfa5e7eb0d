"""Pages that list what the code holds: commands, recipes, data sets, modules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from typer.cli import get_docs_for_click
from typer.main import get_command

import ganpipe
from ganpipe import recipes
from ganpipe.cli import app
from ganpipe.config import load_params
from ganpipe.data.catalogue import listing
from ganpipe.data.catalogue.sets import DATASETS

PACKAGE = Path(ganpipe.__file__).parent


def commands() -> str:
    """Return the help of all commands."""
    command = get_command(app)
    with command.make_context("ganpipe", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=command, ctx=context, name="ganpipe", title="Commands")
    return re.sub(r"\[(required|default: [^\]]*)\]", r"\\[\1]", text)


def recipe_list() -> str:
    """Return all recipes: a sentence, the command, data and system, and the file itself."""
    parts = ["# Recipes", "A recipe is a complete params.yaml. [Every key](params.md) is explained."]
    for name in recipes.names():
        params = load_params(recipes.path_of(name))
        data, system = params.data.name, params.system.name
        text = recipes.path_of(name).read_text(encoding="utf-8").rstrip()
        parts += [
            f"## {name}",
            recipes.title_of(name),
            f"Data [{data}](catalogue.md#{data}), system [{system}](params.md#{system}).",
            f"```bash\nganpipe recipe use {name} && dvc repro\n```",
            '??? note "The whole file"\n\n    ```yaml\n' + _indented(text) + "\n    ```",
        ]
    return "\n\n".join(parts) + "\n"


def catalogue() -> str:
    """Return the card of every data set, as `ganpipe dataset show` prints it."""
    parts = ["# Catalogue of data sets", "What `ganpipe dataset show NAME` prints. [How to use them](datasets.md)."]
    for name, dataset in DATASETS.items():
        parts += [f"## {name}", dataset.title, "```text\n" + "\n".join(listing.card(name)) + "\n```"]
    return "\n\n".join(parts) + "\n"


def reference() -> dict[str, str]:
    """Return a page for each package or module right below ganpipe, by its path: the docstrings of all its modules."""
    pages = {}
    for path in sorted(PACKAGE.iterdir()):
        name = path.stem
        if name.startswith("_") or not (path.suffix == ".py" or (path / "__init__.py").exists()):
            continue
        modules = "\n\n".join(f"::: {module}" for module in _modules(path))
        pages[f"reference/{name}.md"] = f"# {name}\n\n{modules}\n"
    return pages


def _modules(path: Path) -> Iterator[str]:
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    for file in files:
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
