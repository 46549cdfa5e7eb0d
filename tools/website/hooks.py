"""What MkDocs does beside turning docs/*.md into pages: pages made of the code and of README.md, links between them."""

from __future__ import annotations

import gallery
import listings
import params_page
import readme
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the reference, a page for each package, to the navigation."""
    assert config.nav is not None
    config.nav.append({"Reference": [{page.split("/")[1][:-3]: page} for page in listings.reference()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    made = {
        **readme.pages(),
        **listings.reference(),
        "gallery.md": gallery.page(),
        "params.md": params_page.page(),
        "commands.md": listings.commands(),
        "recipes.md": listings.recipe_list(),
        "catalogue.md": listings.catalogue(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files of the repository lead to their pages."""
    return readme.linked(markdown, page.file.src_uri)
