"""Filling the templates: one HTML file with its style and script inside, which fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ganpipe.files import write_bytes
from ganpipe.report import scores

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(template: str, out: Path, **content: Any) -> None:
    """Write a page atomically; the same content gives the same bytes. All texts are escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = scores.shown
    write_bytes(out, environment.get_template(template).render(**content).encode())
