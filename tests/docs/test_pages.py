"""What the pages made of the code and of README.md say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import REPOSITORY
from pydantic import BaseModel

from ganpipe import recipes
from ganpipe.systems import SYSTEMS

WEBSITE = REPOSITORY / "tools" / "website"


@pytest.fixture(scope="module", autouse=True)
def _importable() -> None:
    sys.path.insert(0, str(WEBSITE))


def made_by(name: str) -> ModuleType:
    """The module of tools/website."""
    return importlib.import_module(name)


def models() -> list[tuple[str, type[BaseModel], str]]:
    """Every model of params.yaml, with its section and its system."""
    page = made_by("params_page")
    found = [(section, model, "") for section, model in page.SECTIONS.items()]
    found += [("train", model, "") for model in page.OPTIMIZERS]
    return found + [("system", importlib.import_module(f"ganpipe.systems.configs.{s}").Config, s) for s in SYSTEMS]


def test_every_key_has_a_type_and_a_meaning() -> None:
    page = made_by("params_page")
    explained = [row for section, model, system in models() for row in page.rows(section, model, system)]
    assert len(explained) > 150
    assert all(kind and meaning for _, kind, _, meaning in explained)


def test_bounds_choices_and_defaults_are_those_of_the_schema() -> None:
    page = made_by("params_page")
    (train,) = [model for section, model, _ in models() if section == "train" and "kimg" in model.model_fields]
    rows = {row[0]: row for row in page.rows("train", train)}
    assert rows["`batch`"][1:3] == ("integer, ≥ 1, ≤ 65536", "")
    assert rows["`precision`"][1:3] == ('`"fp32"`, `"bf16"`', '`"fp32"`')
    assert rows["`lr_discriminator`"][1:3] == ("number, > 0 or blank", "blank")


def test_the_gallery_shows_every_recipe_that_has_a_picture_with_its_numbers() -> None:
    gallery = made_by("gallery")
    pictures = {file.stem for file in (REPOSITORY / "docs/pictures").glob("*.png")}
    assert set(gallery.shown()) == pictures & set(recipes.names())
    assert any("min 2.6, `fd` 0.43" in fact for fact in gallery.facts("digits-cgan-heads"))
    assert gallery.facts("digits-text") == ["`digits-text`, 28 minutes"]
    for name in gallery.shown():
        assert any(character.isdigit() for fact in gallery.facts(name) for character in fact.replace(name, "")), name


def test_a_link_of_the_repository_leads_to_its_page() -> None:
    readme = made_by("readme")
    assert readme.linked("[a](ganpipe/systems/dcgan.py)", "systems.md") == (
        "[a](reference/systems.md#ganpipe.systems.dcgan)"
    )
    assert readme.linked("[a](../../README.md#systems)", "course/index.md") == "[a](../systems.md)"
    assert readme.linked("[a](#your-own-pictures)", "systems.md") == "[a](your-own-pictures.md)"
    assert readme.linked("`[a](ganpipe/no.py)`", "systems.md") == "`[a](ganpipe/no.py)`"
    with pytest.raises(ValueError, match="no page on the site"):
        readme.linked("[a](../stages/train.py)", "scaling.md")


def test_a_new_section_of_readme_needs_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readme = made_by("readme")
    text = (REPOSITORY / "README.md").read_text() + "\n## Something new\n\nText.\n"
    (tmp_path / "README.md").write_text(text)
    monkeypatch.setattr(readme, "REPOSITORY", tmp_path)
    with pytest.raises(ValueError, match="holds the section Something new"):
        readme.pages()
